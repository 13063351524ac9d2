"""What a restart of the app does with documents: `python -m tests.tools.go_on [rebuild COLLECTION]`, until all of it is done.

Prints one JSON line: how many sources the jobs held that a crash had left, and what any of the jobs complained about.
"""

from __future__ import annotations

import json
import sys

from localrag.engine import open_engine
from localrag.settings import load_settings

LIMIT_S = 300.0


def main(arguments: list[str]) -> int:
    """Open the engine as the app does, wait for its jobs, close it."""
    engine = open_engine(load_settings())
    try:
        left = sum(len(job.sources) for job in engine.library.backlog.jobs())
        if arguments:
            engine.intake.rebuild(arguments[1])
        errors = [] if engine.intake.wait(LIMIT_S) else ["a job does not end"]
        errors += [job.snapshot().error for job in engine.intake.jobs if job.snapshot().error]
    finally:
        engine.close()
    print(json.dumps({"sources": left, "errors": errors}), flush=True)
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
