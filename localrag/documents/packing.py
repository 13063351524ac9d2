"""A collection of the ledger as what a bundle holds, at one moment; without the sender's folders unless they are wanted."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Literal, Protocol

import numpy as np

from localrag import __version__
from localrag.documents.bundle import FORMAT, Counts, Embedding, Manifest, Packed, Range, Splitting
from localrag.documents.ledger import Ledger, now
from localrag.documents.preparing import READERS, splitter_name
from localrag.documents.sources import is_address
from localrag.documents.unfinished import Unfinished
from localrag.embeddings.base import Spans, Vectors
from localrag.errors import StoreError
from localrag.settings import DocumentSettings
from localrag.types import SourceRecord

Paths = Literal["none", "with", "same machine"]
"""Of sources: only names; paths; or paths with the times of files, so that unchanged ones are not read again."""
ROWS = 512
_ABSOLUTE = re.compile(r"[/\\]|[A-Za-z]:[/\\]")
_USER = re.compile(r"^([^:/]+://)[^/?#]*@")


class Index(Protocol):
    """What is needed of the vector index."""

    def vectors(self, index_name: str, ids: Sequence[str]) -> dict[str, Vectors]: ...


@contextmanager
def at_one_moment(ledger: Ledger) -> Iterator[Ledger]:
    """The ledger as it is now, whatever is written to it meanwhile."""
    held = Ledger(ledger.db.path)
    try:
        held.db.hold()
        yield held
    finally:
        held.close()


class LedgerContents:
    """A collection's contents; `documents` is drained before vectors and sentences are asked for."""

    def __init__(
        self, ledger: Ledger, index: Index, collection_id: str, settings: DocumentSettings, with_vectors: bool, paths: Paths
    ) -> None:
        """`ledger` must not change meanwhile: see `at_one_moment`."""
        self._ledger, self._index, self._paths = ledger, index, paths
        record = next((c for c in ledger.collections() if c.id == collection_id), None)
        if record is None:
            raise StoreError("The collection was deleted meanwhile. Choose another one.")
        self._record = record
        self._unfinished = Unfinished(ledger.db)
        self._chunk_ids: list[str] = []
        sentences = self._unfinished.count_sentences(record.id, record.index_name) if with_vectors else 0
        self.manifest = Manifest(
            format=FORMAT,
            product=f"LocalRAG {__version__}",
            created=now(),
            collection=record.name,
            embedding=Embedding(identity=record.embedding, name=record.embedding_name, dimension=record.dimension),
            settings=Splitting(
                reader=READERS,
                splitter=splitter_name(settings),
                chunk_chars=settings.chunk_chars,
                chunk_overlap=settings.chunk_overlap,
            ),
            counts=Counts(documents=record.documents, chunks=record.chunks, sentences=sentences, characters=0),
            vectors=with_vectors,
            paths=paths != "none",
        )

    def documents(self) -> Iterator[Packed]:
        """All documents with a text, and those that were found to have none; not what could not be read."""
        sources: dict[str, list[SourceRecord]] = {}
        for source in self._ledger.sources(self._record.id):
            sources.setdefault(source.document_id, []).append(source)
        sources.pop("", None)
        names: dict[str, int] = {}
        self._chunk_ids = []
        for document_id, known in sources.items():
            yield self._packed(document_id, [self._sent(source, names) for source in known], known)

    def _packed(self, document_id: str, sent: list[SourceRecord], known: list[SourceRecord]) -> Packed:
        stored = self._ledger.stored(document_id)
        assert stored is not None  # the ledger holds still, and sources refer to documents
        record = stored.record
        chunks = self._ledger.chunks_of(document_id)
        self._chunk_ids += [chunk.id for chunk in chunks]
        note = "" if known[0].error and record.note == known[0].error else record.note  # it is the source's own
        return Packed(
            sha256=record.sha256,
            type=record.type,
            title=record.title,
            description=record.description,
            language=record.language,
            reader=stored.reader,
            splitter=stored.splitter,
            status="indexed" if chunks else "empty",
            error=self._without_folders(record.error, known),
            note=self._without_folders(note, known),
            pages=record.pages,
            added=record.added,
            sources=tuple(sent),
            text=self._ledger.text(document_id),
            marks=self._ledger.marks(document_id),
            chunks=tuple(Range(chunk.start, chunk.end, chunk.location, chunk.page) for chunk in chunks),
        )

    def vectors(self) -> Iterator[Vectors]:
        """Rows in the order of the chunks; zeros where the index has lost one."""
        lost = np.zeros(self._record.dimension, np.float32)
        for at in range(0, len(self._chunk_ids), ROWS):
            ids = self._chunk_ids[at : at + ROWS]
            found = self._index.vectors(self._record.index_name, ids)
            yield np.stack([found.get(chunk_id, lost) for chunk_id in ids])

    def sentences(self) -> Iterator[tuple[int, Spans, Vectors]]:
        """See `Contents`."""
        for at in range(0, len(self._chunk_ids), ROWS):
            ids = self._chunk_ids[at : at + ROWS]
            found = self._unfinished.sentences(ids, self._record.index_name)
            for row, chunk_id in enumerate(ids, at):
                if chunk_id in found and len(found[chunk_id][0]):
                    yield row, *found[chunk_id]

    def _sent(self, source: SourceRecord, names: dict[str, int]) -> SourceRecord:
        """A source as it goes out. Without folders two may have one name: then they are numbered."""
        if self._paths == "same machine":
            return source
        if self._paths == "with":
            return replace(source, error="", stamp="", checked_ns=0)
        bare = (
            _bare(source.container) + source.source.removeprefix(source.container) if source.container else _bare(source.source)
        )
        name, count = bare, names.get(bare, 1)
        while name in names:
            count += 1
            name = f"{bare} ({count})"
        names[bare] = count
        names.setdefault(name, 1)
        return SourceRecord(name, _bare(source.name), added=source.added)

    def _without_folders(self, said: str, known: list[SourceRecord]) -> str:
        for source in known if self._paths == "none" else ():
            for place in (source.source, source.container):
                said = said.replace(place, _bare(place)) if place else said
        return said


def _bare(place: str) -> str:
    """The name of a file without its folders; a web address without a password; the name of uploaded bytes as it is."""
    if is_address(place):
        return _USER.sub(r"\1", place)
    if not _ABSOLUTE.match(place):
        return place
    return re.split(r"[/\\]", place.rstrip("/\\"))[-1]
