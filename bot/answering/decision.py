"""Evidence of a retrieval -> the passages to quote and the probability that they answer.

Two views must agree before the probability is high: a linear classifier over intents and silent
topics on the tuned vector, and the nearest wordings, answered and not. A small shrunken logistic
regression weighs them; few features, because many learn an author's style instead of the question.
Without a fit for this very knowledge the strict judge takes over: near-verbatim questions only.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bot.corpus import Wording
from bot.domain import Hit
from bot.errors import KnowledgeError
from bot.ports import Judgement

Array = npt.NDArray[np.float64]
FEATURES = (
    "pair", "answered", "silent", "top", "near", "near3", "other_side", "other_side3",
    "margin", "margin3", "rival", "first",
)  # fmt: skip
DECAY = 0.6  # how much less the next best passage of an intent counts
ADDS = 0.1  # a second passage is worth quoting from this share on
SCALE = 20.0  # of the cosine to a class; fixed in training
RANKED = 5
TINY = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """Which passages answer which intent, as weights in the order of `passages`."""

    passages: tuple[str, ...]
    intents: Mapping[str, Array]

    @staticmethod
    def of(passages: Sequence[str], wordings: Sequence[Wording]) -> "Answers":
        """The table that knowledge/questions states."""
        lists = {w.label: w.passages for w in wordings if w.answers}
        return Answers(
            passages=tuple(passages),
            intents={
                intent: np.array([DECAY ** gold.index(p) if p in gold else 0.0 for p in passages])
                for intent, gold in lists.items()
            },
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """What `python -m evals fit` made: knowledge/fitted/."""

    labels: tuple[str, ...]
    weights: Array  # labels x 384, unit rows
    bias: Array
    mean: Array
    spread: Array
    coefficients: Array  # features, then the intercept
    threshold: float
    threshold_strict: float
    threshold_other: float  # for languages other than English
    question_version: str
    answers: Answers

    def distribution(self, vector: Sequence[float]) -> Array:
        """Probability of each label."""
        scores = self.weights @ np.asarray(vector, dtype=np.float64) * SCALE + self.bias
        grown = np.exp(scores - scores.max())
        return np.asarray(grown / grown.sum(), dtype=np.float64)

    def probability(self, features: Sequence[float]) -> float:
        """The calibrated probability that the first two passages answer."""
        scaled = (np.asarray(features) - self.mean) / self.spread
        score = float(scaled @ self.coefficients[:-1] + self.coefficients[-1])
        return float(1 / (1 + np.exp(-score)))


def read_fit(folder: Path) -> Fit | None:
    """The fit in `folder`, None when there is none; KnowledgeError when it is broken."""
    stamp, arrays = folder / "fit.json", folder / "decision.npz"
    if not stamp.exists() or not arrays.exists():
        return None
    try:
        about = json.loads(stamp.read_text(encoding="utf-8"))
        with np.load(arrays) as stored:
            return Fit(
                labels=tuple(str(name) for name in stored["labels"]),
                weights=stored["weights"].astype(np.float64),
                bias=stored["bias"].astype(np.float64),
                mean=stored["mean"].astype(np.float64),
                spread=stored["spread"].astype(np.float64),
                coefficients=stored["coefficients"].astype(np.float64),
                threshold=about["threshold"],
                threshold_strict=about["threshold_strict"],
                threshold_other=about["threshold_other"],
                question_version=about["question_version"],
                answers=Answers(
                    passages=tuple(about["passages"]),
                    intents={name: np.array(row) for name, row in about["answers"].items()},
                ),
            )
    except (OSError, ValueError, KeyError) as error:
        raise KnowledgeError(
            f"{folder}: the fit cannot be read ({error}); run `python -m evals fit`"
        ) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Passages best first, and how much probability the first and the first two gather."""

    order: tuple[int, ...]
    first: float
    pair: float
    shares: Mapping[str, float]  # intents that the pair answers


def choose(labels: Sequence[str], distribution: Array, answers: Answers) -> Choice:
    """The two passages whose union is most probably an answer, then the next best ones."""
    intents = [(i, answers.intents[x]) for i, x in enumerate(labels) if x in answers.intents]
    share = np.array([distribution[i] for i, _ in intents])
    weight = np.stack([w for _, w in intents])
    listed = (weight > 0).astype(np.float64)
    value = share @ weight
    first = int(np.argmax(value))
    rest = share * (1 - listed[:, first])
    gain = rest @ listed
    second = int(np.argmax(gain))
    if gain[second] < ADDS * share.sum():
        twin = weight[int(np.argmax(share * listed[:, first]))].copy()
        twin[first] = -1
        second = int(np.argmax(twin)) if twin.max() > ADDS else _next(value, first)
    ranked = [int(i) for i in np.argsort(-value, kind="stable") if i not in (first, second)]
    alone = float(share @ listed[:, first])
    covered = np.maximum(listed[:, first], listed[:, second])
    return Choice(
        order=(first, second, *ranked)[:RANKED],
        first=alone,
        pair=alone + float(rest @ listed[:, second]),
        shares={
            labels[i]: float(distribution[i])
            for (i, _), c in zip(intents, covered, strict=True)
            if c
        },
    )


