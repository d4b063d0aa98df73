"""Stores every wording and passage sentence in Chroma, embedded (default) or on a server.

A record's id is the hash of its content, so that indexing again touches only what changed. A
collection belongs to one encoder, so that vectors of two models never mix.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from bot.adapters.encoder import Encoder
from bot.corpus.index_records import Record
from bot.domain import Hit
from bot.errors import MissingError
from bot.files import close_folder

if TYPE_CHECKING:
    from chromadb.api import ClientAPI
    from chromadb.api.models.Collection import Collection

BATCH = 500  # records in one call of Chroma


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """The numbers of records that an indexing run added, removed and kept."""

    added: int
    removed: int
    kept: int


class Chroma:
    """The retriever by vectors; with an empty `url`, Chroma runs embedded in `folder`."""

    def __init__(self, *, encoder: Encoder, folder: Path, url: str = "") -> None:
        self.encoder = encoder
        self.folder = folder
        self.url = url

    def search(self, text: str, *, limit: int) -> tuple[Hit, ...]:
        """Return the `limit` nearest records, nearest first."""
        results = self._collection.query(
            query_embeddings=[self.encoder.embed_query(text)],  # type: ignore[arg-type]
            n_results=limit,
            include=["documents", "metadatas", "distances"],
        )
        documents, metadatas, distances = (
            (results["documents"] or [[]])[0],
            (results["metadatas"] or [[]])[0],
            (results["distances"] or [[]])[0],
        )
        return tuple(
            Hit(label=str(m["label"]), text=d, cosine=1.0 - distance, answers=bool(m["answers"]))
            for d, m, distance in zip(documents, metadatas, distances, strict=True)
        )

    def index(self, records: Iterable[Record], say: Callable[[str], None]) -> Changed:
        """Make the collection hold exactly `records`; `say` gets a line for each batch."""
        wanted = {r.id: r for r in records}
        present = set(self._collection.get(include=[])["ids"])
        new = [r for key, r in wanted.items() if key not in present]
        stale = sorted(present - wanted.keys())
        for start in range(0, len(stale), BATCH):
            self._collection.delete(ids=stale[start : start + BATCH])
        for start in range(0, len(new), BATCH):
            self._add(new[start : start + BATCH])
            say(f"indexed {min(start + BATCH, len(new))} of {len(new)} wordings")
        self._forget_other_encoders()
        return Changed(added=len(new), removed=len(stale), kept=len(wanted) - len(new))

    def everything(self) -> tuple[list[Record], npt.NDArray[np.float32]]:
        """Return all records and their vectors in the same order, shape (records, width)."""
        results = self._collection.get(include=["documents", "metadatas", "embeddings"])
        rows = zip(results["documents"] or [], results["metadatas"] or [], strict=True)
        records = [
            Record(text=text, label=str(about["label"]), answers=bool(about["answers"]))
            for text, about in rows
        ]
        return records, np.asarray(results["embeddings"], dtype=np.float32)

    def count(self) -> int:
        """Return how many records the collection holds."""
        return self._collection.count()

    def _add(self, records: Sequence[Record]) -> None:
        self._collection.add(
            ids=[r.id for r in records],
            documents=[r.text for r in records],
            metadatas=[{"label": r.label, "answers": r.answers} for r in records],
            embeddings=self.encoder.embed_documents([r.text for r in records]),  # type: ignore[arg-type]
        )

    def _forget_other_encoders(self) -> None:
        for collection in self._client.list_collections():
            if collection.name.startswith("wordings-") and collection.name != self._collection.name:
                self._client.delete_collection(collection.name)

    @cached_property
    def _collection(self) -> "Collection":
        return self._client.get_or_create_collection(
            f"wordings-{self.encoder.name}",
            configuration={"hnsw": {"space": "cosine", "ef_search": 128, "ef_construction": 128}},
            embedding_function=None,
        )

    @cached_property
    def _client(self) -> "ClientAPI":
        import chromadb
        from chromadb.config import Settings

        settings = Settings(anonymized_telemetry=False)
        if not self.url:
            close_folder(self.folder)
            return chromadb.PersistentClient(str(self.folder), settings)
        host, _, port = self.url.split("://", 1)[-1].rstrip("/").partition(":")
        try:
            return chromadb.HttpClient(
                host, int(port or 8000), ssl=self.url.startswith("https"), settings=settings
            )
        except ValueError as error:
            raise MissingError(
                f"DESK_CHROMA_URL {self.url}: no Chroma server answers ({error})"
            ) from None
