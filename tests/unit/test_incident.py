"""knowledge/incident.yaml: the mailbox of people that replies may name."""

import shutil
from pathlib import Path

import pytest

from bot.app import App
from bot.corpus import load
from bot.errors import KnowledgeError
from bot.outbound import Outbound
from bot.settings import Settings
from tests.conftest import KNOWLEDGE, home_of

LISTED = "mixpanelincident@openai.com"  # among the links of the shipped notes


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "knowledge"
    shutil.copytree(KNOWLEDGE, made, ignore=shutil.ignore_patterns("fitted", "questions"))
    return made


def name(folder: Path, address: str) -> None:
    (folder / "incident.yaml").write_text(f"person_address: {address}\n", encoding="utf-8")


def test_the_footer_names_no_address_where_the_incident_has_none(folder: Path) -> None:
    for templates in load(folder).templates.values():
        assert "@" not in templates.footer
        assert "person" in templates.footer


def test_the_footer_names_the_mailbox_that_people_read(folder: Path) -> None:
    name(folder, LISTED)
    knowledge = load(folder)
    outbound = Outbound(knowledge)
    for templates in knowledge.templates.values():
        assert templates.footer.count(LISTED) == 1
        assert "{" not in templates.footer
        assert outbound.check(templates.footer).allowed


def test_a_footer_with_another_address_may_not_leave(folder: Path) -> None:
    name(folder, LISTED)
    knowledge = load(folder)
    other = knowledge.templates["en"].footer.replace(LISTED, "person@evil.example")
    assert not Outbound(knowledge).check(other).allowed


@pytest.mark.parametrize(
    ("address", "says"), [("nobody", "no mail address"), ("people@example.org", "on no list")]
)
def test_an_address_that_may_not_be_named_is_an_error(
    folder: Path, address: str, says: str
) -> None:
    name(folder, address)
    with pytest.raises(KnowledgeError, match=says):
        load(folder)


def test_a_language_that_cannot_name_the_address_is_an_error(folder: Path) -> None:
    name(folder, LISTED)
    path = folder / "replies" / "nl.yaml"
    path.write_text("footer_write_to: Schrijf ons.\n", encoding="utf-8")
    with pytest.raises(KnowledgeError, match=r"nl\.yaml: footer_write_to"):
        load(folder)


def test_a_template_names_what_incident_yaml_says(folder: Path) -> None:
    (folder / "replies" / "en.yaml").write_text("greeting: Hello from {company},\n", "utf-8")
    name(folder, "''")
    with pytest.raises(KnowledgeError, match=r"greeting: it names \{company\}, which"):
        load(folder)
    (folder / "incident.yaml").write_text("company: Acme\nlanguage: de\n", "utf-8")
    templates = load(folder).templates
    assert templates["en"].greeting == "Hello from Acme,"
    assert templates["en"].footer == load(KNOWLEDGE).templates["en"].footer, "the shipped one"
    assert "original language" in templates["en"].answer_lead, "the post is not in English"
    assert "Originalsprache" not in templates["de"].answer_lead


def test_a_folder_without_replies_has_the_shipped_ones_of_its_languages(folder: Path) -> None:
    shutil.rmtree(folder / "replies")
    assert set(load(folder).templates) == set(load(KNOWLEDGE).templates)
    (folder / "incident.yaml").write_text("languages: [fr]\n", "utf-8")
    assert set(load(folder).templates) == {"en", "fr"}
    (folder / "incident.yaml").write_text("languages: [fi]\n", "utf-8")
    with pytest.raises(KnowledgeError, match="'fi', which has no reply templates"):
        load(folder)


@pytest.mark.parametrize("desk", [LISTED, "MixpanelIncident@OpenAI.com", "mixpanelincident+x@openai.com"])  # fmt: skip
def test_the_mailbox_of_the_desk_is_no_persons(folder: Path, tmp_path: Path, desk: str) -> None:
    name(folder, LISTED)
    app = App(Settings(home=home_of(tmp_path / "home"), knowledge=folder, address=desk))
    with pytest.raises(KnowledgeError, match="the mailbox that the desk"):
        app.knowledge  # noqa: B018 - read when it is first asked for
