"""Finds wordings for a single question by comparing every vector, read from one file.

Starting Chroma takes longer than all the rest of `ask`. The file is a copy of what Chroma holds,
written by the same indexing run, and gives the same neighbours.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from bot.adapters.encoder import Encoder
from bot.corpus.index_records import Record
from bot.domain import Hit
from bot.errors import UNREADABLE_ARRAYS, MissingError

Vectors = npt.NDArray[np.float16] | npt.NDArray[np.float32]


class Exact:
    """The retriever that holds all records and vectors in memory and compares each of them."""

    def __init__(self, encoder: Encoder, records: list[Record], vectors: Vectors) -> None:
        self.encoder = encoder
        self.records = records
        self.vectors = vectors

    def search(self, text: str, *, limit: int) -> tuple[Hit, ...]:
        """Return the `limit` nearest records, nearest first."""
        near = self.vectors.astype(np.float32, copy=False) @ self.encoder.vector(text)
        return tuple(self._hit(int(i), float(near[i])) for i in np.argsort(-near)[:limit])

    def _hit(self, position: int, cosine: float) -> Hit:
        record = self.records[position]
        return Hit(label=record.label, text=record.text, cosine=cosine, answers=record.answers)


def write_vectors(path: Path, records: list[Record], vectors: npt.NDArray[np.float32]) -> None:
    """Write the records and their vectors, rounded to half precision, atomically to `path`."""
    part = path.with_suffix(".part.npz")
    np.savez(
        part,
        allow_pickle=False,
        vectors=vectors.astype(np.float16),
        texts=np.array([r.text.encode("utf-8", "replace") for r in records]),
        labels=np.array([r.label for r in records]),
        answers=np.array([r.answers for r in records]),
    )
    part.replace(path)


def count_vectors(path: Path) -> int | None:
    """Return how many records the copy holds; None when it cannot be read."""
    try:
        with path.open("rb") as file, np.load(file) as stored:
            return len(stored["answers"])
    except UNREADABLE_ARRAYS:
        return None


def read_vectors(path: Path, encoder: Encoder) -> Exact:
    """Return the retriever over the copy at `path`; `encoder` must be that of its vectors.

    Raise MissingError when the copy cannot be read.
    """
    try:
        with path.open("rb") as file, np.load(file) as stored:
            rows = zip(stored["texts"], stored["labels"], stored["answers"], strict=True)
            records = [
                Record(text=text.decode(), label=str(label), answers=bool(answers))
                for text, label, answers in rows
            ]
            return Exact(encoder, records, stored["vectors"])
    except UNREADABLE_ARRAYS:
        raise MissingError(f"{path} is missing or damaged; run `incident-desk index`") from None
