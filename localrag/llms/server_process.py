"""A server of ours on a free loopback port: started with a guard and a log, waited for, stopped; remains are cleaned up."""

from __future__ import annotations

import http.client
import json
import os
import selectors
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import platformdirs
import psutil

from localrag.errors import ModelLoadError
from localrag.llms import guard

START_S = 600.0
"""A large file on a slow disk takes minutes; a server that fails says so at once."""
LOOK_EVERY_S, LOOK_S = 0.1, 2.0
STOP_S = guard.GRACE_S + 5.0
TAIL_BYTES = 64 * 1024
SAME_START_S = 1.0
LOG_KEPT_S = 86_400.0


_starting: set[ServerProcess] = set()


def give_up_starting() -> None:
    """End every server that is not ready yet: another model was chosen, or the app ends. Whoever waits for it is told."""
    for process in list(_starting):
        process.stop()


class StartError(ModelLoadError):
    """The command could not be run; `number` is the system's errno."""

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.number = number


class ServerProcess:
    """A running server. `address` answers once `wait_until_healthy` returned."""

    def __init__(self, name: str, command: Sequence[str], port: int) -> None:
        """Start it; `name` is how sentences call it.

        Raises:
            StartError: the system cannot run the command.
        """
        self.name, self.address = name, f"http://127.0.0.1:{port}"
        clean_up()
        self.log, self._note = remains_dir() / f"{port}.log", remains_dir() / f"{port}.json"
        with _opened(self.log) as log:
            self._guard = subprocess.Popen(
                [sys.executable, "-I", "-S", guard.__file__, *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for us: we stop it in our own time
            )
        said = self._first_line()
        if not said.startswith("pid "):
            self.stop()
            raise StartError(f"{name} cannot be started.", int(said.removeprefix("errno ") or 0))
        self.pid = int(said.removeprefix("pid "))
        with suppress(OSError):  # without a note there is still the guard
            self._note.write_text(json.dumps({"server": _identity(self.pid), "owner": _identity(os.getpid())}))

    def _first_line(self) -> str:
        """What the guard says: `pid N` or `errno N`; empty when it ended without a word."""
        assert self._guard.stdout is not None
        if os.name == "posix":
            with selectors.DefaultSelector() as selector:  # select() takes no descriptor beyond 1,023
                selector.register(self._guard.stdout, selectors.EVENT_READ)
                selector.select(30.0)
        return self._guard.stdout.readline().decode().strip()

    @property
    def alive(self) -> bool:
        return self._guard.poll() is None

    def wait_until_healthy(self, within_s: float = START_S) -> None:
        """Return once /health says so.

        Raises:
            ModelLoadError: the server ended, with the end of its log, or it is not ready in time; it is stopped.
        """
        end = time.monotonic() + within_s
        _starting.add(self)
        try:
            while not _healthy(self.address):
                if not self.alive:
                    self.stop()
                    raise ModelLoadError(
                        f"{self.name} ended before it was ready{self.last_words()}. Look at its log, {self.log}."
                    )
                if time.monotonic() > end:
                    self.stop()
                    raise ModelLoadError(f"{self.name} is not ready after {within_s:g} s. Look at its log, {self.log}.")
                time.sleep(LOOK_EVERY_S)  # the server is another process: there is nothing to wait on but its answer
        finally:
            _starting.discard(self)

    def last_words(self) -> str:
        """': ' and the last line of the log that says something; empty when there is none."""
        lines = [line.strip().rstrip(".") for line in tail(self.log, 20).splitlines() if line.strip()]
        telling = [line for line in lines if "error" in line.lower() or "fail" in line.lower()]
        return f": {(telling or lines)[-1][:200]}" if lines else ""

    def stop(self) -> None:
        """End it: asked first, then made to; a second time does nothing. The log stays for who wants to know."""
        with suppress(OSError):
            assert self._guard.stdin is not None
            self._guard.stdin.close()
        try:
            self._guard.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._guard.kill()
            self._guard.wait()
        if self._guard.stdout is not None:
            self._guard.stdout.close()
        self._note.unlink(missing_ok=True)


def _opened(log: Path) -> BinaryIO:
    """A new log; raises ModelLoadError when it cannot be written."""
    try:
        log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return open(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600), "wb")
    except OSError as exc:
        raise ModelLoadError(
            f"The log {log} cannot be written ({exc.strerror}). Free some space, or correct its rights."
        ) from exc


def free_port() -> int:
    """A loopback port nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def remains_dir() -> Path:
    """Where logs are, and notes of what runs; of this user alone. It may not be there yet."""
    return platformdirs.user_cache_path("localrag", appauthor=False) / "servers"


def clean_up() -> None:
    """End servers whose owner has gone without ending them, and remove their notes and logs.

    A process is ended only if it started when the note says: numbers are used again.
    """
    for log in remains_dir().glob("*.log"):
        with suppress(OSError):
            if not log.with_suffix(".json").exists() and time.time() - log.stat().st_mtime > LOG_KEPT_S:
                log.unlink()
    for note in remains_dir().glob("*.json"):
        try:
            kept = json.loads(note.read_text("utf-8"))
            owner, server = kept["owner"], kept["server"]
        except (OSError, ValueError, LookupError, TypeError):
            owner = server = {}
        if _same(owner) is not None:
            continue
        process = _same(server)
        if process is not None:
            _end(process)
        for path in (note, note.with_suffix(".log")):
            with suppress(OSError):
                path.unlink()


def tail(log: Path, lines: int) -> str:
    """The last lines of a log, printable; empty when there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL_BYTES))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    last = text.splitlines()[-lines:] if lines > 0 else []
    return "\n".join("".join(sign if sign.isprintable() else " " for sign in line) for line in last)


def _identity(pid: int) -> dict[str, object]:
    """What tells a process from a later one of the same number."""
    try:
        process = psutil.Process(pid)
        return {"pid": pid, "started": process.create_time(), "command": process.cmdline()}
    except psutil.Error:
        return {}


def _same(kept: dict[str, object]) -> psutil.Process | None:
    """The process a note means, if it still runs."""
    try:
        process = psutil.Process(int(str(kept["pid"])))
        started = abs(process.create_time() - float(str(kept["started"]))) < SAME_START_S
        # A script becomes what it runs: its command may change, the time it started does not.
        ours = process.uids().real == os.getuid() if hasattr(os, "getuid") else process.cmdline() == kept["command"]
    except (psutil.Error, KeyError, TypeError, ValueError):
        return None
    return process if started and ours and process.status() != psutil.STATUS_ZOMBIE else None


def _end(process: psutil.Process) -> None:
    with suppress(psutil.Error):
        family = [process, *process.children(recursive=True)]
        for member in family:
            with suppress(psutil.Error):
                member.terminate()
        for member in psutil.wait_procs(family, timeout=guard.GRACE_S)[1]:
            with suppress(psutil.Error):
                member.kill()


def _healthy(address: str) -> bool:
    try:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{address}/health", timeout=LOOK_S):
            return True
    except http.client.HTTPException:
        return False
    except urllib.error.HTTPError as exc:
        exc.close()
        return False
    except OSError:
        return False
