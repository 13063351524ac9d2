"""The ledger: every document, its text and its chunks, in SQLite. What is not in here is not in the collection.

Chroma is an index that can be rebuilt from it. A document goes in or changes in one transaction, so a reader sees the
old or the new, never a half.
"""

from __future__ import annotations

import datetime
import sqlite3
import threading
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path

from localrag.errors import StoreError
from localrag.types import Chunk, DocumentRecord

SCHEMA = """
CREATE TABLE IF NOT EXISTS collections (
    id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, embedding TEXT NOT NULL, embedding_name TEXT NOT NULL,
    dimension INTEGER NOT NULL, created TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS documents (
    id TEXT PRIMARY KEY, collection_id TEXT NOT NULL REFERENCES collections(id) ON DELETE CASCADE, source TEXT NOT NULL,
    name TEXT NOT NULL, type TEXT NOT NULL, title TEXT NOT NULL, description TEXT NOT NULL, language TEXT NOT NULL,
    sha256 TEXT NOT NULL, splitter TEXT NOT NULL, status TEXT NOT NULL, error TEXT NOT NULL, characters INTEGER NOT NULL,
    chunks INTEGER NOT NULL, added TEXT NOT NULL, text TEXT NOT NULL, UNIQUE (collection_id, source));
CREATE TABLE IF NOT EXISTS chunks (
    id TEXT PRIMARY KEY, document_id TEXT NOT NULL REFERENCES documents(id) ON DELETE CASCADE, position INTEGER NOT NULL,
    start INTEGER NOT NULL, "end" INTEGER NOT NULL, text TEXT NOT NULL, location TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS chunks_by_document ON chunks (document_id, position);
CREATE TABLE IF NOT EXISTS unfinished (chunk_id TEXT PRIMARY KEY, collection_id TEXT NOT NULL);
"""
_RECORD = "d.id, c.name AS collection, d.source, d.name, d.type, d.title, d.description, d.language, d.sha256, d.status, d.error, d.characters, d.chunks, d.added"  # noqa: E501
BUSY_TIMEOUT_S = 10.0
MAX_VARIABLES = 500


@dataclass(frozen=True, slots=True)
class CollectionRecord:
    """A collection: its name as the user wrote it, and the embedding model its vectors come from."""

    id: str
    name: str
    embedding: str
    embedding_name: str
    dimension: int
    created: str
    documents: int = 0
    chunks: int = 0


