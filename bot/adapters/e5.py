"""Computes sentence vectors by multilingual-e5-small on ONNX Runtime: one session, one thread.

The model's vectors all lie in a narrow cone. So a fixed mean is subtracted from each, and the rest
is scaled to length 1; cosines then distinguish texts.
"""

import base64
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from typing_extensions import override

from bot.adapters.e5_tokenizer import Tokenizer, TokenizerSettings, write_vocabulary
from bot.adapters.e5_weights import (
    AGAIN,
    FILE_SHA256,
    Delta,
    fetch_weights,
    read_delta,
    read_weights,
)
from bot.adapters.encoder import Encoder, Vector
from bot.errors import MissingError
from bot.resources import read_yaml

if TYPE_CHECKING:
    import onnxruntime

MAX_TOKENS = 96  # of a text; the rest is not read
KEPT = 64  # vectors in the cache: one decision needs those of its sentences more than once
SELF = re.compile(r"\bi\b")
MOSTLY = 0.7  # a text with a larger share of capitals among its letters is read in lower case
PREFIX = "query: "  # the model was trained with it; one prefix for all texts makes them comparable
FORMAT = 3  # version of the converted files; raised when the conversion changes
VECTORS = 2  # version of the vectors; raised when the conversion changes so that they differ
READING = 2  # version of the preparation of a text before the tokenizer
MEAN = "e5_mean.yaml"
GRAPH = "model.onnx"
SUMMARY = "summary.json"  # hashes of the converted files, and the settings of the tokenizer


def silent(_line: str) -> None:
    """Drop a line of progress."""


class E5(Encoder):
    """The desk's own encoder: 384-dimensional centred unit vectors of texts in any language.

    `folder` holds the model, which is downloaded and converted on first use; `say` gets lines of
    progress. The first use raises MissingError when the model cannot be downloaded or a file of it
    is damaged.
    """

    def __init__(self, folder: Path, say: Callable[[str], None] = silent) -> None:
        self.folder = folder
        self.say = say

    @cached_property
    @override
    def name(self) -> str:
        parts = (FILE_SHA256, VECTORS, READING, MAX_TOKENS, PREFIX, self._delta.digest)
        made_by = " ".join(map(str, parts)).encode() + self._mean.tobytes()
        return f"e5-small-{hashlib.sha256(made_by).hexdigest()[:12]}"

    @override
    def embed_query(self, text: str) -> list[float]:
        return self.vector(text).tolist()  # type: ignore[no-any-return]

    @override
    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.check()  # makes the one session for all threads, which runs without Python's lock
        with ThreadPoolExecutor(os.cpu_count() or 1) as threads:
            return [vector.tolist() for vector, _ in threads.map(self._encode, texts)]

    @override
    def check(self) -> None:
        self.vector("ready")

    @override
    def vector(self, text: str) -> Vector:
        """Return the centred unit vector of `text`, shape (384,); the last KEPT are cached."""
        return self._cached(text)[0]

    def pooled(self, text: str) -> Vector:
        """Return the pooled states of middle layers (e5_graph.py) and the vector, shape (5, 384).

        Both are in the cache when the vector of `text` was computed just before.
        """
        vector, middle = self._cached(text)
        return np.concatenate([middle, vector[None]])

    def raw_vector(self, text: str) -> Vector:
        """Return the unit vector of `text` as the model gives it, not centred; shape (384,)."""
        return self._run(text)[0]

    def token_ids(self, text: str) -> list[int]:
        """Return the token ids that the model gets for `text`.

        Its vocabulary has few words in capitals, so that a text mostly in capitals is read in lower
        case: capitals must not change what is understood.
        """
        read = _in_small_letters(text) if _is_shouted(text) else text
        return self._tokenizer.encode(PREFIX + read)

    def source(self) -> Path:
        """Return the path of the verified file that the model is converted from."""
        return fetch_weights(self.folder, self.say)

    def converted_folder(self) -> Path:
        """Return the folder with the checked graph, weights and vocabulary."""
        return self._converted[0]

    def _encode(self, text: str) -> tuple[Vector, Vector]:
        raw, pooled = self._run(text)
        centred = raw - self._mean
        return centred / np.linalg.norm(centred), pooled

    def _run(self, text: str) -> tuple[Vector, Vector]:
        ids = np.array(self.token_ids(text), dtype=np.int64)
        embedding, pooled = self._session.run(["embedding", "pooled"], {"input_ids": ids})
        return embedding[0], pooled

    @cached_property
    def _cached(self) -> Callable[[str], tuple[Vector, Vector]]:
        return lru_cache(maxsize=KEPT)(self._encode)

    @cached_property
    def _delta(self) -> Delta:
        return read_delta()

    @cached_property
    def _mean(self) -> Vector:
        stored = base64.b64decode(read_yaml(MEAN)["half_floats"])
        return np.frombuffer(stored, "<f2").astype(np.float32)

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        folder, settings = self._converted
        return Tokenizer(folder, settings, limit=MAX_TOKENS)

    @cached_property
    def _session(self) -> "onnxruntime.InferenceSession":
        import onnxruntime

        folder, _ = self._converted
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        return onnxruntime.InferenceSession(
            str(folder / GRAPH), options, providers=["CPUExecutionProvider"]
        )

    @cached_property
    def _converted(self) -> tuple[Path, TokenizerSettings]:
        """The folder of the converted files, each of them checked, and the tokenizer's settings."""
        folder = self.folder / f"e5-small-{FORMAT}-{self._delta.digest[:8]}"
        if not folder.exists():
            convert(self.folder, folder, self._delta, self.say)
        return folder, check_converted(folder)


