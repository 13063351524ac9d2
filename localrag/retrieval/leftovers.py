"""What Chroma leaves on the disk: the folder of an index stays there when the index is deleted."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import uuid
from pathlib import Path

TIMEOUT_S = 5.0


def remove_leftovers(path: Path) -> list[str]:
    """Remove the folders in a Chroma database that no index uses any more; returns their names.

    Only by the one process that writes there. Whatever cannot be read or removed now stays until the next time.
    """
    try:
        with contextlib.closing(
            sqlite3.connect(f"{(path.absolute() / 'chroma.sqlite3').as_uri()}?mode=ro", TIMEOUT_S, uri=True)
        ) as db:
            used = {str(row[0]) for row in db.execute("SELECT id FROM segments")}
    except (sqlite3.Error, ValueError):
        return []
    removed: list[str] = []
    with contextlib.suppress(OSError):
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
