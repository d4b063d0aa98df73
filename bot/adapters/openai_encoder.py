"""Gets sentence vectors from OpenAI, where DESK_EMBEDDINGS names a model of theirs.

The fit of an index run is then made from these vectors. Without a fit the desk only ranks passages
for people, because the model trained on other incidents needs the desk's own encoder. When a query
fails, its message cannot be decided: it is tried again, and then escalated.
"""

import hashlib
import re
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

import numpy as np
from pydantic import SecretStr
from typing_extensions import override

from bot.adapters.encoder import Encoder, Vector
from bot.errors import MissingError
from bot.redact.anonymize import without_people

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_openai import OpenAIEmbeddings

BATCH = 256  # texts in a request
TIMEOUT = 20.0  # seconds


class OpenAIEncoder(Encoder):
    """An encoder that asks OpenAI for the unit vectors of `model`; their width is the model's."""

    def __init__(self, model: str, *, key: str, base_url: str = "") -> None:
        self.model = model
        self.key = key
        self.base_url = base_url

    @property
    @override
    def name(self) -> str:
        """The name of the model, with a hash of `base_url`: elsewhere it may be another model."""
        name = "openai-" + re.sub(r"[^A-Za-z0-9]+", "-", self.model).strip("-")
        elsewhere = hashlib.sha256(self.base_url.encode()).hexdigest()[:8]
        return f"{name}-{elsewhere}" if self.base_url else name

    @override
    def check(self) -> None:
        try:
            self.vector("ready")
        except Exception as error:  # noqa: BLE001 - unrelated families; whatever it is, there are no vectors
            raise MissingError(
                f"DESK_EMBEDDINGS: openai:{self.model} gives no vectors ({type(error).__name__}); "
                "check OPENAI_API_KEY and the line"
            ) from None

    @override
    def vector(self, text: str) -> Vector:
        return self._cached(text)

    @override
    def embed_query(self, text: str) -> list[float]:
        return self.vector(text).tolist()  # type: ignore[no-any-return]

    @override
    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return self._client.embed_documents(texts)

    def _embed(self, text: str) -> Vector:
        return np.asarray(self._client.embed_query(without_people(text)), dtype=np.float32)

    @cached_property
    def _cached(self) -> "Callable[[str], Vector]":
        return lru_cache(maxsize=256)(self._embed)

    @cached_property
    def _client(self) -> "OpenAIEmbeddings":
        from langchain_openai import OpenAIEmbeddings

        from bot.adapters.request_deadline import InTime

        return OpenAIEmbeddings(
            model=self.model, api_key=SecretStr(self.key), base_url=self.base_url or None,
            check_embedding_ctx_length=False,  # else it downloads a tokenizer from another host
            chunk_size=BATCH, timeout=TIMEOUT, max_retries=2,
            http_client=InTime(TIMEOUT),
        )  # fmt: skip
