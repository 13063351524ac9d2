"""Chat templates rendered in a process of its own, which is ended when one of them does not end by itself."""

from __future__ import annotations

import atexit
import functools
import json
import queue
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from localrag.llms.template_child import RENDER_S

ROOT = Path(__file__).parents[2]
START_S = 60.0
"""A process may start slowly on a machine that is busy."""


class TemplateProcess:
    """One child process, started when it is first needed and anew after it had to be ended. For any thread, one at a time."""

    def __init__(self, limit_s: float = RENDER_S) -> None:
        self._limit_s = limit_s
        self._lock = threading.Lock()
        self._child: subprocess.Popen[str] | None = None
        self._ready = False
        self._replies: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()

    def render(self, request: dict[str, Any]) -> dict[str, Any]:
        """The child's reply to a request; with `limit` when it had to be ended. See `template_child.render`."""
        with self._lock:
            try:
                child = self._started()
                assert child.stdin is not None
                child.stdin.write(f"{json.dumps(request)}\n")
                child.stdin.flush()
                reply = self._replies.get(timeout=self._limit_s)
            except queue.Empty:
                self._end()
                return {"limit": f"it takes longer than {self._limit_s:g} s"}
            except OSError:
                reply = None
            if reply is None:
                self._end()
                return {"limit": "the process that renders it ended or did not start"}
            if "limit" in reply:
                self._end()  # what is left of its memory may be in pieces
            return reply

    def prepare(self) -> None:
        """Let the process start beside other work; the first rendering then need not wait for it."""
        with self._lock, suppress(OSError):
            self._spawned()

    def _started(self) -> subprocess.Popen[str]:
        child = self._spawned()
        if not self._ready:
            try:
                self._ready = self._replies.get(timeout=START_S) is not None
            except queue.Empty:
                self._ready = False
            if not self._ready:
                raise OSError("it does not start")
        return child

    def _spawned(self) -> subprocess.Popen[str]:
        if self._child is None or self._child.poll() is not None:
            self._end()
            child = subprocess.Popen(
                [sys.executable, "-m", "localrag.llms.template_child"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=ROOT,  # where the package is found
                start_new_session=True,
                encoding="ascii",
            )
            self._child, self._replies, self._ready = child, queue.SimpleQueue(), False
            threading.Thread(target=_listen, args=(child, self._replies), name="templates", daemon=True).start()
        return self._child

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._end()

    def _end(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.wait()
            for stream in (child.stdin, child.stdout):
                if stream is not None:
                    with suppress(OSError):  # what could not be written any more is of no interest
                        stream.close()


def _listen(child: subprocess.Popen[str], replies: queue.SimpleQueue[dict[str, Any] | None]) -> None:
    """Hand over what the child says, from a thread: a pipe cannot be waited for with a time limit everywhere."""
    assert child.stdout is not None
    with suppress(OSError, ValueError):
        for line in child.stdout:
            replies.put(json.loads(line))
    replies.put(None)


@functools.cache
def template_process() -> TemplateProcess:
    """The one that serves this process; it ends with it."""
    process = TemplateProcess()
    atexit.register(process.close)
    return process
