"""Tuning for the engine: one at a time, on the model's own thread, so that no answer is generated meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from localrag.errors import BusyError
from localrag.llms.base import LoadedModel
from localrag.settings import ModelSettings
from localrag.tuning.copies import remove_left
from localrag.tuning.jobs import TuneJob
from localrag.tuning.plan import Plan, full_plan
from localrag.tuning.remembered import TunedChoice, TuneResult, best, remembered

CLOSE_S = 10.0
Submit = Callable[[Callable[[LoadedModel | None], None]], None]


class Tunings:
    """Every method may be called from any thread.

    A sweep measures in a process of its own but takes the model's thread for as long: an answer generated beside it would slow
    both and spoil the figures. Questions asked meanwhile wait; their evidence is shown at once as always.
    """

    def __init__(self, data_dir: Path, models_dir: Path, submit: Submit) -> None:
        """`submit` queues a task on the model's thread."""
        self._data_dir, self._models_dir, self._submit = data_dir, models_dir, submit
        self._lock = threading.Lock()
        self._job: TuneJob | None = None
        remove_left(models_dir)
        remove_left(data_dir)

    def start(self, path: Path, base: ModelSettings, copies: bool = False, plan: Plan | None = None) -> TuneJob:
        """Tune a model file once the answers asked before are through; `copies` tries requantised ones too.

        Raises:
            BusyError: one is running.
            ModelFileError, ModelLoadError: the file cannot answer, or does not fit into memory beside the model in use.
        """
        job = TuneJob(path, base, plan or full_plan(copies), self._data_dir, self._models_dir)
        with self._lock:
            if self._job is not None and not self._job.finished:
                raise BusyError("Tuning is running. Wait for its end, or cancel it first.")
            self._job = job
        self._submit(lambda _model: job.run())
        return job

    @property
    def job(self) -> TuneJob | None:
        """The last tuning since the start of the app, running or finished."""
        return self._job

    @property
    def running(self) -> bool:
        """Whether answers wait for a tuning."""
        job = self._job
        return job is not None and not job.finished

    def remembered(self, path: Path) -> TuneResult | None:
        """The last result for this file on this machine."""
        return remembered(self._data_dir, path)

    def best(self, path: Path) -> TunedChoice | None:
        """The settings tuning chose for this file on this machine; None when it was not tuned, or its copy is gone."""
        return best(self._data_dir, path)

    def close(self) -> None:
        """End what is running."""
        job = self._job
        if job is not None and not job.finished:
            job.cancel()
            job.wait(CLOSE_S)
