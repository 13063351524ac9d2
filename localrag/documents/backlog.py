"""What was asked to go in and is not in yet: it outlives a crash, a restart and a pause."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from localrag.documents.database import Database
from localrag.documents.ledger import now
from localrag.documents.source import Source
from localrag.documents.sources import printable
from localrag.errors import StoreError


@dataclass(frozen=True, slots=True)
class BacklogJob:
    """Sources asked for together, those that are left of `total`."""

    id: int
    collection: str
    total: int
    paused: bool
    sources: tuple[Source, ...]


class Backlog:
    """Jobs and their pending sources; uploaded bytes wait in a folder of their own."""

    def __init__(self, db: Database, inbox: Path) -> None:
        self._db, self._inbox = db, inbox

    def add(self, collection_id: str, sources: Sequence[Source]) -> tuple[int, list[Source]]:
        """Note a job; returns its number and its sources, uploaded bytes now on disk.

        Raises:
            StoreError: there is no room for them; nothing was noted.
        """
        stored = [self._store(source) for source in sources]
        try:
            with self._db.transaction() as db:
                job = db.execute(
                    "INSERT INTO jobs (collection_id, total, paused, started) VALUES (?, ?, 0, ?)",
                    (collection_id, len(stored), now()),
                ).lastrowid
                db.executemany(
                    "INSERT INTO pending VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (
                        (job, at, s.identity, printable(s.name), _bytes(s.path), s.address, _bytes(s.stored))
                        for at, s in enumerate(stored)
                    ),
                )
        except StoreError:
            self._discard(stored)
            raise
        return int(job or 0), stored

    def finish(self, job: int, sources: Sequence[Source] | None = None) -> None:
        """Forget these sources of a job, and the job when none are left; all of it without `sources`.

        An earlier job of the collection that a crash cut short need not look at the same files and addresses again.
        """
        done = self._sources(job) if sources is None else sources
        again = [source for source in done if source.stored is None] if sources is not None else []
        with self._db.transaction() as db:
            db.executemany("DELETE FROM pending WHERE job_id = ? AND source = ?", [(job, source.identity) for source in done])
            db.executemany(
                "DELETE FROM pending WHERE source = ? AND stored IS NULL AND job_id IN (SELECT a.id FROM jobs a JOIN jobs b"
                " ON b.collection_id = a.collection_id WHERE b.id = ? AND a.id < b.id)",
                [(source.identity, job) for source in again],
            )
            db.execute("DELETE FROM jobs WHERE id <= ? AND id NOT IN (SELECT job_id FROM pending)", (job,))
        self._discard(done)

    def pause(self, job: int, paused: bool) -> None:
        """Note whether a job waits, so that it also does after a restart."""
        with self._db.transaction() as db:
            db.execute("UPDATE jobs SET paused = ? WHERE id = ?", (int(paused), job))

    def jobs(self) -> list[BacklogJob]:
        """Jobs with sources that are left, in order; those of a collection that is gone are gone with it."""
        rows = self._db.rows("SELECT j.*, c.name FROM jobs j JOIN collections c ON c.id = j.collection_id ORDER BY j.id")
        return [
            BacklogJob(row["id"], row["name"], row["total"], bool(row["paused"]), tuple(self._sources(row["id"])))
            for row in rows
        ]

    def sweep(self) -> None:
        """Remove uploaded bytes no job waits for: a crash between two writes may leave some."""
        wanted = {row["stored"] for row in self._db.rows("SELECT stored FROM pending")}
        with contextlib.suppress(OSError):
            for path in self._inbox.iterdir():
                if os.fsencode(path) not in wanted:
                    path.unlink()

    def _sources(self, job: int) -> list[Source]:
        rows = self._db.rows("SELECT * FROM pending WHERE job_id = ? ORDER BY position", (job,))
        return [Source(row["name"], _path(row["path"]), row["address"], stored=_path(row["stored"])) for row in rows]

    def _store(self, source: Source) -> Source:
        if source.data is None:
            return source
        path = self._inbox / uuid.uuid4().hex
        try:
            self._inbox.mkdir(parents=True, exist_ok=True)
            path.write_bytes(source.data)
        except OSError as exc:
            with contextlib.suppress(OSError):
                path.unlink()
            raise StoreError(f"{source.name} cannot be kept in {self._inbox}: {exc}. Free some space and try again.") from exc
        return replace(source, data=None, stored=path)

    def _discard(self, sources: Sequence[Source]) -> None:
        for source in sources:
            if source.stored is not None:
                with contextlib.suppress(OSError):
                    source.stored.unlink()


def _bytes(path: Path | None) -> bytes | None:
    """A path as SQLite can keep it, whatever bytes its name has."""
    return None if path is None else os.fsencode(path)


def _path(stored: bytes | None) -> Path | None:
    return None if stored is None else Path(os.fsdecode(stored))
