"""A process between us and a server we start: when we end, however we end, the server ends too.

Run as a file (`python -I -S guard.py COMMAND ...`), it imports nothing of ours and is up at once. Its standard input is a
pipe nobody writes to: it ends when our process does, with `kill -9` too. On Linux the server also ends with the guard.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence

GRACE_S = 5.0
NOT_STARTED = 125
PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def main(command: Sequence[str]) -> int:
    """Run the command, its output to ours; print its process id on standard output, or why there is none."""
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
    status = child.wait()
    _signal(child, signal.SIGTERM)  # what a script may have left running
    return status if status >= 0 else 128 - status


def _end_with_parent() -> None:
    import ctypes

    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


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
