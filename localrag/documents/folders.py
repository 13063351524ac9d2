"""Folders that are kept in sync with a collection, with what is let in of them."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from localrag.documents.collection_ledger import now
from localrag.documents.database import Database
from localrag.documents.patterns import Patterns


@dataclass(frozen=True, slots=True)
class SyncedFolder:
    """A folder by its absolute path. `watched`: a running app follows its changes. `synced`: when it was last done; "" never.

    `include` and `exclude` are patterns as in a .gitignore file: see `Patterns`.
    """

    collection_id: str
    path: Path
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    watched: bool = False
    synced: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from every other one."""
        return self.collection_id, str(self.path)

    @property
    def patterns(self) -> Patterns:
        """Which of its files are wanted; DocumentError as `Patterns`."""
        return Patterns(self.include, self.exclude)


class Folders:
    """The ledger's list of them; every method may be called from any thread."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def put(self, folder: SyncedFolder) -> None:
        """Keep a folder in the list, or change what is kept of it."""
        values = (json.dumps(folder.include), json.dumps(folder.exclude), int(folder.watched), folder.synced)
        with self._db.transaction() as db:
            db.execute(
                "INSERT OR REPLACE INTO folders (collection_id, path, include, exclude, watched, synced)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (folder.collection_id, os.fsencode(folder.path), *values),
            )

    def remove(self, folder: SyncedFolder) -> None:
        """Take a folder off the list; its documents stay."""
        with self._db.transaction() as db:
            db.execute("DELETE FROM folders WHERE collection_id = ? AND path = ?", _place(folder))

    def note_synced(self, folder: SyncedFolder) -> None:
        """Note that a folder was synced to the end just now."""
        with self._db.transaction() as db:
            db.execute("UPDATE folders SET synced = ? WHERE collection_id = ? AND path = ?", (now(), *_place(folder)))

    def all(self, collection_id: str | None = None) -> list[SyncedFolder]:
        """The folders of a collection, or of every one, by path."""
        rows = self._db.rows("SELECT * FROM folders WHERE ? IS NULL OR collection_id = ? ORDER BY path", (collection_id,) * 2)
        return [
            SyncedFolder(
                row["collection_id"],
                Path(os.fsdecode(row["path"])),
                tuple(json.loads(row["include"])),
                tuple(json.loads(row["exclude"])),
                bool(row["watched"]),
                row["synced"],
            )
            for row in rows
        ]

    def find(self, collection_id: str, path: Path) -> SyncedFolder | None:
        """The folder of that path, or None."""
        return next((folder for folder in self.all(collection_id) if folder.path == path), None)


def _place(folder: SyncedFolder) -> tuple[str, bytes]:
    return folder.collection_id, os.fsencode(folder.path)
