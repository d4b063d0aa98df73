"""One model, asked about a message: its word on each question, weighed with the desk's evidence."""

from collections.abc import Sequence
from enum import StrEnum

from bot.corpus import Knowledge
from bot.ports import Judgement, Selected, Selector
from bot.selection import at_stake, overlaps, weighed, word_on
from bot.selection.private import without_people
from bot.selection.trust import Trust

FEW = 2  # words that are no question of their own


class Came(StrEnum):
    """What came of asking about a message, when something came."""

    CONFIRMED = "confirmed"  # a yes to one of its questions
    DENIED = "denied"  # a no to each
    LEFT_OUT = "left_out"  # nothing on one of them, which the desk decides alone


class Asking:
    """A selector and how far it is trusted."""

    def __init__(self, selector: Selector, knowledge: Knowledge) -> None:
        self.selector = selector
        self.offered = knowledge.offered
        self.trust = Trust.of(knowledge)

    def ask(self, text: str) -> Selected:
        """What it says of a message; who wrote it, it is not told."""
        return self.selector.select(without_people(text), self.offered)

    def came(self, selected: Selected, questions: Sequence[str]) -> str:
        """What came of asking; the class of the fault when nothing did."""
        words = [word_on(without_people(each), selected) for each in questions]
        if selected.fault or None in words:
            return selected.fault or Came.LEFT_OUT
        return Came.CONFIRMED if any(word and word.confirms for word in words) else Came.DENIED

    def unread(self, selected: Selected, views: Sequence[str]) -> list[str]:
        """Spans that both calls name as questions and that are none of the desk's."""
        known = [without_people(view) for view in views]
        found = [
            e.span
            for e in selected.one
            if len(e.span.split()) > FEW
            and not any(overlaps(e, view) for view in known)
            and any(overlaps(other, e.span) for other in selected.other)
        ]
        return found if found and self.trust.holds(self.ask) else []

    def weigh(
        self, question: str, judged: Judgement, selected: Selected, *, threshold: float
    ) -> tuple[Judgement, bool]:
        """The evidence with its word on the question, and whether its yes counted."""
        limits = self.trust.limits
        word = word_on(without_people(question), selected)
        if word is not None and judged.probability < limits.silent_below:
            self.trust.saw(yes=word.confirms)
        trusted = at_stake(judged, word, threshold=threshold, limits=limits) and self.trust.holds(
            self.ask
        )
        return weighed(judged, word, trusted=trusted, limits=limits), trusted
