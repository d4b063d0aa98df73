"""Ranks the units of a post for a question, where nobody has written wordings for the post.

The parameters were trained on other incidents and lie in bot/data/transfer.npz, made by
`python -m evals transfer`: two linear maps under which a question lies near the unit that answers
it, a score that stands for silence (no unit answers), a linear classifier of what messages do, and
small shrunken logistic regressions over the evidence: one for a post alone, one for a post of which
people have answered some questions. Nothing in it belongs to one post, so it serves a post from its
first day.
"""

import io
import math
import re
import zipfile
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from bot.answering.calibration import Weights
from bot.answering.evidence import QUOTED, RANKED, TINY
from bot.corpus.units import Unit, readings
from bot.errors import UNREADABLE_ARRAYS, KnowledgeError
from bot.ports import Judgement
from bot.resources import read_bytes

Array = npt.NDArray[np.float32]
Places = npt.NDArray[np.int64]
Embed = Callable[[list[str]], npt.ArrayLike]  # texts to vectors, one row each
TRANSFER = "transfer.npz"
AGAIN = "run `python -m evals transfer`"
FORMAT = 2  # of the file; raised when the meaning of its arrays changes
WIDTH = 384
FEATURES = (
    "above_silence", "margin", "above_unquoted", "share", "pair", "entropy", "cosine", "headed",
    "unmapped", "overlap", "unknown_words", "unit_length", "answerable", "act",
)  # fmt: skip
ANSWERABLE, UNANSWERABLE = "answerable", "unanswerable"
WORD = re.compile(r"[^\W_]+")
WITHOUT_SPACES = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")  # Japanese and Chinese letters
STEM = 5  # letters of a word that are compared: endings differ between a question and a post


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """The parameters trained on other incidents; matrices in float32, vectors as rows."""

    encoder: str  # the name of the encoder whose vectors it was made with
    data: str  # hash of the incidents that it was made from
    question_down: Array  # 384 x rank; a mapped question is q + q @ down @ up, scaled to length 1
    question_up: Array  # rank x 384
    unit_down: Array
    unit_up: Array
    unit_direction: Array  # 384; its product with a reading is the prior score that a unit answers
    silence_direction: Array  # 384; its product with a question is added to `silence`
    silence: float  # constant of the score of silence
    scale: float  # weight of the mapped cosine
    overlap: float  # weight of the share of common words
    kinds: tuple[str, ...]  # ANSWERABLE, UNANSWERABLE and the acts
    kind_weights: Array  # kinds x 384
    kind_bias: Array
    mean: Array  # of the features
    spread: Array
    coefficients: Array  # features, then the intercept
    threshold: float
    threshold_other: float  # for languages other than English
    # The weights and threshold for the features of `bot.answering.labelled_ranker`.
    labelled_mean: Array
    labelled_spread: Array
    labelled_coefficients: Array
    labelled_threshold: float

    @property
    def labelled_weights(self) -> Weights:
        """Return the prior weights for a post with answered questions
        (`bot.answering.labelled_ranker`).
        """
        return Weights(
            mean=self.labelled_mean.astype(np.float64),
            spread=self.labelled_spread.astype(np.float64),
            coefficients=self.labelled_coefficients.astype(np.float64),
        )

    def mapped_question(self, vectors: Array) -> Array:
        """Return the vectors of questions under their map, at length 1; same shape."""
        return _unit(vectors + vectors @ self.question_down @ self.question_up)

    def mapped_units(self, vectors: Array) -> Array:
        """Return the vectors of units' readings under their map, at length 1; same shape."""
        return _unit(vectors + vectors @ self.unit_down @ self.unit_up)

    def kind_shares(self, vector: Array) -> Array:
        """Return the probability of each of `kinds`, shape (kinds,)."""
        scores = self.kind_weights @ vector + self.kind_bias
        grown = np.exp(scores - scores.max())
        return np.asarray(grown / grown.sum(), dtype=np.float32)

    def probability(self, features: Sequence[float]) -> float:
        """Return the calibrated probability that one of the first two passages answers."""
        scaled = (np.asarray(features) - self.mean) / self.spread
        score = float(scaled @ self.coefficients[:-1] + self.coefficients[-1])
        return 1 / (1 + math.exp(-score))

    def to_bytes(self) -> bytes:
        """Return the content of transfer.npz: matrices in half precision, deterministic bytes."""
        stored: dict[str, Any] = {"format": np.array(FORMAT)}
        for each in fields(self):
            value = getattr(self, each.name)
            half = isinstance(value, np.ndarray) and value.ndim > 1
            stored[each.name] = value.astype(np.float16) if half else np.asarray(value)
        return _write_archive(stored)

    @staticmethod
    def from_bytes(content: bytes) -> "Transfer":
        """Return the parameters that `to_bytes` wrote; raise KnowledgeError for other content."""
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as stored:
                values = {name: _value(stored[name]) for name in stored.files}
        except UNREADABLE_ARRAYS as error:
            raise KnowledgeError(f"bot/data/{TRANSFER} cannot be read ({error}); {AGAIN}") from None
        wanted = {each.name for each in fields(Transfer)}
        if values.pop("format", None) != FORMAT or values.keys() != wanted:
            raise KnowledgeError(f"bot/data/{TRANSFER} has another format; {AGAIN}")
        return Transfer(**values)


