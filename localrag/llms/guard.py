"""A process between us and a server we start: when we end, however we end, the server ends too.

Run as a file (`python -I -S guard.py COMMAND ...`), it imports nothing of ours and is up at once. Its standard input is a
pipe nobody writes to: it ends when our process does, with `kill -9` too. On Linux the server also ends with the guard,
and what it started in sessions of their own falls to the guard and ends with it. A log on standard error is kept short.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress

GRACE_S = 5.0
NOT_STARTED = 125
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # <linux/prctl.h>
LOG_BYTES = 64 * 1024 * 1024
LOOK_EVERY_S = 0.5
BEGUN_ANEW = b"(the log had grown beyond 64 MB and was begun anew)\n"


def main(command: Sequence[str]) -> int:
    """Run the command, its output to ours; print its process id on standard output, or why there is none."""
    if sys.platform == "linux":
        _prctl(PR_SET_CHILD_SUBREAPER, 1)
    try:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr,
            stderr=sys.stderr,
            start_new_session=True,
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,  # one thread: nothing can hold a lock
        )
    except OSError as exc:
        os.write(1, f"errno {exc.errno}\n".encode())
        return NOT_STARTED
    os.write(1, f"pid {child.pid}\n".encode())
    threading.Thread(target=_end_with_input, args=(child,), daemon=True).start()
    threading.Thread(target=_keep_short, args=(2,), daemon=True).start()
    status = child.wait()
    _signal(child, signal.SIGTERM)  # what a script may have left running
    _end_orphans()
    return status if status >= 0 else 128 - status


def _end_with_parent() -> None:
    _prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _prctl(option: int, value: int) -> None:
    import ctypes

    ctypes.CDLL(None).prctl(option, value)


def _keep_short(log: int) -> None:
    """Begin a log anew when it is too long; it is written to at its end, so that it goes on from there."""
    with suppress(OSError):  # no file
        while os.fstat(log).st_size >= 0:
            if os.fstat(log).st_size > LOG_BYTES:
                os.ftruncate(log, 0)
                os.write(log, BEGUN_ANEW)
            time.sleep(LOOK_EVERY_S)


def _end_orphans() -> None:
    """Kill what has fallen to us, and what falls to us then, on Linux."""
    while found := _children():
        for pid in found:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)


def _children() -> list[int]:
    found = []
    for entry in os.listdir("/proc") if sys.platform == "linux" else ():
        with suppress(OSError, ValueError, IndexError):
            with open(f"/proc/{int(entry)}/stat", encoding="utf-8", errors="replace") as stat:
                after_name = stat.read().rpartition(")")[2].split()
            if int(after_name[1]) == os.getpid():
                found.append(int(entry))
    return found


def _end_with_input(child: subprocess.Popen[bytes]) -> None:
    while os.read(0, 4096):
        pass
    _signal(child, signal.SIGTERM)
    try:
        child.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        pass
    finally:
        _signal(child, getattr(signal, "SIGKILL", signal.SIGTERM))
        _end_orphans()
        os._exit(0)


def _signal(child: subprocess.Popen[bytes], number: int) -> None:
    """To the child and all it started."""
    try:
        if hasattr(os, "killpg"):
            os.killpg(child.pid, number)
        else:
            child.terminate()
    except OSError:
        pass


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
