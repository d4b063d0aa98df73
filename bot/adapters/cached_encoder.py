"""Caches the vectors of embedded texts in one file beside the index.

An index run then embeds only new texts. With a vendor's encoder that saves money, with the desk's
own it saves the minute that a whole index takes.
"""

import hashlib
import os
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
from typing_extensions import override

from bot.adapters.e5 import silent
from bot.adapters.encoder import Encoder, Vector
from bot.errors import UNREADABLE_ARRAYS

BATCH = 500  # texts embedded in one call; a line of progress follows each
KEY_BYTES = 16  # of a text's SHA-256: enough that two texts never share a key


class CachedEncoder(Encoder):
    """An encoder whose `embed_documents` and `vectors` use the vectors cached in a file."""

    def __init__(self, encoder: Encoder, path: Path, say: Callable[[str], None] = silent) -> None:
        self.encoder = encoder
        self.path = path
        self.say = say
        self.used: dict[bytes, Vector] = {}

    @property
    @override
    def name(self) -> str:
        return self.encoder.name

    @override
    def check(self) -> None:
        self.encoder.check()

    @override
    def vector(self, text: str) -> Vector:
        return self.encoder.vector(text)

    @override
    def embed_query(self, text: str) -> list[float]:
        return self.encoder.embed_query(text)

    @override
    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return self.vectors(texts).tolist()  # type: ignore[no-any-return]

    def vectors(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return the vectors of `texts` in order, shape (n, width), rounded to half precision."""
        keys = [_key(text) for text in texts]
        missing = {
            key: text
            for key, text in zip(keys, texts, strict=True)
            if key not in self.used and key not in self._kept
        }
        self._embed(missing)
        for key in keys:
            if key not in self.used:
                self.used[key] = self._kept[key]
        return np.array([self.used[key] for key in keys], dtype=np.float32)

    def save(self) -> None:
        """Write the vectors that this run has used, and no others, to the file atomically."""
        part = self.path.with_name(f"{self.path.stem}.{os.getpid()}.part.npz")
        np.savez(
            part, allow_pickle=False, name=np.array(self.name),
            keys=np.frombuffer(b"".join(self.used), dtype=f"V{KEY_BYTES}"),
            vectors=np.array(list(self.used.values()), dtype=np.float16),
        )  # fmt: skip
        part.replace(self.path)

    def _embed(self, missing: dict[bytes, str]) -> None:
        keys, texts = list(missing), list(missing.values())
        for start in range(0, len(texts), BATCH):
            vectors = self.encoder.embed_documents(texts[start : start + BATCH])
            made = np.asarray(vectors, dtype=np.float16)
            self.used.update(zip(keys[start : start + BATCH], made, strict=True))
            if len(texts) > BATCH:
                self.say(f"embedded {min(start + BATCH, len(texts))} of {len(texts)} texts")

    @cached_property
    def _kept(self) -> dict[bytes, Vector]:
        """The vectors in the file; none when it is of another encoder, or cannot be read."""
        try:
            with self.path.open("rb") as file, np.load(file) as stored:
                if str(stored["name"]) != self.name:
                    return {}
                keys = stored["keys"].tobytes()
                vectors = stored["vectors"]
        except UNREADABLE_ARRAYS:
            return {}
        places = range(0, len(keys), KEY_BYTES)
        return {keys[p : p + KEY_BYTES]: v for p, v in zip(places, vectors, strict=True)}


def _key(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:KEY_BYTES]