def now() -> str:
    """The time as ISO 8601 in UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


class Ledger:
    """One SQLite file; every method may be called from any thread."""

    def __init__(self, path: Path) -> None:
        """Open or create the ledger.

        Raises:
            StoreError: the file cannot be opened or is no ledger.
        """
        self._path = path
        self._lock = threading.RLock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, check_same_thread=False, isolation_level=None)
            self._db.row_factory = sqlite3.Row
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA foreign_keys = ON")
            self._db.executescript(SCHEMA)
        except (sqlite3.Error, OSError) as exc:
            raise StoreError(f"The ledger {path} cannot be opened: {exc}. Check the data directory.") from exc

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                try:
                    yield self._db
                except BaseException:
                    self._db.execute("ROLLBACK")
                    raise
                self._db.execute("COMMIT")
            except sqlite3.Error as exc:
                raise StoreError(f"The ledger {self._path} cannot be written: {exc}. Free some space and try again.") from exc

    def _rows(self, sql: str, values: Sequence[object] = ()) -> list[sqlite3.Row]:
        with self._lock:
            try:
                return self._db.execute(sql, values).fetchall()
            except sqlite3.Error as exc:
                raise StoreError(f"The ledger {self._path} cannot be read: {exc}. Check the data directory.") from exc

    def version(self) -> int:
        """A number that changes when someone else has written; writes of this ledger leave it as it is."""
        return int(self._rows("PRAGMA data_version")[0][0])

    def collections(self) -> list[CollectionRecord]:
        """All collections by name, with how many documents and chunks they hold."""
        rows = self._rows(
            "SELECT c.*, count(d.id) AS documents, coalesce(sum(d.chunks), 0) AS chunks FROM collections c"
            " LEFT JOIN documents d ON d.collection_id = c.id GROUP BY c.id ORDER BY c.name"
        )
        return [CollectionRecord(**dict(row)) for row in rows]

    def collection(self, name: str) -> CollectionRecord | None:
        """The collection of that name, or None."""
        return next((record for record in self.collections() if record.name == name), None)

    def add_collection(self, name: str, embedding: str, embedding_name: str, dimension: int) -> CollectionRecord:
        """Create a collection bound to one embedding model."""
        record = CollectionRecord(uuid.uuid4().hex, name, embedding, embedding_name, dimension, now())
        with self._transaction() as db:
            values = (record.id, name, embedding, embedding_name, dimension, record.created)
            db.execute("INSERT INTO collections VALUES (?, ?, ?, ?, ?, ?)", values)
        return record

    def delete_collection(self, collection_id: str) -> None:
        """Forget a collection with all its documents."""
        with self._transaction() as db:
            db.execute("DELETE FROM collections WHERE id = ?", (collection_id,))
            db.execute("DELETE FROM unfinished WHERE collection_id = ?", (collection_id,))

    def documents(self, collection_id: str) -> list[DocumentRecord]:
        """All documents of a collection, newest first."""
        rows = self._rows(
            f"SELECT {_RECORD} FROM documents d JOIN collections c ON c.id = d.collection_id"
            " WHERE c.id = ? ORDER BY d.added DESC, d.source",
            (collection_id,),
        )
        return [DocumentRecord(**dict(row)) for row in rows]

    def document(self, document_id: str) -> DocumentRecord | None:
        """One document by id, or None."""
        rows = self._rows(
            f"SELECT {_RECORD} FROM documents d JOIN collections c ON c.id = d.collection_id WHERE d.id = ?", (document_id,)
        )
        return DocumentRecord(**dict(rows[0])) if rows else None

    def text(self, document_id: str) -> str:
        """The text of a document, as it was read."""
        rows = self._rows("SELECT text FROM documents WHERE id = ?", (document_id,))
        return str(rows[0]["text"]) if rows else ""

    def splitter(self, document_id: str) -> str:
        """Which splitter settings a document's chunks were made with."""
        rows = self._rows("SELECT splitter FROM documents WHERE id = ?", (document_id,))
        return str(rows[0]["splitter"]) if rows else ""

    def chunks(self, ids: Sequence[str]) -> dict[str, Chunk]:
        """Chunks by id; ids the ledger does not know are left out."""
        found: dict[str, Chunk] = {}
        for at in range(0, len(ids), MAX_VARIABLES):
            part = ids[at : at + MAX_VARIABLES]
            marks = ",".join("?" * len(part))
            found |= {row["id"]: _chunk(row) for row in self._rows(f"SELECT * FROM chunks WHERE id IN ({marks})", part)}
        return found

    def chunks_of(self, document_id: str) -> list[Chunk]:
        """All chunks of a document in order."""
        return [
            _chunk(row) for row in self._rows("SELECT * FROM chunks WHERE document_id = ? ORDER BY position", (document_id,))
        ]

    def announce(self, collection_id: str, chunk_ids: Iterable[str]) -> None:
        """Note chunk ids before Chroma gets them, so that a crash leaves a list of what to take out again."""
        with self._transaction() as db:
            db.executemany("INSERT OR REPLACE INTO unfinished VALUES (?, ?)", [(i, collection_id) for i in chunk_ids])

    def unfinished(self, collection_id: str) -> list[str]:
        """Chunk ids in Chroma that belong to no document: announced by a write that never ended, or replaced since."""
        rows = self._rows(
            "SELECT chunk_id FROM unfinished WHERE collection_id = ? AND chunk_id NOT IN (SELECT id FROM chunks)",
            (collection_id,),
        )
        return [row["chunk_id"] for row in rows]

    def settle(self, collection_id: str) -> None:
        """Forget the announced ids of a collection: Chroma and the ledger agree again."""
        with self._transaction() as db:
            db.execute("DELETE FROM unfinished WHERE collection_id = ?", (collection_id,))

    def put(self, collection_id: str, record: DocumentRecord, text: str, chunks: Sequence[Chunk], splitter: str) -> None:
        """Put a document in, in place of the one with its source, in one step.

        Chunk ids that the old one had and the new one lacks become `unfinished`, to be taken out of Chroma.
        """
        columns = [f.name for f in fields(DocumentRecord) if f.name != "collection"]
        values = [getattr(record, column) for column in columns]
        with self._transaction() as db:
            db.execute(
                "INSERT OR REPLACE INTO unfinished SELECT k.id, ? FROM chunks k JOIN documents d ON d.id = k.document_id"
                " WHERE d.collection_id = ? AND d.source = ?",
                (collection_id, collection_id, record.source),
            )
            db.execute("DELETE FROM documents WHERE collection_id = ? AND source = ?", (collection_id, record.source))
            names = ", ".join([*columns, "collection_id", "text", "splitter"])
            marks = ", ".join("?" * (len(columns) + 3))
            db.execute(f"INSERT INTO documents ({names}) VALUES ({marks})", [*values, collection_id, text, splitter])
            db.executemany(
                "INSERT INTO chunks VALUES (?, ?, ?, ?, ?, ?, ?)",
                [(c.id, record.id, c.index, c.start, c.end, c.text, c.location) for c in chunks],
            )

    def delete_document(self, collection_id: str, document_id: str) -> None:
        """Take a document out; its chunk ids become `unfinished`, to be taken out of Chroma."""
        with self._transaction() as db:
            db.execute(
                "INSERT OR REPLACE INTO unfinished SELECT id, ? FROM chunks WHERE document_id = ?", (collection_id, document_id)
            )
            db.execute("DELETE FROM documents WHERE id = ?", (document_id,))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()


def _chunk(row: sqlite3.Row) -> Chunk:
    return Chunk(row["id"], row["document_id"], row["position"], row["start"], row["end"], row["text"], row["location"])
