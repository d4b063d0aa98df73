"""One model, asked about a message: its word on each question, weighed with the desk's evidence."""

from collections.abc import Iterator, Sequence
from enum import StrEnum

from bot.corpus import Knowledge
from bot.domain import Response
from bot.llm.anonymize import without_people
from bot.llm.budget import NOT_ASKED
from bot.llm.trust import Trust
from bot.llm.verdict import agreed_verdict, at_stake, overlaps, weighed
from bot.ports import Judgement, Selected, Selector

FEW = 2  # words that are no question of their own


class ConsultationResult(StrEnum):
    """What came of asking about a message, when something came."""

    CONFIRMED = "confirmed"  # a yes to one of its questions
    DENIED = "denied"  # a no to each
    LEFT_OUT = "left_out"  # nothing on one of them, which the desk decides alone


class Consultation:
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
        words = [agreed_verdict(without_people(each), selected) for each in questions]
        if selected.fault or None in words:
            return selected.fault or ConsultationResult.LEFT_OUT
        return (
            ConsultationResult.CONFIRMED
            if any(word and word.confirms for word in words)
            else ConsultationResult.DENIED
        )

    def unread(self, selected: Selected, views: Sequence[str]) -> list[str]:
        """Spans that both calls name as questions and that are none of the desk's."""
        known = [without_people(view) for view in views]
        spans = [
            e.span
            for e in selected.one
            if len(e.span.split()) > FEW
            and not any(overlaps(e, view) for view in known)
            and any(overlaps(other, e.span) for other in selected.other)
        ]
        return spans if spans and self.trust.holds(self.ask) else []

    def weigh(
        self, question: str, judged: Judgement, selected: Selected, *, threshold: float
    ) -> tuple[Judgement, bool]:
        """The evidence with its word on the question, and whether its yes counted."""
        limits = self.trust.limits
        word = agreed_verdict(without_people(question), selected)
        if word is not None and judged.probability < limits.silent_below:
            self.trust.saw(yes=word.confirms)
        trusted = at_stake(judged, word, threshold=threshold, limits=limits) and self.trust.holds(
            self.ask
        )
        return weighed(judged, word, trusted=trusted, limits=limits), trusted


RESULTS: dict[str, str] = {
    ConsultationResult.CONFIRMED: "a model was asked and confirms; its word was weighed",
    ConsultationResult.DENIED: "a model was asked and finds no answer in the post",
    ConsultationResult.LEFT_OUT: (
        "a model was asked and left a question out; the desk decided that one alone"
    ),
}


def describe_consultation(response: Response) -> Iterator[str]:
    """What came of asking a model about a message, a sentence for each time it was asked."""
    for result in response.asked:
        if words := RESULTS.get(result):
            yield words
        elif why := NOT_ASKED.get(result):
            yield f"the model was not asked: {why}; the desk decided alone"
        else:
            yield f"the model gave nothing that can be used ({result}); the desk decided alone"
