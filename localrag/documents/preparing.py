"""From a source to a document that is ready to be embedded, or to the reason why it is not."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from localrag.documents.archive import MAX_DEPTH
from localrag.documents.ledger import CollectionRecord, Ledger, Making, now
from localrag.documents.reading import Opened, ReadingProcess
from localrag.documents.source import Source
from localrag.documents.sources import file_stamp, printable
from localrag.documents.splitter import chunks_at
from localrag.documents.web import fetch
from localrag.embeddings.base import Spans
from localrag.errors import DocumentError, LocalRagError
from localrag.settings import DocumentSettings, Settings
from localrag.types import Chunk, DocumentRecord, DocumentStatus, Mark, SourceRecord

READERS = "2"
"""Raised when a reader gives another text than before: documents are then read anew."""
RACY_NS = 2_000_000_000
"""A file changed so shortly before it was read may change again without another time: some file systems keep whole seconds."""


@dataclass(slots=True)
class Work:
    """A document on its way in. `status` is None as long as its chunks are to be embedded.

    `record` is what the ledger will keep; None when the document is there already or failed, then `origin` says which it is.
    `before` is what the ledger knew of the source, `replaces`: it led to another document. `fresh`: nothing changed at all.
    `gone`: a file that an archive no longer holds. `closes`: all files of an archive came before this.
    """

    source: Source
    origin: SourceRecord
    started: float
    status: DocumentStatus | None = None
    record: DocumentRecord | None = None
    text: str = ""
    marks: tuple[Mark, ...] = ()
    chunks: list[Chunk] = field(default_factory=list)
    sentences: list[Spans] = field(default_factory=list)
    before: SourceRecord | None = None
    replaces: bool = False
    fresh: bool = False
    gone: bool = False
    closes: bool = False
    error: str = ""
    chunk_count: int = 0
    written: int = 0

    def fail(self, reason: str) -> None:
        """From now on it is out, with this reason; a document that its source led to before stays in as it was."""
        self.status, self.error = "failed", printable(reason)
        document = self.before.document_id if self.before else ""
        self.origin = replace(self.origin, document_id=document, checked_ns=0, error=self.error)


def splitter_name(settings: DocumentSettings) -> str:
    """Which splitter with which settings: chunks made with another are made anew."""
    return f"sentences-1 {settings.chunk_chars}/{settings.chunk_overlap}"


def document_id(collection_id: str, sha256: str) -> str:
    """The same content is the same document in a collection, wherever it comes from."""
    return hashlib.sha256(f"{collection_id}:{sha256}".encode()).hexdigest()[:32]


class Preparer:
    """Reads sources of one collection; for one thread."""

    def __init__(self, collection: CollectionRecord, ledger: Ledger, settings: Settings) -> None:
        self._collection, self._settings = collection, settings
        self._splitter = splitter_name(settings.documents)
        self._reading = ReadingProcess(settings.documents)
        self._sources = {record.source: record for record in ledger.sources(collection.id)}
        self._makings = ledger.makings(collection.id)
        self._leading = Counter(record.document_id for record in self._sources.values())
        self._seen: set[str] = set()
        self._members: dict[str, list[SourceRecord]] = {}
        for record in self._sources.values():
            if record.container:
                self._members.setdefault(record.container, []).append(record)

    def prepare(self, source: Source) -> Iterator[Work]:
        """The documents of a source: one, or those of an archive."""
        started, stamp = time.perf_counter(), ""
        try:
            stamp = file_stamp(source.path) if source.path else ""
            if same := self._unchanged(source, stamp, started):
                yield from same
                return
            opened = self._open(source)
            yield from self._document(source, opened, stamp, started)
        except LocalRagError as exc:
            yield self._failed(source, stamp, started, exc)
        yield from self._gone(source)

    def _unchanged(self, source: Source, stamp: str, started: float) -> list[Work]:
        """Everything at this source, if nothing of it can have changed since it was read."""
        own = self._sources.get(source.identity)
        found = self._members.get(source.identity) or ([own] if own else [])
        if not stamp or not all(self._is_fresh(record, stamp) for record in found):
            return []
        self._members.pop(source.identity, None)
        counts = [self._makings[record.document_id].chunks for record in found]
        return [
            Work(source, record, started, "unchanged", fresh=True, chunk_count=count, written=count)
            for record, count in zip(found, counts, strict=True)
        ]

    def _is_fresh(self, record: SourceRecord, stamp: str) -> bool:
        changed_ns = max(int(part) for part in stamp.split(":")[1:3])
        return (
            record.stamp == stamp
            and record.checked_ns - changed_ns > RACY_NS
            and not record.error
            and self._is_right(record.document_id)
        )

    def _is_right(self, identity: str) -> bool:
        making = self._makings.get(identity)
        return making is not None and (making.reader, making.splitter) == (READERS, self._splitter)

    def _is_in(self, identity: str) -> bool:
        """Whether there are chunks of a document in the collection."""
        making = self._makings.get(identity)
        return making is not None and making.status == "indexed"

    def _open(self, source: Source) -> Opened:
        if source.address is not None:
            page = fetch(source.address, self._settings.web)
            return self._reading.open(source.address, None, page.body, page.content_type)
        path = source.path or source.stored
        return self._reading.open(str(path) if source.path else source.name, path, source.data or b"")

    def _document(self, source: Source, opened: Opened, stamp: str, started: float) -> Iterator[Work]:
        if opened.members is not None:
            yield from self._archive(source, opened.members, stamp)
            yield from self._gone(source)
            end = SourceRecord(source.identity, source.title, stamp=opened.stamp, checked_ns=time.time_ns())
            yield Work(source, end, started, closes=True)
            return
        known = self._members.pop(source.identity, [])  # it was an archive before
        yield from (self._let_go(source, record, started) for record in known)
        yield self._work(source, opened, started)

    def _archive(self, source: Source, members: list[str], stamp: str) -> Iterator[Work]:
        depth = len(source.member)
        if not source.member and source.identity in self._sources:  # it was a document before
            yield self._let_go(source, self._sources[source.identity], time.perf_counter())
        if not members:
            raise DocumentError(f"{source.title} is an archive without files. Add the files themselves.")
        for member in members:
            inner, started = replace(source, member=(*source.member, member)), time.perf_counter()
            try:
                if depth + 1 > MAX_DEPTH:
                    raise DocumentError(
                        f"{inner.title} lies {depth + 1} archives deep, {MAX_DEPTH} are opened. Unpack it first."
                    )
                opened = self._reading.open_member(member, depth)
                if opened.members is not None:
                    yield from self._archive(inner, opened.members, stamp)
                else:
                    yield self._work(inner, opened, started)
            except LocalRagError as exc:
                yield self._failed(inner, stamp, started, exc)

    def _work(self, source: Source, opened: Opened, started: float) -> Work:
        identity = document_id(self._collection.id, opened.sha256)
        before = self._sources.get(source.identity)
        origin = SourceRecord(
            source.identity, source.title, identity, source.container, opened.stamp, time.time_ns(), "", now()
        )
        self._seen.add(source.identity)
        led_to = before.document_id if before else ""
        replaces = led_to != identity and self._is_in(led_to)
        self._leads(led_to, identity)
        if self._is_right(identity):
            count = self._makings[identity].chunks
            status: DocumentStatus = "replaced" if replaces else "unchanged"
            return Work(source, origin, started, status, before=before, replaces=replaces, chunk_count=count, written=count)
        read = self._reading.parse(source.identity)
        parsed = read.document
        chunks = chunks_at(identity, parsed.text, read.chunks)
        was_in = replaces or self._is_in(identity)
        self._makings[identity] = Making(READERS, self._splitter, "indexed", len(chunks))  # the same content may come again
        empty = parsed.note or f"{source.title} holds no text, so there is nothing to find in it."
        record = DocumentRecord(
            id=identity,
            collection=self._collection.name,
            source=source.identity,
            name=source.title,
            type=parsed.type,
            title=parsed.title,
            description=parsed.description,
            language=parsed.language,
            sha256=opened.sha256,
            status="indexed" if chunks else "empty",
            error="" if chunks else empty,
            note=parsed.note if chunks else "",
            characters=len(parsed.text),
            chunks=len(chunks),
            pages=parsed.pages,
            added=now(),
        )
        return Work(
            source,
            origin,
            started,
            None if chunks else "empty",
            record,
            parsed.text,
            parsed.marks,
            chunks,
            read.sentences,
            before,
            was_in,
            error=record.error,
            chunk_count=len(chunks),
        )

    def _leads(self, before: str, identity: str) -> None:
        """A source leads to another document now. One that no source leads to goes, so it is read when it comes again."""
        if before == identity:
            return
        self._leading.update({before: -1, identity: 1})
        if self._leading[before] <= 0:
            self._makings.pop(before, None)

    def _let_go(self, source: Source, record: SourceRecord, started: float) -> Work:
        self._leads(record.document_id, "")
        return Work(source, record, started, gone=True)

    def _failed(self, source: Source, stamp: str, started: float, exc: LocalRagError) -> Work:
        self._seen.add(source.identity)
        before = self._sources.get(source.identity)
        self._leads(before.document_id if before else "", "")
        origin = SourceRecord(source.identity, source.title, container=source.container, stamp=stamp, added=now())
        self._members.pop(source.identity, None)  # an archive that cannot be read now loses nothing
        work = Work(source, origin, started, before=before)
        work.fail(str(exc))
        return work

    def _gone(self, source: Source) -> Iterator[Work]:
        """What an archive held before and no longer does."""
        for record in self._members.pop(source.identity, []):
            if record.source not in self._seen:
                yield self._let_go(source, record, time.perf_counter())

    def close(self) -> None:
        """End the reading process."""
        self._reading.close()
