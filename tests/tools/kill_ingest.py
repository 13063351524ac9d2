"""Kill LocalRAG with SIGKILL at random moments of its writing, restart it, and compare with a run nobody interrupted.

`python -m tests.tools.kill_ingest --kills 200 --seed 1`: status 1 when anything at all is not the same in the end.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.tools.kill_corpus import change_corpus, write_corpus
from tests.tools.store_state import SCORE, State, differences

ROOT = Path(__file__).parents[2]
LIMIT_S = 300.0
MOST_KILLS = 6
"""Kills of one round at most, so that a round ends."""
DELETED = ("long.txt", "note-03.txt", "page-1.md", "copy-0.txt", "broken.pdf")
WORK = ("ingest", "ingest", "replace", "replace", "rebuild", "delete", "drop")
"""What is interrupted, in turn."""


@dataclass
class Killer:
    """Runs commands on data directories below `home`, and kills them."""

    home: Path
    chance: random.Random
    embeddings: str
    big_chunks: int = 250
    works: Sequence[str] = WORK
    kills: int = 0
    wanted: dict[str, State] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def prepare(self) -> None:
        """Make both states of the folder, and do each kind of work once without a kill."""
        write_corpus(self.home / "first", self.big_chunks)
        shutil.copytree(self.home / "first", self.home / "second")
        change_corpus(self.home / "second")
        time.sleep(2.1)  # files that have just changed are read again whatever their times say
        self._begin("ingest", self.home / "finished")
        for work in ("ingest", *dict.fromkeys(self.works)):
            if work not in self.wanted:
                data = self.home / "finished" if work == "ingest" else self._begin(work, self.home / f"wanted-{work}")
                started = time.monotonic()
                self._run(self._command(work), data)
                self.seconds[work] = time.monotonic() - started
                if work in ("delete", "drop"):
                    self._run(self._command("go_on"), data)
                self.wanted[work] = self._state(data)

    def round(self, work: str, least: int = 1, most: int = MOST_KILLS) -> tuple[int, list[str]]:
        """One kind of work, killed and begun again until it is through: (kills, what is not as it should be)."""
        data, kills = self._begin(work, self.home / "killed"), 0
        most = self.chance.randint(least, most)
        while kills < most:
            step = "go_on" if kills and self.chance.random() < 0.4 else work
            if self._run(self._command(step), data, self._moment(work)) is not None:
                break
            kills += 1
        self.kills += kills
        self._finish(work, data)
        faults = differences(self._state(data), self.wanted[work], SCORE[self.embeddings])
        return kills, [*faults, *self._left_running(data)]

    def _finish(self, work: str, data: Path) -> None:
        """To the end without a kill: by the same command, or by a restart that takes up what it finds."""
        restarted = work in ("ingest", "replace") and self.chance.random() < 0.5
        if restarted and json.loads(self._run(self._command("go_on"), data) or "{}")["sources"]:
            return
        self._run(self._command(work), data)
        if work in ("delete", "drop"):  # killed after the last of it: the command finds nothing to do, a restart tidies up
            self._run(self._command("go_on"), data)

    def _begin(self, work: str, data: Path) -> Path:
        """A data directory as it is before the work, and the folder in the state the work meets it in."""
        shutil.rmtree(data, ignore_errors=True)
        if work != "ingest":
            shutil.copytree(self.home / "finished", data)
        files = self.home / "files"
        files.unlink(missing_ok=True)
        files.symlink_to(self.home / ("second" if work == "replace" else "first"), target_is_directory=True)
        return data

    def _moment(self, work: str) -> float:
        """Seconds after the start: anywhere, and more often at the very start and at the last writes."""
        whole, kind = self.seconds[work], self.chance.random()
        if kind < 0.1:
            return self.chance.uniform(0, 0.3)
        if kind < 0.35:
            return self.chance.uniform(0.85 * whole, 1.05 * whole)
        return self.chance.uniform(0, whole)

    def _command(self, work: str) -> list[str]:
        files = self.home / "files"
        return {
            "ingest": ["localrag", "ingest", "--json", str(files)],
            "replace": ["localrag", "ingest", "--json", str(files)],
            "delete": ["localrag", "delete", "--json", *(str(files / name) for name in DELETED)],
            "drop": ["localrag", "collections", "--delete", "default"],
            "rebuild": ["tests.tools.go_on", "rebuild", "default"],
            "go_on": ["tests.tools.go_on"],
        }[work]

    def _environ(self, data: Path) -> dict[str, str]:
        given = {"DATA_DIR": str(data), "LLM": "fake", "EMBEDDINGS": self.embeddings, "CHUNK_CHARS": "120"}
        return os.environ | {f"LOCALRAG_{name}": value for name, value in given.items()}

    def _run(self, command: list[str], data: Path, kill_after_s: float | None = None) -> str | None:
        """Run `python -m command`; its last line, or None when it was killed. Its own errors are raised."""
        log = self.home / "log.txt"
        with log.open("w") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", *command], cwd=ROOT, env=self._environ(data), stdout=out, stderr=subprocess.STDOUT
            )
            try:
                status = process.wait(LIMIT_S if kill_after_s is None else kill_after_s)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                if kill_after_s is None:
                    raise RuntimeError(f"{command} did not end within {LIMIT_S:.0f} s") from None
                return None
        said = log.read_text()
        if status not in (0, 1) or "Traceback" in said:  # 1: a damaged file of the folder failed, as it should
            raise RuntimeError(f"{command} ended with status {status}: {said[-3000:]}")
        return said.strip().rsplit("\n", 1)[-1]

    def _state(self, data: Path) -> State:
        """Read in a process of its own: Chroma keeps open what this one has read."""
        result = self.home / "state.pickle"
        result.unlink(missing_ok=True)
        self._run(["tests.tools.store_state", str(data), str(result)], data)
        state: State = pickle.loads(result.read_bytes())
        return state

    @staticmethod
    def _left_running(data: Path) -> list[str]:
        """Processes of this data directory that outlived the ones that were killed."""
        mark, limit = f"LOCALRAG_DATA_DIR={data}\0".encode(), time.monotonic() + 5
        while True:
            left = [p.parent.name for p in Path("/proc").glob("[0-9]*/environ") if mark in _bytes(p)]
            if not left or time.monotonic() > limit:
                return [f"processes left running: {', '.join(left)}"] if left else []
            time.sleep(0.1)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def main(arguments: Sequence[str] | None = None) -> int:
    """Rounds until there were enough kills; a line for each."""
    parser = argparse.ArgumentParser(prog="python -m tests.tools.kill_ingest", description=__doc__.split("\n\n")[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--embeddings", choices=("llamacpp", "fake"), default="llamacpp")
    parser.add_argument("--big-chunks", type=int, default=250, help="paragraphs of the largest document")
    parser.add_argument("--work", choices=sorted(set(WORK)), action="append", help="only this kind of work")
    args = parser.parse_args(arguments)
    bad, rounds = 0, 0
    with tempfile.TemporaryDirectory(prefix="kill-") as home:
        killer = Killer(Path(home), random.Random(args.seed), args.embeddings, args.big_chunks, args.work or WORK)
        killer.prepare()
        print("uninterrupted: " + ", ".join(f"{work} {s:.1f} s" for work, s in killer.seconds.items()), flush=True)
        while killer.kills < args.kills:
            work = killer.works[rounds % len(killer.works)]
            rounds += 1
            try:
                kills, faults = killer.round(work)
            except RuntimeError as exc:
                kills, faults = 0, [str(exc)]
            bad += bool(faults)
            print(f"round {rounds} {work}: {kills} kills ({killer.kills}), {'DIFFERENT' if faults else 'the same'}", flush=True)
            for fault in faults:
                print(f"    {fault}", flush=True)
    print(f"{killer.kills} kills in {rounds} rounds, {bad} of them ended in another state", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
