"""Defines an interpreted question, chooses its view, and drops those that need no outcome."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from bot.answering import segmentation
from bot.answering.request_classifier import DOUBTED, SURELY_NONE
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

TURNS = 3  # latest messages of the asker from which the language of a conversation is detected
OPENING = 200  # characters of our reply that are used: its greeting and introduction, no quote
# Probability of Act.REFUSE from which on a question is refused that no rule of the policy hits.
REFUSAL_CERTAINTY = {
    SecretMention.SECRET: 0.3,
    SecretMention.NOTHING: 0.6,
    SecretMention.FACTS: 1.0,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class InterpretedQuestion:
    """A question with the view by which it is decided, and the judgement of that view."""

    question: Question
    view: str
    judgement: Judgement
    confirmed: bool = False  # did both calls of a trusted model confirm the answer?
    shown: bool = False  # is the view a description of a mail or link that the asker shows us?
    # The highest probability of Label.REFUSE of the message's sentences; None if not classified.
    request: float | None = None

    @property
    def pair(self) -> float:
        """Return the classifier's probability for the first two passages under this view."""
        return self.judgement.pair


ScreenedQuestion = tuple[InterpretedQuestion, Verdict | None]


def language_of(own: str, history: Sequence[Turn]) -> str:
    """Return the language code of the reply, from the sentences that ask or the conversation."""
    users = [turn.text for turn in reversed(history) if turn.role is Role.USER]
    desk = [turn.text[:OPENING] for turn in reversed(history) if turn.role is Role.DESK]
    earlier = [_asking(clean_message(text).own) for text in users[:TURNS]]
    return reply_language(_asking(own), segmentation.whole(own), [*earlier, *desk[:1]])


def _asking(own: str) -> str:
    return " ".join(q.text for q in segmentation.split_questions(own))


class Viewed(Protocol):
    """A question under one of its views, with its evidence."""

    @property
    def pair(self) -> float: ...


AnyViewed = TypeVar("AnyViewed", bound=Viewed)


def best_view(views: Sequence[AnyViewed]) -> AnyViewed:
    """Return the view by which a question is decided: the one with the highest `pair`.

    Calibration chooses views by this function too, so that its thresholds hold in service.
    """
    return max(views, key=lambda viewed: viewed.pair)


def is_about_sample(question: Question) -> bool:
    """Return whether a question is about a mail that the asker shows us.

    It asks whether the mail is genuine, or asks nothing by its form.
    """
    return asks_if_genuine(question.text) or not segmentation.asks(question.text)


def is_probable_refusal(interpreted: InterpretedQuestion) -> bool:
    """Return whether the classifier takes a question that no rule hits for a request to refuse.

    The classifier of requests must not contradict it: `request` must reach SURELY_NONE, and DOUBTED
    where the text names no secret, because a case number, a phone number or a request for a call
    is to be read by a person. Without that classifier only a text that mentions secrets is refused.
    """
    judged, mention = interpreted.judgement, classify_secret_mention(interpreted.view)
    if interpreted.shown or _only_introduces(interpreted.view):
        return False
    if judged.label != Act.REFUSE or judged.certainty < REFUSAL_CERTAINTY[mention]:
        return False
    if interpreted.request is None:
        return mention is not SecretMention.NOTHING
    return interpreted.request >= (DOUBTED if mention is SecretMention.NOTHING else SURELY_NONE)


def _only_introduces(view: str) -> bool:
    """Return whether the text tells who the writer is, and asks nothing by its form."""
    return tells_who_they_are(view) and not segmentation.asks(view)


def without_chatter(
    interpreted: Sequence[InterpretedQuestion], verdicts: Sequence[Verdict | None]
) -> list[ScreenedQuestion]:
    """Return the questions with their verdicts, without chatter (`Act.CHATTER`) with no verdict.

    When nothing else is left, the first question stays.
    """
    pairs = list(zip(interpreted, verdicts, strict=True))
    real = [(r, v) for r, v in pairs if v or r.judgement.label != Act.CHATTER]
    return real or pairs[:1]


def without_announcements(screened: Sequence[ScreenedQuestion]) -> list[ScreenedQuestion]:
    """Return the questions without those that only announce the next one.

    "I want to know about my key." is dropped where the next question has it as context and finds
    the same best passage with a higher probability.
    """
    following = [*screened[1:], None]
    return [
        (r, v)
        for (r, v), then in zip(screened, following, strict=True)
        if v or not then or not _announces(r, then[0])
    ]


def _announces(interpreted: InterpretedQuestion, then: InterpretedQuestion) -> bool:
    own, following = interpreted.judgement, then.judgement
    return (
        then.question.context.endswith(interpreted.question.text)
        and segmentation.announces(interpreted.question.text)
        and own.passages[:1] == following.passages[:1]
        and own.probability < following.probability
    )
