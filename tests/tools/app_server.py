"""The app as `python -m localrag serve` runs it, in a process of its own on a data directory of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.tools.llama_server_process import free_port

ROOT = Path(__file__).parents[2]
STOP_S = 60.0
FLAGS = ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run")
"""Chromium's, so that no request is its own."""


def chromium_flags() -> list[str]:
    """`FLAGS`, and what Chromium needs to run as root."""
    return [*FLAGS, "--no-sandbox"] if os.geteuid() == 0 else list(FLAGS)


@dataclass(frozen=True, slots=True)
class App:
    """A running app: where it answers, its process, and what it has written."""

    address: str
    process: psutil.Process
    log: Path

    @property
    def tracebacks(self) -> str:
        """What the log holds from its first traceback on; empty when it holds none."""
        said = self.log.read_text()
        return said[said.find("Traceback") :] if "Traceback" in said else ""


@contextmanager
def serving(data: Path, **settings: str) -> Iterator[App]:
    """Set up the sample collection in `data` and serve it, with settings by the variables' names, until the block ends."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("LOCALRAG_")}
    env |= {"LOCALRAG_DATA_DIR": str(data)} | settings
    subprocess.run([sys.executable, "-m", "localrag", "setup"], check=True, env=env, cwd=ROOT)
    command = [sys.executable, "-m", "localrag", "serve", "--port", str(free_port())]
    log = data / "serve.log"
    with (
        log.open("w") as file,
        subprocess.Popen(command, env=env, cwd=ROOT, stdout=subprocess.PIPE, stderr=file, text=True) as server,
    ):
        assert server.stdout is not None
        ready = next((line for line in server.stdout if line.startswith("ready ")), None)
        assert ready, f"the server did not start:\n{log.read_text()}"
        app = next(iter(psutil.Process(server.pid).children()), psutil.Process(server.pid))
        try:
            yield App(ready.removeprefix("ready ").strip(), app, log)
        finally:
            server.terminate()
            server.wait(STOP_S)
