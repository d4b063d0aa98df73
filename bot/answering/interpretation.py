"""Interprets each question of a message, and filters out those that need no outcome."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from bot.answering import segmentation
from bot.answering.requests import DOUBTED, SURELY_NONE
from bot.corpus.questions import Act
from bot.domain import Question, Role, Turn
from bot.policy import (
    SecretMention,
    Verdict,
    asks_if_genuine,
    classify_secret_mention,
    tells_who_they_are,
)
from bot.ports import Judgement
from bot.text.clean import clean_message
from bot.text.language import reply_language

TURNS = 3  # of a conversation that are read for its language
OPENING = 200  # characters of a reply of ours: greeting and introduction, before any quote
# How certain the classifier must be that no rule of the policy missed a request to refuse.
REFUSAL_CERTAINTY = {
    SecretMention.SECRET: 0.3,
    SecretMention.NOTHING: 0.6,
    SecretMention.FACTS: 1.0,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class InterpretedQuestion:
    """A question under the view that the evidence fits best."""

    question: Question
    view: str
    judgement: Judgement
    confirmed: bool = False  # by a model, twice, whose yes counts
    shown: bool = False  # about a mail or link that they show us
    request: float | None = None  # how likely the message asks for what is refused; None if unread

    @property
    def pair(self) -> float:
        """What the classifier gives to the first two passages under this view."""
        return self.judgement.pair


ScreenedQuestion = tuple[InterpretedQuestion, Verdict | None]


def language_of(own: str, history: Sequence[Turn]) -> str:
    """The language of the reply: that of the sentences that ask, or of the conversation."""
    users = [turn.text for turn in reversed(history) if turn.role is Role.USER]
    desk = [turn.text[:OPENING] for turn in reversed(history) if turn.role is Role.DESK]
    earlier = [_asking(clean_message(text).own) for text in users[:TURNS]]
    return reply_language(_asking(own), segmentation.whole(own), [*earlier, *desk[:1]])


def _asking(own: str) -> str:
    return " ".join(q.text for q in segmentation.questions(own))


class Viewed(Protocol):
    """A question under one of its views, with the evidence for it."""

    @property
    def pair(self) -> float: ...


AnyViewed = TypeVar("AnyViewed", bound=Viewed)


def best_view(found: Sequence[AnyViewed]) -> AnyViewed:
    """The view of a question by which it is decided: the one that fits two passages best.

    Calibration chooses by it too, so that the thresholds hold for the views that are served.
    """
    return max(found, key=lambda viewed: viewed.pair)


def is_about_sample(question: Question) -> bool:
    """Asks about the mail that they show us, or asks nothing and only shows it."""
    return asks_if_genuine(question.text) or not segmentation.asks(question.text)


def is_probable_refusal(reading: InterpretedQuestion) -> bool:
    """Reads like what is refused, though no rule names it.

    What was learned of requests must not surely deny it. Where a text names no secret, it must say
    so too: a case number, a phone number or a request for a call is a person's to read.
    """
    judged, told = reading.judgement, classify_secret_mention(reading.view)
    if reading.shown or _only_introduces(reading.view):
        return False
    if judged.label != Act.REFUSE or judged.certainty < REFUSAL_CERTAINTY[told]:
        return False
    if reading.request is None:
        return told is not SecretMention.NOTHING
    return reading.request >= (DOUBTED if told is SecretMention.NOTHING else SURELY_NONE)


def _only_introduces(view: str) -> bool:
    """Does the text say who they are, and ask nothing by its form?"""
    return tells_who_they_are(view) and not segmentation.asks(view)


def without_chatter(
    readings: Sequence[InterpretedQuestion], verdicts: Sequence[Verdict | None]
) -> list[ScreenedQuestion]:
    """Sentences that only look like questions are left out while a real one remains."""
    pairs = list(zip(readings, verdicts, strict=True))
    real = [(r, v) for r, v in pairs if v or r.judgement.label != Act.CHATTER]
    return real or pairs[:1]


def without_announcements(asked: Sequence[ScreenedQuestion]) -> list[ScreenedQuestion]:
    """A sentence that only says what the next question is about is answered with it."""
    following = [*asked[1:], None]
    return [
        (r, v)
        for (r, v), then in zip(asked, following, strict=True)
        if v or not then or not _announces(r, then[0])
    ]


def _announces(reading: InterpretedQuestion, then: InterpretedQuestion) -> bool:
    ours, theirs = reading.judgement, then.judgement
    return (
        then.question.context.endswith(reading.question.text)
        and segmentation.announces(reading.question.text)
        and ours.passages[:1] == theirs.passages[:1]
        and ours.probability < theirs.probability
    )
