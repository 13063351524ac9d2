"""Threads that wait: they spin long while the cores are free, and briefly beside other work."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from localrag.models import waiting_threads
from localrag.models.llama_library import llama_library
from localrag.models.waiting_threads import (
    SPIN_COUNTS,
    SecondTeam,
    WaitingThreads,
    bind,
    chosen_here,
    own_cores,
    prepare_environment,
)


@pytest.fixture
def team() -> Iterator[SecondTeam]:
    parallel = bind(llama_library().llama_cpp._lib)
    if parallel is None:
        pytest.skip("llama.cpp's threads are not libgomp's here")
    team = SecondTeam(parallel, 3)
    yield team
    team.end()


def threads() -> int:
    return len(os.listdir("/proc/self/task"))


def test_a_second_team_has_its_threads_and_gives_them_back(team: SecondTeam) -> None:
    before = threads()
    team.start()
    team.start()  # it is there
    until(lambda: threads() == before + 3)
    assert team.here
    team.end()
    until(lambda: threads() == before)
    assert not team.here


class Machine:
    """Stands in for the machine's clocks; the work of others is given."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, cores: int) -> None:
        self.now = self.computed = self.own = self.busy = 0.0
        monkeypatch.setattr(waiting_threads.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(waiting_threads.time, "thread_time", lambda: self.computed)
        monkeypatch.setattr(waiting_threads.time, "process_time", lambda: self.own)
        monkeypatch.setattr(waiting_threads, "_busy_s", lambda: self.busy)
        monkeypatch.setattr(waiting_threads, "own_cores", lambda: list(range(cores)))

    def passes(self, seconds: float, threads: int, others: float = 0.0, here: float = 0.0) -> None:
        """Time in which `threads` computed all along, other programs used `others` cores and other threads of ours `here`."""
        self.now += seconds
        self.computed += seconds
        self.own += seconds * (threads + here)
        self.busy += seconds * (threads + here + others)


@pytest.mark.parametrize(
    ("cores", "threads", "others", "here", "brief"),
    [
        (2, 2, 0.0, 0.0, False),
        (2, 2, 0.1, 0.0, False),
        (2, 2, 0.5, 0.0, True),
        (2, 2, 0.0, 0.5, True),
        (8, 4, 3.0, 0.0, False),
        (8, 4, 4.5, 0.0, True),
        (8, 8, 1.0, 0.0, True),
    ],
)
def test_threads_spin_briefly_when_others_want_their_cores(
    monkeypatch: pytest.MonkeyPatch, team: SecondTeam, cores: int, threads: int, others: float, here: float, brief: bool
) -> None:
    machine, waiting = Machine(monkeypatch, cores), WaitingThreads(team)
    waiting.look(threads)
    machine.passes(1.0, threads, others, here)
    waiting.look(threads)
    assert waiting.brief is brief
    machine.passes(0.1, threads, 0.0, 0.0)
    waiting.look(threads)
    assert waiting.brief is brief  # too soon to look again
    machine.passes(1.0, threads)
    waiting.look(threads)
    assert not waiting.brief


def test_one_thread_waits_for_nobody_and_another_threads_clock_is_not_compared(
    monkeypatch: pytest.MonkeyPatch, team: SecondTeam
) -> None:
    machine, waiting = Machine(monkeypatch, 2), WaitingThreads(team)
    waiting.look(1)
    machine.passes(1.0, 1, 2.0)
    waiting.look(1)
    assert not waiting.brief
    elsewhere = threading.Thread(target=waiting.look, args=(2,))
    elsewhere.start()
    elsewhere.join()
    machine.passes(1.0, 2, 2.0)
    waiting.look(2)
    assert not waiting.brief


def test_a_real_program_beside_is_noticed(team: SecondTeam) -> None:
    waiting = WaitingThreads(team)
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in own_cores()]
    try:
        until(lambda: waiting.look(2) or waiting.brief)
    finally:
        for other in others:
            other.kill()
            other.wait()


def test_without_libgomp_nothing_is_looked_at() -> None:
    waiting = WaitingThreads(None)
    waiting.look(2)
    assert not waiting.brief


@pytest.mark.parametrize("name", SPIN_COUNTS)
def test_who_set_how_threads_wait_keeps_it(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for other in SPIN_COUNTS:
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, "7")
    monkeypatch.setattr(waiting_threads, "_added", [])
    prepare_environment()
    assert not chosen_here()
    assert [os.environ.get(one) for one in SPIN_COUNTS if one != name] == [None]


def until(true: Callable[[], object], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)
