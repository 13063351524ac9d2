"""Whether Chroma is sound, found out in a process of its own: a damaged file may end it by a signal."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localrag.errors import StoreError

if TYPE_CHECKING:  # chromadb takes a second to import
    from localrag.retrieval.vectors import VectorIndex

ROOT = Path(__file__).parents[2]
LIMIT_S = 600.0
"""For all indexes together: reading 100,000 vectors takes about half a minute."""


@dataclass
class Inspection:
    """What was found: the chunk ids of every sound index, the reason for every damaged one. `error`: nothing can be opened."""

    error: str = ""
    ids: dict[str, set[str]] = field(default_factory=dict)
    damaged: dict[str, str] = field(default_factory=dict)


def inspect(path: Path, limit_s: float = LIMIT_S, being_written: bool = False) -> Inspection:
    """Look at the Chroma database of a folder; one that is not there is sound. `being_written`: another process may do so."""
    found, until = Inspection(), time.monotonic() + limit_s
    while path.exists():
        left = max(1.0, until - time.monotonic())
        lines, ending = _look(path.absolute(), being_written, [*found.ids, *found.damaged], left)
        opened, at_work = False, ""
        for line in lines:
            opened = opened or "opened" in line
            at_work = line.get("begin", "")
            if "ids" in line:
                found.ids[line["index"]] = set(line["ids"])
            elif "index" in line:
                found.damaged[line["index"]] = line["error"]
            elif "error" in line:
                ending = line["error"]
        if not opened:
            found.error = ending
        elif at_work:
            found.damaged[at_work] = ending
            continue
        break
    return found


def inspect_server(index: VectorIndex, names: Iterable[str]) -> Inspection:
    """The same of indexes on a server, which cannot end this process; those it does not have are left out."""
    found = Inspection()
    there = index.names()
    for name in sorted(there.intersection(names)):
        try:
            found.ids[name] = index.ids(name)
        except StoreError as exc:
            found.damaged[name] = str(exc)
    return found


def _look(path: Path, being_written: bool, passed: list[str], limit_s: float) -> tuple[list[dict[str, Any]], str]:
    """What the process said, and how it ended, in words."""
    command = [sys.executable, "-m", "localrag.retrieval.check", str(path), "busy" if being_written else "still", *passed]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as child:
        try:
            said, ending = child.communicate(timeout=limit_s)[0], f"Chroma crashed (status {child.returncode})"
        except subprocess.TimeoutExpired:
            child.kill()
            said, ending = child.communicate()[0], f"Chroma did not answer within {limit_s:.0f} s"
    whole = [line for line in said.splitlines() if line.endswith("}")]
    return [json.loads(line) for line in whole], ending
