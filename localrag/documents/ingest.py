"""Documents into a collection: read, split, embed, write; one at a time, each in or out and never half."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from localrag.documents.ledger import CollectionRecord, Ledger, now
from localrag.documents.readers import read_document
from localrag.documents.sources import find_files, is_address, printable, read_file
from localrag.documents.splitter import split
from localrag.documents.web import fetch
from localrag.embeddings.base import EmbeddingModel, Vectors
from localrag.errors import DocumentError, EmbeddingError, LocalRagError
from localrag.settings import Settings
from localrag.types import Chunk, DocumentRecord, DocumentStatus, ParsedDocument

EMBED_STEP = 128
"""Most chunks embedded between two looks at cancel and progress."""

PutVectors = Callable[[list[str], Vectors], None]


@dataclass(frozen=True, slots=True)
class Source:
    """Something to take in: a file by path, a page by address, or bytes that were uploaded under a name."""

    name: str
    path: Path | None = None
    address: str | None = None
    data: bytes | None = None

    @property
    def identity(self) -> str:
        """What the ledger calls it: the absolute path, the address, or the uploaded name."""
        return printable(str(self.path) if self.path else self.address or self.name)


def sources_at(place: str) -> list[Source]:
    """What a person means by a place: a web address, a file, or every file in a folder.

    Raises:
        DocumentError: nothing was named, there is nothing there, or the folder holds no files.
    """
    place = place.strip()
    if not place:
        raise DocumentError("No file, folder or address was named. Name one and try again.")
    if is_address(place):
        return [Source(place, address=place)]
    path = Path(os.path.expanduser(place))
    if os.path.isdir(path):  # unlike Path.is_dir(), says no to a name no file can have
        found = [Source(file.name, path=file.absolute()) for file in find_files(path)]
        if not found:
            raise DocumentError(f"The folder {place} holds no files. Choose another one.")
        return found
    if not os.path.lexists(path):
        raise DocumentError(f"There is nothing at {place:.300}. Give a web address that begins with http, a file, or a folder.")
    return [Source(path.name, path=path.absolute())]


@dataclass(frozen=True, slots=True)
class IngestEvent:
    """Progress of one document. `status` is None until it is finished; `done` of `chunks` chunks are embedded."""

    document: str
    name: str
    path: str
    status: DocumentStatus | None = None
    done: int = 0
    chunks: int = 0
    error: str = ""
    seconds: float = 0.0


class Cancelled(Exception):  # noqa: N818 - it is a request, not an error
    """Raised inside an ingestion that was asked to stop; the document at hand is left as it was."""


@dataclass(frozen=True, slots=True)
class Ingestion:
    """Where documents go and with what."""

    collection: CollectionRecord
    ledger: Ledger
    model: EmbeddingModel
    settings: Settings
    put_vectors: PutVectors
    remove_vectors: Callable[[list[str]], None]
    cancelled: Callable[[], bool] = lambda: False
    vectors_are_there: bool = True
    """False when vectors were lost: then documents are embedded again though they have not changed."""

    def run(self, sources: list[Source]) -> Iterator[IngestEvent]:
        """Take the sources in, one after the other. A failed one is an event, and the rest goes in."""
        self.clean_up()
        for source in sources:
            if self.cancelled():
                return
            started = time.perf_counter()
            start = IngestEvent(source.identity, printable(source.name), source.identity)
            yield start
            try:
                for event in self._one(source, start):
                    yield replace(event, seconds=time.perf_counter() - started)
            except Cancelled:
                self.clean_up()
                return
            except LocalRagError as exc:
                reason = printable(str(exc))
                self._fail(source, reason)
                yield replace(start, status="failed", error=reason, seconds=time.perf_counter() - started)

    def clean_up(self) -> None:
        """Take out of the index what an interrupted or replacing write left there."""
        left = self.ledger.unfinished(self.collection.id)
        if left:
            self.remove_vectors(left)
        self.ledger.settle(self.collection.id)

    def _one(self, source: Source, event: IngestEvent) -> Iterator[IngestEvent]:
        data, declared, charset_name = self._bytes(source)
        digest = hashlib.sha256(data).hexdigest()
        limits = self.settings.documents
        splitter = f"sentences-1 {limits.chunk_chars}/{limits.chunk_overlap}"
        document_id = self._document_id(source)
        old = self.ledger.document(document_id)
        if (
            self.vectors_are_there
            and old
            and old.status != "failed"
            and old.sha256 == digest
            and self.ledger.splitter(document_id) == splitter
        ):
            yield replace(event, status="unchanged", chunks=old.chunks, done=old.chunks)
            return
        parsed = read_document(data, charset_name, limits, declared)
        chunks = split(document_id, parsed, limits.chunk_chars, limits.chunk_overlap)
        yield from self._embed(chunks, event)
        record = _record(document_id, self.collection.name, source, digest, parsed, chunks)
        self.ledger.put(self.collection.id, record, parsed.text, chunks, splitter)
        self.clean_up()
        status: DocumentStatus = record.status
        if old and old.status == "indexed" and status == "indexed":
            status = "replaced"
        yield replace(event, status=status, chunks=len(chunks), done=len(chunks), error=record.error)

    def _document_id(self, source: Source) -> str:
        return hashlib.sha256(f"{self.collection.id}:{source.identity}".encode()).hexdigest()[:32]

    def _bytes(self, source: Source) -> tuple[bytes, str, str]:
        """The source's bytes, the type its server declared, and the name readers may take hints from."""
        if source.path is not None:
            return read_file(source.path, self.settings.documents.max_document_mb), "", source.name
        if source.address is not None:
            page = fetch(source.address, self.settings.web)
            return page.body, page.content_type, source.address
        return source.data or b"", "", source.name

    def _embed(self, chunks: list[Chunk], event: IngestEvent) -> Iterator[IngestEvent]:
        self.ledger.announce(self.collection.id, [chunk.id for chunk in chunks])
        size = -(-len(chunks) // max(1, -(-len(chunks) // EMBED_STEP)))  # equal steps: a short last one leaves workers idle
        for at in range(0, len(chunks), size or 1):
            if self.cancelled():
                raise Cancelled
            part = chunks[at : at + size]
            vectors = self.model.embed_texts([chunk.text for chunk in part])
            if not np.isfinite(vectors).all():
                raise EmbeddingError(f"{event.name} could not be embedded: the model gave no usable numbers. Choose another.")
            self.put_vectors([chunk.id for chunk in part], vectors)
            yield replace(event, done=at + len(part), chunks=len(chunks))

    def _fail(self, source: Source, reason: str) -> None:
        """Keep the reason in the ledger; a document that was in before stays in as it was."""
        document_id = self._document_id(source)
        old = self.ledger.document(document_id)
        try:
            self.clean_up()
            if old is None or old.status == "failed":
                record = DocumentRecord(
                    document_id,
                    self.collection.name,
                    source.identity,
                    printable(source.name),
                    status="failed",
                    error=reason,
                    added=now(),
                )
                self.ledger.put(self.collection.id, record, "", [], "")
        except LocalRagError:
            return  # the disk is full or gone: the reason still reaches the caller as an event


def _record(
    document_id: str, collection: str, source: Source, digest: str, parsed: ParsedDocument, chunks: list[Chunk]
) -> DocumentRecord:
    empty = not chunks
    name = printable(source.name)
    return DocumentRecord(
        id=document_id,
        collection=collection,
        source=source.identity,
        name=name,
        type=parsed.type,
        title=parsed.title,
        description=parsed.description,
        language=parsed.language,
        sha256=digest,
        status="empty" if empty else "indexed",
        error=f"{name} holds no text, so there is nothing to find in it." if empty else "",
        characters=len(parsed.text),
        chunks=len(chunks),
        added=now(),
    )
