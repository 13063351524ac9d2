"""Vectors in Chroma: one client, cosine space, and never two embedding models in one collection."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import chromadb
from chromadb.api.models.Collection import Collection
from chromadb.api.shared_system_client import SharedSystemClient
from chromadb.config import Settings as ChromaSettings
from chromadb.errors import ChromaError, NotFoundError

from localrag.embeddings.base import EmbeddingModel, Vectors
from localrag.errors import StoreError

SPACE = "cosine"
IDENTITY, NAME = "embedding", "embedding_name"
_FAILURES = (ChromaError, sqlite3.Error, OSError, ValueError, RuntimeError)


class VectorIndex:
    """The Chroma database of one data directory. A chunk id leads to a vector; the ledger knows the rest."""

    def __init__(self, path: Path, afresh: bool = False) -> None:
        """Open or create the database; `path` is its folder. `afresh` reads from disk what this process has open already.

        Raises:
            StoreError: it cannot be opened.
        """
        self._path = path
        self._lock = threading.RLock()
        self._open: dict[str, Collection] = {}
        try:
            path.mkdir(parents=True, exist_ok=True)
            settings = ChromaSettings(anonymized_telemetry=False)
            if afresh:
                SharedSystemClient.clear_system_cache()
            self.client = chromadb.PersistentClient(str(path), settings=settings)
            self._batch = int(self.client.get_max_batch_size())
        except _FAILURES as exc:
            raise StoreError(f"The vector database {path} cannot be opened: {exc}. Check the data directory.") from exc

    def collection(self, collection_id: str, model: EmbeddingModel) -> Collection:
        """The collection's vectors, created in cosine space when missing.

        Raises:
            StoreError: it was built with another embedding model, size or distance.
        """
        with self._lock:
            opened = self._open.get(collection_id)
            if opened is None:
                opened = self._guard(
                    lambda: self.client.get_or_create_collection(
                        f"c-{collection_id}",
                        configuration={"hnsw": {"space": SPACE}},
                        metadata={IDENTITY: model.identity, NAME: model.name, "dimension": model.dimension},
                        embedding_function=None,
                    )
                )
                self._open[collection_id] = opened
        check_identity(opened, model)
        return opened

    def put(self, collection_id: str, model: EmbeddingModel, ids: Sequence[str], vectors: Vectors) -> None:
        """Add or overwrite vectors, in batches of Chroma's own limit."""
        target = self.collection(collection_id, model)
        for at in range(0, len(ids), self._batch):
            part = slice(at, at + self._batch)
            self._guard(partial(target.upsert, ids=list(ids[part]), embeddings=vectors[part]))

    def remove(self, collection_id: str, ids: Sequence[str]) -> None:
        """Take vectors out; ids that are not there are no error."""
        target = self._find(collection_id)
        if target is None:
            return
        for at in range(0, len(ids), self._batch):
            self._guard(partial(target.delete, ids=list(ids[at : at + self._batch])))

    def nearest(self, collection_id: str, model: EmbeddingModel, vector: Vectors, k: int) -> list[tuple[str, float]]:
        """The k nearest chunk ids with their cosine similarity (1.0 identical, 0.0 unrelated), best first."""
        target = self.collection(collection_id, model)
        found = self._guard(lambda: target.query(query_embeddings=[vector], n_results=k, include=["distances"]))
        return [(i, 1.0 - float(d)) for i, d in zip(found["ids"][0], found["distances"][0], strict=True)]

    def count(self, collection_id: str) -> int:
        """Vectors in a collection; 0 when there is none."""
        target = self._find(collection_id)
        return int(self._guard(target.count)) if target else 0

    def drop(self, collection_id: str) -> None:
        """Delete a collection's vectors."""
        with self._lock:
            self._open.pop(collection_id, None)
            if self._find(collection_id):
                self._guard(lambda: self.client.delete_collection(f"c-{collection_id}"))

    def _find(self, collection_id: str) -> Collection | None:
        with self._lock:
            if collection_id in self._open:
                return self._open[collection_id]
        try:
            return self.client.get_collection(f"c-{collection_id}", embedding_function=None)
        except (NotFoundError, ValueError):
            return None

    def _guard(self, action: Any) -> Any:
        try:
            return action()
        except _FAILURES as exc:
            raise StoreError(f"The vector database {self._path} failed: {exc}. Check the disk and try again.") from exc


def check_identity(collection: Collection, model: EmbeddingModel) -> None:
    """Raises StoreError unless the collection's vectors are this model's, in cosine space."""
    metadata = collection.metadata or {}
    if metadata.get(IDENTITY) != model.identity or metadata.get("dimension") != model.dimension:
        raise StoreError(
            f"This collection was built with the embedding model {metadata.get(NAME, 'unknown')},"
            f" the settings name {model.name}. Switch back to that model, or make a new collection and add the documents again."
        )
    space = (collection.configuration_json.get("hnsw") or {}).get("space")
    if space != SPACE:
        raise StoreError(f"This collection measures distance as {space}, not cosine. Make a new one, add the documents again.")