def _write_archive(arrays: Mapping[str, Any]) -> bytes:
    """Return what `numpy.savez` writes, with the same bytes under every patch version of Python.

    savez streams each array, and the header that zipfile gives a streamed entry has changed.
    """
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as entries:
        for name, value in arrays.items():
            entry = io.BytesIO()
            np.lib.format.write_array(entry, np.asarray(value), allow_pickle=False)
            entries.writestr(zipfile.ZipInfo(f"{name}.npy"), entry.getvalue())
    return archive.getvalue()


def read_transfer() -> Transfer:
    """Return the parameters that ship; raise KnowledgeError when they cannot be read."""
    return Transfer.from_bytes(read_bytes(TRANSFER))


class WordOverlap:
    """An inverted index of the words of a post's units; rare words weigh more."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._count = len(texts)
        places = defaultdict(list)
        for index, text in enumerate(texts):
            for stem in _stems(text):
                places[stem].append(index)
        self._places = {stem: np.array(found) for stem, found in places.items()}

    def shares(self, text: str) -> tuple[Array, float]:
        """Return the weighted share of a question's words in each unit, and that in no unit."""
        shared = np.zeros(self._count, dtype=np.float32)
        total = unknown = 0.0
        for stem in sorted(_stems(text)):
            places = self._places.get(stem)
            weight = math.log(1 + self._count / (1 if places is None else len(places)))
            total += weight
            if places is None:
                unknown += weight
            else:
                shared[places] += weight
        return shared / (total + TINY), unknown / (total + TINY)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitIndex:
    """The units of one post with the vectors of their readings (`bot.corpus.units.readings`)."""

    units: tuple[Unit, ...]
    encoder: str
    vectors: Array  # readings x 384, those of a unit next to each other
    starts: Places  # index of each unit's first reading in `vectors`
    passages: tuple[str, ...]
    passage_of: Places  # index of each unit's passage in `passages`
    words: WordOverlap

    @staticmethod
    def of(units: Sequence[Unit], *, title: str, encoder: str, embed: Embed) -> "UnitIndex":
        """Return the index of `units`, with each reading embedded.

        `title` is that of the post; `encoder` is the name of the encoder behind `embed`.
        """
        texts = [readings(unit, title) for unit in units]
        passages = tuple(dict.fromkeys(unit.passage for unit in units))
        return UnitIndex(
            units=tuple(units),
            encoder=encoder,
            vectors=np.asarray(embed([t for each in texts for t in each]), dtype=np.float32),
            starts=np.cumsum([0, *map(len, texts)])[:-1],
            passages=passages,
            passage_of=np.array([passages.index(unit.passage) for unit in units]),
            words=WordOverlap([each[0] for each in texts]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferEvidence:
    """The scores of units and passages for a question, less the score of silence.

    `kinds` are the probabilities of what the message does, `features` those in FEATURES.
    """

    units: Array
    passages: Array
    kinds: Array
    features: tuple[float, ...]

    @property
    def order(self) -> list[int]:
        """Return the indexes of the passages, best first."""
        return [int(i) for i in np.argsort(-self.passages, kind="stable")]

    @property
    def pair(self) -> float:
        """Return the share of the best two passages among all passages and silence (softmax)."""
        grown = np.exp(np.append(self.passages, 0.0) - max(float(self.passages.max()), 0.0))
        return float(sum(grown[i] for i in self.order[:QUOTED]) / grown.sum())


class TransferRanker:
    """A ranker of the units of a post, with the calibrated probability that they answer.

    It raises KnowledgeError when the vectors of the index come from another encoder than the maps.
    """

    def __init__(
        self, index: UnitIndex, transfer: Transfer, *, threshold: float | None = None
    ) -> None:
        if index.encoder != transfer.encoder or index.vectors.shape[1] != WIDTH:
            raise KnowledgeError(
                f"the post was read by the encoder {index.encoder}, but what other incidents "
                f"taught belongs to {transfer.encoder}; {AGAIN}"
            )
        self.index = index
        self.transfer = transfer
        self._threshold = threshold
        self._mapped = transfer.mapped_units(index.vectors)
        self._prior = index.vectors @ transfer.unit_direction

    def threshold_for(self, language: str) -> float:
        """Return the probability from which on a question in this language is answered."""
        known = self.transfer.threshold if language == "en" else self.transfer.threshold_other
        return known if self._threshold is None else max(known, self._threshold)

    def rank_units(self, vector: Sequence[float] | Array, text: str) -> list[tuple[Unit, float]]:
        """Return all units with their scores, best first; a score above 0 is above silence."""
        scores = self.evidence(vector, text).units
        return [(self.index.units[i], float(scores[i])) for i in np.argsort(-scores, kind="stable")]

    def judge(self, text: str, vector: Sequence[float] | Array) -> Judgement:
        """Return the passages for `text`, best first, with the probability that they answer."""
        evidence = self.evidence(vector, text)
        best = int(np.argmax(evidence.kinds))
        return Judgement(
            probability=self.transfer.probability(evidence.features),
            passages=tuple(self.index.passages[i] for i in evidence.order[:RANKED]),
            label=self.transfer.kinds[best],
            certainty=float(evidence.kinds[best]),
            pair=evidence.pair,
            features=tuple(zip(FEATURES, evidence.features, strict=True)),
        )

    def evidence(self, vector: Sequence[float] | Array, text: str) -> TransferEvidence:
        """Return the scores of units and passages for a question; `vector` is the question's."""
        transfer, index = self.transfer, self.index
        question = np.asarray(vector, dtype=np.float32)
        cosines = self._mapped @ transfer.mapped_question(question[None])[0]
        shared, unknown = index.words.shares(text)
        silence = transfer.silence + float(question @ transfer.silence_direction)
        per_reading = transfer.scale * cosines + self._prior
        units = np.logaddexp.reduceat(per_reading, index.starts)
        units += transfer.overlap * shared - silence
        passages = np.full(len(index.passages), -np.inf, dtype=np.float32)
        np.maximum.at(passages, index.passage_of, units)
        kinds = transfer.kind_shares(question)
        best = int(np.argmax(units))
        features = (
            *_shape(passages),
            float(np.maximum.reduceat(cosines, index.starts)[best]),
            float(cosines[index.starts[best]]),
            float((index.vectors @ question).max()),
            float(shared[best]),
            unknown,
            math.log(len(index.units[best].text)),
            *_asked(dict(zip(transfer.kinds, kinds.tolist(), strict=True))),
        )
        return TransferEvidence(units=units, passages=passages, kinds=kinds, features=features)


def _shape(passages: Array) -> tuple[float, ...]:
    """Return features of how the best passages stand out; silence has the score 0.

    They are the best score, its lead over the second and over the best passage that is not quoted,
    its log share of all passages, the log share of the quoted ones of all and silence, and the
    entropy of all passages. Where a post has too few passages, silence replaces the missing ones.
    """
    ranked = np.sort(passages)[::-1]
    best, second, unquoted = (*ranked[: QUOTED + 1].tolist(), *[0.0] * QUOTED)[: QUOTED + 1]
    grown = np.exp(ranked - best)
    shares = grown / grown.sum()
    entropy = -float((shares * np.log(shares + TINY)).sum())
    pair = float(grown[:QUOTED].sum() / (grown.sum() + math.exp(-best)))
    return (
        best, best - second, best - unquoted, math.log(float(shares[0])), math.log(pair + TINY),
        entropy,
    )  # fmt: skip


def _asked(kinds: Mapping[str, float]) -> tuple[float, float]:
    """Return the log-probabilities that the message is answerable, and that it is an act."""
    act = 1 - kinds[ANSWERABLE] - kinds[UNANSWERABLE]
    return math.log(max(kinds[ANSWERABLE], TINY)), math.log(max(act, TINY))


def _stems(text: str) -> set[str]:
    """Return the first STEM letters of each word; pairs of letters where there are no spaces."""
    stems: set[str] = set()
    for word in WORD.findall(text.lower()):
        if WITHOUT_SPACES.search(word):
            stems |= {word[i : i + 2] for i in range(max(1, len(word) - 1))}
        elif len(word) > 2 or word.isdigit():
            stems.add(word[:STEM])
    return stems


def _unit(vectors: npt.NDArray[Any]) -> Array:
    return np.asarray(
        vectors / (np.linalg.norm(vectors, axis=-1, keepdims=True) + TINY), dtype=np.float32
    )


def _value(stored: npt.NDArray[Any]) -> Any:
    """Return a stored array as float32, names as a tuple, and a single value as itself."""
    if stored.ndim == 0:
        return stored.item()
    if stored.dtype.kind == "U":
        return tuple(str(name) for name in stored)
    return stored.astype(np.float32)
