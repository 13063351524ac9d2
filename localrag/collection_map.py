"""A collection as points in a plane: passages that mean alike lie close together, as far as two dimensions can show it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from localrag.documents.ledger import CollectionRecord, Passage
from localrag.embeddings.base import Vectors
from localrag.errors import StoreError
from localrag.evaluation.projection import Plane, principal_plane
from localrag.library import Library
from localrag.types import Evidence

MOST_CHUNKS = 2_000
"""Drawn of a collection; of a larger one as many, chosen by chance, always the same."""
BEGINNING_CHARS = 120


@dataclass(frozen=True, slots=True)
class MapPoint:
    """A chunk at its place: its document's title, and the beginning of its text."""

    chunk_id: str
    x: float
    y: float
    document: str
    beginning: str


@dataclass(frozen=True, slots=True)
class CollectionMap:
    """The plane in which a collection's chunks differ most, and those that were placed in it, of `chunks` in all."""

    plane: Plane
    points: tuple[MapPoint, ...]
    chunks: int


def collection_map(library: Library, record: CollectionRecord) -> CollectionMap:
    """Place a collection's chunks, at most `MOST_CHUNKS`.

    Raises:
        StoreError: none of them has a vector.
    """
    ids = sorted(library.ledger.chunk_ids(record.id))
    chosen = ids if len(ids) <= MOST_CHUNKS else sorted(random.Random(0).sample(ids, MOST_CHUNKS))
    passages, vectors = _with_vectors(library, record, chosen)
    if not passages:
        raise StoreError(f"The collection {record.name} has no vectors to draw. Rebuild it on the Documents page.")
    plane = principal_plane(vectors)
    return CollectionMap(plane, _points(plane, passages, vectors), len(ids))


def evidence_points(
    library: Library, record: CollectionRecord, plane: Plane, evidence: Sequence[Evidence]
) -> list[tuple[MapPoint, ...]]:
    """For each span, the chunks it lies in, placed in a plane."""
    chunks = {one.document_id: library.ledger.chunks_of(one.document_id) for one in evidence}
    ids = [[k.id for k in chunks[one.document_id] if k.start < one.end and one.start < k.end] for one in evidence]
    passages, vectors = _with_vectors(library, record, sorted({chunk_id for found in ids for chunk_id in found}))
    placed = {point.chunk_id: point for point in _points(plane, passages, vectors)}
    return [tuple(placed[chunk_id] for chunk_id in found if chunk_id in placed) for found in ids]


def question_place(library: Library, plane: Plane, question: str) -> tuple[float, float]:
    """Where a question lies in a plane."""
    x, y = plane.place(library.embeddings().embed_question(question)[np.newaxis])[0]
    return float(x), float(y)


def _with_vectors(library: Library, record: CollectionRecord, ids: Sequence[str]) -> tuple[list[Passage], Vectors]:
    """The chunks that both the ledger and the index know, with their vectors in rows."""
    found, passages = library.index().vectors(record.index_name, ids), library.ledger.passages(ids)
    known = [chunk_id for chunk_id in ids if chunk_id in found and chunk_id in passages]
    rows = np.asarray([found[chunk_id] for chunk_id in known], np.float32).reshape(len(known), -1)
    return [passages[chunk_id] for chunk_id in known], rows


def _points(plane: Plane, passages: Sequence[Passage], vectors: Vectors) -> tuple[MapPoint, ...]:
    if not passages:
        return ()
    return tuple(
        MapPoint(passage.chunk.id, float(x), float(y), passage.title, _beginning(passage.chunk.text))
        for passage, (x, y) in zip(passages, plane.place(vectors), strict=True)
    )


def _beginning(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= BEGINNING_CHARS else f"{words[:BEGINNING_CHARS].rstrip()} …"
