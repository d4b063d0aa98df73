"""Fits the weights of the evidence, and chooses thresholds that bound the share of wrong answers.

All of it rests on cross-validation by author: the evidence of a message comes from a classifier
that never saw its author, and the probability by which a threshold is chosen comes from weights
that were fitted on other folds. So each message is scored as one of an unknown author would be.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bot.answering.evidence import FEATURES, Array

SHRINK = 0.02  # prior variance of a weight; so small a value shrinks strongly
FREE = 1e6  # prior variance of the intercept: so large that it is not shrunk
NEWTON_STEPS = 40  # far more than it takes to converge
# The largest share of wrong answers, 0 to 1, where one error more than was seen is counted.
TARGETS = {"threshold": 0.02, "threshold_strict": 0.01}
NEVER = 1.0  # a threshold that no probability reaches
OTHER_TARGET = 0.015  # TARGETS for languages other than English, which have fewer messages


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredMessage:
    """A labelled message with evidence from a classifier that was trained without its author.

    `right`: the passages that would be quoted, two at most, answer it; `related`: they are on its
    subject; `screened`: the policy refuses or escalates it, whatever the evidence says; `fold`: the
    group of authors that are left out together; `first`: the best passage is one that answers;
    `in_three`: one of the best three is.
    """

    id: str
    author: str
    fold: int
    language: str
    answerable: bool
    right: bool
    related: bool
    first: bool
    in_three: bool
    pair: str
    screened: bool
    evidence: tuple[float, ...]

    @property
    def wrong(self) -> bool:
        """Return whether an answer would be wrong: its passages neither answer nor are related."""
        return not self.right and not self.related


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """A logistic regression over the evidence, in the order of FEATURES."""

    mean: Array
    spread: Array
    coefficients: Array  # features, then the intercept

    def probabilities(self, evidence: npt.NDArray[np.float64]) -> Array:
        """Return the probability that the first two passages answer: (n, features) -> (n,)."""
        scaled = (evidence - self.mean) / self.spread
        line = scaled @ self.coefficients[:-1] + self.coefficients[-1]
        return np.asarray(1 / (1 + np.exp(-line)), dtype=np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Weights, and thresholds for English, for English with fewer errors, and other languages."""

    weights: Weights
    threshold: float
    threshold_strict: float
    threshold_other: float

    @property
    def can_answer(self) -> bool:
        """Return whether a threshold was found at which few enough scored answers were wrong.

        As one error more than was seen is counted, 2 % wrong needs some fifty answers without an
        error; with only a few wordings there is no such threshold.
        """
        return self.threshold < NEVER


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOutResult:
    """How many messages of held-out authors the desk would have answered, and how well."""

    answerable: int
    answered: int
    right: int
    wrong: int
    beside: int  # answered with passages on the subject that do not answer


def left_out_result(
    scored: Sequence[ScoredMessage], chances: Array, threshold: float
) -> LeftOutResult:
    """Return the counts at a threshold; `chances` are the probabilities of `scored`, in order."""
    answered = [s for s, p in zip(scored, chances, strict=True) if p >= threshold]
    return LeftOutResult(
        answerable=sum(s.answerable for s in scored),
        answered=len(answered),
        right=sum(s.right for s in answered),
        wrong=sum(s.wrong for s in answered),
        beside=sum(not s.right and s.related for s in answered),
    )


def fit_calibration(scored: Sequence[ScoredMessage]) -> Calibration:
    """Return weights and thresholds chosen on the English messages.

    The threshold of other languages is chosen on the messages in those, and is at least that of
    English.
    """
    english = [s for s in scored if s.language == "en"]
    weights, chances = weigh_across(english)
    wrong = np.array([s.wrong for s in english], dtype=bool)
    chosen = {name: lowest_threshold(chances, wrong, t) for name, t in TARGETS.items()}
    foreign = [s for s in scored if s.language != "en"]
    other = lowest_threshold(
        chances_of(foreign, weights), np.array([s.wrong for s in foreign], dtype=bool), OTHER_TARGET
    )
    return Calibration(
        weights=weights,
        threshold=chosen["threshold"],
        threshold_strict=chosen["threshold_strict"],
        threshold_other=max(other, chosen["threshold"]),
    )


def weigh_across(scored: Sequence[ScoredMessage]) -> tuple[Weights, Array]:
    """Return the weights fitted on all messages, and cross-validated probabilities, shape (n,).

    The probability of a message comes from weights that were fitted on the other folds. It is 0
    where the policy decides.
    """
    chances = np.zeros(len(scored))
    for fold in {s.fold for s in scored}:
        mine = np.array([s.fold == fold for s in scored])
        others = [s for s in scored if s.fold != fold]
        chances[mine] = chances_of([s for s in scored if s.fold == fold], weigh(others))
    return weigh(scored), chances


def weigh(scored: Sequence[ScoredMessage]) -> Weights:
    """Return the weights fitted to which of the messages would be answered rightly."""
    evidence = np.array([s.evidence for s in scored]).reshape(-1, len(FEATURES))
    return fit_evidence_weights(evidence, np.array([s.right for s in scored]))


def fit_evidence_weights(
    evidence: npt.NDArray[np.float64],
    right: npt.NDArray[np.bool_],
    *,
    believed: Weights | None = None,
    variance: float = SHRINK,
    variance_of_all: float = FREE,
) -> Weights:
    """Return a strongly shrunken logistic regression, fitted by Newton's method; deterministic.

    `evidence` is (n, features), `right` (n,). The weights are shrunk towards those of `believed`,
    whose mean and spread they keep, and towards 0 without it. `variance` is the prior variance of a
    weight, `variance_of_all` that of the intercept.
    """
    mean, spread = evidence.mean(0), evidence.std(0) + 1e-6
    expected = np.zeros(evidence.shape[1] + 1)
    if believed is not None:
        mean, spread, expected = believed.mean, believed.spread, believed.coefficients
    table = np.c_[(evidence - mean) / spread, np.ones(len(evidence))]
    weights = np.array(expected, dtype=np.float64)
    penalty = np.diag(np.append(np.full(len(mean), 1 / variance), 1 / variance_of_all))
    for _ in range(NEWTON_STEPS):
        guess = 1 / (1 + np.exp(-table @ weights))
        gradient = table.T @ (guess - right) + penalty @ (weights - expected)
        curvature = (table * (guess * (1 - guess))[:, None]).T @ table + penalty
        weights -= np.linalg.solve(curvature, gradient)
    return Weights(mean=mean, spread=spread, coefficients=weights)


def chances_of(scored: Sequence[ScoredMessage], weights: Weights) -> Array:
    """Return the probability of each message, shape (n,); 0 where the policy decides."""
    if not scored:
        return np.zeros(0)
    chances = weights.probabilities(np.array([s.evidence for s in scored]))
    return np.where([s.screened for s in scored], 0.0, chances)


def lowest_threshold(
    chances: Array, wrong: npt.NDArray[np.bool_], target: float, *, spare: int = 1
) -> float:
    """Return the lowest threshold at which at most a share `target` of the answers is wrong.

    `spare` errors are counted beside those seen. The result is NEVER when there is no such
    threshold.
    """
    order = np.argsort(-chances, kind="stable")
    errors = np.cumsum(wrong[order]) + spare
    good = np.flatnonzero(errors / np.arange(1, len(order) + 1) <= target)
    return float(chances[order][good[-1]]) if len(good) else NEVER
