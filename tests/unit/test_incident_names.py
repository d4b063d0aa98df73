"""Nothing in bot/ names the shipped incident; what needs names gets those of incident.yaml."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.app import App
from bot.policy import closes_nothing
from bot.redact import redact
from bot.settings import Settings
from bot.text.incident_names import IncidentNames, generalized, incident_names, set_incident_names
from tests.conftest import KNOWLEDGE, ROOT

NAMES = IncidentNames(
    company=("Orchard & Vine",), products=("Cellar", "OrchardVine"), vendors=("Pallet & Grove",)
)
# Where OpenAI is a vendor of the desk, by its client and its settings, or of tokens among others'.
VENDOR_OF_THE_DESK = {
    "README.md", "app/composition.py", "settings.py", "adapters/chat_model.py", "adapters/encoder.py",
    "adapters/request_deadline.py", "adapters/openai_encoder.py", "data/secret_formats.yaml",
}  # fmt: skip
MODEL_NAME = re.compile(r"chatgpt-", re.IGNORECASE)  # how names of OpenAI's chat models begin
# Tables of phrases in which the shipped incident is still named.
PHRASES = {
    "data/message_rules.yaml", "data/policy_rules.yaml", "data/thanks.yaml", "data/thanks_words.yaml",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _names_as_before() -> Iterator[None]:
    before = incident_names()
    yield
    set_incident_names(before)


def test_nothing_in_the_desk_names_the_shipped_incident() -> None:
    found = []
    for path in sorted((ROOT / "bot").rglob("*")):
        name = path.relative_to(ROOT / "bot").as_posix()
        if path.suffix in {".py", ".yaml", ".md", ".toml"} and name not in PHRASES:
            text = MODEL_NAME.sub("", path.read_text(encoding="utf-8")).lower()
            words = ("mixpanel", "chatgpt") if name in VENDOR_OF_THE_DESK else ("mixpanel", "chatgpt", "openai")  # fmt: skip
            found += [f"{name}: {word}" for word in words if word in text]
    assert found == []


def test_a_desk_knows_the_names_of_its_incident(tmp_path: Path) -> None:
    set_incident_names(NAMES)
    app = App(Settings(home=tmp_path, knowledge=KNOWLEDGE))
    assert app.knowledge.incident.company in incident_names().company
    assert "Orchard & Vine" not in incident_names().all


def test_a_name_is_no_secret_and_says_nothing_in_a_subject() -> None:
    text = "Is the password OrchardVine has on file leaked?"
    subject = "About the Orchard Vine security incident"
    set_incident_names(IncidentNames())
    assert redact(text).spans
    assert closes_nothing(subject)
    set_incident_names(NAMES)
    assert not redact(text).spans
    assert not closes_nothing(subject)
    assert closes_nothing("Was my Cellar account opened?")


@pytest.mark.parametrize(
    ("text", "general"),
    [
        ("Did orchard & vine send this?", "Did ourcompany send this?"),
        ("Is Pallet & Grove's list about Cellar?", "Is ourvendor's list about ourproduct?"),
        ("Cellars are cool, Orchards too", "Cellars are cool, Orchards too"),
    ],
)
def test_a_rule_may_read_a_text_without_the_names(text: str, general: str) -> None:
    set_incident_names(NAMES)
    assert generalized(text) == general
    set_incident_names(IncidentNames())
    assert generalized(text) == text
