"""Reads a post with the help of questions that people have answered from it: its labels.

A label is a question and the passages that a person sent in answer to it, or none where the post
says nothing about it. On the first days there are too few of them to learn the post from; so what
other incidents taught (`transfer`) still reads it, and labels near the question add their weight.
How much a label counts was learned on other incidents too, with labels as people give them, some
of them wrong. A new label therefore counts at once: nothing is trained.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bot.answering.evidence import RANKED
from bot.answering.transfer import FEATURES as READER_FEATURES
from bot.answering.transfer import Array
from bot.answering.transfer import Evidence as ReaderEvidence

SHARPNESS = 20.0  # how fast the weight of a label falls with its cosine
NOTHING = 0.5  # cosine of a label that weighs as much as none at all
FAR = 0.2  # cosine of the nearest label where there is none: what unrelated questions have
FEATURES = (
    *READER_FEATURES,
    "nearest_for", "nearest_against", "nearer", "support", "support_against", "agrees",
    "stands_out",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """Answered questions: their vectors, one row each, and the places of what answers each."""

    vectors: Array
    answers: tuple[tuple[int, ...], ...]  # best first; empty where the post is silent


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelWeights:
    """How much labels count beside the reader; learned on other incidents."""

    nearest: float  # of the cosine of the nearest label of a passage, for its rank
    support: float  # of its share of all labels that are near, for its rank
    mean: Array
    spread: Array
    coefficients: Array  # FEATURES, then the intercept
    threshold: float
    threshold_other: float  # for languages other than English

    def probability(self, features: Sequence[float]) -> float:
        """The calibrated probability that what would be quoted answers."""
        scaled = (np.asarray(features) - self.mean) / self.spread
        return float(1 / (1 + np.exp(-(scaled @ self.coefficients[:-1] + self.coefficients[-1]))))


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledEvidence:
    """Passages best first, and what speaks for the first ones."""

    order: tuple[int, ...]
    features: tuple[float, ...]


class LabelMemory:
    """The labels of a post with `passages` passages, and how much they count."""

    def __init__(self, labels: Labels, weights: LabelWeights, *, passages: int) -> None:
        self.labels = labels
        self.weights = weights
        self._answers = np.zeros((len(labels.answers), passages), dtype=bool)
        for row, answer in zip(self._answers, labels.answers, strict=True):
            row[list(answer)] = True

    def weigh(self, read: ReaderEvidence, vector: Array) -> LabelledEvidence:
        """What speaks for the passages once the reader has read; `vector` is the question's."""
        cosines = self.labels.vectors @ vector
        nearest = np.where(self._answers, cosines[:, None], FAR).max(axis=0, initial=FAR)
        weight = np.exp(SHARPNESS * (cosines - NOTHING))
        support = weight @ self._answers / (weight.sum() + 1)
        scores = read.passages + self.weights.nearest * (nearest - FAR)
        scores += self.weights.support * support
        ranked = np.argsort(-scores, kind="stable").tolist()
        order = self._as_answered(ranked, cosines)
        first = order[0]
        against = ~self._answers[:, first]
        nearest_against = float(cosines[against].max(initial=FAR))
        features = (
            *read.features,
            float(nearest[first]), nearest_against, float(nearest[first]) - nearest_against,
            float(support[first]), float(weight[against].sum() / (weight.sum() + 1)),
            float(first == read.order[0]),
            float(scores[first] - np.delete(scores, first).max(initial=0.0)),
        )  # fmt: skip
        return LabelledEvidence(order=order[:RANKED], features=features)

    def _as_answered(self, ranked: list[int], cosines: Array) -> tuple[int, ...]:
        """The best passage, with what people quoted beside it in answer to the nearest question."""
        with_best = [i for i, answer in enumerate(self.labels.answers) if ranked[0] in answer]
        if not with_best:
            return tuple(ranked)
        nearest = max(with_best, key=lambda i: float(cosines[i]))
        return tuple(dict.fromkeys([ranked[0], *self.labels.answers[nearest], *ranked]))
