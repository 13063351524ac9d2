"""Documents into a collection: reading, embedding and writing overlap; each document is in or out and never half."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from localrag.documents.language import advice, understands
from localrag.documents.ledger import CollectionRecord, Ledger
from localrag.documents.preparing import Preparer, Work
from localrag.documents.source import Source
from localrag.documents.sources import printable
from localrag.documents.writing import Batch, Part, Writer
from localrag.embeddings.base import EmbeddingModel, Vectors
from localrag.errors import EmbeddingError, LocalRagError
from localrag.settings import Settings
from localrag.types import DocumentStatus

BATCH_CHUNKS = 64
"""Embedded together: small enough that pause and cancel act within two seconds on a slow machine."""
BATCH_PARTS = 256
"""Documents written together at most, where they need no embedding."""
IN_FLIGHT = 2
"""Batches on their way: while one is written the next is embedded, so no embedding worker waits."""
READ_AHEAD = 4
"""Documents read while earlier ones are embedded."""


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
    note: str = ""


class Control:
    """Cancel, pause and resume, from any thread."""

    def __init__(self) -> None:
        self._cancelled, self._going = threading.Event(), threading.Event()
        self._going.set()
        self._paused_at: float | None = None
        self._waited_s = 0.0
        self.goes_on_later = False

    def cancel(self, goes_on_later: bool = False) -> None:
        """Stop before the next piece of work; what is left is forgotten, unless it `goes_on_later`, after a restart."""
        self.goes_on_later = goes_on_later
        self._cancelled.set()
        self.resume()

    def pause(self) -> None:
        """Wait before the next piece of work."""
        if not self._cancelled.is_set() and self._going.is_set():
            self._paused_at = time.perf_counter()
            self._going.clear()

    def resume(self) -> None:
        """Go on."""
        self._waited_s = self.waited_s()
        self._paused_at = None
        self._going.set()

    def waited_s(self) -> float:
        """Seconds it was paused so far."""
        at = self._paused_at
        return self._waited_s + (0.0 if at is None else time.perf_counter() - at)

    @property
    def cancelled(self) -> bool:
        return self._cancelled.is_set()

    @property
    def paused(self) -> bool:
        return not self._going.is_set()

    def wait(self) -> None:
        """Return when the work may go on, or was cancelled."""
        self._going.wait()


@dataclass(frozen=True, slots=True)
class _End:
    """Everything of a source was handed over."""

    source: Source


@dataclass
class Ingestion:
    """One run of documents into one collection; `finished` hears of sources that need not be looked at again."""

    collection: CollectionRecord
    ledger: Ledger
    model: EmbeddingModel
    settings: Settings
    writer: Writer
    control: Control = field(default_factory=Control)
    finished: Callable[[Sequence[Source]], None] = lambda sources: None

    def run(self, sources: Sequence[Source]) -> Iterator[IngestEvent]:
        """Take the sources in. A failed one is an event, and the rest goes in."""
        self.writer.clean_up()
        handed: queue.Queue[Any] = queue.Queue(READ_AHEAD)
        stop = threading.Event()
        preparer = Preparer(self.collection, self.ledger, self.settings)
        reading = threading.Thread(target=self._read, args=(preparer, sources, handed, stop), name="read", daemon=True)
        reading.start()
        try:
            yield from self._through(handed)
        finally:
            stop.set()
            preparer.close()  # whatever it is reading
            while reading.is_alive():
                with suppress(queue.Empty):
                    handed.get(timeout=0.05)
        self.writer.clean_up()

    def run_prepared(self, works: Sequence[Work]) -> Iterator[IngestEvent]:
        """Take in documents that were read already."""
        handed: queue.Queue[Any] = queue.Queue()
        for work in (*works, None):
            handed.put(work)
        yield from self._through(handed)

    def _through(self, handed: queue.Queue[Any]) -> Iterator[IngestEvent]:
        self._flight: deque[Future[list[IngestEvent]]] = deque()
        self._batch = Batch()
        with ThreadPoolExecutor(IN_FLIGHT, "embed-batch") as self._embedding, ThreadPoolExecutor(1, "write") as self._writing:
            yield from self._work_off(handed)
            yield from self._landed(0)

    @staticmethod
    def _read(preparer: Preparer, sources: Sequence[Source], handed: queue.Queue[Any], stop: threading.Event) -> None:
        """On a thread of its own: hand over every document that was read."""
        try:
            for source in sources:
                if stop.is_set():
                    return
                handed.put(IngestEvent(source.identity, printable(source.name), source.identity))
                for work in preparer.prepare(source):
                    handed.put(work)
                    if stop.is_set():
                        return
                handed.put(_End(source))
            handed.put(None)
        except Exception as exc:  # noqa: BLE001 - it is raised again by who drains the events
            handed.put(exc)
        finally:
            preparer.close()

    def _work_off(self, handed: queue.Queue[Any]) -> Iterator[IngestEvent]:
        while not self.control.cancelled:
            self.control.wait()
            try:
                item = handed.get(timeout=0.02)
            except queue.Empty:
                if not self._flight:
                    self._submit()  # nothing is ready to be read: embed what there is
                yield from self._landed(IN_FLIGHT)
                continue
            if item is None:
                self._submit()
                return
            if isinstance(item, BaseException):
                raise item
            if isinstance(item, IngestEvent):
                yield item
            elif isinstance(item, _End):
                self._batch.ended.append(item.source)
            else:
                yield from self._admit(item)
        self._batch = Batch()

    def _admit(self, work: Work) -> Iterator[IngestEvent]:
        """Put a document into batches, as many as it fills."""
        at, count = 0, len(work.chunks)
        while True:
            room = BATCH_CHUNKS - self._batch.chunks
            until = min(count, at + room)
            self._batch.parts.append(Part(work, at, until))
            self._batch.chunks += until - at
            at = until
            if self._batch.chunks >= BATCH_CHUNKS or len(self._batch.parts) >= BATCH_PARTS:
                self._submit()
                yield from self._landed(IN_FLIGHT - 1)
                self.control.wait()
            if at == count or self.control.cancelled:
                return

    def _submit(self) -> None:
        batch, self._batch = self._batch, Batch()
        if batch.parts or batch.ended:
            vectors = self._embedding.submit(self._embed, batch)
            self._flight.append(self._writing.submit(self._write, vectors, batch))

    def _embed(self, batch: Batch) -> tuple[Vectors, list[Vectors]] | None:
        texts, spans = batch.texts(), batch.spans()
        if not texts:
            return None
        try:
            return self.model.embed_passages(texts, spans)
        except EmbeddingError:
            if len(batch.parts) == 1:
                raise
        return self._embed_apart(batch)

    def _embed_apart(self, batch: Batch) -> tuple[Vectors, list[Vectors]]:
        """Document by document, after the model failed on one of them: the others go in."""
        rows: list[Vectors] = []
        sentences: list[Vectors] = []
        for part in batch.parts:
            alone = Batch([part])
            count = part.last - part.first
            try:
                found, inside = self.model.embed_passages(alone.texts(), alone.spans()) if count else (None, [])
            except EmbeddingError as exc:
                part.work.fail(str(exc))
                found, inside = np.zeros((count, self.model.dimension), np.float32), []
            if found is not None:
                rows.append(found)
                sentences += inside or [np.empty((0, self.model.dimension), np.float32)] * count
        return np.concatenate(rows), sentences

    def _write(self, vectors: Future[tuple[Vectors, list[Vectors]] | None], batch: Batch) -> list[IngestEvent]:
        try:
            embedded = vectors.result()
        except LocalRagError as exc:
            embedded = None
            batch.fail(exc)
        works = self.writer.write(batch, embedded)
        if batch.ended:
            self.finished(batch.ended)
        return [self._event(work) for work in works if not (work.gone or work.closes)]

    def _landed(self, allowed: int) -> Iterator[IngestEvent]:
        """Events of batches that are written, waiting until no more than `allowed` are on their way."""
        while self._flight and (len(self._flight) > allowed or self._flight[0].done()):
            yield from self._flight.popleft().result()

    def _event(self, work: Work) -> IngestEvent:
        source = work.origin.source
        event = IngestEvent(source, work.origin.name, source, None, work.written, work.chunk_count)
        if work.status is None:
            return event
        seconds = time.perf_counter() - work.started
        return replace(event, status=work.status, error=work.error, seconds=seconds, note=self._note(work))

    def _note(self, work: Work) -> str:
        """What of it could not be read, and whether the embedding model knows its language."""
        if work.record is None or work.status not in ("indexed", "replaced"):
            return ""
        known = understands(self.model.languages, work.record.language)
        unknown = "" if known else advice(self.model.name, work.record.language, self.model.languages)
        return " ".join(part for part in (work.record.note, unknown) if part)
