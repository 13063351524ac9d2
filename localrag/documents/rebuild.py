"""Vectors from the ledger: those that were lost, or all of a collection for another embedding model. No source is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from localrag.documents.ingest import BATCH_CHUNKS, Control
from localrag.documents.ledger import CollectionRecord, Ledger
from localrag.documents.sentences import split_sentences
from localrag.documents.unfinished import Unfinished
from localrag.documents.writing import Index
from localrag.embeddings.base import EmbeddingModel, Spans
from localrag.types import Chunk

LOOKED_UP = 512
"""Chunks asked about in one question to the index."""


def rebuild(
    collection: CollectionRecord, ledger: Ledger, index: Index, model: EmbeddingModel, index_name: str, control: Control
) -> Iterator[tuple[int, int]]:
    """Put every chunk of a collection that has no vector there into an index; yields chunks (done, in all) as it goes.

    What is interrupted goes on where it was: chunks that have their vector are left alone.
    Raises:
        EmbeddingError, StoreError: the model or the index failed; what was written stays.
    """
    unfinished = Unfinished(ledger.db)
    done = 0

    def embed(chunks: list[Chunk]) -> Callable[[], int]:
        spans: list[Spans] = [split_sentences(chunk.text) for chunk in chunks]
        vectors, sentences = model.embed_passages([chunk.text for chunk in chunks], spans)
        ids = [chunk.id for chunk in chunks]

        def write() -> int:
            with ledger.vectors_lock:
                unfinished.keep_sentences(ids, index_name, zip(spans, sentences, strict=False))
                index.put(index_name, model, ids, vectors)
            return len(ids)

        return write

    with ThreadPoolExecutor(2, "rebuild") as embedding:
        flight: list[Future[Callable[[], int]]] = []
        for chunks, there in _missing(ledger, collection.id, lambda ids: index.existing(index_name, ids)):
            if control.cancelled:
                break
            control.wait()
            done += there
            for at in range(0, len(chunks), BATCH_CHUNKS):
                flight.append(embedding.submit(embed, chunks[at : at + BATCH_CHUNKS]))
                if len(flight) > 2:
                    done += flight.pop(0).result()()
                    yield done, collection.chunks
        for future in flight:
            done += future.result()()
            yield done, collection.chunks
    if not control.cancelled:
        prune(collection, ledger, index, index_name)


def prune(collection: CollectionRecord, ledger: Ledger, index: Index, index_name: str) -> None:
    """Take vectors out of an index that belong to no chunk: of documents that were deleted while it was made."""
    with ledger.vectors_lock:
        if orphans := index.ids(index_name) - ledger.chunk_ids(collection.id):
            index.remove(index_name, sorted(orphans))


def _missing(
    ledger: Ledger, collection_id: str, existing: Callable[[list[str]], set[str]]
) -> Iterator[tuple[list[Chunk], int]]:
    """Chunks without a vector, some at a time, with how many beside them have one."""
    pending: list[Chunk] = []
    for record in ledger.documents(collection_id):
        pending += ledger.chunks_of(record.id)
        while len(pending) >= LOOKED_UP:
            part, pending = pending[:LOOKED_UP], pending[LOOKED_UP:]
            there = existing([chunk.id for chunk in part])
            yield [chunk for chunk in part if chunk.id not in there], len(there)
    if pending:
        there = existing([chunk.id for chunk in pending])
        yield [chunk for chunk in pending if chunk.id not in there], len(there)
