"""Weighs the evidence and bounds wrong answers on messages whose author nothing was learned from.

The evidence of a message comes from a classifier that never saw its author; on these scores alone
rest the weights of the evidence and the thresholds. The rows of an author come from weights and
thresholds of the other authors too, so each row is what a stranger would have met.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bot.answering.evidence import FEATURES, Array

SHRINK = 0.02  # the variance that a weight is expected to have: strong shrinking
FREE = 1e6  # the variance of an intercept that is not shrunk
NEWTON_STEPS = 40  # far more than it takes
# Wrong among answered, one error more than seen counted.
TARGETS = {"threshold": 0.02, "threshold_strict": 0.01}
NEVER = 1.0  # a threshold that no probability reaches
OTHER_TARGET = 0.015  # the same in other languages, where there are fewer messages to go by


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """A message with evidence from what its author had no part in.

    `right`: the first two passages answer it; `related`: they touch its subject; `screened`: the
    policy decides it, whatever the evidence says; `fold`: the group of authors left out together.
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
        """Would quoting its passages mislead? Passages on the subject are beside the point only."""
        return not self.right and not self.related


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """A logistic regression over the evidence, in the order of FEATURES."""

    mean: Array
    spread: Array
    coefficients: Array  # features, then the intercept

    def probabilities(self, evidence: npt.NDArray[np.float64]) -> Array:
        """(n, features) -> (n,): how likely the first two passages answer."""
        scaled = (evidence - self.mean) / self.spread
        line = scaled @ self.coefficients[:-1] + self.coefficients[-1]
        return np.asarray(1 / (1 + np.exp(-line)), dtype=np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Weights and thresholds: English, English with fewer errors, any other language."""

    weights: Weights
    threshold: float
    threshold_strict: float
    threshold_other: float

    @property
    def can_answer(self) -> bool:
        """Is there a certainty from which on few enough of the scored answers were wrong?

        With one error more counted, 2 % wrong takes some fifty answers: a few wordings have none.
        """
        return self.threshold < NEVER


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOutResult:
    """What the desk would have made of messages by authors that nothing was learned from."""

    answerable: int
    answered: int
    right: int
    wrong: int
    beside: int  # answered with passages on the subject that do not answer


def left_out_result(scored: Sequence[Scored], chances: Array, threshold: float) -> LeftOutResult:
    """Counts at a threshold; `chances` are the probabilities of `scored` in the same order."""
    answered = [s for s, p in zip(scored, chances, strict=True) if p >= threshold]
    return LeftOutResult(
        answerable=sum(s.answerable for s in scored),
        answered=len(answered),
        right=sum(s.right for s in answered),
        wrong=sum(s.wrong for s in answered),
        beside=sum(not s.right and s.related for s in answered),
    )


def calibrate(scored: Sequence[Scored]) -> Calibration:
    """Choose weights and thresholds on messages in English, that of other languages on theirs."""
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


def weigh_across(scored: Sequence[Scored]) -> tuple[Weights, Array]:
    """Weights on all, and each message's probability under the weights of the other folds.

    A message that the policy decides has probability 0.
    """
    chances = np.zeros(len(scored))
    for fold in {s.fold for s in scored}:
        mine = np.array([s.fold == fold for s in scored])
        others = [s for s in scored if s.fold != fold]
        chances[mine] = chances_of([s for s in scored if s.fold == fold], weigh(others))
    return weigh(scored), chances


def weigh(scored: Sequence[Scored]) -> Weights:
    """The weights under which the evidence tells best what was right."""
    evidence = np.array([s.evidence for s in scored]).reshape(-1, len(FEATURES))
    return weigh_evidence(evidence, np.array([s.right for s in scored]))


def weigh_evidence(
    evidence: npt.NDArray[np.float64],
    right: npt.NDArray[np.bool_],
    *,
    believed: Weights | None = None,
    variance: float = SHRINK,
    variance_of_all: float = FREE,
) -> Weights:
    """A strongly shrunken logistic regression by Newton's method; deterministic.

    `evidence` is (n, features), `right` (n,). The weights are shrunk towards those in `believed`,
    whose scale they keep, and towards none without it, by their expected `variance`; the intercept
    has a variance of its own.
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
        slope = table.T @ (guess - right) + penalty @ (weights - expected)
        bend = (table * (guess * (1 - guess))[:, None]).T @ table + penalty
        weights -= np.linalg.solve(bend, slope)
    return Weights(mean=mean, spread=spread, coefficients=weights)


def chances_of(scored: Sequence[Scored], weights: Weights) -> Array:
    """Probabilities; 0 where the policy decides."""
    if not scored:
        return np.zeros(0)
    chances = weights.probabilities(np.array([s.evidence for s in scored]))
    return np.where([s.screened for s in scored], 0.0, chances)


def lowest_threshold(
    chances: Array, wrong: npt.NDArray[np.bool_], target: float, *, spare: int = 1
) -> float:
    """The lowest threshold with at most `target` wrong of all, counting `spare` errors more."""
    order = np.argsort(-chances, kind="stable")
    errors = np.cumsum(wrong[order]) + spare
    good = np.flatnonzero(errors / np.arange(1, len(order) + 1) <= target)
    return float(chances[order][good[-1]]) if len(good) else NEVER
