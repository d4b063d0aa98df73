"""Sentence vectors by MiniLM on onnxruntime: one cached session, one thread, no padding."""

import hashlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from typing_extensions import override

from bot.adapters.encoder import Encoder, Vector
from bot.errors import MissingError

if TYPE_CHECKING:
    import onnxruntime
    from tokenizers import Tokenizer

MAX_TOKENS = 96


def silent(_line: str) -> None:
    """No progress wanted."""


class MiniLM(Encoder):
    """384-dimensional unit vectors; the model is fetched and exported on first use.

    `folder` keeps the model files; `delta` is our tuning (knowledge/fitted/encoder.npz) or None.
    Raises MissingError on first use when the model cannot be had.
    """

    def __init__(
        self, folder: Path, delta: Path | None = None, say: Callable[[str], None] = silent
    ) -> None:
        self.folder = folder
        self.delta = delta
        self.say = say

    @cached_property
    @override
    def name(self) -> str:
        if self.delta is None:
            return "minilm-base"
        return f"minilm-{hashlib.sha256(self.delta.read_bytes()).hexdigest()[:12]}"

    @override
    def embed_query(self, text: str) -> list[float]:
        return self.vector(text).tolist()  # type: ignore[no-any-return]

    @override
    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.vector("ready")  # one session for all threads; it runs outside Python's lock
        with ThreadPoolExecutor(os.cpu_count() or 1) as threads:
            return [vector.tolist() for vector in threads.map(self._encode, texts)]

    @override
    def check(self) -> None:
        self.vector("ready")

    @override
    def vector(self, text: str) -> Vector:
        """The unit vector of `text`; shape (384,). One decision asks twice: kept."""
        return self._cached(text)

    def _encode(self, text: str) -> Vector:
        tokens = self._tokenizer.encode(text.encode("utf-8", "replace").decode("utf-8")).ids
        ids = np.array(tokens, dtype=np.int64)
        return self._session.run(None, {"input_ids": ids})[0][0]  # type: ignore[no-any-return]

    @cached_property
    def _cached(self) -> Callable[[str], Vector]:
        return lru_cache(maxsize=16)(self._encode)

    @cached_property
    def _tokenizer(self) -> "Tokenizer":
        from tokenizers import Tokenizer

        from bot.adapters.weights import fetch

        tokenizer = Tokenizer.from_file(str(fetch(self.folder, self.say) / "tokenizer.json"))
        tokenizer.no_padding()
        tokenizer.enable_truncation(MAX_TOKENS)
        return tokenizer

    @cached_property
    def _session(self) -> "onnxruntime.InferenceSession":
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            return onnxruntime.InferenceSession(
                str(self._exported()), options, providers=["CPUExecutionProvider"]
            )
        except onnxruntime.capi.onnxruntime_pybind11_state.Fail as error:
            raise MissingError(
                f"the embedding model does not load; delete {self.folder}: {error}"
            ) from None

    def _exported(self) -> Path:
        path = self.folder / f"{self.name}.onnx"
        if not path.exists():
            from bot.adapters.onnx_graph import export
            from bot.adapters.weights import fetch, merge, read_tensors

            source = fetch(self.folder, self.say) / "model.safetensors"
            self.say("preparing the embedding model (once) …")
            export(merge(read_tensors(source), self.delta), path)
        return path
