"""What Chroma may hold too much, and the vectors of sentences: both are written beside the ledger's documents."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from localrag.documents.database import Database
from localrag.embeddings.base import Spans, Vectors, unit

LEVELS = 127
_STRAY = (
    "WHERE index_name NOT IN (SELECT index_name FROM collections UNION SELECT index_name FROM rebuilds)"
    " OR (chunk_id NOT IN (SELECT id FROM chunks) AND chunk_id NOT IN (SELECT chunk_id FROM unfinished))"
)


class Unfinished:
    """Chunk ids that a write announced before it gave Chroma their vectors, or that a later write replaced."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def announce(
        self,
        collection_id: str,
        chunk_ids: Sequence[str],
        index_name: str = "",
        sentences: Iterable[tuple[Spans, Vectors]] = (),
    ) -> None:
        """Note chunk ids before Chroma gets them, so that a crash leaves a list of what to take out; with their sentences."""
        rows = _packed(chunk_ids, index_name, sentences)
        with self._db.transaction() as db:
            db.executemany("INSERT OR REPLACE INTO unfinished VALUES (?, ?, 0)", [(i, collection_id) for i in chunk_ids])
            db.executemany("INSERT OR REPLACE INTO sentences VALUES (?, ?, ?, ?)", rows)

    def keep_sentences(self, chunk_ids: Sequence[str], index_name: str, sentences: Iterable[tuple[Spans, Vectors]]) -> None:
        """Keep the sentences of chunks that are in the ledger."""
        rows = _packed(chunk_ids, index_name, sentences)
        with self._db.transaction() as db:
            db.executemany("INSERT OR REPLACE INTO sentences VALUES (?, ?, ?, ?)", rows)

    def left(self, collection_id: str, replaced_only: bool = False) -> list[str]:
        """Chunk ids in Chroma that belong to no document; those of writes that go on are among them unless `replaced_only`."""
        rows = self._db.rows(
            "SELECT chunk_id FROM unfinished u WHERE collection_id = ? AND replaced >= ?"
            " AND NOT EXISTS (SELECT 1 FROM chunks WHERE id = u.chunk_id)",
            (collection_id, int(replaced_only)),
        )
        return [row["chunk_id"] for row in rows]

    def announced(self, chunk_ids: Sequence[str]) -> set[str]:
        """Those of these chunk ids whose documents are on their way in."""
        rows = self._db.rows_of(chunk_ids, "SELECT chunk_id FROM unfinished WHERE replaced = 0 AND chunk_id IN ({ids})")
        return {row["chunk_id"] for row in rows}

    def settle(self, collection_id: str, chunk_ids: Iterable[str]) -> None:
        """Forget chunk ids that were taken out of Chroma, and their sentences."""
        ids = list(chunk_ids)
        with self._db.transaction() as db:
            db.executemany("DELETE FROM unfinished WHERE collection_id = ? AND chunk_id = ?", [(collection_id, i) for i in ids])
            db.executemany("DELETE FROM sentences WHERE chunk_id = ?", [(i,) for i in ids])

    def strays(self) -> int:
        """Sentences that `sweep` would take out."""
        return int(self._db.rows(f"SELECT count(*) FROM sentences {_STRAY}")[0][0])

    def sweep(self) -> None:
        """Forget sentences of chunks and of indexes that are no more: a crash between two writes may leave some."""
        with self._db.transaction() as db:
            db.execute(f"DELETE FROM sentences {_STRAY}")

    def sentences(self, chunk_ids: Sequence[str], index_name: str) -> dict[str, tuple[Spans, Vectors]]:
        """Ranges of the sentences of chunks, as offsets in the chunk, with their unit vectors; by chunk id, where known."""
        sql = "SELECT * FROM sentences WHERE index_name = ? AND chunk_id IN ({ids})"
        rows = self._db.rows_of(chunk_ids, sql, [index_name])
        return {row["chunk_id"]: unpack(row["ranges"], row["vectors"]) for row in rows}

    def count_sentences(self, collection_id: str, index_name: str) -> int:
        """How many sentences of a collection's chunks have a vector in an index."""
        return self._counted("coalesce(sum(length(s.ranges)), 0) / 8", collection_id, index_name)

    def count_chunks(self, collection_id: str, index_name: str) -> int:
        """How many of a collection's chunks have sentences with a vector in an index."""
        return self._counted("count(*)", collection_id, index_name)

    def _counted(self, what: str, collection_id: str, index_name: str) -> int:
        rows = self._db.rows(
            f"SELECT {what} FROM documents d JOIN chunks k ON k.document_id = d.id"
            " JOIN sentences s ON s.chunk_id = k.id WHERE d.collection_id = ? AND s.index_name = ?",
            (collection_id, index_name),
        )
        return int(rows[0][0])


def _packed(
    chunk_ids: Sequence[str], index_name: str, sentences: Iterable[tuple[Spans, Vectors]]
) -> list[tuple[str, str, bytes, bytes]]:
    """Rows of the table of sentences, of the chunks that have any."""
    return [(i, index_name, *pack(*found)) for i, found in zip(chunk_ids, sentences, strict=False) if len(found[1])]


def pack(ranges: Spans, vectors: Vectors) -> tuple[bytes, bytes]:
    """Ranges as pairs of 32-bit integers; vectors as 8-bit integers scaled by each row's largest value.

    A quarter of the size of 32-bit floats; the cosine to the original stays above 0.999 (measured on MiniLM's vectors).
    """
    return np.asarray(ranges, "<i4").tobytes(), in_levels(vectors).tobytes()


def in_levels(vectors: Vectors) -> NDArray[np.int8]:
    """Vectors as 8-bit integers, scaled by each row's largest value; made from such rows they are the same again."""
    largest = np.abs(vectors).max(axis=1, keepdims=True, initial=0)
    return np.rint(vectors * (LEVELS / np.where(largest == 0, 1, largest))).astype(np.int8)


def unpack(ranges: bytes, vectors: bytes) -> tuple[Spans, Vectors]:
    """The ranges, and the vectors scaled to length 1."""
    pairs: NDArray[np.int32] = np.frombuffer(ranges, "<i4").reshape(-1, 2)
    if not len(pairs):
        return [], np.empty((0, 0), np.float32)
    rows = np.frombuffer(vectors, np.int8).reshape(len(pairs), -1).astype(np.float32)
    return [(int(a), int(b)) for a, b in pairs], unit(rows)
