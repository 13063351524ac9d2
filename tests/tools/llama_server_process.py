"""A real llama.cpp server as a process: started on a free port, asked for its health, stopped at the end."""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

START_TIMEOUT_S = 60.0
LOOK_EVERY_S = 0.05


def free_port() -> int:
    """A loopback port nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def llama_server(binary: Path, model: Path, *flags: str, n_ctx: int = 2048, n_threads: int = 1) -> Iterator[str]:
    """Serve a GGUF file and yield the server's address, once it says that it is healthy.

    Raises RuntimeError with the end of the server's log when it does not come up.
    """
    port = free_port()
    command = [str(binary), "--model", str(model), "--host", "127.0.0.1", "--port", str(port), "--ctx-size", str(n_ctx)]
    command += ["--parallel", "1", "--threads", str(n_threads), "--threads-batch", str(n_threads), *flags]
    with _running(command, f"http://127.0.0.1:{port}", "/health") as address:
        yield address


@contextmanager
def python_server(model: Path, n_ctx: int = 2048, n_threads: int = 1) -> Iterator[str]:
    """The same with `python -m llama_cpp.server`, llama-cpp-python's own."""
    port = free_port()
    command = [sys.executable, "-m", "llama_cpp.server", "--model", str(model), "--host", "127.0.0.1", "--port", str(port)]
    command += ["--n_ctx", str(n_ctx), "--n_threads", str(n_threads), "--n_threads_batch", str(n_threads)]
    with _running(command, f"http://127.0.0.1:{port}", "/v1/models") as address:
        yield address


@contextmanager
def _running(command: list[str], address: str, health: str) -> Iterator[str]:
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        try:
            if not _healthy(address + health, process):
                log.seek(0)
                raise RuntimeError(f"the server did not start: {log.read()[-2000:].decode('utf-8', 'replace')}")
            yield address
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _healthy(address: str, process: subprocess.Popen[bytes]) -> bool:
    """Wait until an address answers 200 (503 while the model loads); False when the process ended or time ran out."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return True
        except urllib.error.HTTPError as exc:
            exc.close()
        except OSError:
            pass
        time.sleep(LOOK_EVERY_S)  # the server is another process: there is nothing to wait on but its answer
    return False
