"""The channel of words: BM25 over the terms of chunks, in SQLite's FTS5.

Robertson & Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), with FTS5's k1 = 1.2 and b = 0.75.
How often a term is met is counted over the whole ledger, not for each collection.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Collection, Sequence
from weakref import WeakKeyDictionary

from localrag.documents.database import Database
from localrag.documents.words import terms

_kept: WeakKeyDictionary[Database, tuple[int, dict[str, int]]] = WeakKeyDictionary()
LANGUAGES = 4
"""A question is stemmed as in each of so many languages, those most documents are in."""
MOST_TERMS = 64
"""Of a long question the rarest terms are looked for."""
MOST_MATCHES = 50_000
"""Chunks that may be scored for one question: rare terms first, so what is left out tells least."""
AHEAD = 8
"""So many times what is wanted is looked at first, for other collections' chunks among them."""
KEPT_COUNTS = 20_000
K1, B, LEAST_IDF = 1.2, 0.75, 1e-6
"""FTS5's own."""


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
    whole, counts = _counts(db, asked)
    wanted = sorted((term for term, count in counts.items() if 0 < count <= whole / 2), key=lambda term: counts[term])
    weights: dict[str, float] = {}
    left = MOST_MATCHES
    for term in wanted[:MOST_TERMS]:
        left -= counts[term]
        if left < 0 and weights:
            break
        weights[term] = math.log((whole - counts[term] + 0.5) / (counts[term] + 0.5))
    return weights


def rarity(db: Database, asked: Collection[str]) -> dict[str, float]:
    """A weight above 0 for each of these terms: the rarer in the ledger the higher.

    Those it does not know weigh half of what the rarest does: one may be the very thing that is asked for, or a "which" in
    a collection of tables.
    """
    whole, counts = _counts(db, asked)
    unknown = math.log(1 + (whole + 0.5) / 0.5) / 2
    return {t: math.log(1 + (whole - n + 0.5) / (n + 0.5)) if n else unknown for t, n in counts.items()}


def _counts(db: Database, asked: Collection[str]) -> tuple[int, dict[str, int]]:
    """How many chunks there are, and how many of them hold each term.

    Counting a frequent word takes FTS5 as long as it has chunks, and questions share their frequent words; so what was counted
    is kept while the number of chunks stays the same.
    """
    whole = int(db.rows("SELECT coalesce(sum(chunks), 0) AS n FROM documents")[0]["n"])  # far fewer rows than the chunks are
    kept_at, kept = _kept.get(db, (-1, {}))
    if kept_at != whole or len(kept) > KEPT_COUNTS:
        kept = {}
    new = [term for term in dict.fromkeys(asked) if term not in kept]
    found = db.rows_of(new, "SELECT term, doc FROM vocabulary WHERE term IN ({ids})")
    kept = kept | dict.fromkeys(new, 0) | {row["term"]: row["doc"] for row in found}
    _kept[db] = (whole, kept)
    return whole, {term: kept[term] for term in asked}


def best(
    db: Database, collection_id: str, wanted: Collection[str], limit: int, among: Sequence[str] | None = None
) -> dict[str, float]:
    """The chunks of a collection these terms fit best: ids with their BM25 score, higher is better, best first.

    `among` are the only documents that count, by id.
    """
    if not wanted:
        return {}
    # The best of the whole ledger first, so that only few of what may be 50,000 matches are looked up elsewhere.
    first = db.rows(
        "SELECT rowid, -rank AS score FROM words WHERE words MATCH ? ORDER BY rank LIMIT ?", (_any_of(wanted), AHEAD * limit)
    )
    ours = _ours(db, collection_id, [row["rowid"] for row in first], among)
    found = {ours[row["rowid"]]: row["score"] for row in first if row["rowid"] in ours}
    if len(found) < limit and len(first) == AHEAD * limit:
        only, ids = _only(among)
        rows = db.rows(
            "SELECT k.id, -bm25(words) AS score FROM words JOIN chunks k ON k.number = words.rowid"
            f" JOIN documents d ON d.id = k.document_id WHERE words MATCH ? AND d.collection_id = ?{only}"
            " ORDER BY score DESC, k.id LIMIT ?",
            (_any_of(wanted), collection_id, *ids, limit),
        )
        found = {row["id"]: row["score"] for row in rows}
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0]))[:limit])


def _ours(db: Database, collection_id: str, numbers: Sequence[int], among: Sequence[str] | None) -> dict[int, str]:
    """The ids of those chunks, by number, that are in a collection and in one of these documents."""
    only, ids = _only(among)
    sql = (
        "SELECT k.number, k.id FROM chunks k CROSS JOIN documents d ON d.id = k.document_id"  # CROSS: the few chunks first
        f" WHERE d.collection_id = ?{only} AND k.number IN ({{ids}})"
    )
    return {row["number"]: row["id"] for row in db.rows_of(numbers, sql, (collection_id, *ids))}


def _only(among: Sequence[str] | None) -> tuple[str, tuple[str, ...]]:
    if among is None:
        return "", ()
    return " AND d.id IN (SELECT value FROM json_each(?))", (json.dumps(list(among)),)


def scores(db: Database, wanted: Collection[str], chunk_ids: Sequence[str]) -> dict[str, float]:
    """BM25 of given chunks, 0.0 for those that hold none of the terms.

    The same as FTS5's own, which would read every match in the ledger for it.
    """
    found = dict.fromkeys(chunk_ids, 0.0)
    if not wanted:
        return found
    rows, mean_length = _size(db)
    _, counts = _counts(db, wanted)
    weights = {term: max(LEAST_IDF, math.log((rows - n + 0.5) / (n + 0.5))) for term, n in counts.items() if n}
    sql = "SELECT k.id, w.terms FROM chunks k JOIN words w ON w.rowid = k.number WHERE k.id IN ({ids})"
    for row in db.rows_of(chunk_ids, sql):
        held = row["terms"].split(" ")
        often = Counter(term for term in held if term in weights)
        norm = K1 * (1 - B + B * len(held) / mean_length)
        found[row["id"]] = sum(weights[term] * count * (K1 + 1) / (count + norm) for term, count in often.items())
    return found


def _size(db: Database) -> tuple[int, float]:
    """How many rows the index of words has, and of how many terms each on average: FTS5 keeps both in its first record."""
    block = bytes(db.rows("SELECT block FROM words_data WHERE id = 1")[0]["block"])
    numbers: list[int] = []
    value = 0
    for byte in block:  # SQLite's variable-length integers: seven bits a byte, the highest first
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            numbers.append(value)
            value = 0
    rows, total = numbers[:2] or (0, 0)
    return rows, max(1.0, total / max(1, rows))


def _any_of(wanted: Collection[str]) -> str:
    return " OR ".join(f'"{term}"' for term in wanted)  # in quotes a term is a term, whatever letters it has
