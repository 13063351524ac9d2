"""From a question to evidence: the nearest chunks, checked against the ledger, within what was asked for."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from localrag.documents.ledger import CollectionRecord, Ledger
from localrag.embeddings.base import EmbeddingModel, Vectors
from localrag.errors import StoreError
from localrag.types import Chunk, DocumentRecord, Evidence, SearchResult

if TYPE_CHECKING:  # chromadb takes a second to import
    from localrag.retrieval.vectors import VectorIndex

SPARE = 8
"""More candidates than asked for at first: an index that is being written may name chunks the ledger does not hold (yet)."""
BUDGET_CANDIDATES = 50


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
    ranked, chunks = _candidates(collection, ledger, index, model, vector, wanted)
    records: dict[str, DocumentRecord | None] = {}
    evidence: list[Evidence] = []
    left = budget_chars if budget_chars is not None else None
    for chunk_id, score in ranked:
        chunk = chunks[chunk_id]
        if len(evidence) == wanted or score < least_share * ranked[0][1]:
            break
        if chunk.document_id not in records:
            records[chunk.document_id] = ledger.document(chunk.document_id)
        record = records[chunk.document_id]
        if record is None or (left is not None and len(chunk.text) > left):
            continue
        if left is not None:
            left -= len(chunk.text)
        evidence.append(_evidence(chunk, record, score))
    confidence = max(0.0, min(1.0, ranked[0][1])) if ranked else 0.0
    return SearchResult(question, tuple(evidence), confidence, time.perf_counter() - started)


def _candidates(
    collection: CollectionRecord, ledger: Ledger, index: VectorIndex, model: EmbeddingModel, vector: Vectors, wanted: int
) -> tuple[list[tuple[str, float]], dict[str, Chunk]]:
    """The `wanted` nearest chunks the ledger knows, best first; more when they come along.

    A document that is going in, or was broken off, may have any number of vectors in front of them.
    """
    count = wanted + SPARE
    while collection.chunks:
        ranked = index.nearest(collection.id, model, vector, count)
        chunks = ledger.chunks([chunk_id for chunk_id, _ in ranked])
        if len(chunks) >= wanted or len(ranked) < count:
            return [(chunk_id, score) for chunk_id, score in ranked if chunk_id in chunks], chunks
        count *= 4
    return [], {}


def _evidence(chunk: Chunk, record: DocumentRecord, score: float) -> Evidence:
    return Evidence(
        document_id=record.id,
        document=record.source,
        name=record.title or record.name,
        start=chunk.start,
        end=chunk.end,
        text=chunk.text,
        score=score,
        location=chunk.location,
    )
