"""Reads a post with the help of questions that people have answered from it: its labels.

A label is a question and the passages that a person sent in answer to it, or none where they wrote
their own words. On the first days there are too few of them to learn the post from. So what other
incidents taught (`transfer`) goes on reading it, and labels near the question move its ranking. How
far either is to be believed other incidents taught as well, and the labels themselves correct it,
each judged by all others. That takes a second, so a label counts as soon as it is there.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from bot.answering.calibration import weigh_evidence
from bot.answering.evidence import QUOTED, RANKED, TINY
from bot.answering.transfer import ANSWERABLE, WIDTH, Array, Embed, Evidence, TransferJudge
from bot.corpus.messages import LabelledMessage, known_messages
from bot.ports import Judgement

# With fewer labels than this the reader decides alone: nothing can be said of how right it is.
FEWEST_LABELS = 25
# What is added to the threshold, divided by the number of answered questions: the fewer there are,
# the surer the desk must be.
MORE_WITH_FEW = 2.0
STRICTER = 0.95  # the same for a message that held a secret
SHARPNESS = 20.0  # how fast the weight of a label falls with its cosine
NOTHING = 0.5  # cosine of a label that weighs as much as having none near
LEAST_SHARE = 0.02  # of a passage that no label near the question names
WEIGHTS = (0.5, 1.0, 2.0)  # of the labels beside the reader; which one, the labels tell
FAR = 0.2  # cosine of the nearest label where there is none: what unrelated questions have
# How far the labels may move what other incidents taught: variances of weights. On incidents that
# were left out, a twentieth of it or twenty times as much answered less at the same share of wrong.
VARIANCE, VARIANCE_OF_ALL = 0.005, 0.1
FEATURES = (
    "reader", "pair", "silence", "nearest_for", "nearest_against", "share_for", "share_against",
    "first", "agrees", "answerable",
)  # fmt: skip
Table = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """Answered questions: texts, vectors (a row each), and the places of what answers each."""

    texts: tuple[str, ...]
    vectors: Array
    answers: tuple[tuple[int, ...], ...]  # places of passages; none: people wrote their own words

    @property
    def answered(self) -> int:
        """How many of the questions were answered from the post."""
        return sum(map(bool, self.answers))


def labels_of(messages: Iterable[LabelledMessage], passages: Sequence[str], embed: Embed) -> Labels:
    """The labelled messages that ask one thing; `passages` are those of the post, in its order."""
    places = {name: place for place, name in enumerate(passages)}
    kept = [
        message
        for message in known_messages(messages, places)
        if len(message.gold) <= 1 and len(message.questions) <= 1
    ]
    texts = [message.text for message in kept]
    vectors = embed(texts) if texts else np.zeros((0, WIDTH))
    return Labels(
        texts=tuple(texts),
        vectors=np.asarray(vectors, dtype=np.float32),
        answers=tuple(tuple(places[p] for g in message.gold for p in g) for message in kept),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledEvidence:
    """Passages best first, and what speaks for the first two of them."""

    order: tuple[int, ...]
    pair: float  # their share beside all other passages and silence
    features: tuple[float, ...]


class LabelledReader:
    """Ranks the passages of a post by the reader and by labels, and says how sure it is.

    It learns from `labels` when it is made; they should be FEWEST_LABELS at least.
    """

    def __init__(self, reader: TransferJudge, labels: Labels) -> None:
        self.reader = reader
        self.labels = labels
        silence = len(reader.index.passages)
        self._named = np.zeros((len(labels.answers), silence + 1), dtype=np.float32)
        for row, answer in zip(self._named, labels.answers, strict=True):
            row[list(answer) or [silence]] = 1
        texts = zip(labels.vectors, labels.texts, strict=True)
        read = [reader.evidence(vector, text) for vector, text in texts]
        tried = {weight: self._judged_by_others(read, weight) for weight in WEIGHTS}
        self.weight = max(WEIGHTS, key=lambda weight: int(tried[weight][1].sum()))
        self._learned = weigh_evidence(
            *tried[self.weight], believed=reader.transfer.labelled_weights,
            variance=VARIANCE, variance_of_all=VARIANCE_OF_ALL,
        )  # fmt: skip

    @cached_property
    def threshold(self) -> float:
        """From which probability on a question is answered."""
        more = MORE_WITH_FEW / max(self.labels.answered, 1)
        return min(self.reader.transfer.labelled_threshold + more, 1.0)

    def judge(self, text: str, vector: Sequence[float] | Array) -> Judgement:
        """The passages that answer `text` best and the probability that two of them do."""
        asked = np.asarray(vector, dtype=np.float32)
        read = self.reader.evidence(asked, text)
        found = self.evidence(read, asked)
        kinds, best = self.reader.transfer.kinds, int(np.argmax(read.kinds))
        passages = self.reader.index.passages
        return Judgement(
            probability=self.probability(found.features),
            passages=tuple(passages[i] for i in found.order[:RANKED]),
            label=kinds[best], certainty=float(read.kinds[best]), pair=found.pair,
            features=tuple(zip(FEATURES, found.features, strict=True)),
        )  # fmt: skip

    def evidence(self, read: Evidence, vector: Array) -> LabelledEvidence:
        """What speaks for the passages that answer a question, by the reader and by the labels."""
        return self._weighed(read, self.labels.vectors @ vector, self.weight)

    def probability(self, features: Sequence[float]) -> float:
        """The calibrated probability that one of the first two passages answers."""
        return float(self._learned.probabilities(np.array([features]))[0])

    def _judged_by_others(
        self, read: Sequence[Evidence], weight: float
    ) -> tuple[Table, npt.NDArray[np.bool_]]:
        """The evidence for each label from all others, and whether it would be answered rightly."""
        evidence, right = [], []
        for place, (each, vector) in enumerate(zip(read, self.labels.vectors, strict=True)):
            cosines = self.labels.vectors @ vector
            cosines[place] = -1.0
            found = self._weighed(each, cosines, weight)
            evidence.append(found.features)
            right.append(bool(set(found.order[:QUOTED]) & set(self.labels.answers[place])))
        return np.array(evidence).reshape(-1, len(FEATURES)), np.array(right, dtype=bool)

    def _weighed(self, read: Evidence, cosines: Array, weight: float) -> LabelledEvidence:
        """`cosines` are those of the labels to the question; `weight` is that of the labels."""
        near = np.exp(SHARPNESS * (cosines - NOTHING))
        every = float(near.sum()) + 1
        shares = (near @ self._named + LEAST_SHARE) / every
        scores = np.append(read.passages, 0.0) + weight * np.log(shares)
        order = [int(i) for i in np.argsort(-scores[:-1], kind="stable")]
        grown = np.exp(scores - scores.max())
        grown /= grown.sum()
        for_these = self._named[:, order[:QUOTED]].any(axis=1)
        features = (
            _logit(self.reader.transfer.probability(read.features)),
            _logit(float(grown[order[:QUOTED]].sum())),
            _logit(float(grown[-1])),
            float(cosines[for_these].max(initial=FAR)),
            float(cosines[~for_these].max(initial=FAR)),
            float(near[for_these].sum()) / every,
            float(near[~for_these].sum()) / every,
            _logit(float(grown[order[0]])),
            float(order[0] == read.order[0]),
            _logit(float(read.kinds[self.reader.transfer.kinds.index(ANSWERABLE)])),
        )
        return LabelledEvidence(
            order=tuple(order), pair=float(grown[order[:QUOTED]].sum()), features=features
        )


def _logit(probability: float) -> float:
    kept = min(max(probability, TINY), 1 - TINY)
    return float(np.log(kept / (1 - kept)))
