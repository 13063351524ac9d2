"""The files of Chroma's local indexes, looked at without Chroma: a write of them that a crash cut short leaves a trace."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

LAST_WRITTEN = "index_metadata.pickle"
"""Chroma writes this file of an index last of all; what is newer belongs to a write that never ended (measured, 1.5.9)."""


def index_folders(path: Path) -> dict[str, Path]:
    """The folder of every index's vectors, by name of the index; empty when the database cannot be read."""
    try:
        with closing(sqlite3.connect(f"{(path / 'chroma.sqlite3').as_uri()}?mode=ro", uri=True)) as db:
            rows = db.execute(
                "SELECT c.name, s.id FROM collections c JOIN segments s ON s.collection = c.id WHERE s.scope = 'VECTOR'"
            ).fetchall()
    except sqlite3.Error:
        return {}
    return {name: path / segment for name, segment in rows}


def half_written(folder: Path) -> bool:
    """Whether a write of an index's files began and did not end. Only for an index that nobody is writing."""
    try:
        times = {file.name: file.stat().st_mtime_ns for file in folder.iterdir()}
    except OSError:
        return False
    last = times.pop(LAST_WRITTEN, None)
    return last is not None and any(time_ns > last for time_ns in times.values())
