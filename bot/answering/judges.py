"""Implements the judges, which rank passages for a text and give the probability of an answer."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from bot.answering.evidence import FEATURES, RANKED, Answers, choose, features
from bot.answering.fit import Fit
from bot.answering.labelled_ranker import STRICTER, LabelledRanker
from bot.answering.transfer import TransferRanker
from bot.corpus.questions import Act
from bot.corpus.team_answers import PREFIX
from bot.domain import Hit
from bot.ports import Judgement

# An answer of the support team has a single wording, its own question, too few to train a label on.
# A question whose nearest record it is counts as the same from the first figure on, a cosine, and
# gets the second as its probability: of 6,933 labelled questions 14 were so near to one of ten such
# answers, and 13 of them asked the same.
SAME_QUESTION, SAME_IS_RIGHT = 0.6, 0.9


class FittedJudge:
    """The judge of a knowledge folder with enough wordings: it uses the fit of the index run.

    `vector` embeds a text with the encoder of the fit; `threshold` replaces the calibrated one for
    English.
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
        """Return the probability from which on a message that held a secret is answered."""
        return max(self.threshold, self.fit.calibration.threshold_strict)

    def threshold_for(self, language: str) -> float:
        """Return the probability from which on a question in a language is answered.

        That of other languages is never lower than that of English: fewer messages calibrate it.
        """
        if language == "en":
            return self.threshold
        return max(self.threshold, self.fit.calibration.threshold_other)

    def judge(self, text: str, hits: Sequence[Hit]) -> Judgement:
        """Return the passages for `text`, best first, with the probability that they answer."""
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
    """The judge of a post without wordings: it uses a model that was trained on other incidents.

    Its labels of acts are dropped: on posts that it had not seen, a quarter of what it took for a
    request to refuse was none.
    """

    def __init__(self, *, ranker: TransferRanker, vector: Callable[[str], Sequence[float]]) -> None:
        self.ranker = ranker
        self.vector = vector

    @property
    def strict_threshold(self) -> float:
        """Return the higher of the thresholds of English and of other languages."""
        return max(map(self.ranker.threshold_for, ("en", "")))

    def threshold_for(self, language: str) -> float:
        """Return the probability from which on a question in a language is answered."""
        return self.ranker.threshold_for(language)

    def judge(self, text: str, hits: Sequence[Hit]) -> Judgement:
        """Return the passages for `text`, best first, with the probability that they answer."""
        del hits  # there are no wordings, and the ranker compares the units of the post itself
        judgement = self.ranker.judge(text, self.vector(text))
        return replace(judgement, label="") if judgement.label in set(Act) else judgement


class LabelledJudge:
    """The judge of a post without wordings, of which people have answered some questions.

    It combines the model that was trained on other incidents with those answers.
    """

    def __init__(
        self,
        *,
        ranker: LabelledRanker,
        vector: Callable[[str], Sequence[float]],
        threshold: float | None = None,
    ) -> None:
        self.ranker = ranker
        self.vector = vector
        self.threshold = threshold

    @property
    def strict_threshold(self) -> float:
        """Return the probability from which on a message that held a secret is answered."""
        return max(STRICTER, self.threshold_for(""))

    def threshold_for(self, language: str) -> float:
        """Return the probability from which on a question is answered, in any language."""
        del language
        return max(self.ranker.threshold, self.threshold or 0.0)

    def judge(self, text: str, hits: Sequence[Hit]) -> Judgement:
        """Return the passages for `text`, best first, with the probability that they answer."""
        del hits  # there are no wordings, and the ranker compares the labels itself
        judgement = self.ranker.judge(text, self.vector(text))
        return replace(judgement, label="") if judgement.label in set(Act) else judgement


class CandidateJudge:
    """The judge of a desk that never answers by itself: it only ranks passages for a person.

    It serves a desk without an embedding model, or with one that has no fit.
    """

    def __init__(self, *, answers: Answers) -> None:
        self.answers = answers

    @property
    def strict_threshold(self) -> float:
        """Return 1, which no probability of this judge reaches."""
        return 1.0

    def threshold_for(self, language: str) -> float:
        """Return 1, which no probability of this judge reaches."""
        del language
        return 1.0

    def judge(self, text: str, hits: Sequence[Hit]) -> Judgement:
        """Return the passages of the nearest records, nearest first, with probability 0."""
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
    """Return the judgement, raised where the nearest record is an answer of the support team.

    `hits` are nearest first. A probability above SAME_IS_RIGHT stays as it is.
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
