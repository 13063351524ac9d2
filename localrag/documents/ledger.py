"""The ledger: every document, its text and its chunks, in SQLite. What is not in here is not in the collection.

Chroma is an index that can be rebuilt from it. A document goes in or changes in one transaction, so a reader sees the
old or the new, never a half.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import NamedTuple

from localrag.documents.collection_ledger import CollectionLedger, CollectionRecord, now
from localrag.documents.words import terms
from localrag.types import Chunk, DocumentRecord, Mark, SourceRecord

__all__ = ["CollectionRecord", "Ledger", "Making", "Passage", "Stored", "now"]

MAX_CHARS = 2**31 - 1
_DOCUMENT = "id sha256 type title description language reader splitter status error note pages characters chunks added".split()
_SOURCE = "source name document_id container stamp checked_ns error added".split()


@dataclass(frozen=True, slots=True)
class Stored:
    """What the ledger keeps of a document beside its record: how it was made, to see whether that is still right."""

    record: DocumentRecord
    reader: str
    splitter: str


class Making(NamedTuple):
    """Which reader and splitter a document was made with, and what it came to."""

    reader: str
    splitter: str
    status: str
    chunks: int


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk with where its document comes from, what it is called and which language it is in."""

    chunk: Chunk
    source: str
    title: str
    language: str


