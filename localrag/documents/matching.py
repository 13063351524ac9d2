"""Which documents of a collection a filter lets through."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence

from localrag.documents.database import Database
from localrag.types import SearchFilter

DATE_CHARS = len("2026-01-31")


def matching(db: Database, collection_id: str, filters: SearchFilter) -> list[str] | None:
    """The ids of the documents that match, in no order; None when the filter is empty and all do."""
    if not filters:
        return None
    rows = db.rows("SELECT id, type, language, added FROM documents WHERE collection_id = ?", (collection_id,))
    types, languages = ({value.casefold() for value in values} for values in (filters.types, filters.languages))
    inside = _inside(db, collection_id, filters.folders) if filters.folders else None
    return [
        row["id"]
        for row in rows
        if (not filters.documents or row["id"] in filters.documents)
        and (not types or row["type"].casefold() in types)
        and (not languages or row["language"].casefold() in languages)
        and (inside is None or row["id"] in inside)
        and _between(row["added"], filters.added_from, filters.added_to)
    ]


def chunk_ids_of(db: Database, document_ids: Sequence[str]) -> list[str]:
    """The ids of all chunks of these documents."""
    sql = "SELECT id FROM chunks WHERE document_id IN (SELECT value FROM json_each(?))"
    return [row["id"] for row in db.rows(sql, (json.dumps(list(document_ids)),))]


def _inside(db: Database, collection_id: str, folders: Sequence[str]) -> set[str]:
    """Documents with a source in one of these folders, or below."""
    starts = tuple(folder.rstrip("/\\") + os.sep for folder in folders)
    rows = db.rows(
        "SELECT document_id, source FROM sources WHERE collection_id = ? AND document_id IS NOT NULL", (collection_id,)
    )
    return {row["document_id"] for row in rows if row["source"].startswith(starts)}


def _between(added: str, first: str, last: str) -> bool:
    """ISO times of one zone sort as text; a bare date as the last one takes its whole day in."""
    return added >= first and (not last or (added[:DATE_CHARS] if len(last) <= DATE_CHARS else added) <= last)
