"""One process replaces a document again and again while another searches: it must see the old text or the new one.

`python -m tests.tools.replace_watch --seconds 20`: status 1 when a search saw two versions, none, or a part of one.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from localrag.documents.source import Source
from localrag.library import Library
from localrag.settings import load_settings

ROOT = Path(__file__).parents[2]
PARTS = 3
TOGETHER = 60
"""Versions taken in by one ingestion, one after the other: starting one takes longer than a replacement."""
QUESTION = "What is the reading of the reactor gauge?"


STOP = "stop"
"""A file in the data directory that ends the writer."""


def text_of(version: int) -> bytes:
    """A document of `PARTS` chunks, each of which names its version and answers the question."""
    line = "The reading of the reactor gauge is version {} in part {}, and the gauge of the reactor was read by hand twice."
    return "\n\n".join(line.format(version, part) for part in range(PARTS)).encode()


def write() -> int:
    """Replace the document until the stop file is there; returns how often."""
    library, version = Library(load_settings()), 0
    stop = library.settings.data_dir / STOP
    try:
        list(
            library.ingest(
                "default", [Source(f"other-{n}.txt", data=f"A gauge {n} of the harbour.".encode()) for n in range(20)]
            )
        )
        while not stop.exists():
            together = [Source("gauge.txt", data=text_of(version + n)) for n in range(1, 1 + TOGETHER)]
            statuses = {event.status for event in library.ingest("default", together)}
            assert statuses <= {None, "indexed", "replaced"}, statuses
            if not version:
                print("begun", flush=True)
            version += TOGETHER
    finally:
        library.close()
    return version


def read(seconds: float) -> tuple[int, set[str], list[str]]:
    """Search for so long; returns how often, the versions seen, and what should not have been seen."""
    library = Library(load_settings())
    until = time.time() + seconds
    searches, seen, wrong = 0, set[str](), []
    try:
        while time.time() < until:
            texts = [e.text for e in library.search("default", QUESTION, k=PARTS).evidence]
            versions = re.findall(r"version (\d+) in part", " ".join(texts))
            searches += 1
            seen |= set(versions)
            if len(versions) != PARTS or len(set(versions)) != 1:
                wrong.append(" | ".join(texts))
    finally:
        library.close()
    return searches, seen, wrong


def watch(data_dir: Path, seconds: float, embeddings: str) -> dict[str, object]:
    """Both at once, each in a process of its own; what they report."""
    given = {"DATA_DIR": str(data_dir), "EMBEDDINGS": embeddings, "CHUNK_CHARS": "120"}
    env = os.environ | {f"LOCALRAG_{name}": value for name, value in given.items()}

    def start(role: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.tools.replace_watch", "--role", role, "--seconds", str(seconds)]
        return subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True)

    with start("write") as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "begun\n"
        with start("read") as reader:
            found = json.loads(reader.communicate()[0].strip().splitlines()[-1])
        (data_dir / STOP).touch()
        written = json.loads(writer.communicate()[0].strip().splitlines()[-1])
    assert writer.returncode == reader.returncode == 0
    return {**written, **found}


def main(arguments: Sequence[str] | None = None) -> int:
    """The whole, or one of both parts in a process of its own."""
    parser = argparse.ArgumentParser(prog="python -m tests.tools.replace_watch")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--embeddings", default="fake")
    parser.add_argument("--role", choices=("write", "read"))
    args = parser.parse_args(arguments)
    if args.role == "write":
        print(json.dumps({"replaced": write()}), flush=True)
    elif args.role == "read":
        searches, seen, wrong = read(args.seconds)
        print(json.dumps({"searches": searches, "versions seen": sorted(map(int, seen)), "wrong": wrong}), flush=True)
    else:
        with tempfile.TemporaryDirectory() as home:
            found = watch(Path(home) / "data", args.seconds, args.embeddings)
        print(json.dumps(found, indent=1))
        return 1 if found["wrong"] else 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
