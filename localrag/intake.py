"""The queue of what is done to documents in the background: one job after the other, each outliving page, tab and restart."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path

from localrag.bundles import (
    as_events,
    copy_collection,
    discard_unfinished,
    export_collection,
    import_collection,
    rename_collection,
)
from localrag.chat.store import ConversationStore
from localrag.documents.backlog import BacklogJob
from localrag.documents.folders import SyncedFolder
from localrag.documents.ingest import Control, IngestEvent
from localrag.documents.jobs import IngestJob, Work
from localrag.documents.source import Source
from localrag.errors import LocalRagError, StoreError
from localrag.library import Library
from localrag.sync import sync

KEPT_JOBS = 100
Rebuild = Callable[[str, Control], Iterator[tuple[int, int]]]
"""`Library.rebuild` or `Library.restore`."""


class Intake:
    """Every method may be called from any thread."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._lock = threading.RLock()
        self._jobs: list[IngestJob] = []
        self._thread = ThreadPoolExecutor(1, "ingest")

    def start(self, collection: str, sources: Sequence[Source]) -> IngestJob:
        """Take documents in, after what was asked for before.

        From here on a restart does not lose them: they are in the backlog, uploaded bytes on disk.
        Raises:
            BusyError: another process is writing.
            StoreError: the collection cannot be made, or there is no room; nothing was begun.
        """
        self._library.claim_writing()
        return self._start(self._library.note_job(collection, sources))

    def _start(self, noted: BacklogJob) -> IngestJob:
        job = IngestJob(
            noted.collection,
            len(noted.sources),
            lambda control: self._library.ingest(noted.collection, noted.sources, control, noted),
            noted.id,
        )
        if noted.paused:
            job.control.pause()
        return self._add(job)

    def rebuild(self, collection: str) -> IngestJob:
        """Embed a collection anew with the settings' model, from the ledger; it is searched as it was until that is done.

        Raises:
            BusyError: another process is writing.
            StoreError: there is no such collection.
        """
        name = self._library.collection(collection).name
        return self.run(name, 1, partial(self._rebuilding, name, self._library.rebuild), "rebuild")

    def sync(self, collection: str, folder: SyncedFolder, retry: bool = True, force: bool = False) -> IngestJob:
        """Take in what is new or changed in a folder and forget what is gone: see `sync.sync`.

        A restart goes on with what was to go in; what is gone is forgotten at the next sync.
        Raises:
            BusyError: another process is writing.
        """
        self._library.claim_writing()

        def work(control: Control) -> Iterator[IngestEvent]:
            return sync(self._library, collection, folder, control, force, retry, job.expect)

        job = IngestJob(collection, 0, work, what="sync")
        return self._add(job)

    def run(
        self, collection: str, total: int, work: Callable[[Control], Iterator[IngestEvent]], what: Work = "documents"
    ) -> IngestJob:
        """Any other work on documents that yields events."""
        self._library.claim_writing()
        return self._add(IngestJob(collection, total, work, what=what))

    def export(self, collection: str, path: Path, with_vectors: bool = True, with_paths: bool = False) -> IngestJob:
        """Write a collection into one file, after what was asked for before; StoreError when there is none of that name."""
        name = self._library.collection(collection).name

        def run(control: Control) -> Iterator[IngestEvent]:
            steps = export_collection(self._library, name, path, with_vectors, control, with_paths)
            return as_events(name, str(path), steps, control)

        return self._add(IngestJob(name, 1, run, what="export"))

    def import_(self, path: Path, name: str = "") -> IngestJob:
        """Make a new collection of an exported file; a restart before the end leaves nothing of it. BusyError as `start`."""

        def run(control: Control) -> Iterator[IngestEvent]:
            return as_events(name or path.stem, str(path), import_collection(self._library, path, name, control), control)

        return self.run(name or path.stem, 1, run, "import")

    def copy(self, collection: str, new: str) -> IngestJob:
        """Make a new collection of the same documents; a restart before the end leaves nothing of it. BusyError as `start`."""
        name = self._library.collection(collection).name

        def run(control: Control) -> Iterator[IngestEvent]:
            return as_events(new, name, copy_collection(self._library, name, new, control), control)

        return self.run(new, 1, run, "copy")

    def rename(self, collection: str, new: str, conversations: ConversationStore) -> str:
        """Give a collection another name, its conversations with it; returns the name as it is now.

        Raises:
            BusyError: another process is writing.
            StoreError: the name cannot be had, or documents are going into the collection.
        """
        name = self._library.collection(collection).name
        with self._lock:
            if any(job.collection == name and not job.finished for job in self._jobs):
                raise StoreError(f"The collection {name} is being worked on. Rename it when that is done.")
            return rename_collection(self._library, name, new, conversations).name

    def _add(self, job: IngestJob) -> IngestJob:
        with self._lock:
            working = any(not other.finished for other in self._jobs)
            self._jobs = [*(self._jobs[-KEPT_JOBS:] if working else []), job]
        self._thread.submit(job.drain)
        return job

    def go_on(self) -> list[IngestJob]:
        """Take up what a crash, a stop or a pause left; needs the right to write."""
        with suppress(LocalRagError):  # whatever is wrong is said where it is needed
            self._library.backlog.sweep()
            discard_unfinished(self._library)
            # An index may be there without a collection: of one whose deletion was cut short.
            if self._library.collections() or (self._library.settings.data_dir / "chroma").exists():
                self._thread.submit(self._put_right)
            return [self._start(noted) for noted in self._library.backlog.jobs()]
        return []

    def _put_right(self) -> None:
        """What a crash left, and vectors that are lost; collections with jobs get theirs back as these begin."""
        with suppress(LocalRagError):
            busy = {job.collection for job in self._jobs}
            for name in self._library.tidy():
                if name not in busy:
                    self.run(name, 1, partial(self._rebuilding, name, self._library.restore), "rebuild")

    def _rebuilding(self, name: str, work: Rebuild, control: Control) -> Iterator[IngestEvent]:
        return as_events(name, name, work(name, control), control, "replaced", self._library.collection(name).chunks)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until nothing is left to do; False when the time ran out first."""
        until = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            left = None if until is None else max(0.0, until - time.monotonic())
            try:
                self._thread.submit(lambda: None).result(left)  # what `_put_right` adds comes after it
            except TimeoutError:
                return False
            if all(job.finished for job in self.jobs):
                return True

    def pause(self, job: IngestJob, paused: bool) -> None:
        """Let a job wait, or go on; it also waits after a restart."""
        if job.number is not None:
            with suppress(LocalRagError):  # the disk is full: it waits all the same, until a restart
                self._library.backlog.pause(job.number, paused)
        if paused:
            job.control.pause()
        else:
            job.control.resume()

    @property
    def jobs(self) -> list[IngestJob]:
        """Jobs that are not finished, in order; when there is none, the last finished one."""
        with self._lock:
            running = [job for job in self._jobs if not job.finished]
            return running or self._jobs[-1:]

    @property
    def finished_jobs(self) -> list[IngestJob]:
        """Jobs that are finished, in order, since there was last nothing to do."""
        with self._lock:
            return [job for job in self._jobs if job.finished]

    def close(self) -> None:
        """Stop; what is left goes on after a restart."""
        with self._lock:
            for job in self._jobs:
                job.control.cancel(goes_on_later=True)
        self._thread.shutdown()
