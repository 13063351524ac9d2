"""Embedded documents into the ledger and the index, in the one order that survives a crash at any moment."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from localrag.documents.ledger import CollectionRecord, Ledger
from localrag.documents.preparing import READERS, Work, splitter_name
from localrag.documents.source import Source
from localrag.documents.unfinished import Unfinished
from localrag.embeddings.base import EmbeddingModel, Spans, Vectors
from localrag.errors import LocalRagError
from localrag.settings import DocumentSettings


class Index(Protocol):
    """What documents need of the vector index."""

    def existing(self, index_name: str, ids: Sequence[str]) -> set[str]: ...

    def ids(self, index_name: str) -> set[str]: ...

    def put(self, index_name: str, model: EmbeddingModel, ids: Sequence[str], vectors: Vectors) -> None: ...

    def remove(self, index_name: str, ids: Sequence[str]) -> None: ...


@dataclass(frozen=True, slots=True)
class Part:
    """Chunks `first` to `last` of a document; the one that ends it is written with the whole document."""

    work: Work
    first: int
    last: int

    @property
    def ends(self) -> bool:
        return self.last == len(self.work.chunks)

    @property
    def is_open(self) -> bool:
        """Whether its chunks are still wanted: an earlier part may have failed."""
        return self.work.status is None


@dataclass(slots=True)
class Batch:
    """Parts of documents that are embedded and written together; `ended` are sources with nothing after this batch."""

    parts: list[Part] = field(default_factory=list)
    chunks: int = 0
    ended: list[Source] = field(default_factory=list)

    def texts(self) -> list[str]:
        return [chunk.text for part in self.parts for chunk in part.work.chunks[part.first : part.last]]

    def spans(self) -> list[Spans]:
        return [spans for part in self.parts for spans in part.work.sentences[part.first : part.last]]

    def fail(self, exc: LocalRagError) -> None:
        """None of its chunks could be embedded."""
        for part in self.parts:
            if part.is_open:
                part.work.fail(str(exc))


class Writer:
    """Writes batches of one collection."""

    def __init__(
        self,
        collection: CollectionRecord,
        ledger: Ledger,
        settings: DocumentSettings,
        index: Index,
        model: EmbeddingModel,
    ) -> None:
        self._collection, self._ledger = collection, ledger
        self._unfinished = Unfinished(ledger.db)
        self._splitter = splitter_name(settings)
        self._index, self._model = index, model

    def write(self, batch: Batch, embedded: tuple[Vectors, list[Vectors]] | None) -> list[Work]:
        """Write vectors, then every document that is complete with them; returns the documents that went on."""
        with self._ledger.vectors_lock:
            return self._write(batch, embedded)

    def _write(self, batch: Batch, embedded: tuple[Vectors, list[Vectors]] | None) -> list[Work]:
        try:
            self._write_vectors(batch, embedded)
        except LocalRagError as exc:
            batch.fail(exc)
        replaced = False
        noted: list[Work] = []
        for work in (part.work for part in batch.parts if part.ends):
            # In their order: a source that has come to lead to a document keeps it when the one before lets go of it.
            if work.record is not None and work.status in (None, "empty"):
                self._note(noted)
                noted = []
                replaced = self._put(work) or replaced
            if not work.fresh:
                noted.append(work)
        self._note(noted)
        if replaced or any(part.work.gone or (part.work.replaces and part.work.record is None) for part in batch.parts):
            self.clean_up(replaced_only=True)
        return [part.work for part in batch.parts if part.ends or part.is_open]

    def _write_vectors(self, batch: Batch, embedded: tuple[Vectors, list[Vectors]] | None) -> None:
        if embedded is None:
            return
        vectors, sentences = embedded
        sound: NDArray[np.bool_] = np.asarray(np.isfinite(vectors).all(axis=1))
        at = 0
        rows: list[int] = []
        for part in batch.parts:
            mine = range(at, at + part.last - part.first)
            at += len(mine)
            if part.is_open and not sound[mine.start : mine.stop].all():
                part.work.fail(f"{part.work.origin.name} could not be embedded: the model gave no usable numbers.")
            if part.is_open:
                rows += mine
                part.work.written = part.last
        if not rows:
            return
        all_ids = [chunk.id for part in batch.parts for chunk in part.work.chunks[part.first : part.last]]
        ids = [all_ids[row] for row in rows]
        spans = batch.spans()
        found = [(spans[row], sentences[row]) for row in rows] if sentences else []
        self._unfinished.announce(self._collection.id, ids, self._collection.index_name, found)
        self._index.put(self._collection.index_name, self._model, ids, vectors[rows])

    def _put(self, work: Work) -> bool:
        """Put a complete document in; whether chunks may have been replaced."""
        assert work.record is not None
        try:
            self._ledger.put(
                self._collection.id, work.record, work.origin, work.text, work.chunks, work.marks, READERS, self._splitter
            )
        except LocalRagError as exc:
            work.fail(str(exc))
            return False
        if work.status is None:
            work.status = "replaced" if work.replaces else "indexed"
        return work.replaces

    def _note(self, works: Sequence[Work]) -> None:
        """Keep what is known of sources whose documents are there already, failed, or are gone."""
        there = [work for work in works if work.record is None and not work.gone and not work.closes]
        for work in there:
            if work.status != "failed" and self._ledger.document(work.origin.document_id) is None:
                work.fail(f"{work.origin.name} is the same as a document that could not be taken in. Add it again.")
        failed = [work for work in works if work.status == "failed" and work.record is not None]
        with suppress(LocalRagError):  # the disk is full or gone: the reason still reaches the caller as an event
            self._ledger.attach(self._collection.id, [work.origin for work in (*there, *failed)])
            self._ledger.detach(self._collection.id, [work.origin.source for work in works if work.gone])
            for work in works:
                if work.closes:
                    self._ledger.close_archive(self._collection.id, work.origin)

    def clean_up(self, replaced_only: bool = False) -> None:
        """Take out of the index what an interrupted or replacing write left there: see `take_out`."""
        take_out(self._collection, self._ledger, self._index, replaced_only)


def take_out(collection: CollectionRecord, ledger: Ledger, index: Index, replaced_only: bool = False) -> None:
    """Take vectors out of an index that belong to no document; those of writes that go on stay with `replaced_only`."""
    unfinished = Unfinished(ledger.db)
    if left := unfinished.left(collection.id, replaced_only):
        index.remove(collection.index_name, left)
        unfinished.settle(collection.id, left)
