"""The part of the ledger that knows collections."""

from __future__ import annotations

import datetime
import threading
import uuid
from dataclasses import dataclass
from pathlib import Path

from localrag.documents.database import Database
from localrag.documents.ledger_schema import OLDEST, SCHEMA, VERSION
from localrag.errors import StoreError

HIDDEN = " "
"""A name that begins so is no person's: the collection is being made and not shown until it is whole, and named."""


@dataclass(frozen=True, slots=True)
class CollectionRecord:
    """A collection: its name as the user wrote it, the embedding model its vectors come from, the index they lie in."""

    id: str
    name: str
    embedding: str
    embedding_name: str
    dimension: int
    index_name: str
    created: str
    documents: int = 0
    chunks: int = 0


def now() -> str:
    """The time as ISO 8601 in UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


class CollectionLedger:
    """Opens the ledger's file; collections by name and by id."""

    def __init__(self, path: Path) -> None:
        """Open or create the ledger.

        Raises:
            StoreError: the file cannot be opened or is no ledger.
        """
        self.db = Database(path, SCHEMA, VERSION, OLDEST)
        self._taken_out = 0
        self.vectors_lock = threading.RLock()
        """Held by who changes vectors and documents together, so that nobody takes out what another has just put in."""

    def version(self) -> int:
        """A number that changes when someone else has written; writes of this ledger leave it as it is."""
        return self.db.version()

    def settle(self) -> None:
        """Leave no trace of what was deleted: neither in the file's pages, nor in the list of terms, nor in the log."""
        with self.db.transaction() as db:
            db.execute("INSERT INTO words (words) VALUES ('optimize')")  # a deleted row's terms stay until lists are merged
        self.db.settle()

    def changes(self) -> tuple[int, int]:
        """A pair that changes when chunks were taken out or replaced, here or in another process."""
        return self._taken_out, self.db.version()

    def collections(self, hidden: bool = False) -> list[CollectionRecord]:
        """All collections by name, with how many documents and chunks they hold; or those that are `hidden` as yet."""
        rows = self.db.rows(
            "SELECT c.*, (SELECT count(*) FROM documents d WHERE d.collection_id = c.id) AS documents,"
            " (SELECT coalesce(sum(chunks), 0) FROM documents d WHERE d.collection_id = c.id) AS chunks"
            " FROM collections c ORDER BY c.name"
        )
        return [CollectionRecord(**dict(row)) for row in rows if row["name"].startswith(HIDDEN) == hidden]

    def collection(self, name: str) -> CollectionRecord | None:
        """The collection of that name, or None."""
        return next((record for record in self.collections() if record.name == name), None)

    def add_collection(self, name: str, embedding: str, embedding_name: str, dimension: int) -> CollectionRecord:
        """Create a collection bound to one embedding model."""
        identity = uuid.uuid4().hex
        record = CollectionRecord(identity, name, embedding, embedding_name, dimension, f"c-{identity}", now())
        values = (record.id, name, embedding, embedding_name, dimension, record.index_name, record.created)
        with self.db.transaction() as db:
            db.execute("INSERT INTO collections VALUES (?, ?, ?, ?, ?, ?, ?)", values)
        return record

    def rename_collection(self, collection_id: str, name: str) -> None:
        """Give a collection another name; StoreError when it is taken."""
        with self.db.transaction() as db:
            if db.execute("SELECT 1 FROM collections WHERE name = ? AND id <> ?", (name, collection_id)).fetchone():
                raise StoreError(f"There is a collection named {name} already. Choose another name.")
            db.execute("UPDATE collections SET name = ? WHERE id = ?", (name, collection_id))

    def add_hidden(self, embedding: str, embedding_name: str, dimension: int) -> CollectionRecord:
        """Create a collection that nobody sees until `rename_collection` names it."""
        return self.add_collection(f"{HIDDEN}{uuid.uuid4().hex}", embedding, embedding_name, dimension)

    def begin_rebuild(self, collection_id: str, embedding: str) -> str:
        """The name of the index a collection is embedded anew into; one for the same model that was broken off goes on."""
        rows = self.db.rows("SELECT index_name, embedding FROM rebuilds WHERE collection_id = ?", (collection_id,))
        if rows and rows[0]["embedding"] == embedding:
            return str(rows[0]["index_name"])
        name = f"c-{uuid.uuid4().hex}"
        with self.db.transaction() as db:
            db.execute("INSERT OR REPLACE INTO rebuilds VALUES (?, ?, ?)", (collection_id, name, embedding))
        return name

    def switch_index(self, collection_id: str, index_name: str, embedding: str, embedding_name: str, dimension: int) -> None:
        """From now on a collection's vectors are those of another index; the sentences of the one before are forgotten."""
        with self.db.transaction() as db:
            db.execute(
                "DELETE FROM sentences WHERE index_name = (SELECT index_name FROM collections WHERE id = ?)"
                " AND index_name <> ?",
                (collection_id, index_name),
            )
            db.execute(
                "UPDATE collections SET index_name = ?, embedding = ?, embedding_name = ?, dimension = ? WHERE id = ?",
                (index_name, embedding, embedding_name, dimension, collection_id),
            )
            db.execute("DELETE FROM rebuilds WHERE collection_id = ?", (collection_id,))
        self._taken_out += 1

    def index_names(self) -> set[str]:
        """The indexes of all collections, those they are embedded anew into among them."""
        rows = self.db.rows("SELECT index_name FROM collections UNION SELECT index_name FROM rebuilds")
        return {row["index_name"] for row in rows}

    def chunk_ids(self, collection_id: str) -> set[str]:
        """The ids of all chunks of a collection."""
        sql = "SELECT k.id FROM chunks k JOIN documents d ON d.id = k.document_id WHERE d.collection_id = ?"
        return {row["id"] for row in self.db.rows(sql, (collection_id,))}

    def delete_collection(self, collection_id: str) -> None:
        """Forget a collection with all its documents."""
        with self.db.transaction() as db:
            db.execute(
                "DELETE FROM sentences WHERE chunk_id IN (SELECT k.id FROM chunks k JOIN documents d ON d.id = k.document_id"
                " WHERE d.collection_id = ? UNION SELECT chunk_id FROM unfinished WHERE collection_id = ?)",
                (collection_id, collection_id),
            )
            db.execute("DELETE FROM collections WHERE id = ?", (collection_id,))
            db.execute("DELETE FROM unfinished WHERE collection_id = ?", (collection_id,))

    def close(self) -> None:
        """Close the file."""
        self.db.close()
