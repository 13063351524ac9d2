"""Everything a data directory holds, in a form that two directories can be compared in: `python -m tests.tools.store_state`.

Ids of collections are random and ids of documents and chunks follow from them, so each is checked against the rule it
follows from and then left out; what is compared is named by source, position and text.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from localrag.documents.preparing import document_id
from localrag.documents.splitter import chunk_id
from localrag.documents.unfinished import unpack
from localrag.library import Library
from localrag.settings import load_settings
from tests.tools.kill_corpus import QUESTIONS

LEAST_COSINE, LEAST_SENTENCE_COSINE = 0.9999, 0.999
SCORE = {"fake": 1e-4, "llamacpp": 3e-4}
"""How far scores may be apart. llama.cpp rounds a text's vector by what else is in the batch: up to 1.4e-4 (measured)."""
TERMS = "SELECT w.terms FROM chunks k LEFT JOIN words w ON w.rowid = k.number WHERE k.document_id = ? ORDER BY k.position"
State = dict[str, Any]


def state_of(data_dir: Path) -> State:
    """Read a data directory that nobody writes to; settings come from the environment."""
    library = Library(load_settings({"data_dir": data_dir, "vector_weight": 1.0}))  # scores are cosines then
    try:
        collections = {record.name: _collection(library, record) for record in library.collections()}
        tables = ("unfinished", "jobs", "pending", "rebuilds")
        known = {record.index_name for record in library.collections()}
        state: State = {f"left in {t}": [tuple(r) for r in library.ledger.db.rows(f"SELECT * FROM {t}")] for t in tables}
        names = {found.name for found in library.index().client.list_collections()}
        inbox = data_dir / "inbox"
        return state | {
            "collections": collections,
            "indexes of no collection": sorted(names - known),
            "indexes that are missing": sorted(known - names),
            "inbox": sorted(p.name for p in inbox.iterdir()) if inbox.exists() else [],
            "faults": library.ledger.db.faults(),
            "terms of no chunk": [
                row[0]
                for row in library.ledger.db.rows("SELECT rowid FROM words WHERE rowid NOT IN (SELECT number FROM chunks)")
            ],
            "sentences of no chunk": [
                row[0]
                for row in library.ledger.db.rows(
                    "SELECT chunk_id FROM sentences WHERE chunk_id NOT IN (SELECT id FROM chunks)"
                )
            ],
        }
    finally:
        library.close()


def _collection(library: Library, record: Any) -> State:
    ledger, index = library.ledger, library.index()
    documents: State = {}
    chunks: State = {}
    for document in ledger.documents(record.id):
        texts = ledger.chunks_of(document.id)
        right = document.status == "failed" or document.id == document_id(record.id, document.sha256)
        documents[document.source] = {
            "also": sorted(document.also),
            "sha256": document.sha256,
            "status": document.status,
            "error": document.error,
            "note": document.note,
            "title": document.title,
            "terms": [row[0] for row in ledger.db.rows(TERMS, (document.id,))],
            "chunks": document.chunks,
            "text": ledger.text(document.id),
            "marks": ledger.marks(document.id),
            "id follows from its content": right,
        }
        for chunk in texts:
            assert chunk.id == chunk_id(document.id, chunk.start, chunk.end, chunk.text), chunk
            chunks[chunk.id] = (document.sha256, chunk.index, chunk.start, chunk.end, chunk.location, chunk.page, chunk.text)
    ids = sorted(index.client.get_collection(record.index_name, embedding_function=None).get(include=[])["ids"])
    rows = ledger.db.rows("SELECT * FROM sentences WHERE index_name = ?", (record.index_name,))
    found = {question: library.search(record.name, question, k=5) for question in QUESTIONS}
    return {
        "documents": documents,
        "sources": sorted((s.source, s.name, bool(s.document_id), s.container, s.error) for s in ledger.sources(record.id)),
        "chunks": sorted(chunks.values()),
        "missing vectors": sorted(chunks[i] for i in chunks.keys() - set(ids)),
        "vectors of no chunk": sorted(set(ids) - chunks.keys()),
        "vectors": {chunks[i]: v for i, v in index.vectors(record.index_name, ids).items() if i in chunks},
        "sentences": {
            chunks[row["chunk_id"]]: unpack(row["ranges"], row["vectors"]) for row in rows if row["chunk_id"] in chunks
        },
        "search": {q: [(e.document, e.start, e.end, e.score) for e in result.evidence] for q, result in found.items()},
    }


def differences(found: State, wanted: State, score: float = SCORE["fake"]) -> list[str]:
    """What is not the same, one line each; empty when everything agrees."""
    lines = [f"{key}: {value!r:.300}" for key, value in found.items() if key != "collections" and value]
    if found["collections"].keys() != wanted["collections"].keys():
        return [*lines, f"collections: {sorted(found['collections'])}, not {sorted(wanted['collections'])}"]
    for name, right in wanted["collections"].items():
        mine = found["collections"][name]
        for key in ("sources", "chunks", "missing vectors", "vectors of no chunk"):
            if mine[key] != right[key]:
                more, fewer = [x for x in mine[key] if x not in right[key]], [x for x in right[key] if x not in mine[key]]
                lines.append(f"{name}: {key}: {len(more)} too many {more!r:.300}, {len(fewer)} missing {fewer!r:.300}")
        lines += _by_key(f"{name}: documents", mine["documents"], right["documents"], _same_value)
        lines += _by_key(f"{name}: vectors", mine["vectors"], right["vectors"], _same_vector)
        lines += _by_key(f"{name}: sentences", mine["sentences"], right["sentences"], _same_sentences)
        lines += _by_key(f"{name}: search", mine["search"], right["search"], partial(_same_hits, score))
    return lines


def _by_key(what: str, mine: Mapping[Any, Any], right: Mapping[Any, Any], same: Callable[[Any, Any], bool]) -> list[str]:
    lines = [f"{what}: {key!r:.200} is too much" for key in mine.keys() - right.keys()]
    lines += [f"{what}: {key!r:.200} is missing" for key in right.keys() - mine.keys()]
    other = [key for key in mine.keys() & right.keys() if not same(mine[key], right[key])]
    lines += [f"{what}: {key!r:.200} is {mine[key]!r:.600}, not {right[key]!r:.600}" for key in other]
    return lines[:10]


def _same_value(mine: Any, right: Any) -> bool:
    return bool(mine == right)


def _same_vector(mine: Any, right: Any) -> bool:
    return float(mine @ right) > LEAST_COSINE


def _same_sentences(mine: Any, right: Any) -> bool:
    return mine[0] == right[0] and bool(np.all(np.sum(mine[1] * right[1], axis=1) > LEAST_SENTENCE_COSINE))


def _same_hits(score: float, mine: Any, right: Any) -> bool:
    """The same passages with the same scores; of those that are as good as the last one, there may be others."""
    scores, wanted = np.array([hit[3] for hit in mine]), np.array([hit[3] for hit in right])
    if len(scores) != len(wanted) or np.any(np.abs(scores - wanted) > score):
        return False
    sure = wanted[-1] + score if len(wanted) else 0.0
    return {hit[:3] for hit in mine if hit[3] > sure} <= {hit[:3] for hit in right} and (
        {hit[:3] for hit in right if hit[3] > sure} <= {hit[:3] for hit in mine}
    )


if __name__ == "__main__":
    Path(sys.argv[2]).write_bytes(pickle.dumps(state_of(Path(sys.argv[1]))))