def convert(models: Path, folder: Path, delta: Delta, say: Callable[[str], None]) -> None:
    """Write graph, weights and vocabulary to `folder` atomically.

    The file that they are made from stays in `models`, so that a damaged or outdated conversion can
    be repeated without a network.
    """
    from bot.adapters.e5_graph import export_graph

    source = fetch_weights(models, say)
    say("preparing the embedding model (once) …")
    model = read_weights(source)
    with tempfile.TemporaryDirectory(dir=models) as scratch:
        unfinished = Path(scratch) / folder.name
        unfinished.mkdir()
        export_graph(model, delta, unfinished / GRAPH)
        settings = write_vocabulary(model, unfinished)
        hashes = {path.name: _sha256(path) for path in sorted(unfinished.iterdir())}
        summary = {"files": hashes, "tokenizer": settings.fields()}
        (unfinished / SUMMARY).write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
        try:
            unfinished.rename(folder)
        except OSError:
            if not folder.exists():  # otherwise another process has written it meanwhile
                raise


def check_converted(folder: Path) -> TokenizerSettings:
    """Return the tokenizer's settings; raise MissingError for a damaged or missing file."""
    path = folder / SUMMARY
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
        settings, files = TokenizerSettings(**summary["tokenizer"]), dict(summary["files"])
    except (OSError, ValueError, KeyError, TypeError):
        raise _damaged(path) from None
    # A file that is not in the summary might be loaded instead of one that is.
    for stranger in {entry.name for entry in folder.iterdir()} - {*files, SUMMARY}:
        raise _damaged(folder / stranger)
    for name in {GRAPH} - set(files):
        raise _damaged(folder / name)
    for name, expected in files.items():
        if not (folder / name).is_file() or _sha256(folder / name) != expected:
            raise _damaged(folder / name)
    return settings


def _in_small_letters(text: str) -> str:
    """Return `text` in lower case, but for its first letter and the English `I`."""
    small = SELF.sub("I", text.strip().lower())
    return small[:1].upper() + small[1:]


def _is_shouted(text: str) -> bool:
    capitals = sum(c.isupper() for c in text)
    return capitals > MOSTLY * sum(c.isupper() or c.islower() for c in text)


def _damaged(path: Path) -> MissingError:
    return MissingError(
        f"a file of the embedding model is damaged: {path}; "
        f"delete the folder {path.parent}, {AGAIN}"
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
