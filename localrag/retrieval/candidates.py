"""Candidates: the passages that meaning and words find, each scored by both."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from localrag.documents.ledger import CollectionRecord, Ledger, Passage
from localrag.documents.matching import chunk_ids_of, matching
from localrag.documents.places import PlaceBook
from localrag.documents.unfinished import Unfinished
from localrag.embeddings.base import EmbeddingModel, Vectors
from localrag.errors import StoreError
from localrag.retrieval import lexical
from localrag.retrieval.fusion import fuse
from localrag.types import EVERYWHERE, SearchFilter

if TYPE_CHECKING:  # chromadb takes a second to import
    from localrag.retrieval.vectors import VectorIndex

SPARE = 8
"""More candidates than asked for at first: an index that is being written may name chunks the ledger does not hold (yet)."""
FUSED = 50
"""Candidates from each channel, however few passages are asked for: the best together need not be the best of either."""
MEANING, WORDS = "meaning", "words"
PATIENCE_S = 5.0
"""How long to look again at a collection that changes between the index's answer and the ledger's."""


@dataclass(frozen=True, slots=True)
class Fit:
    """How well the best passages of a search fit a question: the share of its terms they hold, and cosine similarity."""

    words: float
    cosine: float


TYPICAL = Fit(0.30, 0.45)
"""What questions without an answer reach in a collection that is not calibrated: the mean of the public sets."""


@dataclass(frozen=True, slots=True)
class Searched:
    """What is searched, and how.

    `index` gives the vector database as it is now: another process may have written between two looks.
    `vector_weight` is that of `RetrievalSettings`; `nothing` is what questions without an answer reach here.
    """

    collection: CollectionRecord
    ledger: Ledger
    index: Callable[[], VectorIndex]
    model: EmbeddingModel
    places: PlaceBook
    vector_weight: float = 1.0
    filters: SearchFilter = EVERYWHERE
    nothing: Fit = TYPICAL


@dataclass(frozen=True, slots=True)
class Found:
    """A passage with its fused score, its cosine similarity to the question, its BM25 score, and who found it by itself."""

    passage: Passage
    score: float
    cosine: float
    bm25: float
    channels: tuple[str, ...]


def candidates(searched: Searched, vector: Vectors, terms: Mapping[str, float], wanted: int) -> list[Found]:
    """The `wanted` best passages the ledger knows for a question's vector and terms, best first; more when they come along.

    A document that is going in, or was broken off, may have any number of vectors in front of them. One that is replaced
    meanwhile is looked for again: its old chunks are gone, and its new ones were not named yet.
    """
    collection, ledger, model = searched.collection, searched.ledger, searched.model
    least = wanted if searched.vector_weight == 1 else max(wanted, FUSED)
    count, until = least + SPARE, time.monotonic() + PATIENCE_S
    while collection.chunks:
        before = ledger.changes()
        documents = matching(ledger.db, collection.id, searched.filters)
        among = None if documents is None else chunk_ids_of(ledger.db, documents)
        by_words = lexical.best(ledger.db, collection.id, terms, least, documents)
        try:
            index = searched.index()
            by_meaning = dict(index.nearest(collection.index_name, model, vector, count, among))
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
        if (gone or not (by_meaning or among == [])) and ledger.changes() != before and time.monotonic() < until:
            collection = ledger.collection(collection.name) or collection  # it may have moved to another index
            continue
        if len(passages.keys() & by_meaning.keys()) >= least or len(by_meaning) < count:
            cosines = {chunk_id: cosine for chunk_id, cosine in cosines.items() if chunk_id in passages}
            words = by_words | lexical.scores(ledger.db, terms, [i for i in cosines if i not in by_words])
            scores = fuse(cosines, words, searched.vector_weight)
            return _in_order(
                [
                    Found(passages[i], scores[i], cosine, words[i], _channels(i in by_meaning, i in by_words))
                    for i, cosine in cosines.items()
                ]
            )
        count *= 4
    return []


def _channels(by_meaning: bool, by_words: bool) -> tuple[str, ...]:
    return (MEANING,) * by_meaning + (WORDS,) * by_words


def _in_order(found: Sequence[Found]) -> list[Found]:
    """Best first, and what is equally good in the order of the documents: not in the order they happened to go in."""
    return sorted(found, key=lambda hit: (-round(hit.score, 6), hit.passage.source, hit.passage.chunk.start))
