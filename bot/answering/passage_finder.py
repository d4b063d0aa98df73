"""Finds the passages that may answer a question, and says which of them may be quoted.

A question is looked up under each of its views, such as its sentence alone and with the sentence
before it, and decided by the best one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.answering import segmentation
from bot.answering.contacts import ContactClassifier
from bot.answering.evidence import HITS, QUOTED
from bot.answering.interpretation import InterpretedQuestion, best_view
from bot.corpus import Knowledge
from bot.domain import Hit, Passage, Question
from bot.policy import Refuse, demand_of_others, link_of_others, screen
from bot.ports import Judge, Judgement, Lookup, Retriever

CANDIDATES = 3  # passages of an outcome that staff are shown, best first


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweringPassages:
    """The passages that may answer a question, best first.

    `may_send` is false where none of them fits a question whether a caller or a link is ours.
    `may_quote` is false where the best ones were withdrawn, or do not fit the asker's language.
    """

    candidates: tuple[Passage, ...]
    may_send: bool
    may_quote: bool


class PassageFinder:
    """The search of one version of the knowledge, with the judge of what it finds.

    `local` looks up texts that are refused, so that they are not sent to a vendor's encoder.
    `contacts` is None where there is no encoder.
    """

    def __init__(
        self,
        *,
        knowledge: Knowledge,
        retriever: Retriever,
        judge: Judge,
        local: Lookup | None,
        contacts: ContactClassifier | None,
    ) -> None:
        self.knowledge = knowledge
        self.retriever = retriever
        self.judge = judge
        self.local = local
        self.contact_classifier = contacts

    def near(self, view: str, limit: int = 5) -> tuple[Hit, ...]:
        """Return the nearest wordings and passage sentences, for --explain."""
        return self.retriever.search(view, limit=limit)

    def judge_view(self, view: str) -> Judgement:
        """Return which passages answer a text, and how probably.

        The probability is 0 where the best passage was withdrawn since the knowledge was loaded: it
        is not that of the passages which are left.
        """
        local = self.local if self.local and isinstance(screen(view), Refuse) else None
        lookup = local or Lookup(retriever=self.retriever, judge=self.judge)
        judged = lookup.judge.judge(view, lookup.retriever.search(view, limit=HITS))
        best = self.knowledge.quotable(list(judged.passages))[:1]
        withdrawn = any(not self.knowledge.stands(self.knowledge.passages[i]) for i in best)
        return replace(judged, probability=0.0) if withdrawn else judged

    def interpret(self, question: Question, shown: str = "") -> InterpretedQuestion:
        """Return the question with the judgement of its best view.

        `shown` describes in English the mail that the question is about; it is compared as one more
        view.
        """
        views = [
            InterpretedQuestion(question=question, view=view, judgement=self.judge_view(view))
            for view in segmentation.views(question)
        ]
        best = best_view(views)
        if not shown:
            return best
        shown_view = InterpretedQuestion(
            question=question, view=shown, judgement=self.judge_view(shown), shown=True
        )
        return max(best, shown_view, key=lambda interpreted: interpreted.judgement.probability)

    def list_candidates(self, judgement: Judgement) -> tuple[Passage, ...]:
        """Return the passages of a judgement that may be quoted, best first."""
        ids = self.knowledge.quotable(list(judgement.passages))
        known = (self.knowledge.passages[i] for i in ids[:CANDIDATES])
        return tuple(passage for passage in known if self.knowledge.stands(passage))

    def find_answering(self, interpreted: InterpretedQuestion, language: str) -> AnsweringPassages:
        """Return the passages that may answer a question to somebody who asks in `language`.

        A question whether a caller or a link is ours may only be answered with passages on how to
        treat messages: a "No" from the post about the incident would read as our statement on a
        stranger. Without such a passage among the candidates the question goes to a person.
        """
        candidates = self.list_candidates(interpreted.judgement)
        may_quote = self._may_quote(interpreted.judgement, language)
        # "Was that you?" is only understood with the sentence before it, which names the caller.
        views = {interpreted.view, *segmentation.views(interpreted.question)}
        classifier = self.contact_classifier
        if not classifier or not any(map(classifier.asks_who_it_is, views)):
            return AnsweringPassages(
                candidates=candidates, may_send=bool(candidates), may_quote=may_quote
            )
        advice = self.find_advice_on_messages()
        advice_candidates = tuple(passage for passage in candidates if passage in advice)
        return AnsweringPassages(
            candidates=advice_candidates or advice, may_send=bool(advice_candidates),
            may_quote=may_quote,
        )  # fmt: skip

    def find_advice_on_messages(self) -> tuple[Passage, ...]:
        """Return the passages on how to treat messages which claim to be ours, best first."""
        about_links, about_demands = map(self.judge_view, (link_of_others(), demand_of_others()))
        passages = (
            *self.list_candidates(about_links)[:QUOTED],
            *self.list_candidates(about_demands)[:1],
        )
        return tuple(dict.fromkeys(passages))

    def find_advice_on_demands(self) -> tuple[tuple[Passage, ...], float]:
        """Return the passages on demands for secrets, with the probability that they answer.

        There are none where their probability is below the threshold for English.
        """
        judged = self.judge_view(demand_of_others())
        sure = judged.probability >= self.judge.threshold_for("en")
        return (self.list_candidates(judged)[:QUOTED] if sure else ()), judged.probability

    def _may_quote(self, judgement: Judgement, language: str) -> bool:
        """Return whether the passages to quote are still approved and fit the asker's language."""
        ids = self.knowledge.quotable(list(judgement.passages))[: judgement.quoted_alone]
        best = [self.knowledge.passages[i] for i in ids]
        return all(self.knowledge.stands(p) and self.knowledge.speaks(p, language) for p in best)

    def complete(self, passages: Sequence[Passage]) -> tuple[Passage, ...]:
        """Return `passages` with those that must be quoted along, and without alternatives.

        Of passages that say the same, one stays.
        """
        known = self.knowledge
        ids = known.without_alternatives([p.id for p in passages])
        whole = known.without_alternatives([*ids, *known.companions(ids)])
        return tuple(known.passages[i] for i in whole)
