"""What questions without an answer reach in each collection, kept beside its documents."""

from __future__ import annotations

from typing import NamedTuple

from localrag.documents.database import Database


class Calibration(NamedTuple):
    """Median fits of made-up questions (see `retrieval.confidence`), and how many chunks they were asked of."""

    chunks: int
    words: float
    cosine: float


class Calibrations:
    """One for each collection and index; every method may be called from any thread."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def get(self, collection_id: str, index_name: str) -> Calibration | None:
        """A collection's calibration; None when it has none for this index."""
        sql = "SELECT chunks, words, cosine FROM calibrations WHERE collection_id = ? AND index_name = ?"
        rows = self._db.rows(sql, (collection_id, index_name))
        return Calibration(*rows[0]) if rows else None

    def keep(self, collection_id: str, index_name: str, calibration: Calibration) -> None:
        """Keep a collection's calibration, in place of the one before."""
        with self._db.transaction() as db:
            db.execute(
                "INSERT OR REPLACE INTO calibrations SELECT id, ?, ?, ?, ? FROM collections WHERE id = ?",
                (index_name, *calibration, collection_id),
            )