class Ledger(CollectionLedger):
    """Documents, their sources and their chunks; every method may be called from any thread."""

    _listed: tuple[tuple[str, int], list[DocumentRecord]] = (("", -1), [])
    """What was listed last: of which collection, at which state of the file."""

    def documents(self, collection_id: str) -> list[DocumentRecord]:
        """All documents of a collection, and the sources that failed as documents without text, newest first."""
        state = self.db.state()
        kept_for, kept = self._listed
        if kept_for != (collection_id, state):
            kept = self._documents(collection_id)
            self._listed = ((collection_id, state), kept)
        return list(kept)

    def _documents(self, collection_id: str) -> list[DocumentRecord]:
        sources: dict[str | None, list[SourceRecord]] = {}
        for record in self.sources(collection_id):
            sources.setdefault(record.document_id, []).append(record)
        name = next((row["name"] for row in self.db.rows("SELECT name FROM collections WHERE id = ?", (collection_id,))), "")
        rows = self.db.rows("SELECT * FROM documents WHERE collection_id = ?", (collection_id,))
        found = [_record(row, name, sources.get(row["id"], [])) for row in rows]
        found += [
            DocumentRecord(
                f"failed-{at}", name, failed.source, failed.name, status="failed", error=failed.error, added=failed.added
            )
            for at, failed in enumerate(sources.get("", []))
        ]
        return sorted(sorted(found, key=lambda record: record.source), key=lambda record: record.added, reverse=True)

    def document(self, document_id: str) -> DocumentRecord | None:
        """One document by id, or None."""
        stored = self.stored(document_id)
        return stored.record if stored else None

    def stored(self, document_id: str) -> Stored | None:
        """One document by id with how it was made, or None."""
        rows = self.db.rows(
            "SELECT d.*, c.name AS collection FROM documents d JOIN collections c ON c.id = d.collection_id WHERE d.id = ?",
            (document_id,),
        )
        if not rows:
            return None
        found = self.db.rows("SELECT * FROM sources WHERE document_id = ? ORDER BY container, added, rowid", (document_id,))
        record = _record(rows[0], rows[0]["collection"], [_source(row) for row in found])
        return Stored(record, rows[0]["reader"], rows[0]["splitter"])

    def makings(self, collection_id: str) -> dict[str, Making]:
        """How every document of a collection was made, by id."""
        rows = self.db.rows(
            "SELECT id, reader, splitter, status, chunks FROM documents WHERE collection_id = ?", (collection_id,)
        )
        return {row["id"]: Making(row["reader"], row["splitter"], row["status"], row["chunks"]) for row in rows}

    def sources(self, collection_id: str) -> list[SourceRecord]:
        """All sources of a collection, in the order they came."""
        return [
            _source(row)
            for row in self.db.rows(
                "SELECT * FROM sources WHERE collection_id = ? ORDER BY container, added, rowid", (collection_id,)
            )
        ]

    def text(self, document_id: str, start: int = 0, end: int = MAX_CHARS) -> str:
        """The text of a document, as it was read, or a part of it."""
        sql = "SELECT substr(text, ?, ?) AS text FROM texts WHERE document_id = ?"
        rows = self.db.rows(sql, (start + 1, end - start, document_id))
        return str(rows[0]["text"]) if rows else ""

    def marks(self, document_id: str) -> tuple[Mark, ...]:
        """Where in a document each part of its text stands."""
        rows = self.db.rows("SELECT marks FROM texts WHERE document_id = ?", (document_id,))
        return tuple(Mark(*mark) for mark in json.loads(rows[0]["marks"])) if rows else ()

    def chunks(self, ids: Sequence[str]) -> dict[str, Chunk]:
        """Chunks by id; ids the ledger does not know are left out."""
        return {row["id"]: _chunk(row) for row in self.db.rows_of(ids, "SELECT * FROM chunks WHERE id IN ({ids})")}

    def passages(self, ids: Sequence[str]) -> dict[str, Passage]:
        """Chunks with the documents they belong to, at one moment; ids the ledger does not know are left out."""
        rows = self.db.rows_of(
            ids,
            "SELECT k.*, d.title, d.language, s.source, s.name FROM chunks k JOIN documents d ON d.id = k.document_id"
            " JOIN sources s ON s.rowid ="
            " (SELECT rowid FROM sources WHERE document_id = d.id ORDER BY container, added, rowid LIMIT 1)"
            " WHERE k.id IN ({ids})",
        )
        return {row["id"]: Passage(_chunk(row), row["source"], row["title"] or row["name"], row["language"]) for row in rows}

    def chunks_of(self, document_id: str) -> list[Chunk]:
        """All chunks of a document in order."""
        rows = self.db.rows("SELECT * FROM chunks WHERE document_id = ? ORDER BY position", (document_id,))
        return [_chunk(row) for row in rows]

    # Writing

    def put(
        self,
        collection_id: str,
        record: DocumentRecord,
        source: SourceRecord,
        text: str,
        chunks: Sequence[Chunk],
        marks: Iterable[Mark] = (),
        reader: str = "",
        splitter: str = "",
    ) -> None:
        """Put a document in, in place of what its source led to before, in one step.

        Chunk ids that are no longer any document's become `unfinished`, to be taken out of Chroma.
        """
        known = {field: getattr(record, field) for field in _DOCUMENT if hasattr(record, field)}
        values = [{**known, "reader": reader, "splitter": splitter}[field] for field in _DOCUMENT]
        words = [(" ".join(terms(chunk.text, record.language)), chunk.id) for chunk in chunks]
        with self.db.transaction() as db:
            _replace_chunks(db, collection_id, record.id)
            db.execute("DELETE FROM chunks WHERE document_id = ?", (record.id,))
            updates = ", ".join(f"{field} = excluded.{field}" for field in _DOCUMENT[1:])
            marked = ", ".join("?" * (len(_DOCUMENT) + 1))
            db.execute(
                f"INSERT INTO documents ({', '.join(_DOCUMENT)}, collection_id) VALUES ({marked})"
                f" ON CONFLICT (id) DO UPDATE SET {updates}",
                [*values, collection_id],
            )
            stored = json.dumps([[m.start, m.location, m.page, m.kind] for m in marks], ensure_ascii=False)
            db.execute("INSERT OR REPLACE INTO texts VALUES (?, ?, ?)", (record.id, stored, text))
            db.executemany(
                'INSERT INTO chunks (id, document_id, position, start, "end", text, location, page) VALUES (?,?,?,?,?,?,?,?)',
                ((c.id, record.id, c.index, c.start, c.end, c.text, c.location, c.page) for c in chunks),
            )
            db.executemany("INSERT INTO words (rowid, terms) SELECT number, ? FROM chunks WHERE id = ?", words)
            db.execute(
                "DELETE FROM unfinished WHERE collection_id = ? AND chunk_id IN (SELECT id FROM chunks WHERE document_id = ?)",
                (collection_id, record.id),
            )
            _attach(db, collection_id, replace(source, document_id=record.id))
        self._taken_out += 1

    def attach(self, collection_id: str, sources: Iterable[SourceRecord]) -> None:
        """Note where documents came from. A source that named another document before lets go of it."""
        with self.db.transaction() as db:
            for source in sources:
                _attach(db, collection_id, source)

    def close_archive(self, collection_id: str, archive: SourceRecord) -> None:
        """From now on an archive of this stamp has not changed: all files in it are known."""
        with self.db.transaction() as db:
            db.execute(
                "UPDATE sources SET stamp = ?, checked_ns = ? WHERE collection_id = ? AND container = ?",
                (archive.stamp, archive.checked_ns, collection_id, archive.source),
            )

    def detach(self, collection_id: str, sources: Iterable[str]) -> None:
        """Forget sources, and the documents that have no other."""
        with self.db.transaction() as db:
            for source in sources:
                _detach(db, collection_id, source)
                db.execute("DELETE FROM sources WHERE collection_id = ? AND source = ?", (collection_id, source))
        self._taken_out += 1

    def delete_documents(self, collection_id: str, document_ids: Iterable[str]) -> None:
        """Take documents out, with all their sources; their chunk ids become `unfinished`, to be taken out of Chroma."""
        with self.db.transaction() as db:
            for document_id in document_ids:
                _replace_chunks(db, collection_id, document_id)
                db.execute("DELETE FROM documents WHERE id = ?", (document_id,))
        self._taken_out += 1

    def ask_anew(self, document_ids: Iterable[str]) -> None:
        """Forget how documents were made: their sources are read again when they come, although they have not changed."""
        with self.db.transaction() as db:
            db.executemany("UPDATE documents SET reader = '' WHERE id = ?", [(document_id,) for document_id in document_ids])


