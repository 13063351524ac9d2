"""What a measurement ran on, and how much of it other programs had: a figure without that says nothing."""

from __future__ import annotations

import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from localrag.evaluation.figures import digits
from localrag.models.devices import cpu_threads

BUSY_SHARE, BUSY_LOAD = 0.15, 0.5
"""Of a core, per core: from here on the threads of a model begin to wait for each other."""


def cpu_name() -> str:
    """The processor as its maker calls it."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        lines = []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor())


def load_average() -> float | None:
    """Runnable processes over the last minute; None where the system does not say."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


class Others:
    """How many cores other processes used since this was made."""

    def __init__(self) -> None:
        self._started, self._busy, self._own = time.monotonic(), _busy_s(), _own_s()

    def cores(self) -> float:
        passed = time.monotonic() - self._started
        used = (_busy_s() - self._busy) - (_own_s() - self._own)
        return digits(max(0.0, used / passed)) if passed else 0.0


def others_now(seconds: float = 1.0) -> float:
    """Cores that other processes use at this moment."""
    others = Others()
    time.sleep(seconds)
    return others.cores()


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine during a measurement. Loads are None where the system does not say; `others` count cores."""

    cpu: str
    cores: int
    load_before: float | None
    load_after: float | None
    others_before: float
    others_during: float

    @property
    def warning(self) -> str:
        """A sentence when other programs were at work too, else empty."""
        others = max(self.others_before, self.others_during)
        load = self.load_before or 0.0
        if others / self.cores <= BUSY_SHARE and load / self.cores <= BUSY_LOAD:
            return ""
        said = f"other programs used {others:.1f} of {self.cores} cores, load {load:.1f} at the start"
        return f"This machine is busy ({said}): figures may be off by half or more."

    def as_json(self) -> dict[str, Any]:
        return {
            "cpu": self.cpu,
            "cores": self.cores,
            "load_before": self.load_before,
            "load_after": self.load_after,
            "others_before": self.others_before,
            "others_during": self.others_during,
            "busy": bool(self.warning),
        }


class Watch:
    """Looks at the machine before and after a measurement."""

    def __init__(self) -> None:
        self._load, self._before = load_average(), others_now()
        self._during = Others()

    def machine(self) -> Machine:
        return Machine(cpu_name(), cpu_threads(), self._load, load_average(), self._before, self._during.cores())


def _busy_s() -> float:
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0))


def _own_s() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
