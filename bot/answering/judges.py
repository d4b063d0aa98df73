"""Judges a question: the passages that answer it best, and the probability that they do."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from bot.answering.evidence import FEATURES, RANKED, Answers, choose, features
from bot.answering.fit import Fit
from bot.answering.labels import STRICTER, LabelledReader
from bot.answering.transfer import TransferJudge
from bot.corpus.questions import Act
from bot.corpus.team_answers import PREFIX
from bot.domain import Hit
from bot.ports import Judgement

# An answer of the support team has one wording, its own question, which is too little to learn its
# meaning from. A question counts as the same from this cosine on, where nothing else is as near: of
# 6,933 labelled questions 14 were so near to ten such answers, and 13 of them asked the same.
SAME_QUESTION, SAME_IS_RIGHT = 0.6, 0.9


class FittedJudge:
    """Weighs the evidence with what was learned from this knowledge.

    `vector` gives the vector of a text by the encoder that the fit was learned with; `threshold`
    replaces the calibrated one of English.
    """

    def __init__(
        self,
        *,
        fit: Fit,
        vector: Callable[[str], Sequence[float]],
        threshold: float | None = None,
    ) -> None:
        self.fit = fit
        self.vector = vector
        self.threshold = fit.calibration.threshold if threshold is None else threshold

    @property
    def strict_threshold(self) -> float:
        """The probability from which on a message that held a secret is answered."""
        return max(self.threshold, self.fit.calibration.threshold_strict)

    def threshold_for(self, language: str) -> float:
        """The probability from which on a question is answered.

        A language that the calibration saw less of must be more certain than English.
        """
        if language == "en":
            return self.threshold
        return max(self.threshold, self.fit.calibration.threshold_other)

    def judge(self, text: str, hits: Sequence[Hit]) -> Judgement:
        """The passages that answer `text` best and the probability that two of them do."""
        fit = self.fit
        distribution = fit.distribution(self.vector(text))
        choice = choose(fit.labels, distribution, fit.answers)
        evidence = features(fit.labels, distribution, choice, hits, fit.answers)
        judged = Judgement(
            probability=fit.probability(evidence),
            passages=tuple(fit.answers.passages[i] for i in choice.order),
            label=fit.labels[int(np.argmax(distribution))],
            certainty=float(distribution.max()),
            pair=choice.pair,
            quoted_alone=choice.quoted_alone,
            quoted_among_several=choice.quoted_among_several,
            features=tuple(zip(FEATURES, evidence, strict=True)),
        )
        return _with_same_question(judged, hits)


class TransferredJudge:
    """Judges with what other incidents taught, where nothing was written about this one yet.

    What a message asks for is not decided by it: on posts that it had not seen, a quarter of what
    it took for a request to refuse was none.
    """

    def __init__(self, *, reader: TransferJudge, vector: Callable[[str], Sequence[float]]) -> None:
        self.reader = reader
        self.vector = vector

    @property
    def strict_threshold(self) -> float:
        """That of other languages, which is the stricter one."""
        return max(map(self.reader.threshold_for, ("en", "")))

    def threshold_for(self, language: str) -> float:
        """The probability from which on a question is answered."""
        return self.reader.threshold_for(language)

    def judge(self, text: str, hits: Sequence[Hit]) -> Judgement:
        """The passages that answer `text` best and the probability that two of them do."""
        del hits  # there are no wordings, and the units of the post are compared one by one
        judgement = self.reader.judge(text, self.vector(text))
        return replace(judgement, label="") if judgement.label in set(Act) else judgement


class LabelledJudge:
    """Judges with what other incidents taught and with the questions that people have answered."""

    def __init__(
        self,
        *,
        reader: LabelledReader,
        vector: Callable[[str], Sequence[float]],
        threshold: float | None = None,
    ) -> None:
        self.reader = reader
        self.vector = vector
        self.threshold = threshold

    @property
    def strict_threshold(self) -> float:
        """The probability from which on a message that held a secret is answered."""
        return max(STRICTER, self.threshold_for(""))

    def threshold_for(self, language: str) -> float:
        """The probability from which on a question is answered, in any language."""
        del language
        return max(self.reader.threshold, self.threshold or 0.0)

    def judge(self, text: str, hits: Sequence[Hit]) -> Judgement:
        """The passages that answer `text` best and the probability that two of them do."""
        del hits  # there are no wordings, and the labels are compared one by one
        judgement = self.reader.judge(text, self.vector(text))
        return replace(judgement, label="") if judgement.label in set(Act) else judgement


class CandidateJudge:
    """Ranks passages for a person and never answers: for a desk that knows nothing better.

    That is a desk without an embedding model, or with one that nothing was learned for.
    """

    def __init__(self, *, answers: Answers) -> None:
        self.answers = answers

    @property
    def strict_threshold(self) -> float:
        """Higher than any probability that this judge gives."""
        return 1.0

    def threshold_for(self, language: str) -> float:
        """Higher than any probability that this judge gives."""
        del language
        return 1.0

    def judge(self, text: str, hits: Sequence[Hit]) -> Judgement:
        """The passages of the nearest wordings and sentences, best first; probability 0."""
        del text
        ranked = dict.fromkeys(p for hit in hits if hit.answers for p in self._passages(hit.label))
        label = hits[0].label if hits else ""
        return Judgement(probability=0.0, passages=tuple(ranked)[:RANKED], label=label)

    def _passages(self, label: str) -> list[str]:
        if label not in self.answers.intents:
            return [label] if label in self.answers.passages else []
        weights = self.answers.intents[label]
        order = np.argsort(-weights, kind="stable")
        return [self.answers.passages[i] for i in order if weights[i] > 0]


def _with_same_question(judged: Judgement, hits: Sequence[Hit]) -> Judgement:
    """The judgement, raised where the nearest of all is an answer of the support team.

    `hits` are nearest first. Only what the calibrated evidence is less sure of is raised.
    """
    if not hits or not hits[0].label.startswith(PREFIX) or hits[0].cosine < SAME_QUESTION:
        return judged
    if judged.probability >= SAME_IS_RIGHT:
        return judged
    others = (each for each in judged.passages if each != hits[0].label)
    return replace(
        judged, probability=SAME_IS_RIGHT, pair=SAME_IS_RIGHT, label=hits[0].label, quoted_alone=1,
        passages=(hits[0].label, *others)[:RANKED], quoted_among_several=1,
    )  # fmt: skip
