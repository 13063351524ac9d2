"""Vectors in Chroma, in a folder or on a server: cosine space, and never two embedding models in one collection."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import chromadb
import numpy as np
from chromadb.api.models.Collection import Collection
from chromadb.api.shared_system_client import SharedSystemClient
from chromadb.config import Settings as ChromaSettings
from chromadb.errors import ChromaError, NotFoundError

from localrag.embeddings.base import EmbeddingModel, Vectors
from localrag.errors import DamagedIndexError, StoreError
from localrag.retrieval.segments import note_sound, note_writing, remove_leftovers
from localrag.retrieval.server import ServerAddress, ServerClient

SPACE = "cosine"
IDENTITY, NAME = "embedding", "embedding_name"
GRAPH = {"ef_search": 400, "max_neighbors": 64, "ef_construction": 200}
"""Chroma's graph (HNSW, Malkov & Yashunin 2016, arXiv:1603.09320), denser than Chroma's own 100, 16 and 100.

With fewer candidates for each question, what is found depends on the order things went in. With fewer neighbours, a passage
unlike a few hundred others that resemble each other may be linked from none of them, and no question leads to it: 12 of 48
such collections lost one to four, none with 64. A question takes as long, going in a third longer (a fraction of embedding).
"""
SAME = 0.999
PAGE = 5000
"""Ids asked for in one question."""
REMEDY = "Check the disk; if it is sound, run: python -m localrag doctor --rebuild"
_FAILURES = (ChromaError, sqlite3.Error, OSError, ValueError, RuntimeError)


class VectorIndex:
    """The Chroma database of a data directory: indexes by name, in each a vector by chunk id; the ledger knows the rest."""

    def __init__(self, place: Path | ServerAddress, afresh: bool = False) -> None:
        """Open or create the database: a folder, or one on a server.

        `afresh` reads from disk what this process has open already.
        Raises:
            DamagedIndexError: the folder cannot be opened.
            StoreError: the server does not answer, or refuses.
        """
        self._place, self._writes = place, 0
        self._lock = threading.RLock()
        self._open: dict[str, Collection] = {}
        self.client: Any = ServerClient(place) if isinstance(place, ServerAddress) else _local_client(place, afresh)
        self._batch = int(self._guard(self.client.get_max_batch_size))

    @property
    def shared(self) -> bool:
        """Whether other data directories may keep their vectors in the same database."""
        return isinstance(self._place, ServerAddress)

    def collection(self, index_name: str, model: EmbeddingModel) -> Collection:
        """The collection's vectors, created in cosine space when missing.

        Raises:
            StoreError: it was built with another embedding model, size or distance.
        """
        with self._lock:
            opened = self._open.get(index_name)
            if opened is None:
                opened = self._guard(
                    lambda: self.client.get_or_create_collection(
                        index_name,
                        configuration={"hnsw": {"space": SPACE, **GRAPH}},
                        metadata={IDENTITY: model.identity, NAME: model.name, "dimension": model.dimension},
                        embedding_function=None,
                    )
                )
                self._open[index_name] = opened
        check_identity(opened, model)
        return opened

    def put(self, index_name: str, model: EmbeddingModel, ids: Sequence[str], vectors: Vectors) -> None:
        """Add or overwrite vectors, in batches of Chroma's own limit."""
        target = self.collection(index_name, model)
        for at in range(0, len(ids), self._batch):
            part = slice(at, at + self._batch)
            with self._marked():
                self._guard(partial(target.upsert, ids=list(ids[part]), embeddings=vectors[part]))

    def remove(self, index_name: str, ids: Sequence[str]) -> None:
        """Take vectors out; ids that are not there are no error."""
        target = self._find(index_name)
        if target is None:
            return
        for at in range(0, len(ids), self._batch):
            with self._marked():
                self._guard(partial(target.delete, ids=list(ids[at : at + self._batch])))

    def nearest(
        self, index_name: str, model: EmbeddingModel, vector: Vectors, k: int, among: Sequence[str] | None = None
    ) -> list[tuple[str, float]]:
        """The k nearest chunk ids with their cosine similarity (1.0 identical, 0.0 unrelated), best first.

        `among` are the only ids that count; ids without a vector among them are no error.
        """
        target = self._find(index_name)
        if target is None:  # a reader makes nothing: the index may just have given way to another
            return []
        check_identity(target, model)
        return self._ranked(target, vector, k, among)

    def finds(self, index_name: str, vector: Vectors) -> bool:
        """Whether a search for a vector of an index leads to it, or to one that is the same."""
        target = self._find(index_name)
        return target is not None and any(score > SAME for _, score in self._ranked(target, vector, 1))

    def _ranked(
        self, target: Collection, vector: Vectors, k: int, among: Sequence[str] | None = None
    ) -> list[tuple[str, float]]:
        if among is not None and not among:
            return []
        ids = None if among is None else list(among)
        found = self._guard(lambda: target.query(query_embeddings=[vector], n_results=k, include=["distances"], ids=ids))
        return [(i, 1.0 - float(d)) for i, d in zip(found["ids"][0], found["distances"][0], strict=True)]

    def count(self, index_name: str) -> int:
        """Vectors in a collection; 0 when there is none."""
        target = self._find(index_name)
        return int(self._guard(target.count)) if target else 0

    def names(self) -> set[str]:
        """The names of all indexes."""
        return {found.name for found in self._guard(self.client.list_collections)}

    def ids(self, index_name: str) -> set[str]:
        """Every chunk id that has a vector."""
        target = self._find(index_name)
        found: set[str] = set()
        while target is not None:
            got = self._guard(partial(target.get, include=[], limit=PAGE, offset=len(found)))["ids"]
            found.update(got)
            if len(got) < PAGE:
                break
        return found

    def existing(self, index_name: str, ids: Sequence[str]) -> set[str]:
        """Those of these chunk ids that have a vector."""
        target = self._find(index_name)
        if target is None:
            return set()
        parts = [list(ids[at : at + self._batch]) for at in range(0, len(ids), self._batch)]
        return {i for part in parts for i in self._guard(partial(target.get, ids=part, include=[]))["ids"]}

    def vectors(self, index_name: str, ids: Sequence[str]) -> dict[str, Vectors]:
        """Vectors by chunk id, of those that have one."""
        target = self._find(index_name)
        found: dict[str, Vectors] = {}
        for at in range(0, len(ids), self._batch) if target else ():
            got = self._guard(partial(target.get, ids=list(ids[at : at + self._batch]), include=["embeddings"]))  # type: ignore[union-attr]
            found |= dict(zip(got["ids"], np.asarray(got["embeddings"], np.float32), strict=True))
        return found

    def drop(self, index_name: str) -> None:
        """Delete a collection's vectors, from the disk too."""
        with self._lock:
            self._open.pop(index_name, None)
            if self._find(index_name):
                with self._marked(), suppress(NotFoundError):  # asked twice, it is gone the second time
                    self._guard(lambda: self.client.delete_collection(index_name), missing=True)
            if isinstance(self._place, Path):
                remove_leftovers(self._place)

    def _find(self, index_name: str) -> Collection | None:
        with self._lock:
            if index_name in self._open:
                return self._open[index_name]
        try:
            return self._guard(lambda: self.client.get_collection(index_name, embedding_function=None), missing=True)
        except NotFoundError:
            return None

    @contextmanager
    def _marked(self) -> Iterator[None]:
        """Meanwhile a note beside the folder says that Chroma is being written: see `segments`."""
        if isinstance(self._place, ServerAddress):
            yield
            return
        with self._lock:
            self._writes += 1
            if self._writes == 1:
                self._guard(partial(note_writing, self._place))
        try:
            yield
        finally:
            with self._lock:
                self._writes -= 1
                if not self._writes:
                    self._guard(partial(note_sound, self._place))

    def _guard(self, action: Any, missing: bool = False) -> Any:
        """Do something in Chroma; what fails is a StoreError, or a NotFoundError where something may be `missing`."""
        try:
            return self.client.patiently(action) if isinstance(self._place, ServerAddress) else action()
        except NotFoundError as exc:
            with self._lock:
                self._open.clear()  # what was opened by name may be gone, or there anew
            if missing:
                raise
            raise StoreError(f"The vector database {self.where} lost an index meanwhile: {exc}. Try again.") from exc
        except _FAILURES as exc:
            raise StoreError(f"The vector database {self.where} failed: {exc}. {REMEDY}") from exc

    @property
    def where(self) -> str:
        """The folder or the server's address, for messages."""
        return self._place.url if isinstance(self._place, ServerAddress) else str(self._place)

    def close(self) -> None:
        """Close connections and files; the last client of a folder closes them for all."""
        self.client.close()


def _local_client(path: Path, afresh: bool) -> Any:
    try:
        if not path.exists():
            path.mkdir(parents=True)
            note_sound(path)
        if afresh:
            SharedSystemClient.clear_system_cache()
        client = chromadb.PersistentClient(str(path), settings=ChromaSettings(anonymized_telemetry=False))
        client.get_max_batch_size()
    except _FAILURES as exc:
        raise DamagedIndexError(f"The vector database {path} cannot be opened: {exc}. {REMEDY}") from exc
    return client


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
