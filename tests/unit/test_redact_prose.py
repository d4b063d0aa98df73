"""Passwords and codes in sentences are masked whole, honest talk about them is not."""

from pathlib import Path

import pytest

from bot.corpus import Knowledge
from bot.domain import Redaction
from bot.redact import redact
from bot.redact.prose.classifier import CLASSIFIERS
from bot.redact.prose.keywords import KIND_OF_ROLE, SecretRole, find_keywords
from bot.redact.word_lists import load_word_lists, split_list
from bot.text.incident_names import set_incident_names
from tests.support.masking import covered, marked

KNOWLEDGE = Path(__file__).parents[2] / "knowledge"
# The post, the replies and every known wording of a question; acts.yaml quotes pasted secrets.
PUBLISHED = sorted(
    path
    for path in (
        KNOWLEDGE / "incident-post.md",
        *KNOWLEDGE.glob("replies/*.yaml"),
        *KNOWLEDGE.glob("questions/*.yaml"),
    )
    if path.name != "acts.yaml"
)

DATA = Path(__file__).parents[1] / "data"
# A line each; ⏎ is a line break, and what stands in [[ ]] is the secret.
PROSE = (DATA / "redact_prose.txt").read_text(encoding="utf-8").splitlines()
HONEST = (DATA / "redact_honest.txt").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("line", PROSE)
def test_a_value_beside_its_word_is_masked_whole(line: str) -> None:
    text, spans = marked(line)
    masked = redact(text)
    assert covered(masked, spans, text), masked.text
    assert all(text[low:high] not in masked.text for low, high in spans)


@pytest.mark.parametrize("line", HONEST)
def test_honest_talk_stays_as_it_is(line: str) -> None:
    text = line.replace("\\n", "\n")
    assert redact(text) == Redaction(text=text)


@pytest.mark.no_cover
@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.name)
def test_nothing_that_the_desk_knows_is_masked(path: Path, knowledge: Knowledge) -> None:
    set_incident_names(knowledge.incident.names)
    text = path.read_text(encoding="utf-8")
    assert redact(text).spans == ()


@pytest.mark.parametrize("role", SecretRole)
def test_a_value_is_masked_beside_each_word_that_is_listed(role: SecretRole) -> None:
    figures = {SecretRole.CODE: "482913", SecretRole.BARE_CODE: "482913", SecretRole.SENT: "482913"}
    value = {**figures, SecretRole.CARD_CODE: "417"}.get(role, "Kettle!77x")
    for text in load_word_lists()["cues"][role].values():
        for word in split_list(text):
            assert redact(f"x on {word.strip('*')}: {value}").text.endswith("]"), word


def test_every_role_has_its_words_its_kind_and_its_judge() -> None:
    assert set(CLASSIFIERS) == set(KIND_OF_ROLE) == set(SecretRole)
    found = {cue.role for word in ("password", "otp", "code", "cvv", "backup code", "seed phrase",
             "secret answer", "api key", "login", "a text", "everywhere") for cue in find_keywords(word)}  # fmt: skip
    assert found == set(SecretRole)
