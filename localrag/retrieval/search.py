"""From a question to evidence: the nearest chunks, checked against the ledger, within what was asked for."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from localrag.documents.ledger import CollectionRecord, Ledger, Passage
from localrag.documents.unfinished import Unfinished
from localrag.embeddings.base import EmbeddingModel, Vectors
from localrag.errors import StoreError
from localrag.retrieval.focus import focus
from localrag.types import Evidence, SearchResult

if TYPE_CHECKING:  # chromadb takes a second to import
    from localrag.retrieval.vectors import VectorIndex

SPARE = 8
"""More candidates than asked for at first: an index that is being written may name chunks the ledger does not hold (yet)."""
BUDGET_CANDIDATES = 50
PATIENCE_S = 5.0
"""How long to look again at a collection that changes between the index's answer and the ledger's."""


def search(
    question: str,
    collection: CollectionRecord,
    ledger: Ledger,
    index: Callable[[], VectorIndex],
    model: EmbeddingModel,
    k: int | None = None,
    budget_chars: int | None = None,
    least_share: float = 0.0,
) -> SearchResult:
    """Find evidence: the `k` best passages, or the best ones that fit `budget_chars` together; best first.

    Passages that score less than `least_share` of the best one are left out: they cost a small model time and distract it.
    `index` gives the vector database as it is now: another process may have written between two looks.
    `confidence` is the best passage's cosine similarity, not yet calibrated. A passage is never cut to fit.
    Raises:
        StoreError: the collection was built with another embedding model.
    """
    started = time.perf_counter()
    if not question.strip():
        raise StoreError("The question is empty. Write what you want to know.")
    wanted = k if k is not None else BUDGET_CANDIDATES
    vector = model.embed_question(question)
    ranked = _candidates(collection, ledger, index, model, vector, wanted)
    chosen: list[tuple[Passage, float]] = []
    left = budget_chars
    for passage, score in ranked:
        if len(chosen) == wanted or score < least_share * ranked[0][1]:
            break
        if left is not None:
            if len(passage.chunk.text) > left:
                continue
            left -= len(passage.chunk.text)
        chosen.append((passage, score))
    used = (ledger.collection(collection.name) or collection).index_name
    sentences = Unfinished(ledger.db).sentences([passage.chunk.id for passage, _ in chosen], used)
    evidence = [_evidence(passage, score) for passage, score in chosen]
    marked = focus(vector, evidence, [sentences.get(passage.chunk.id) for passage, _ in chosen], model)
    confidence = max(0.0, min(1.0, ranked[0][1])) if ranked else 0.0
    return SearchResult(question, marked, confidence, time.perf_counter() - started)


def _candidates(
    collection: CollectionRecord,
    ledger: Ledger,
    index: Callable[[], VectorIndex],
    model: EmbeddingModel,
    vector: Vectors,
    wanted: int,
) -> list[tuple[Passage, float]]:
    """The `wanted` nearest chunks the ledger knows, best first; more when they come along.

    A document that is going in, or was broken off, may have any number of vectors in front of them. One that is replaced
    meanwhile is looked for again: its old chunks are gone, and its new ones were not named yet.
    """
    count, until = wanted + SPARE, time.monotonic() + PATIENCE_S
    while collection.chunks:
        before = ledger.changes()
        try:
            ranked = index().nearest(collection.index_name, model, vector, count)
        except StoreError:
            if ledger.changes() == before or time.monotonic() > until:
                raise
            ranked = []
        passages = ledger.passages([chunk_id for chunk_id, _ in ranked])
        gone = {chunk_id for chunk_id, _ in ranked} - passages.keys()
        if gone:
            gone -= Unfinished(ledger.db).announced(sorted(gone))
        if (gone or not ranked) and ledger.changes() != before and time.monotonic() < until:
            collection = ledger.collection(collection.name) or collection  # it may have moved to another index
            continue
        if len(passages) >= wanted or len(ranked) < count:
            return _in_order([(passages[chunk_id], score) for chunk_id, score in ranked if chunk_id in passages])
        count *= 4
    return []


def _in_order(found: list[tuple[Passage, float]]) -> list[tuple[Passage, float]]:
    """Best first, and what is equally good in the order of the documents: not in the order they happened to go in."""
    return sorted(found, key=lambda hit: (-round(hit[1], 6), hit[0].source, hit[0].chunk.start))


def _evidence(passage: Passage, score: float) -> Evidence:
    chunk = passage.chunk
    return Evidence(
        document_id=chunk.document_id,
        document=passage.source,
        name=passage.title,
        start=chunk.start,
        end=chunk.end,
        text=chunk.text,
        score=score,
        location=chunk.location,
        page=chunk.page,
    )