def features(
    labels: Sequence[str],
    distribution: Array,
    choice: Choice,
    hits: Sequence[Hit],
    answers: Answers,
) -> tuple[float, ...]:
    """The evidence in the order of FEATURES; hits nearest first."""
    answered = np.array([x in answers.intents for x in labels])
    floor = min((h.cosine for h in hits), default=0.0)
    mine = [h.cosine for h in hits if h.answers and h.label in choice.shares]
    against = [h.cosine for h in hits if not h.answers]
    rival = [h.cosine for h in hits if h.answers and h.label not in choice.shares]
    best, best3 = _best(mine, floor)
    worst, worst3 = _best(against, floor)
    return (
        _logit(choice.pair), _logit(float(distribution[answered].sum())),
        _logit(float(distribution[~answered].max())), _logit(float(distribution.max())),
        best, best3, worst, worst3, best - worst, best3 - worst3,
        best - max(rival, default=floor), _logit(choice.first),
    )  # fmt: skip


class FittedJudge:
    """Weighs the evidence with the fit of this knowledge version."""

    def __init__(
        self,
        *,
        fit: Fit,
        vector: Callable[[str], Sequence[float]],
        threshold: float | None = None,
    ) -> None:
        self.fit = fit
        self.vector = vector
        self.threshold = fit.threshold if threshold is None else threshold

    def threshold_for(self, language: str) -> float:
        """A language the classifier saw less of must be more certain."""
        return self.threshold if language == "en" else max(self.threshold, self.fit.threshold_other)

    def judge(self, text: str, hits: Sequence[Hit]) -> Judgement:
        """The passages that answer `text` best and the probability that two of them do."""
        distribution = self.fit.distribution(self.vector(text))
        choice = choose(self.fit.labels, distribution, self.fit.answers)
        found = features(self.fit.labels, distribution, choice, hits, self.fit.answers)
        return Judgement(
            probability=self.fit.probability(found),
            passages=tuple(self.fit.answers.passages[i] for i in choice.order),
            label=self.fit.labels[int(np.argmax(distribution))],
            certainty=float(distribution.max()),
            pair=choice.pair,
            features=tuple(zip(FEATURES, found, strict=True)),
        )


class StrictJudge:
    """Without a fit: answers only what is nearly a known wording, clear of what is not answered."""

    LIKE = 0.82
    CLEAR = 0.04

    def __init__(self, *, answers: Answers, threshold: float | None = None) -> None:
        self.answers = answers
        self.threshold = self.LIKE if threshold is None else max(threshold, self.LIKE)

    def threshold_for(self, language: str) -> float:
        """The same for every language: the words must be known ones."""
        del language
        return self.threshold

    def judge(self, text: str, hits: Sequence[Hit]) -> Judgement:
        """The nearest wording decides; its likeness stands for the probability."""
        del text
        mine = [h for h in hits if h.answers and h.label in self.answers.intents]
        against = max((h.cosine for h in hits if not h.answers), default=0.0)
        if not mine:
            return Judgement(probability=0.0, passages=(), label=hits[0].label if hits else "")
        best = max(mine, key=lambda h: h.cosine)
        clear = best.cosine - against >= self.CLEAR
        weight = self.answers.intents[best.label]
        order = [int(i) for i in np.argsort(-weight, kind="stable") if weight[i] > 0][:RANKED]
        return Judgement(
            probability=max(0.0, best.cosine) if clear else 0.0,
            passages=tuple(self.answers.passages[i] for i in order),
            label=best.label,
            pair=best.cosine,
            features=(("likeness", best.cosine), ("against", against)),
        )


def _best(cosines: Sequence[float], floor: float) -> tuple[float, float]:
    """The best and the mean of the best three, missing ones at the floor of what was retrieved."""
    three = sorted([*cosines, floor, floor, floor], reverse=True)[:3]
    return three[0], sum(three) / 3


def _next(value: Array, first: int) -> int:
    return next(int(i) for i in np.argsort(-value, kind="stable") if i != first)


def _logit(probability: float) -> float:
    kept = min(max(probability, TINY), 1 - TINY)
    return float(np.log(kept / (1 - kept)))
