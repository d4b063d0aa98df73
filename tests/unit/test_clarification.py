"""What the desk asks back: rarely, once, in reviewed words, and never in place of an answer."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from bot.answering.clarification import find_clarification
from bot.answering.reply import compose_reply
from bot.app import App
from bot.corpus import Knowledge
from bot.corpus.clarify import read_clarifications
from bot.domain import (
    Answer,
    AnswerReason,
    Channel,
    Escalation,
    EscalationReason,
    Message,
    Outcome,
    Passage,
    Priority,
    Question,
    Role,
    Turn,
)
from bot.errors import KnowledgeError

ASKED = "Is my account hit?"
UNSURE = Escalation(
    question=ASKED, reason=EscalationReason.UNSURE, priority=Priority.NORMAL, probability=0.5, candidates=(),
)  # fmt: skip


def asked_back(
    knowledge: Knowledge, outcomes: Sequence[Outcome] = (UNSURE,), *, language: str = "en",
    written: Sequence[str] = (ASKED,), sent: Sequence[str] = (), sure: Sequence[str] = ("ChatGPT",),
    same: bool = False,
) -> str:  # fmt: skip
    """What is asked back when these readings would be sent, with different passages or the same."""
    one, other = knowledge.post.passages[:2]

    def read(question: Question) -> tuple[tuple[Passage, ...], bool]:
        assert question.context == ASKED
        return (one if same or question.text == "ChatGPT" else other,), question.text in sure

    return find_clarification(
        outcomes,
        written=written,
        sent=sent,
        language=language,
        knowledge=knowledge,
        find_answer=read,
    )


def test_it_is_asked_only_where_the_readings_decide_the_answer(knowledge: Knowledge) -> None:
    (shipped,) = knowledge.clarifications
    assert asked_back(knowledge) == shipped.ask["en"]
    assert asked_back(knowledge, language="de") == shipped.ask["de"]
    assert asked_back(knowledge, language="xx") == ""
    assert asked_back(knowledge, same=True) == ""
    assert asked_back(knowledge, sure=()) == ""


def test_only_a_short_question_about_what_either_may_be_is_asked_about(
    knowledge: Knowledge,
) -> None:
    assert asked_back(knowledge, written=(ASKED + " Please tell me." * 5,)) == ""
    for question in ("Were all systems entered?", "May I contact your accountant?"):
        assert asked_back(knowledge, (replace(UNSURE, question=question),)) == ""


@pytest.mark.parametrize("word", ["ChatGPT", "the API keys", "APIの", "chat gpt"])
def test_who_has_said_which_is_not_asked(knowledge: Knowledge, word: str) -> None:
    assert asked_back(knowledge, written=(ASKED, f"I use {word}")) == ""
    assert asked_back(knowledge, written=(ASKED, "as rapid as a therapist")) != ""


def test_it_is_asked_once_in_a_conversation_in_whatever_language(knowledge: Knowledge) -> None:
    (shipped,) = knowledge.clarifications
    before = f"Hallo,\n\n{shipped.ask['de']}".replace(" ", "\n")
    assert asked_back(knowledge, sent=["Hello", before]) == ""


@pytest.mark.parametrize(
    "outcomes",
    [
        (), (UNSURE, UNSURE), (replace(UNSURE, priority=Priority.HIGH),),
        (replace(UNSURE, reason=EscalationReason.WANTS_PERSON),),
        (replace(UNSURE, reason=EscalationReason.NOT_IN_POST),),
        (Answer(question=ASKED, reason=AnswerReason.PUBLISHED, probability=0.9, passages=(), candidates=()),),
    ],
)  # fmt: skip
def test_only_a_single_doubtful_question_is_asked_about(
    knowledge: Knowledge, outcomes: Sequence[Outcome]
) -> None:
    assert asked_back(knowledge, outcomes) == ""


def test_every_language_of_the_templates_has_its_words(knowledge: Knowledge) -> None:
    assert all(set(each.ask) == set(knowledge.templates) for each in knowledge.clarifications)


def test_the_whole_desk_asks_back_and_understands_the_reply(app: App) -> None:
    first = app.responder.respond(
        Message(text="Welche Konten sind betroffen?", channel=Channel.EMAIL)
    )
    (shipped,) = app.knowledge.clarifications
    assert first.clarification == shipped.ask["de"]
    reply = compose_reply(first, app.knowledge, case_number=7)
    assert shipped.ask["de"] in reply
    assert app.outbound.check(reply, case_number=7).allowed
    history = (
        Turn(role=Role.USER, text="Welche Konten sind betroffen?"), Turn(role=Role.DESK, text=reply),
    )  # fmt: skip
    again = app.responder.respond(Message(text="ChatGPT", channel=Channel.EMAIL, history=history))
    assert [type(outcome) for outcome in again.outcomes] == [Answer]
    unclear = app.responder.respond(
        Message(text="Mein Konto eben!", channel=Channel.EMAIL, history=history)
    )
    assert unclear.clarification == ""


def test_a_wrong_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "clarify.yaml"
    assert read_clarifications(path) == ()
    path.write_text("- readings: [{says: x, named_by: [x]}]\n  about: [x]\n  ask: {en: Which?}\n")
    with pytest.raises(KnowledgeError, match=r"clarify\.yaml"):
        read_clarifications(path)
    path.write_bytes("# Fällt Ihr Konto darunter?".encode("latin-1"))
    with pytest.raises(KnowledgeError, match=r"clarify\.yaml: it is not UTF-8"):
        read_clarifications(path)
