"""One SQLite file in WAL mode: one connection writes, another reads beside it."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from localrag.errors import StoreError

BUSY_TIMEOUT_S = 10.0
FAILURES = (sqlite3.Error, UnicodeDecodeError)
"""What sqlite3 raises: of a damaged file even its own message may be no text."""
MAX_VARIABLES = 500


def connect(path: Path) -> sqlite3.Connection:
    """A connection for any thread, without transactions of its own; a damaged word hides no other."""
    db = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, check_same_thread=False, isolation_level=None)
    db.row_factory = sqlite3.Row
    db.text_factory = partial(str, encoding="utf-8", errors="replace")
    return db


class Database:
    """Every method may be called from any thread; reading never waits for a transaction of this process."""

    def __init__(self, path: Path, schema: str, version: int, oldest: int) -> None:
        """Open or create the file. From version `oldest` on, what the schema has more is made.

        Raises:
            StoreError: it cannot be opened, is no such database, or was made by another version of LocalRAG.
        """
        self.path = path
        self._write_lock, self._read_lock = threading.RLock(), threading.RLock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = self._connect()
            self._writer.execute("PRAGMA journal_mode = WAL")
            self._writer.execute("PRAGMA secure_delete = ON")  # what is deleted is overwritten with zeros
            found = int(self._writer.execute("PRAGMA user_version").fetchone()[0])
            tables = int(self._writer.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])
            if (found == 0 and not tables) or oldest <= found < version:
                self._writer.executescript(f"BEGIN IMMEDIATE; {schema} PRAGMA user_version = {version}; COMMIT;")
            self._reader = self._connect()
        except (*FAILURES, OSError) as exc:
            raise StoreError(f"The ledger {path} cannot be opened: {exc}. Check the data directory.") from exc
        if tables and not oldest <= found <= version:
            self.close()
            raise StoreError(
                f"The ledger {path} has format {found}, this version of LocalRAG reads format {version}."
                " Choose another data directory, or the version that made it."
            )

    def _connect(self) -> sqlite3.Connection:
        db = connect(self.path)
        db.execute("PRAGMA foreign_keys = ON")
        return db

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of the body's writes, or none.

        Raises:
            StoreError: the file cannot be written.
        """
        with self._write_lock:
            try:
                self._writer.execute("BEGIN IMMEDIATE")
                try:
                    yield self._writer
                except BaseException:
                    self._writer.execute("ROLLBACK")
                    raise
                self._writer.execute("COMMIT")
            except FAILURES as exc:
                raise StoreError(f"The ledger {self.path} cannot be written: {exc}. Free some space and try again.") from exc

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[sqlite3.Row]:
        """What a query finds among what is committed; StoreError when the file cannot be read."""
        with self._read_lock:
            try:
                return self._reader.execute(sql, values).fetchall()
            except FAILURES as exc:
                raise StoreError(f"The ledger {self.path} cannot be read: {exc}. Check the data directory.") from exc

    def hold(self) -> None:
        """From now on `rows` finds what is committed now, whatever is written meanwhile."""
        with self._read_lock:
            try:
                self._reader.execute("BEGIN")
                self._reader.execute("SELECT count(*) FROM sqlite_master").fetchone()  # the moment is that of the first read
            except FAILURES as exc:
                raise StoreError(f"The ledger {self.path} cannot be read: {exc}. Check the data directory.") from exc

    def rows_of(self, ids: Sequence[str] | Sequence[int], sql: str, first: Sequence[object] = ()) -> list[sqlite3.Row]:
        """What a query finds of these ids, which stand for its `{ids}`; in parts, for SQLite takes only so many variables.

        `first` are the values of variables in front of them. Errors as `rows`.
        """
        found: list[sqlite3.Row] = []
        for at in range(0, len(ids), MAX_VARIABLES):
            part = ids[at : at + MAX_VARIABLES]
            found += self.rows(sql.format(ids=",".join("?" * len(part))), [*first, *part])
        return found

    def version(self) -> int:
        """A number that changes when another process has written; writes of this one leave it as it is."""
        try:  # without the lock: SQLite serialises calls itself, and a search must not wait for a long transaction
            return int(self._writer.execute("PRAGMA data_version").fetchone()[0])
        except FAILURES as exc:
            raise StoreError(f"The ledger {self.path} cannot be read: {exc}. Check the data directory.") from exc

    def state(self) -> int:
        """A number that changes with every write that is committed, of this process too."""
        with self._read_lock:
            try:
                return int(self._reader.execute("PRAGMA data_version").fetchone()[0])
            except FAILURES as exc:
                raise StoreError(f"The ledger {self.path} cannot be read: {exc}. Check the data directory.") from exc

    def settle(self) -> None:
        """Write everything into the file itself and empty the log beside it, so that what was deleted is in neither.

        Raises:
            StoreError: the file cannot be written.
        """
        with self._write_lock:
            try:
                self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            except FAILURES as exc:
                raise StoreError(f"The ledger {self.path} cannot be written: {exc}. Free some space and try again.") from exc

    def faults(self) -> list[str]:
        """What SQLite's own check of the file finds wrong; empty when it is sound."""
        found = [str(row[0]) for row in self.rows("PRAGMA quick_check(20)")]
        return [] if found == ["ok"] else found

    def close(self) -> None:
        """Close the file."""
        with self._write_lock, self._read_lock:
            self._writer.close()
            if hasattr(self, "_reader"):
                self._reader.close()
