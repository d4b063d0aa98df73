"""Ranks the passages of a post with the help of questions that people answered from it: labels.

A label is a question and the passages that a person sent in answer to it, or none where they wrote
their own words. On the first days there are too few of them to train a classifier on. So the model
trained on other incidents (`transfer`) still ranks the passages, and labels near the question move
its ranking. The weights of both were trained on other incidents as well; they are then refitted on
the labels, each judged with the help of all others (leave-one-out). That takes a second, so that a
label counts as soon as it is stored.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from bot.answering.calibration import fit_evidence_weights
from bot.answering.evidence import QUOTED, RANKED, TINY
from bot.answering.transfer import ANSWERABLE, WIDTH, Array, Embed, TransferEvidence, TransferRanker
from bot.corpus.messages import LabelledMessage, known_messages
from bot.ports import Judgement

# With fewer labels the transfer model decides alone: too few to measure how often it is right.
FEWEST_LABELS = 25
# Divided by the number of answered questions and added to the threshold: the fewer there are, the
# higher the threshold.
MORE_WITH_FEW = 2.0
STRICTER = 0.95  # the least threshold for a message that held a secret
SHARPNESS = 20.0  # a label at cosine c has the weight exp(SHARPNESS * (c - NOTHING))
NOTHING = 0.5  # the cosine of a label with weight 1, which having no label near weighs as well
LEAST_SHARE = 0.02  # share of a passage that no label near the question names
WEIGHTS = (0.5, 1.0, 2.0)  # of the labels in the ranking; the one with most right answers is taken
FAR = 0.2  # stands for the cosine of the nearest label where there is none; unrelated texts have it
# Prior variances of the weights and of the intercept, for the refit on the labels. On held-out
# incidents, a twentieth of them or twenty times as much answered less at the same share of wrong.
VARIANCE, VARIANCE_OF_ALL = 0.005, 0.1
FEATURES = (
    "reader", "pair", "silence", "nearest_for", "nearest_against", "share_for", "share_against",
    "first", "agrees", "answerable",
)  # fmt: skip
Table = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweredQuestions:
    """Answered questions: texts, vectors (a row each), and the indexes of the passages sent."""

    texts: tuple[str, ...]
    vectors: Array
    answers: tuple[tuple[int, ...], ...]  # indexes of passages; none for a reply in own words

    @property
    def answered(self) -> int:
        """Return how many of the questions were answered from the post."""
        return sum(map(bool, self.answers))


def embed_answered_questions(
    messages: Iterable[LabelledMessage], passages: Sequence[str], embed: Embed
) -> AnsweredQuestions:
    """Return the labels from messages with one question; `passages` are the ids of the post's."""
    indexes = {name: index for index, name in enumerate(passages)}
    labelled = [
        message
        for message in known_messages(messages, indexes)
        if len(message.gold) <= 1 and len(message.questions) <= 1
    ]
    texts = [message.text for message in labelled]
    vectors = embed(texts) if texts else np.zeros((0, WIDTH))
    return AnsweredQuestions(
        texts=tuple(texts),
        vectors=np.asarray(vectors, dtype=np.float32),
        answers=tuple(tuple(indexes[p] for g in message.gold for p in g) for message in labelled),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledEvidence:
    """Indexes of passages, best first, and the features that the probability is made from."""

    order: tuple[int, ...]
    pair: float  # their share beside all other passages and silence
    features: tuple[float, ...]


class LabelledRanker:
    """A ranker of passages by the transfer model `ranker` and by labels, with a probability.

    It is fitted to `labels` when it is made; there should be at least FEWEST_LABELS of them.
    """

    def __init__(self, ranker: TransferRanker, labels: AnsweredQuestions) -> None:
        self.ranker = ranker
        self.labels = labels
        silence = len(ranker.index.passages)
        self._answer_rows = np.zeros((len(labels.answers), silence + 1), dtype=np.float32)
        for row, answer in zip(self._answer_rows, labels.answers, strict=True):
            row[list(answer) or [silence]] = 1
        texts = zip(labels.vectors, labels.texts, strict=True)
        transferred = [ranker.evidence(vector, text) for vector, text in texts]
        by_weight = {weight: self._leave_one_out(transferred, weight) for weight in WEIGHTS}
        self.weight = max(WEIGHTS, key=lambda weight: int(by_weight[weight][1].sum()))
        self._learned = fit_evidence_weights(
            *by_weight[self.weight], believed=ranker.transfer.labelled_weights,
            variance=VARIANCE, variance_of_all=VARIANCE_OF_ALL,
        )  # fmt: skip

    @cached_property
    def threshold(self) -> float:
        """Return the probability from which on a question is answered."""
        more = MORE_WITH_FEW / max(self.labels.answered, 1)
        return min(self.ranker.transfer.labelled_threshold + more, 1.0)

    def judge(self, text: str, vector: Sequence[float] | Array) -> Judgement:
        """Return the passages for `text`, best first, with the probability that they answer."""
        question_vector = np.asarray(vector, dtype=np.float32)
        transferred = self.ranker.evidence(question_vector, text)
        evidence = self.evidence(transferred, question_vector)
        kinds, best = self.ranker.transfer.kinds, int(np.argmax(transferred.kinds))
        passages = self.ranker.index.passages
        return Judgement(
            probability=self.probability(evidence.features),
            passages=tuple(passages[i] for i in evidence.order[:RANKED]),
            label=kinds[best], certainty=float(transferred.kinds[best]), pair=evidence.pair,
            features=tuple(zip(FEATURES, evidence.features, strict=True)),
        )  # fmt: skip

    def evidence(self, transferred: TransferEvidence, vector: Array) -> LabelledEvidence:
        """Return the ranking by both; `transferred` is the evidence of the transfer model alone."""
        return self._rank(transferred, self.labels.vectors @ vector, self.weight)

    def probability(self, features: Sequence[float]) -> float:
        """Return the calibrated probability that one of the first two passages answers."""
        return float(self._learned.probabilities(np.array([features]))[0])

    def _leave_one_out(
        self, transferred: Sequence[TransferEvidence], weight: float
    ) -> tuple[Table, npt.NDArray[np.bool_]]:
        """Return the leave-one-out features of each label, and whether its answer is right.

        Shapes (labels, features) and (labels,); `transferred` has the transfer model's evidence for
        each.
        """
        features, right = [], []
        for index, (each, vector) in enumerate(zip(transferred, self.labels.vectors, strict=True)):
            cosines = self.labels.vectors @ vector
            cosines[index] = -1.0
            evidence = self._rank(each, cosines, weight)
            features.append(evidence.features)
            right.append(bool(set(evidence.order[:QUOTED]) & set(self.labels.answers[index])))
        return np.array(features).reshape(-1, len(FEATURES)), np.array(right, dtype=bool)

    def _rank(
        self, transferred: TransferEvidence, cosines: Array, weight: float
    ) -> LabelledEvidence:
        """Return the ranking; `cosines` and `weight` are those of the labels."""
        weights = np.exp(SHARPNESS * (cosines - NOTHING))
        total = float(weights.sum()) + 1
        shares = (weights @ self._answer_rows + LEAST_SHARE) / total
        scores = np.append(transferred.passages, 0.0) + weight * np.log(shares)
        order = [int(i) for i in np.argsort(-scores[:-1], kind="stable")]
        probabilities = np.exp(scores - scores.max())
        probabilities /= probabilities.sum()
        for_these = self._answer_rows[:, order[:QUOTED]].any(axis=1)
        features = (
            _logit(self.ranker.transfer.probability(transferred.features)),
            _logit(float(probabilities[order[:QUOTED]].sum())),
            _logit(float(probabilities[-1])),
            float(cosines[for_these].max(initial=FAR)),
            float(cosines[~for_these].max(initial=FAR)),
            float(weights[for_these].sum()) / total,
            float(weights[~for_these].sum()) / total,
            _logit(float(probabilities[order[0]])),
            float(order[0] == transferred.order[0]),
            _logit(float(transferred.kinds[self.ranker.transfer.kinds.index(ANSWERABLE)])),
        )
        return LabelledEvidence(
            order=tuple(order), pair=float(probabilities[order[:QUOTED]].sum()), features=features
        )


def _logit(probability: float) -> float:
    kept = min(max(probability, TINY), 1 - TINY)
    return float(np.log(kept / (1 - kept)))
