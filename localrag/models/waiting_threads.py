"""How long llama.cpp's threads spin at a barrier before they sleep: long on an idle machine, briefly beside other work.

Its threads meet hundreds of times a token. Spinning is fastest while every thread has a core, and slowest when one has
to wait for a core that another thread spins on. libgomp reads both spin counts once, when it is loaded, and takes the
short one as soon as more threads stand in OpenMP teams than there are cores (`gomp_managed_threads` in
libgomp/config/linux/wait.h). So a second team, asleep in a thread of its own, shortens the spinning, and ending it
lengthens it again; what is computed stays the same to the bit. Figures in docs/decisions/001.
"""

from __future__ import annotations

import ctypes
import os
import threading
import time
from typing import Any

import psutil

SPIN_COUNTS = {"GOMP_SPINCOUNT": "60000", "OMP_WAIT_POLICY": "active"}
"""The long count, and with `active` the short one: 1,000 (libgomp/env.c)."""
LOOK_EVERY_S = 0.2
"""Ten ticks of /proc/stat a core and more, and a tenth of a second or two lost when another program starts."""
BUSY_CORES = 0.2
"""Work of others, in cores, from which on short spinning is the faster (docs/decisions/001)."""


_added: list[str] = []


def prepare_environment() -> None:
    """Set the spin counts for a libgomp that is not loaded yet, unless the user did."""
    if not any(name in os.environ for name in SPIN_COUNTS):
        os.environ.update(SPIN_COUNTS)
        _added.extend(SPIN_COUNTS)


def chosen_here() -> bool:
    """Whether the spin counts are ours, and no choice of the user's."""
    return bool(_added)


def environment_as_given() -> dict[str, str]:
    """The environment this process was started in, for a program that is to run as it does by itself."""
    return {name: value for name, value in os.environ.items() if name not in _added}


def bind(library: ctypes.CDLL) -> Any | None:
    """`GOMP_parallel` as this library sees it; None when its threads are not libgomp's."""
    try:
        function = library.GOMP_parallel
    except AttributeError:
        return None
    function.restype = None
    function.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
    return function


class SecondTeam:
    """An OpenMP team that sleeps in a thread of its own from `start` to `end`."""

    def __init__(self, parallel: Any, size: int) -> None:
        self._parallel, self._size = parallel, size
        # Every thread of the team calls a function with this pointer; libc's strlen needs no interpreter and no compiler.
        self._work = ctypes.cast(ctypes.CDLL(None).strlen, ctypes.c_void_p)
        self._nothing = ctypes.create_string_buffer(1)
        self._leave = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def here(self) -> bool:
        return self._thread is not None

    def start(self) -> None:
        if self._thread is None:
            self._leave.clear()
            self._thread = threading.Thread(target=self._stand, name="second team", daemon=True)
            self._thread.start()

    def end(self) -> None:
        """The team is gone when its thread is: libgomp frees it with the thread's own data."""
        if self._thread is not None:
            self._leave.set()
            self._thread.join()
            self._thread = None

    def _stand(self) -> None:
        self._parallel(self._work, ctypes.addressof(self._nothing), self._size, 0)
        self._leave.wait()


class WaitingThreads:
    """Looks at the machine while a model computes. One for the process, for libgomp's counts are the process's."""

    def __init__(self, team: SecondTeam | None) -> None:
        """`team` None: the threads are not libgomp's, or the user chose how they wait."""
        self._team = team
        self._lock = threading.Lock()
        self._looked: tuple[int, float, float, float, float] | None = None

    @property
    def brief(self) -> bool:
        """Whether the threads spin briefly now, because others want the cores."""
        return self._team is not None and self._team.here

    def look(self, n_threads: int) -> None:
        """Called by the thread that computes with `n_threads`, before each evaluation; mostly it only reads the clock."""
        if self._team is None or n_threads < 2:
            return
        before = self._looked
        if before is not None and time.monotonic() - before[1] < LOOK_EVERY_S:
            return
        with self._lock:
            now = self._looked = (threading.get_ident(), time.monotonic(), time.thread_time(), time.process_time(), _busy_s())
            if before is None or before[0] != now[0]:
                return
            passed, computing, own, busy = (after - earlier for earlier, after in zip(before[1:], now[1:], strict=True))
            # The team's threads are awake when this one is; other threads of this process want cores as other programs do.
            others = (busy - min(computing * n_threads, own)) / passed
            spare = max(len(own_cores()) - n_threads, 0)
            if others > spare + BUSY_CORES:
                self._team.start()
            else:
                self._team.end()


def own_cores() -> list[int]:
    """The cores this process may run on, as the system numbers them."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def _busy_s() -> float:
    """Seconds those cores have worked in all; a hypervisor's theft is no work, and guests are counted as `user`."""
    every, ours = psutil.cpu_times(percpu=True), own_cores()
    chosen = [every[core] for core in ours] if ours[-1] < len(every) else every  # numbers may have gaps
    return sum(map(_work_s, chosen))


def _work_s(times: Any) -> float:
    others = ("idle", "iowait", "steal", "guest", "guest_nice")
    return float(sum(times) - sum(getattr(times, name, 0.0) for name in others))