def _replace_chunks(db: sqlite3.Connection, collection_id: str, document_id: str) -> None:
    db.execute(
        "INSERT OR REPLACE INTO unfinished SELECT id, ?, 1 FROM chunks WHERE document_id = ?", (collection_id, document_id)
    )


def _detach(db: sqlite3.Connection, collection_id: str, source: str, keep: str = "") -> None:
    """Let go of the document a source leads to; without another source it goes, unless it is `keep`."""
    row = db.execute(
        "SELECT document_id FROM sources WHERE collection_id = ? AND source = ?", (collection_id, source)
    ).fetchone()
    if row is None or row["document_id"] in (None, keep):
        return
    others = db.execute("SELECT count(*) FROM sources WHERE document_id = ?", (row["document_id"],)).fetchone()[0]
    if others == 1:
        _replace_chunks(db, collection_id, row["document_id"])
        db.execute("DELETE FROM documents WHERE id = ?", (row["document_id"],))


def _attach(db: sqlite3.Connection, collection_id: str, source: SourceRecord) -> None:
    _detach(db, collection_id, source.source, keep=source.document_id)
    values = {**asdict(source), "document_id": source.document_id or None}
    updates = ", ".join(f"{field} = excluded.{field}" for field in _SOURCE if field not in ("source", "added"))
    db.execute(
        f"INSERT INTO sources (collection_id, {', '.join(_SOURCE)}) VALUES ({', '.join('?' * (len(_SOURCE) + 1))})"
        f" ON CONFLICT (collection_id, source) DO UPDATE SET {updates}",
        [collection_id, *(values[field] for field in _SOURCE)],
    )


def _record(row: sqlite3.Row, collection: str, sources: Sequence[SourceRecord]) -> DocumentRecord:
    first = sources[0] if sources else SourceRecord("", "")
    return DocumentRecord(  # field by field: 10,000 of them are made while a page is drawn
        id=row["id"],
        collection=collection,
        source=first.source,
        name=first.name,
        type=row["type"],
        title=row["title"],
        description=row["description"],
        language=row["language"],
        sha256=row["sha256"],
        status=row["status"],
        error=row["error"],
        characters=row["characters"],
        chunks=row["chunks"],
        added=row["added"],
        note=row["note"] or first.error,
        pages=row["pages"],
        also=tuple([source.source for source in sources[1:]]),
    )


def _source(row: sqlite3.Row) -> SourceRecord:
    return SourceRecord(
        row["source"],
        row["name"],
        row["document_id"] or "",
        row["container"],
        row["stamp"],
        row["checked_ns"],
        row["error"],
        row["added"],
    )


def _chunk(row: sqlite3.Row) -> Chunk:
    return Chunk(
        row["id"], row["document_id"], row["position"], row["start"], row["end"], row["text"], row["location"], row["page"]
    )
