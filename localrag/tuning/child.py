"""The process that tunes: whatever a model file does to llama.cpp, and however it is ended, the app goes on.

`python -m localrag.tuning.child` reads one request, a JSON line, from standard input and writes events as JSON lines. It ends
when standard input does: with its parent.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from localrag.errors import LocalRagError
from localrag.evaluation.machine import Watch
from localrag.settings import ModelSettings
from localrag.tuning.plan import Plan
from localrag.tuning.points import default_point
from localrag.tuning.rig import Rig
from localrag.tuning.sweep import Event, Sweep

Send = Callable[[dict[str, Any]], None]


def tune(request: dict[str, Any], send: Send) -> None:
    """Do a sweep and send its events; what ends it early is sent as `error`."""
    base, plan = ModelSettings.model_validate(request["settings"]), Plan.of_json(request["plan"])
    try:
        watch = Watch()
        with closing(Rig(Path(request["path"]), base, Path(request["scratch"]), plan)) as rig:
            for event in Sweep(rig, default_point(base), plan).run():
                send(as_line(event))
                if event.outcome is not None:
                    machine = watch.machine()
                    send({"load": machine.as_json(), "warning": machine.warning})
    except LocalRagError as exc:
        send({"error": str(exc)})


def as_line(event: Event) -> dict[str, Any]:
    """An event for JSON."""
    line: dict[str, Any] = {"text": event.text, "done": event.done, "total": event.total}
    if event.measured is not None:
        line["measured"] = event.measured.as_json()
    if event.outcome is not None:
        found = event.outcome
        ends = {"before": found.before, "after": found.after, "notebook": found.notebook}
        line["outcome"] = {name: one.as_json() if one else None for name, one in ends.items()}
    return line


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(1)


def main() -> None:
    """Keep the real standard output for events: a library that prints must not disturb them."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    with suppress(OSError):  # only Linux has it: should memory run out after all, this process goes and not the app
        Path("/proc/self/oom_score_adj").write_text("1000")
    request = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()

    def send(line: dict[str, Any]) -> None:
        print(json.dumps(line), file=out, flush=True)

    tune(request, send)
    out.close()
    os._exit(0)  # the thread that waits for the parent would hold the interpreter


if __name__ == "__main__":
    main()
