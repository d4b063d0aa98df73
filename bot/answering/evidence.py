"""Gathers the evidence that passages answer a question, from its meanings and its neighbours.

Two views must agree before a probability is high: the classifier's distribution over intents and
silent topics, and the nearest wordings, answered and not. Few features on purpose: many would learn
an author's style instead of the question.
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
QUOTED = 2  # passages of an answer at most: the first of those that are ranked
# The share of what two passages answer from which on the first is quoted alone. On authors that
# were left out it halves the words of an answer (median 89 -> 57); 54 -> 68 % of the passages that
# are quoted then answer, and 1.5 % fewer questions are answered rightly.
ALONE = 0.95
# The same in a mail with several questions, where each second passage makes the others harder to
# find. On 204 such mails of authors that were left out, 34 of 232 quoted passages instead of 67 of
# 278 answer none of the questions, and 218 instead of 226 of 305 questions are answered rightly.
ALONE_AMONG_SEVERAL = 0.6
DECAY = 0.6  # how much less the next best passage of an intent counts
ADDS = 0.1  # a second passage is worth quoting from this share of the answered probability on
RANKED = 5  # passages that are kept in order
TINY = 1e-6  # keeps a log-odds finite


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
class Choice:
    """Passages best first, and how much probability the first and the first two gather."""

    order: tuple[int, ...]
    first: float
    pair: float
    shares: Mapping[str, float]  # intents that the pair answers

    @property
    def quoted_alone(self) -> int:
        """How many of the passages an answer quotes: the second only where it may add something."""
        return 1 if self.first >= ALONE * self.pair else QUOTED

    @property
    def quoted_among_several(self) -> int:
        """How many an answer quotes where the message asks more than this."""
        return 1 if self.first >= ALONE_AMONG_SEVERAL * self.pair else QUOTED


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


def _best(cosines: Sequence[float], floor: float) -> tuple[float, float]:
    """The best and the mean of the best three, missing ones at the floor of what was retrieved."""
    three = sorted([*cosines, floor, floor, floor], reverse=True)[:3]
    return three[0], sum(three) / 3


def _next(value: Array, first: int) -> int:
    return next(int(i) for i in np.argsort(-value, kind="stable") if i != first)


def _logit(probability: float) -> float:
    kept = min(max(probability, TINY), 1 - TINY)
    return float(np.log(kept / (1 - kept)))
