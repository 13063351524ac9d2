"""From a question to evidence: the best chunks by meaning and by words that the ledger knows, within what was asked for."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from localrag.documents.ledger import CollectionRecord, Ledger, Passage
from localrag.documents.unfinished import Unfinished
from localrag.embeddings.base import EmbeddingModel, Vectors
from localrag.errors import StoreError
from localrag.retrieval import lexical
from localrag.retrieval.focus import Focus
from localrag.retrieval.fusion import fuse
from localrag.types import Evidence, SearchResult

if TYPE_CHECKING:  # chromadb takes a second to import
    from localrag.retrieval.vectors import VectorIndex

SPARE = 8
"""More candidates than asked for at first: an index that is being written may name chunks the ledger does not hold (yet)."""
BUDGET_CANDIDATES = 50
FUSED = 50
"""Candidates from each channel, however few passages are asked for: the best together need not be the best of either."""
MEANING, WORDS = "meaning", "words"
PATIENCE_S = 5.0
"""How long to look again at a collection that changes between the index's answer and the ledger's."""


@dataclass(frozen=True, slots=True)
class Searched:
    """What is searched, and how.

    `index` gives the vector database as it is now: another process may have written between two looks.
    `vector_weight` is that of `RetrievalSettings`.
    """

    collection: CollectionRecord
    ledger: Ledger
    index: Callable[[], VectorIndex]
    model: EmbeddingModel
    vector_weight: float = 1.0


@dataclass(frozen=True, slots=True)
class _Found:
    """A chunk with its score, its cosine similarity to the question, and the channels that found it by themselves."""

    passage: Passage
    score: float
    cosine: float
    channels: tuple[str, ...]


def search(
    question: str,
    searched: Searched,
    k: int | None = None,
    budget_chars: int | None = None,
    least_share: float = 0.0,
) -> SearchResult:
    """Find evidence: the `k` best passages, or the best ones that fit `budget_chars` together; best first.

    Passages that score less than `least_share` of the best one are left out: they cost a small model time and distract it.
    `confidence` is the highest cosine similarity of a passage, not yet calibrated. A passage is never cut to fit.
    Raises:
        StoreError: the collection was built with another embedding model.
    """
    started = time.perf_counter()
    if not question.strip():
        raise StoreError("The question is empty. Write what you want to know.")
    wanted = k if k is not None else BUDGET_CANDIDATES
    collection, ledger, model = searched.collection, searched.ledger, searched.model
    vector = model.embed_question(question)
    terms = lexical.weighed_terms(ledger.db, collection.id, question) if searched.vector_weight < 1 else {}
    ranked = _candidates(searched, vector, terms, wanted)
    chosen: list[_Found] = []
    left = budget_chars
    for found in ranked:
        if len(chosen) == wanted or found.score < least_share * ranked[0].score:
            break
        if left is not None:
            if len(found.passage.chunk.text) > left:
                continue
            left -= len(found.passage.chunk.text)
        chosen.append(found)
    used = (ledger.collection(collection.name) or collection).index_name
    sentences = Unfinished(ledger.db).sentences([found.passage.chunk.id for found in chosen], used)
    focus = Focus(vector, model, terms, searched.vector_weight)
    evidence = [focus.mark(_evidence(found), found.passage.language, sentences.get(found.passage.chunk.id)) for found in chosen]
    confidence = max(0.0, min(1.0, max((found.cosine for found in ranked), default=0.0)))
    return SearchResult(question, tuple(evidence), confidence, time.perf_counter() - started)


def _candidates(searched: Searched, vector: Vectors, terms: Mapping[str, float], wanted: int) -> list[_Found]:
    """The `wanted` best chunks the ledger knows, best first; more when they come along.

    A document that is going in, or was broken off, may have any number of vectors in front of them. One that is replaced
    meanwhile is looked for again: its old chunks are gone, and its new ones were not named yet.
    """
    collection, ledger = searched.collection, searched.ledger
    least = wanted if searched.vector_weight == 1 else max(wanted, FUSED)
    count, until = least + SPARE, time.monotonic() + PATIENCE_S
    while collection.chunks:
        before = ledger.changes()
        by_words = lexical.best(ledger.db, collection.id, terms, least)
        try:
            index = searched.index()
            by_meaning = dict(index.nearest(collection.index_name, searched.model, vector, count))
            others = [chunk_id for chunk_id in by_words if chunk_id not in by_meaning]
            stored = index.vectors(collection.index_name, others)
        except StoreError:
            if ledger.changes() == before or time.monotonic() > until:
                raise
            by_meaning, stored = {}, {}
        cosines = by_meaning | {chunk_id: float(found @ vector) for chunk_id, found in stored.items()}
        passages = ledger.passages(list(cosines))
        gone = cosines.keys() - passages.keys()
        if gone:
            gone -= Unfinished(ledger.db).announced(sorted(gone))
        if (gone or not by_meaning) and ledger.changes() != before and time.monotonic() < until:
            collection = ledger.collection(collection.name) or collection  # it may have moved to another index
            continue
        if len(passages.keys() & by_meaning.keys()) >= least or len(by_meaning) < count:
            cosines = {chunk_id: cosine for chunk_id, cosine in cosines.items() if chunk_id in passages}
            words = by_words | lexical.scores(ledger.db, terms, [i for i in cosines if i not in by_words])
            scores = fuse(cosines, words, searched.vector_weight)
            found = [
                _Found(passages[i], scores[i], cosine, _channels(i in by_meaning, i in by_words))
                for i, cosine in cosines.items()
            ]
            return _in_order(found)
        count *= 4
    return []


def _channels(by_meaning: bool, by_words: bool) -> tuple[str, ...]:
    return (MEANING,) * by_meaning + (WORDS,) * by_words


def _in_order(found: list[_Found]) -> list[_Found]:
    """Best first, and what is equally good in the order of the documents: not in the order they happened to go in."""
    return sorted(found, key=lambda hit: (-round(hit.score, 6), hit.passage.source, hit.passage.chunk.start))


def _evidence(found: _Found) -> Evidence:
    passage, chunk = found.passage, found.passage.chunk
    return Evidence(
        document_id=chunk.document_id,
        document=passage.source,
        name=passage.title,
        start=chunk.start,
        end=chunk.end,
        text=chunk.text,
        score=found.score,
        location=chunk.location,
        page=chunk.page,
        channels=found.channels,
    )
