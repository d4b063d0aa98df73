"""Computes the features from which the probability of an answer is calibrated.

They come from two sources, which must agree before the probability is high: the classifier's
distribution over intents and silent topics, and the nearest wordings, answered and unanswered. The
features are few on purpose: with many, the fit would learn the style of authors.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bot.corpus import Wording
from bot.domain import Hit

Array = npt.NDArray[np.float64]
FEATURES = (
    "pair", "answered", "silent", "top", "near", "near3", "other_side", "other_side3",
    "margin", "margin3", "rival", "first",
)  # fmt: skip
HITS = 24  # nearest wordings that count as evidence
QUOTED = 2  # the most passages that an answer quotes: the best-ranked ones
# The first passage is quoted alone where it has at least this share of the probability of both. On
# held-out authors that cuts the words of an answer (median 89 -> 57); of the passages that are
# quoted 68 instead of 54 % answer, and 1.5 % fewer questions are answered rightly.
ALONE = 0.95
# ALONE for a message with several questions, where a second passage for one makes the answers to
# the others harder to find. On 204 such mails of held-out authors, 34 of 232 quoted passages
# instead of 67 of 278 answer none of the questions, and 218 instead of 226 of 305 questions are
# answered rightly.
ALONE_AMONG_SEVERAL = 0.6
DECAY = 0.6  # weight of each further passage of an intent, relative to the one before it
ADDS = 0.1  # least share of the answered probability that a second passage must add
RANKED = 5  # passages that a judgement lists, best first
TINY = 1e-6  # keeps log-odds and divisions finite


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """Which passages answer which intent, as weights in the order of `passages`."""

    passages: tuple[str, ...]
    intents: Mapping[str, Array]

    @staticmethod
    def of(passages: Sequence[str], wordings: Sequence[Wording]) -> "Answers":
        """Return the table from the wordings of knowledge/questions, over `passages`."""
        lists = {w.label: w.passages for w in wordings if w.answers}
        return Answers(
            passages=tuple(passages),
            intents={
                intent: np.array([DECAY ** gold.index(p) if p in gold else 0.0 for p in passages])
                for intent, gold in lists.items()
            },
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PassageChoice:
    """Passages best first, and the probability that the first, or one of the first two, answers."""

    order: tuple[int, ...]
    first: float
    pair: float
    shares: Mapping[str, float]  # intents that the pair answers

    @property
    def quoted_alone(self) -> int:
        """Return how many passages an answer quotes to a message with one question, 1 or 2."""
        return 1 if self.first >= ALONE * self.pair else QUOTED

    @property
    def quoted_among_several(self) -> int:
        """Return how many passages an answer quotes to a message with more questions, 1 or 2."""
        return 1 if self.first >= ALONE_AMONG_SEVERAL * self.pair else QUOTED


def choose(labels: Sequence[str], distribution: Array, answers: Answers) -> PassageChoice:
    """Return the two passages that most probably answer together, then the next best ones.

    `distribution` gives the probability of each of `labels`, shape (labels,).
    """
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
    return PassageChoice(
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
    choice: PassageChoice,
    hits: Sequence[Hit],
    answers: Answers,
) -> tuple[float, ...]:
    """Return the features in the order of FEATURES; `hits` are nearest first."""
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


def _best(cosines: Sequence[float], floor: float) -> tuple[float, float]:
    """Return the highest cosine and the mean of the best three; `floor` replaces missing ones."""
    three = sorted([*cosines, floor, floor, floor], reverse=True)[:3]
    return three[0], sum(three) / 3


def _next(value: Array, first: int) -> int:
    return next(int(i) for i in np.argsort(-value, kind="stable") if i != first)


def _logit(probability: float) -> float:
    kept = min(max(probability, TINY), 1 - TINY)
    return float(np.log(kept / (1 - kept)))
