"""The same question is decided once; whatever a decision depends on makes another one."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from bot.answering.reuse import MOST_KEPT, ReusedDecisions
from bot.domain import Channel, Hit, Message, Response, Role, SecretKind, Span, Turn
from bot.ports import Judge, Judgement

ASKED = Message(text="Hi,\n\nWas my data’s copy sold?\n\nKim", subject="Question")


class Nobody:
    """A judge that is never asked."""

    strict_threshold = 1.0

    def threshold_for(self, language: str) -> float:
        raise AssertionError(language)

    def judge(self, text: str, hits: Sequence[Hit]) -> Judgement:
        raise AssertionError(text, hits)


class Counting:
    """Decides by giving each decision a number."""

    def __init__(self, *, asks_model: bool = False) -> None:
        self.asks_model = asks_model
        self.judge: Judge = Nobody()
        self.decided = 0

    def respond(self, message: Message) -> Response:
        del message
        self.decided += 1
        return Response(outcomes=(), language="en", knowledge=str(self.decided))


@pytest.mark.parametrize(
    "text",
    [
        ASKED.text, "Hi,\n\n\nWas my data's copy sold? \r\n\r\nKim\n", "HI,\nWas my data's  copy sold?\nKIM",
    ],
)  # fmt: skip
def test_the_same_words_are_decided_once(text: str) -> None:
    decisions, reader = ReusedDecisions(), Counting()
    first = decisions.respond(ASKED, reader)
    again = decisions.respond(replace(ASKED, text=text), reader)
    assert (reader.decided, again.knowledge) == (1, first.knowledge)


@pytest.mark.parametrize(
    "other",
    [
        {"text": "Hi,\n\nWas my data’s copy not sold?\n\nKim"},
        {"text": "Hi, Was my data’s copy sold? Kim"},  # another sentence begins elsewhere
        {"text": "Hi,\n\nWas my data’s copy sold!\n\nKim"},
        {"subject": "Lawyer"},
        {"channel": Channel.SLACK},
        {"history": (Turn(role=Role.USER, text="Earlier"),)},
        {"history": (Turn(role=Role.DESK, text="Earlier"),)},
        {"redactions": (Span(kind=SecretKind.API_KEY, start=0, end=2),)},
        {"shown": "A mail of somebody else"},
    ],
)
def test_what_a_decision_depends_on_makes_another_one(other: dict[str, object]) -> None:
    decisions, reader = ReusedDecisions(), Counting()
    asked = replace(ASKED, **other)  # type: ignore[arg-type]
    for message in (ASKED, asked, ASKED):
        decisions.respond(message, reader)
    assert reader.decided == 2


def test_nothing_is_reused_within_a_conversation_or_where_a_model_has_a_say() -> None:
    decisions, reader, model = ReusedDecisions(), Counting(), Counting(asks_model=True)
    follows = replace(ASKED, history=(Turn(role=Role.USER, text="Earlier"),))
    for _ in range(2):
        decisions.respond(follows, reader)
        decisions.respond(ASKED, model)
    assert (reader.decided, model.decided) == (2, 2)


def test_another_reader_decides_anew() -> None:
    """A desk on other knowledge has another reader."""
    decisions, before, after = ReusedDecisions(), Counting(), Counting()
    for reader in (before, after):
        decisions.respond(ASKED, reader)
    assert (before.decided, after.decided) == (1, 1)


def test_a_reader_that_has_learned_decides_anew() -> None:
    """A desk without wordings gets another judge when it learns what people answered."""
    decisions, reader = ReusedDecisions(), Counting()
    decisions.respond(ASKED, reader)
    reader.judge = Nobody()
    for _ in range(2):
        decisions.respond(ASKED, reader)
    assert reader.decided == 2


def test_what_is_kept_is_bounded() -> None:
    decisions, reader = ReusedDecisions(), Counting()
    for number in range(MOST_KEPT + 1):
        decisions.respond(Message(text=str(number)), reader)
    decisions.respond(Message(text="0"), reader)
    assert reader.decided == MOST_KEPT + 2
