"""Defines a question with its evidence, and chooses the view by which it is decided."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from bot.domain import Question
from bot.policy import Verdict
from bot.ports import Judgement


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
