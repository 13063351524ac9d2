"""An ingestion in the background, with a snapshot a page can draw."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from localrag.documents.ingest import Control, IngestEvent
from localrag.errors import LocalRagError

logger = logging.getLogger(__name__)
Work = Literal["documents", "sync", "rebuild", "export", "import", "copy"]
"""What a job does: take documents in, keep a folder in sync, or something with a whole collection."""
RATE_S = 20.0
"""The rate is that of the last so many seconds: what was true an hour ago says little about what is left."""


@dataclass(frozen=True, slots=True)
class IngestView:
    """What a page draws: the latest event of every document in order, and how it goes.

    `total` counts the files of archives as soon as they are known. `seconds` are those of work, without pauses; `rate` is in
    chunks embedded per second.
    """

    collection: str
    total: int
    events: tuple[IngestEvent, ...]
    finished: bool
    cancelled: bool
    paused: bool
    error: str
    seconds: float
    rate: float = 0.0
    what: Work = "documents"

    @property
    def done(self) -> int:
        """Documents that are finished."""
        return sum(event.status is not None for event in self.events)

    @property
    def current(self) -> IngestEvent | None:
        """The document at work: the one being embedded, else the one being read."""
        begun = [event for event in self.events if event.status is None]
        return next((event for event in begun if event.chunks), begun[-1] if begun else None)

    @property
    def chunks(self) -> int:
        """Chunks embedded by this job."""
        return sum(event.done for event in self.events if event.status != "unchanged")

    @property
    def share(self) -> float:
        """How much of the work is done, from 0.0 to 1.0, every document counted alike."""
        at_work = sum(event.done / event.chunks for event in self.events if event.status is None and event.chunks)
        return min(1.0, (self.done + at_work) / self.total) if self.total else 0.0

    @property
    def left_s(self) -> float | None:
        """Seconds until the end, if it goes on like this; None while too little is done to say."""
        share = self.share
        if share <= 0.01 or self.seconds < 1.0 or self.finished:
            return None
        return self.seconds * (1 - share) / share


class IngestJob:
    """A generator of events, drained on a thread of the engine. Every method may be called from any thread."""

    def __init__(
        self,
        collection: str,
        total: int,
        run: Callable[[Control], Iterator[IngestEvent]],
        number: int | None = None,
        what: Work = "documents",
    ) -> None:
        """`run` gets what tells it to stop or wait, and yields events; nothing starts before `drain`.

        `number` is the job's in the backlog, where it is in it.
        """
        self.number, self.what = number, what
        self.key = uuid.uuid4().hex
        self.collection, self._total, self._run = collection, total, run
        self._events: dict[str, IngestEvent] = {}
        self.control = Control()
        self._finished = threading.Event()
        self._error = ""
        self._started: float | None = None
        self._waited_s = 0.0
        self._seconds = 0.0
        self._chunks = 0
        self._opened: set[str] = set()
        self._recent: deque[tuple[float, int]] = deque()

    def expect(self, total: int) -> None:
        """Say how many documents there are, once that is known."""
        self._total = total

    def cancel(self) -> None:
        """Stop before the next piece of work; finished documents stay in, the one at hand is left as it was."""
        self.control.cancel()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for the end; False when the time ran out first."""
        return self._finished.wait(timeout_s)

    @property
    def finished(self) -> bool:
        return self._finished.is_set()

    def snapshot(self) -> IngestView:
        """How it stands now."""
        return IngestView(
            self.collection,
            self._total,
            tuple(self._events.copy().values()),
            self.finished,
            self.control.cancelled,
            self.control.paused,
            self._error,
            self._working_s(),
            self._rate(),
            self.what,
        )

    def _working_s(self) -> float:
        """Seconds of work: waiting in the queue and pauses do not count."""
        if self._started is None or self._seconds:
            return self._seconds
        return time.perf_counter() - self._started - (self.control.waited_s() - self._waited_s)

    def _rate(self) -> float:
        recent = list(self._recent)
        if not recent or self.finished:
            seconds = self._working_s()
            return self._chunks / seconds if seconds else 0.0
        since, chunks = recent[0]
        passed = self._working_s() - since
        return (self._chunks - chunks) / passed if passed > 0 else 0.0

    def _note(self, event: IngestEvent) -> None:
        """Keep an event, and how many chunks were embedded by now."""
        before = self._events.get(event.document)
        if before is None:
            self._count_member(event)
        self._events[event.document] = event
        if event.status != "unchanged" and (news := event.done - (before.done if before else 0)) > 0:
            now = self._working_s()
            if not self._recent:
                self._recent.append((0.0, 0))
            self._chunks += news
            self._recent.append((now, self._chunks))
            while len(self._recent) > 2 and now - self._recent[1][0] > RATE_S:
                self._recent.popleft()

    def _count_member(self, event: IngestEvent) -> None:
        """A file of an archive stands for itself: the archive was announced as one document and turns out to be several."""
        if event.status is None and not event.chunks:
            return  # the announcement of a source
        at = len(event.document)
        while (at := event.document.rfind("/", 0, at)) > 0:
            archive = self._events.get(event.document[:at])
            if archive is not None and archive.status is None and not archive.chunks:
                del self._events[archive.document]  # its first file takes its place
                self._opened.add(archive.document)
                return
            if event.document[:at] in self._opened:
                self._total += 1
                return

    def drain(self) -> None:
        """Do the work, on the calling thread; an error that ends it is kept for the snapshot."""
        self._started, self._waited_s = time.perf_counter(), self.control.waited_s()
        try:
            for event in self._run(self.control):
                self._note(event)
        except LocalRagError as exc:
            self._error = str(exc)
        except Exception as exc:  # the job must end for who waits, whatever a library raised
            logger.exception("an ingestion failed")
            self._error = f"The documents could not be taken in: {exc}. Those that were finished are in; add the rest again."
        finally:
            self._seconds = self._working_s()
            self._finished.set()
