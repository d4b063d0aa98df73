"""The post's "No" never stands under a question about a stranger who says that we sent him."""

from pathlib import Path

import pytest
import yaml

from bot.answering.contacts import TAKEN, ContactHead, head_as_yaml, packaged_contacts
from bot.answering.reply import compose_reply
from bot.app import App
from bot.domain import Answer, Message
from bot.errors import KnowledgeError

STRANGERS = Path(__file__).parents[1] / "data" / "contacts.yaml"
# "He said the breach was in your infrastructure … Was he telling the truth?" asks about both.
MOST_WRONG = 1
YES_OR_NO = ("Yes.", "No.")


def test_a_question_about_a_stranger_gets_the_rules_on_messages_or_a_person(app: App) -> None:
    told = yaml.safe_load(STRANGERS.read_text(encoding="utf-8"))
    texts = [text for lines in told.values() for text in lines.split("\n")]
    rules = {passage.id for passage in app.responder.finder.find_advice_on_messages()}
    wrong = [text for text in texts if _quoted(app, text) - rules]
    assert len(texts) >= 50
    assert len(wrong) <= MOST_WRONG, wrong


@pytest.mark.parametrize(
    "text",
    [
        "Was this caused by a hole in your systems?",
        "My boss claims that your own servers were broken into. Is that true?",
        "Was it you or Mixpanel who was attacked?",
        "Wurden Passwörter oder API-Schlüssel gestohlen?",
    ],
)
def test_a_question_about_the_incident_is_answered_as_before(app: App, text: str) -> None:
    assert _quoted(app, text)


def test_a_yes_or_no_stands_right_below_its_own_question(app: App) -> None:
    for passage in app.knowledge.passages.values():
        quoted = app.knowledge.quotable([passage.id]) == [passage.id]
        if not (quoted and passage.text.startswith(YES_OR_NO)):
            continue
        reply = compose_reply(app.responder.respond(Message(text=passage.heading)), app.knowledge)
        lines = [line.strip() for line in reply.split("\n")]
        first = [place for place, line in enumerate(lines) if line.startswith(YES_OR_NO)]
        assert first, passage.id
        assert all(lines[place - 1].endswith("?") for place in first)


def test_the_head_is_read_as_it_was_written(monkeypatch: pytest.MonkeyPatch, app: App) -> None:
    shipped = packaged_contacts()
    again = yaml.safe_load(head_as_yaml(shipped))
    assert again["encoder"] == shipped.encoder == app.encoder.encoder.name
    assert shipped.log_odds(app.encoder.embed_query("Is 0800 555 0199 your number?")) > TAKEN
    monkeypatch.setattr("bot.answering.contacts.read_yaml", lambda _name: {"encoder": "x"})
    packaged_contacts.cache_clear()
    with pytest.raises(KnowledgeError, match="evals contacts"):
        packaged_contacts()
    monkeypatch.undo()
    packaged_contacts.cache_clear()
    assert isinstance(packaged_contacts(), ContactHead)


def _quoted(app: App, text: str) -> set[str]:
    outcomes = app.responder.respond(Message(text=text)).outcomes
    return {p.id for o in outcomes if isinstance(o, Answer) for p in o.passages}
