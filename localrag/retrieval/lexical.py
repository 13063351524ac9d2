"""The channel of words: BM25 over the terms of chunks, in SQLite's FTS5.

Robertson & Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), with FTS5's k1 = 1.2 and b = 0.75.
How often a term is met is counted over the whole ledger, not for each collection.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Sequence

from localrag.documents.database import Database
from localrag.documents.words import terms

LANGUAGES = 4
"""A question is stemmed as in each of so many languages, those most documents are in."""
MOST_TERMS = 64
"""Of a long question the rarest terms are looked for."""
MOST_MATCHES = 100_000
"""Chunks that may be scored for one question: rare terms first, so what is left out tells least."""


def weighed_terms(db: Database, collection_id: str, question: str) -> dict[str, float]:
    """The terms of a question worth looking for with their weights (BM25's IDF), rarest first.

    None that more than half of all chunks hold: such a term has no weight, and nearly all the work of a search goes into it.
    """
    rows = db.rows(
        "SELECT language FROM documents WHERE collection_id = ? AND chunks > 0"
        " GROUP BY language ORDER BY count(*) DESC LIMIT ?",
        (collection_id, LANGUAGES),
    )
    asked = list(dict.fromkeys(term for row in rows for term in terms(question, row["language"])))
    found = db.rows_of(asked, "SELECT term, doc FROM vocabulary WHERE term IN ({ids})")
    counts = {row["term"]: row["doc"] for row in found}
    whole = _chunks(db)
    wanted = sorted((term for term in counts if counts[term] <= whole / 2), key=lambda term: counts[term])
    weights: dict[str, float] = {}
    left = MOST_MATCHES
    for term in wanted[:MOST_TERMS]:
        left -= counts[term]
        if left < 0 and weights:
            break
        weights[term] = math.log((whole - counts[term] + 0.5) / (counts[term] + 0.5))
    return weights


def rarity(db: Database, asked: Collection[str]) -> dict[str, float]:
    """A weight above 0 for each of these terms: the rarer in the ledger the higher, the highest for those it does not know."""
    found = db.rows_of(list(set(asked)), "SELECT term, doc FROM vocabulary WHERE term IN ({ids})")
    counts = dict.fromkeys(asked, 0) | {row["term"]: row["doc"] for row in found}
    whole = _chunks(db)
    return {term: math.log(1 + (whole - count + 0.5) / (count + 0.5)) for term, count in counts.items()}


def _chunks(db: Database) -> int:
    return int(db.rows("SELECT coalesce(sum(chunks), 0) AS n FROM documents")[0]["n"])  # far fewer rows than the chunks are


def best(
    db: Database, collection_id: str, wanted: Collection[str], limit: int, among: Sequence[str] | None = None
) -> dict[str, float]:
    """The chunks of a collection these terms fit best: ids with their BM25 score, higher is better, best first.

    `among` are the only documents that count, by id.
    """
    if not wanted:
        return {}
    only, ids = ("", ()) if among is None else (" AND d.id IN (SELECT value FROM json_each(?))", (json.dumps(list(among)),))
    rows = db.rows(
        "SELECT k.id, -bm25(words) AS score FROM words JOIN chunks k ON k.number = words.rowid"
        f" JOIN documents d ON d.id = k.document_id WHERE words MATCH ? AND d.collection_id = ?{only}"
        " ORDER BY score DESC, k.id LIMIT ?",
        (_any_of(wanted), collection_id, *ids, limit),
    )
    return {row["id"]: row["score"] for row in rows}


def scores(db: Database, wanted: Collection[str], chunk_ids: Sequence[str]) -> dict[str, float]:
    """BM25 of given chunks, 0.0 for those that hold none of the terms."""
    found = dict.fromkeys(chunk_ids, 0.0)
    if wanted:
        sql = (
            "SELECT k.id, -bm25(words) AS score FROM words JOIN chunks k ON k.number = words.rowid"
            " WHERE words MATCH ? AND k.id IN ({ids})"
        )
        found |= {row["id"]: row["score"] for row in db.rows_of(chunk_ids, sql, (_any_of(wanted),))}
    return found


def _any_of(wanted: Collection[str]) -> str:
    return " OR ".join(f'"{term}"' for term in wanted)  # in quotes a term is a term, whatever letters it has
