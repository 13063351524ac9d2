"""Spoil a model file in many ways, one after the other, and see what the app makes of each.

`python -m tests.tools.mutate_models --count 500 --seed 1`: status 1 when a copy ended the app's process, made it hang or grow,
gave no reason, or was said to run and then did not say why it does not. There is one copy on disk, spoilt and mended in place.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.tools.gguf_layout import Mutant, read_layout
from tests.tools.llama_server import cache_dir
from tests.tools.model_mutations import mutants

ROOT = Path(__file__).parents[2]
MODEL = cache_dir() / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf"
HANGS_S = 30.0
START_S = 120.0
GROWS_BYTES = 1_000_000_000
BLOCK = 1 << 20


class Copy:
    """The one copy: spoilt by `spoil`, as it was after `mend`."""

    def __init__(self, original: Path, folder: Path) -> None:
        self.original, self.path, self.layout = original, folder / "spoilt.gguf", read_layout(original)
        shutil.copyfile(original, self.path)
        self._whole = True

    def spoil(self, mutant: Mutant) -> None:
        """Write a mutant into the copy."""
        layout = self.layout
        if len(mutant.header) != len(layout.header):
            self._rewrite(mutant.header)
        with self.path.open("r+b") as file:
            file.write(mutant.header)
            for at, data in mutant.patches:
                file.seek(len(mutant.header) + at)
                file.write(data)
            if mutant.length is not None:
                file.truncate(mutant.length)
        self._whole = len(mutant.header) == len(layout.header) and mutant.length is None

    def mend(self, mutant: Mutant) -> None:
        """Undo `spoil`; the file is another one afterwards where it cannot be mended in place."""
        if not self._whole:
            self.path.unlink()
            shutil.copyfile(self.original, self.path)
            return
        with self.original.open("rb") as source, self.path.open("r+b") as file:
            file.write(self.layout.header)
            for at, data in mutant.patches:
                source.seek(self.layout.data_offset + at)
                file.seek(self.layout.data_offset + at)
                file.write(source.read(len(data)))

    def _rewrite(self, header: bytes) -> None:
        self.path.unlink()
        with self.original.open("rb") as source, self.path.open("wb") as file:
            file.write(header)
            source.seek(self.layout.data_offset)
            shutil.copyfileobj(source, file, BLOCK)


class App:
    """A process that inspects and loads what it is told to, as the app does; watched from here."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[str] | None = None
        self._replies: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def start(self) -> None:
        """Start it, unless it runs."""
        if self._process is not None and self._process.poll() is None:
            return
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.tools.model_taster", str(self._folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=os.environ | {"LOCALRAG_DATA_DIR": str(self._folder / "data")},
        )
        self._replies = queue.SimpleQueue()
        threading.Thread(target=_listen, args=(self._process, self._replies), daemon=True).start()
        assert self._replies.get(timeout=START_S), "the app's process did not start"

    def ask(self, path: Path, limit_s: float = HANGS_S) -> dict[str, Any]:
        """What it found, with `seconds` for each step; {"dead": status} or {"hangs": step} when it did not say."""
        self.start()
        process = self._process
        assert process is not None
        assert process.stdin is not None
        process.stdin.write(json.dumps(str(path)) + "\n")
        process.stdin.flush()
        found: dict[str, Any] = {"seconds": {}}
        started = time.monotonic()
        while "done" not in found:
            try:
                line = self._replies.get(timeout=limit_s)
            except queue.Empty:
                self.close()
                return found | {"hangs": "after " + (", ".join(found["seconds"]) or "nothing")}
            if line is None:
                return found | {"dead": process.wait()}
            message = json.loads(line)
            found["seconds"][message["step"]] = round(time.monotonic() - started, 2)
            started = time.monotonic()
            found |= message
        return found

    def close(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for stream in (self._process.stdin, self._process.stdout):
                assert stream is not None
                stream.close()


def _listen(process: subprocess.Popen[str], replies: queue.SimpleQueue[str | None]) -> None:
    assert process.stdout is not None
    with suppress(ValueError):  # closed by who had enough of it
        for line in process.stdout:
            replies.put(line)
    replies.put(None)


@dataclass
class Report:
    """What came of all copies."""

    outcomes: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    base: int = 0
    most: int = 0
    slowest: tuple[float, str] = (0.0, "")


def run(count: int, seed: int, model: Path = MODEL, only: list[int] | None = None, tell: bool = True) -> Report:
    """Try `count` copies (or those of the numbers `only`)."""
    report = Report()
    with tempfile.TemporaryDirectory(prefix="mutants") as name:
        folder = Path(name)
        copy, app = Copy(model, folder), App(folder)
        try:
            sound = app.ask(copy.path)
            assert sound.get("answer"), f"the model itself does not answer: {sound}"
            report.base = sound["rss"]
            for number, make in enumerate(mutants(copy.layout, count, seed)):
                if only is None or number in only:
                    _try(number, make(), copy, app, report, tell)
        finally:
            app.close()
    return report


def _try(number: int, mutant: Mutant, copy: Copy, app: App, report: Report, tell: bool) -> None:
    copy.spoil(mutant)
    try:
        found = app.ask(copy.path)
    finally:
        copy.mend(mutant)
    told = f"{number} {mutant.kind} {mutant.told}"
    report.most = max(report.most, found.get("rss", 0))
    report.slowest = max(report.slowest, *((seconds, f"{told}: {step}") for step, seconds in found["seconds"].items()), (0, ""))
    fault = _fault(found, report.base)
    if fault:
        report.failures.append(f"{told}: {fault}")
    outcome = "refused unread" if found.get("inspect") == 1 else "refused" if found.get("error") else "runs"
    report.outcomes[outcome if not fault else "FAILED"] += 1
    if tell:
        print(f"{told} -> {fault or outcome}: {_line(found)}", flush=True)


def _line(found: dict[str, Any]) -> str:
    said = found.get("error") or found.get("reason") or found.get("answer")
    return f"{str(said)[:300]!r} {found['seconds']} {found.get('rss', 0) / 1e6:.0f} MB"


def _fault(found: dict[str, Any], base: int) -> str:
    """What must not be, or an empty string."""
    if "dead" in found or "hangs" in found or "broken" in found:
        return str({key: found[key] for key in ("dead", "hangs", "broken") if key in found})
    if found["rss"] - base > GROWS_BYTES:
        return f"grew by {(found['rss'] - base) / 1e6:.0f} MB"
    if found["inspect"] not in (0, 1) or (not found["runs"] and not found["reason"]):
        return f"inspect gave no reason: {found}"
    if not found["runs"] and not found["error"]:
        return f"inspect says it does not run, but it does: {found['reason']}"
    for said in (found["reason"], found["error"]):
        if said and (not said.rstrip().endswith((".", "…", "`")) or "\n" in said or "Traceback" in said):
            return f"not a sentence: {said!r}"
    return "" if found["error"] or found["answer"] is not None else "neither answer nor error"


def main(arguments: list[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--model", type=Path, default=MODEL)
    parser.add_argument("--only", type=int, nargs="*", help="these numbers alone")
    parser.add_argument("--quiet", action="store_true")
    args = parser.parse_args(arguments)
    report = run(args.count, args.seed, args.model, args.only, not args.quiet)
    memory = f"{report.base / 1e6:.0f} MB, at most {report.most / 1e6:.0f} MB"
    print(f"{dict(report.outcomes)}; memory {memory}; slowest {report.slowest}")
    for failure in report.failures:
        print(f"FAILED {failure}")
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
