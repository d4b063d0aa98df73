"""Asks a model about a message, and weighs its verdicts with the desk's own evidence."""

from collections.abc import Iterator, Sequence
from enum import StrEnum

from bot.corpus import Knowledge
from bot.domain import Response
from bot.llm.budget import NOT_ASKED
from bot.llm.model_verdict import agreed_verdict, apply_verdict, is_at_stake, overlaps
from bot.llm.trust import Trust
from bot.ports import Judgement, ModelSelection, Selector
from bot.redact.anonymize import without_people

# A span of so few words is no question.
MAX_FRAGMENT_WORDS = 2


class ConsultationResult(StrEnum):
    """The result of asking the model about a message, when the model answered."""

    CONFIRMED = "confirmed"  # a yes to at least one of its questions
    DENIED = "denied"  # a no to each of its questions
    LEFT_OUT = "left_out"  # no verdict on at least one question, which the desk decides alone


class Consultation:
    """A selector with the passages that it may choose from and the trust in its yes."""

    def __init__(self, selector: Selector, knowledge: Knowledge) -> None:
        self.selector = selector
        self.offered = knowledge.offered
        self.trust = Trust.of(knowledge)

    def ask(self, text: str) -> ModelSelection:
        """Return what the model selects for a message; names of people in it are masked."""
        return self.selector.select(without_people(text), self.offered)

    def summarize(self, selected: ModelSelection, questions: Sequence[str]) -> str:
        """Return the ConsultationResult for `questions`, or the fault when nothing came back."""
        verdicts = [agreed_verdict(without_people(each), selected) for each in questions]
        if selected.fault or None in verdicts:
            return selected.fault or ConsultationResult.LEFT_OUT
        return (
            ConsultationResult.CONFIRMED
            if any(verdict and verdict.confirms for verdict in verdicts)
            else ConsultationResult.DENIED
        )

    def list_missed(self, selected: ModelSelection, views: Sequence[str]) -> list[str]:
        """Return the spans that both calls took for questions and that the desk did not.

        `views` are those of the desk's questions. The result is empty while the model is not
        trusted.
        """
        masked_views = [without_people(view) for view in views]
        spans = [
            e.span
            for e in selected.one
            if len(e.span.split()) > MAX_FRAGMENT_WORDS
            and not any(overlaps(e, view) for view in masked_views)
            and any(overlaps(other, e.span) for other in selected.other)
        ]
        return spans if spans and self.trust.holds(self.ask) else []

    def weigh(
        self, question: str, judged: Judgement, selected: ModelSelection, *, threshold: float
    ) -> tuple[Judgement, bool]:
        """Return the judgement with the model's verdict applied, and whether its yes counted.

        Where the desk itself is sure that the post is silent, the verdict also counts for trust.
        """
        limits = self.trust.limits
        verdict = agreed_verdict(without_people(question), selected)
        if verdict is not None and judged.probability < limits.silent_below:
            self.trust.saw(yes=verdict.confirms)
        trusted = is_at_stake(
            judged, verdict, threshold=threshold, limits=limits
        ) and self.trust.holds(self.ask)
        return apply_verdict(judged, verdict, trusted=trusted, limits=limits), trusted


RESULT_SENTENCES: dict[str, str] = {
    ConsultationResult.CONFIRMED: "a model was asked and confirms; its word was weighed",
    ConsultationResult.DENIED: "a model was asked and finds no answer in the post",
    ConsultationResult.LEFT_OUT: (
        "a model was asked and left a question out; the desk decided that one alone"
    ),
}


def describe_consultation(response: Response) -> Iterator[str]:
    """Yield a sentence for people on each time that a model was asked about a message."""
    for result in response.asked:
        if words := RESULT_SENTENCES.get(result):
            yield words
        elif why := NOT_ASKED.get(result):
            yield f"the model was not asked: {why}; the desk decided alone"
        else:
            yield f"the model gave nothing that can be used ({result}); the desk decided alone"
