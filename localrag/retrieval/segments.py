"""The files of Chroma's local indexes, looked at without Chroma.

A note beside the folder says how they were left. While they are written it says that; so a crash in the middle of a write,
and files that something else has changed, are seen before Chroma opens them: damage may end the process that does.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

LAST_WRITTEN = "index_metadata.pickle"
"""Chroma writes this file of an index last of all; what is newer belongs to a write that never ended (measured, 1.5.9)."""


def note_writing(path: Path) -> None:
    """Note that the files in this folder are being written."""
    _note(path).write_text("writing", "utf-8")


def note_sound(path: Path) -> None:
    """Note that the files in this folder are whole, as they are now."""
    _note(path).write_text(_looks(path), "utf-8")


def as_left(path: Path) -> bool:
    """Whether nothing was cut short or changed in this folder since it was noted as sound."""
    if not path.exists():
        return True
    try:
        return _note(path).read_text("utf-8") == _looks(path)
    except OSError:
        return False


def _note(path: Path) -> Path:
    return path.with_name(path.name + ".state")


def _looks(path: Path) -> str:
    """Size and time of every file of vectors, and the size of what tells them apart: its time changes when it is opened."""
    files = sorted(file for file in path.glob("*/*") if file.is_file())
    stats = [(file.relative_to(path).as_posix(), file.stat()) for file in files]
    database = path / "chroma.sqlite3"
    size = database.stat().st_size if database.exists() else -1
    return "\n".join([f"chroma.sqlite3 {size}", *(f"{name} {stat.st_size} {stat.st_mtime_ns}" for name, stat in stats)])


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
