"""An ingestion in the background, with a snapshot a page can draw."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from localrag.documents.ingest import Control, IngestEvent
from localrag.errors import LocalRagError

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class IngestView:
    """What a page draws: the latest event of every document in order, and how it goes."""

    collection: str
    total: int
    events: tuple[IngestEvent, ...]
    finished: bool
    cancelled: bool
    paused: bool
    error: str
    seconds: float

    @property
    def done(self) -> int:
        """Documents that are finished."""
        return sum(event.status is not None for event in self.events)

    @property
    def current(self) -> IngestEvent | None:
        """The document at work."""
        return next((event for event in self.events if event.status is None), None)

    @property
    def chunks(self) -> int:
        """Chunks embedded by this job."""
        return sum(event.done for event in self.events if event.status != "unchanged")

    @property
    def rate(self) -> float:
        """Chunks per second so far."""
        return self.chunks / self.seconds if self.seconds else 0.0


class IngestJob:
    """A generator of events, drained on a thread of the engine. Every method may be called from any thread."""

    def __init__(
        self, collection: str, total: int, run: Callable[[Control], Iterator[IngestEvent]], number: int | None = None
    ) -> None:
        """`run` gets what tells it to stop or wait, and yields events; nothing starts before `drain`.

        `number` is the job's in the backlog, where it is in it.
        """
        self.number = number
        self.collection, self._total, self._run = collection, total, run
        self._events: dict[str, IngestEvent] = {}
        self.control = Control()
        self._finished = threading.Event()
        self._error = ""
        self._started = time.perf_counter()
        self._seconds = 0.0

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
        seconds = self._seconds or time.perf_counter() - self._started
        return IngestView(
            self.collection,
            self._total,
            tuple(self._events.copy().values()),
            self.finished,
            self.control.cancelled,
            self.control.paused,
            self._error,
            seconds,
        )

    def drain(self) -> None:
        """Do the work, on the calling thread; an error that ends it is kept for the snapshot."""
        self._started = time.perf_counter()
        try:
            for event in self._run(self.control):
                self._events[event.document] = event
        except LocalRagError as exc:
            self._error = str(exc)
        except Exception as exc:  # the job must end for who waits, whatever a library raised
            logger.exception("an ingestion failed")
            self._error = f"The documents could not be taken in: {exc}. Those that were finished are in; add the rest again."
        finally:
            self._seconds = time.perf_counter() - self._started
            self._finished.set()
