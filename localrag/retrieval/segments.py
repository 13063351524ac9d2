"""The files of Chroma's local indexes, looked at without Chroma.

A note beside the folder says how they were left. While they are written it says that; so a crash in the middle of a write,
and files that something else has changed, are seen before Chroma opens them: damage may end the process that does.
"""

from __future__ import annotations

import shutil
import sqlite3
import uuid
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

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
    sql = "SELECT c.name, s.id FROM collections c JOIN segments s ON s.collection = c.id WHERE s.scope = 'VECTOR'"
    return {name: path / segment for name, segment in _asked(path, sql) or ()}


def _asked(path: Path, sql: str) -> list[Any] | None:
    """Rows of Chroma's own database; None when it cannot be read."""
    try:
        with closing(sqlite3.connect(f"{(path.absolute() / 'chroma.sqlite3').as_uri()}?mode=ro", uri=True)) as db:
            return db.execute(sql).fetchall()
    except (sqlite3.Error, ValueError):
        return None


def half_written(folder: Path) -> bool:
    """Whether a write of an index's files began and did not end. Only for an index that nobody is writing."""
    try:
        times = {file.name: file.stat().st_mtime_ns for file in folder.iterdir()}
    except OSError:
        return False
    last = times.pop(LAST_WRITTEN, None)
    return last is not None and any(time_ns > last for time_ns in times.values())


def remove_leftovers(path: Path) -> list[str]:
    """Remove the folders in a Chroma database that no index uses any more; returns their names.

    Only by the one process that writes there. Whatever cannot be read or removed now stays until the next time.
    """
    rows = _asked(path, "SELECT id FROM segments")
    if rows is None:
        return []
    used = {str(row[0]) for row in rows}
    removed: list[str] = []
    with suppress(OSError):
        for folder in path.iterdir():
            if folder.name not in used and _is_uuid(folder.name) and folder.is_dir() and not folder.is_symlink():
                shutil.rmtree(folder, ignore_errors=True)
                removed.append(folder.name)
    return removed


def _is_uuid(name: str) -> bool:
    try:
        return str(uuid.UUID(name)) == name
    except ValueError:
        return False
