"""From a question to evidence: the nearest chunks, checked against the ledger, within what was asked for."""

from __future__ import annotations

import time
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
TRIES = 3
"""Looks at a collection that changes between the index's answer and the ledger's: old chunks gone, new ones not yet named."""


def search(
    question: str,
    collection: CollectionRecord,
    ledger: Ledger,
    index: VectorIndex,
    model: EmbeddingModel,
    k: int | None = None,
    budget_chars: int | None = None,
    least_share: float = 0.0,
) -> SearchResult:
    """Find evidence: the `k` best passages, or the best ones that fit `budget_chars` together; best first.

    Passages that score less than `least_share` of the best one are left out: they cost a small model time and distract it.
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
    sentences = Unfinished(ledger.db).sentences([passage.chunk.id for passage, _ in chosen], collection.index_name)
    evidence = [_evidence(passage, score) for passage, score in chosen]
    marked = focus(vector, evidence, [sentences.get(passage.chunk.id) for passage, _ in chosen], model)
    confidence = max(0.0, min(1.0, ranked[0][1])) if ranked else 0.0
    return SearchResult(question, marked, confidence, time.perf_counter() - started)


def _candidates(
    collection: CollectionRecord, ledger: Ledger, index: VectorIndex, model: EmbeddingModel, vector: Vectors, wanted: int
) -> list[tuple[Passage, float]]:
    """The `wanted` nearest chunks the ledger knows, best first; more when they come along.

    A document that is going in, or was broken off, may have any number of vectors in front of them.
    """
    count, tries = wanted + SPARE, TRIES
    while collection.chunks:
        before = ledger.changes()
        ranked = index.nearest(collection.index_name, model, vector, count)
        passages = ledger.passages([chunk_id for chunk_id, _ in ranked])
        tries -= 1
        if tries and len(passages) < len(ranked) and ledger.changes() != before:
            continue
        if len(passages) >= wanted or len(ranked) < count:
            return [(passages[chunk_id], score) for chunk_id, score in ranked if chunk_id in passages]
        count *= 4
    return []


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
