"""Tuning in the background, in a process of its own, with a snapshot a page can draw."""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
import sys
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from localrag.errors import LocalRagError, ModelFileError
from localrag.llms import llamacpp
from localrag.models.memory import format_bytes
from localrag.settings import ModelSettings
from localrag.tuning.copies import keep, make_scratch
from localrag.tuning.plan import Plan
from localrag.tuning.points import Measured
from localrag.tuning.remembered import TunedChoice, TuneResult, machine_id, remember
from localrag.tuning.rig import N_CTX, copy_file

logger = logging.getLogger(__name__)
ROOT = Path(__file__).parents[2]
CHILD = (sys.executable, "-m", "localrag.tuning.child")


@dataclass(frozen=True, slots=True)
class TuneView:
    """How it stands. `tried` are the points that are through; `result` comes at the end. `started` is False in the queue."""

    text: str
    done: int
    total: int
    tried: tuple[Measured, ...]
    result: TuneResult | None
    started: bool
    finished: bool
    cancelled: bool
    error: str

    @property
    def share(self) -> float:
        """How much is done, from 0.0 to 1.0: not of the time, for slow points take longer."""
        return min(1.0, self.done / self.total) if self.total else 0.0


class TuneJob:
    """Every method may be called from any thread; `run` does the work, once."""

    def __init__(self, path: Path, base: ModelSettings, plan: Plan, data_dir: Path, models_dir: Path) -> None:
        """Tune the model file `path`; the copy that is chosen goes into `models_dir`, the result into `data_dir`.

        `base` has what is not tuned, such as GPU layers.
        Raises:
            ModelFileError, ModelLoadError: the file cannot answer, or does not fit into memory.
        """
        self.path, self._plan = path.absolute(), plan
        self._data_dir, self._models_dir = data_dir, models_dir.absolute()
        self._base = base.model_copy(update={"model_path": self.path, "n_ctx": N_CTX})
        llamacpp.check(self._base)
        self._lock = threading.Lock()
        self._child: subprocess.Popen[str] | None = None
        self._started, self._cancelled, self._finished = False, threading.Event(), threading.Event()
        self._text, self._done, self._total = "Waiting for the answer at work", 0, plan.steps
        self._tried: tuple[Measured, ...] = ()
        self._lines: dict[str, Any] = {}
        self._result: TuneResult | None = None
        self._error = ""

    def cancel(self) -> None:
        """End it at once; nothing is kept."""
        with self._lock:
            self._cancelled.set()
            if self._child is not None:
                self._child.kill()
            if not self._started:
                self._finished.set()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for the end; False when the time ran out first."""
        return self._finished.wait(timeout_s)

    @property
    def finished(self) -> bool:
        return self._finished.is_set()

    @property
    def process_id(self) -> int | None:
        """The process that measures, while there is one."""
        child = self._child
        return child.pid if child is not None else None

    def snapshot(self) -> TuneView:
        """How it stands now."""
        finished = self.finished  # first: what is finished does not change any more
        return TuneView(
            self._text,
            self._done,
            self._total,
            self._tried,
            self._result,
            self._started,
            finished,
            self._cancelled.is_set(),
            self._error,
        )

    def run(self) -> None:
        """Measure, on the calling thread; what ends it early is in the snapshot."""
        scratch: Path | None = None
        try:
            with self._lock:
                if self._cancelled.is_set():
                    return
                self._started, self._text = True, "Starting"
                scratch = make_scratch(self._models_dir if self._plan.copies else self._data_dir)
                self._child = self._start(scratch)
            self._listen(self._child)
            if not self._cancelled.is_set():
                self._keep(scratch)
        except LocalRagError as exc:
            self._error = str(exc)
        except Exception as exc:  # the job must end for who waits, whatever happened
            logger.exception("tuning failed")
            self._error = f"Tuning failed: {exc}. The log of the app has the details."
        finally:
            self._end(scratch)

    def _start(self, scratch: Path) -> subprocess.Popen[str]:
        child = subprocess.Popen(
            CHILD,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            cwd=ROOT,  # where the package is found
            start_new_session=True,
        )
        assert child.stdin is not None
        request = {"path": str(self.path), "settings": self._base.model_dump(mode="json"), "scratch": str(scratch)}
        child.stdin.write(json.dumps(request | {"plan": self._plan.as_json()}) + "\n")
        child.stdin.flush()  # and stays open: its end is the child's
        return child

    def _listen(self, child: subprocess.Popen[str]) -> None:
        assert child.stdout is not None
        for text in child.stdout:
            try:
                line = json.loads(text)
            except ValueError:  # it was killed in mid-sentence
                break
            self._lines |= line
            self._text, self._done = line.get("text", self._text), line.get("done", self._done)
            self._total = line.get("total", self._total)
            if "measured" in line:
                self._tried = (*self._tried, Measured.of_json(line["measured"]))
        child.wait()

    def _keep(self, scratch: Path) -> None:
        """Turn what the child said into the result, and keep it."""
        if "error" in self._lines:
            raise ModelFileError(self._lines["error"])
        if "warning" not in self._lines:
            raise ModelFileError(
                f"{self.path.name} ended the process that measures it, most likely for want of memory, at: {self._text}. "
                "Close other programs and tune again, or choose a smaller model."
            )
        ends = {name: Measured.of_json(one) if one else None for name, one in self._lines["outcome"].items()}
        before, after = ends["before"], ends["after"]
        assert before is not None
        assert after is not None
        copy = None
        if after.point.quantisation:
            quantisation = after.point.quantisation
            copy = keep(copy_file(scratch, quantisation), self.path, quantisation, self._models_dir)
        finished = datetime.now(UTC).isoformat(timespec="seconds")
        load, warning = self._lines["load"], self._lines["warning"]
        result = TuneResult(
            self.path.name,
            TunedChoice(after.point, copy),
            before,
            after,
            ends["notebook"],
            self._tried,
            machine_id(),
            finished,
            warning,
            load,
        )
        remember(self._data_dir, self.path, result)
        self._result = result

    def _end(self, scratch: Path | None) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.wait()
            for stream in (child.stdin, child.stdout):
                if stream is not None:
                    stream.close()
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)
        self._finished.set()


def kept_copy(result: TuneResult) -> str:
    """What a result left on the disk, as a sentence; empty when nothing."""
    copy = result.choice.copy
    if copy is None:
        return ""
    if not copy.is_file():
        return f"{copy.name} is gone. Tune again to write it anew."
    return f"{copy.name} ({format_bytes(copy.stat().st_size)}) is in {copy.parent}."
