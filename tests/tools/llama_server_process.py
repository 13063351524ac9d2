"""A real llama.cpp server as a process: started on a free port, asked for its health, stopped at the end."""

from __future__ import annotations

import socket
import subprocess
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
    address = f"http://127.0.0.1:{port}"
    command = [str(binary), "--model", str(model), "--host", "127.0.0.1", "--port", str(port), "--ctx-size", str(n_ctx)]
    command += ["--parallel", "1", "--threads", str(n_threads), "--threads-batch", str(n_threads), *flags]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        try:
            if not _healthy(address, process):
                log.seek(0)
                raise RuntimeError(f"llama-server did not start: {log.read()[-2000:].decode('utf-8', 'replace')}")
            yield address
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _healthy(address: str, process: subprocess.Popen[bytes]) -> bool:
    """Wait until /health answers 200 (503 while the model loads); False when the process ended or time ran out."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=5):
                return True
        except urllib.error.HTTPError as exc:
            exc.close()
        except OSError:
            pass
        time.sleep(LOOK_EVERY_S)  # the server is another process: there is nothing to wait on but its answer
    return False
