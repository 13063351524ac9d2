"""Whole collections: into one file and out of it, copied, renamed. Functions over a library; see `documents.bundle`."""

from __future__ import annotations

import re
import time
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from localrag.chat.store import ConversationStore
from localrag.documents.bundle import SUFFIX, Contents, Packed
from localrag.documents.bundle_reading import BundleFile
from localrag.documents.bundle_writing import write_bundle
from localrag.documents.ingest import Control, IngestEvent
from localrag.documents.ledger import CollectionRecord
from localrag.documents.packing import LedgerContents, Paths, at_one_moment
from localrag.documents.preparing import document_id
from localrag.documents.rebuild import rebuild
from localrag.documents.sources import printable
from localrag.documents.splitter import chunks_at
from localrag.documents.unfinished import Unfinished
from localrag.errors import LocalRagError, StoreError
from localrag.library import MAX_NAME_CHARS, Library, collection_name
from localrag.types import DocumentRecord, DocumentStatus

if TYPE_CHECKING:  # chromadb takes a second to import
    from localrag.retrieval.vectors import VectorIndex

SENTENCES_AT_ONCE = 512
Steps = Generator[tuple[int, int], None, CollectionRecord | None]
"""Chunks (done, in all), and in the end the collection that was made; None when it was cancelled."""


def export_collection(
    library: Library,
    name: str,
    path: Path,
    with_vectors: bool = True,
    control: Control | None = None,
    with_paths: bool = False,
) -> Iterator[tuple[int, int]]:
    """Write a collection as it is now into one file, see `bundle_path`; yields chunks (written, in all).

    The file stands there whole or not at all. Without `with_paths` nothing in it says in which folders the documents lay.
    Another process may be writing meanwhile.
    Raises:
        StoreError: there is no such collection, or the file cannot be written.
    """
    record = library.collection(name)
    path = bundle_path(path, record.name)
    with at_one_moment(library.ledger) as held:
        paths: Paths = "with" if with_paths else "none"
        contents = LedgerContents(held, library.index(), record.id, library.settings.documents, with_vectors, paths)
        yield from write_bundle(contents, path, control or Control())


def bundle_path(path: Path, name: str) -> Path:
    """Where a collection goes that is exported to `path`: into it when it is a folder; its name ends with ".localrag"."""
    if path.is_dir():
        plain = re.sub(r"[^\w .-]", "_", name).strip(" .")
        return path / f"{plain or 'collection'}{SUFFIX}"
    return path if path.name.endswith(SUFFIX) else path.with_name(path.name + SUFFIX)


def import_collection(library: Library, path: Path, name: str = "", control: Control | None = None) -> Steps:
    """Make a new collection of what was exported, under its own name, numbered when that is taken, or under `name`.

    Its vectors are used when they are of the settings' embedding model; else the texts are embedded anew. All of it or
    nothing: nobody sees the collection before it is whole, and what a crash leaves is taken away by `discard_unfinished`.
    Raises:
        BusyError: another process is writing.
        StoreError: the file is damaged or no bundle, the name is taken, or the disk is full.
        EmbeddingError, ModelFileError, ModelLoadError: the embedding model cannot be used.
    """
    wanted = _free(library, name) if name else ""
    with BundleFile(path, library.settings.documents.max_document_mb) as contents:
        return (yield from _take_in(library, contents, wanted, control or Control()))


def copy_collection(library: Library, name: str, new: str, control: Control | None = None) -> Steps:
    """Make a new collection of the same documents, as they are now; embedded anew when the settings' model is another.

    Raises:
        as `import_collection`; StoreError: there is no collection of that name.
    """
    record, new = library.collection(name), _free(library, new)
    with at_one_moment(library.ledger) as held:
        contents = LedgerContents(held, library.index(), record.id, library.settings.documents, True, "same machine")
        return (yield from _take_in(library, contents, new, control or Control()))


def rename_collection(
    library: Library, name: str, new: str, conversations: ConversationStore | None = None
) -> CollectionRecord:
    """Give a collection another name; the conversations about it follow.

    Raises:
        BusyError: another process is writing.
        StoreError: there is no such collection, or the new name is taken, empty or too long; nothing was changed.
    """
    record, new = library.collection(name), collection_name(new)
    library.claim_writing()
    library.ledger.rename_collection(record.id, new)
    try:
        if conversations is not None:
            conversations.rename_collection(record.name, new)
    except StoreError:
        library.ledger.rename_collection(record.id, record.name)
        raise
    return replace(record, name=new)


def discard_unfinished(library: Library) -> int:
    """Take away what imports and copies left that ended with their process; returns how many. None may be under way.

    Raises:
        BusyError: another process is writing.
    """
    left = library.ledger.collections(hidden=True)
    if left:
        library.claim_writing()
    for record in left:
        _discard(library, record)
    return len(left)


def as_events(
    label: str,
    place: str,
    steps: Iterator[tuple[int, int]],
    control: Control,
    status: DocumentStatus = "indexed",
    total: int = 0,
) -> Iterator[IngestEvent]:
    """Steps as events of one document that stands for the collection; the last has the name it got, and this status.

    `total` chunks are told until the steps say how many.
    """
    started, done = time.perf_counter(), 0
    event = IngestEvent(place, label, place, chunks=total)
    yield event
    while True:
        try:
            done, total = next(steps)
        except StopIteration as end:
            made: CollectionRecord | None = end.value
            break
        yield replace(event, done=done, chunks=total)
    if not control.cancelled:
        name, seconds = made.name if made else label, time.perf_counter() - started
        yield replace(event, name=name, status=status, done=done, chunks=total, seconds=seconds)


def _free(library: Library, name: str) -> str:
    """A name no collection has; StoreError when one has it."""
    name = collection_name(name)
    if library.ledger.collection(name) is not None:
        raise StoreError(f"There is a collection named {name} already. Choose another name.")
    return name


def _take_in(library: Library, contents: Contents, name: str, control: Control) -> Steps:
    library.claim_writing()
    model, index, made = library.embeddings(), library.index(), contents.manifest
    hidden = library.ledger.add_hidden(model.identity, model.name, model.dimension)
    is_whole = False
    try:
        chunk_ids: list[str] = []
        for packed in contents.documents():
            chunk_ids += _put(library, hidden, packed)
            yield 0, made.counts.chunks
            control.wait()
            if control.cancelled:
                return None
        index.collection(hidden.index_name, model)
        if (made.embedding.identity, made.embedding.dimension) == (model.identity, model.dimension):
            yield from _put_vectors(library, index, hidden, contents, chunk_ids, control)
        counted = replace(hidden, chunks=len(chunk_ids))
        yield from rebuild(counted, library.ledger, index, model, hidden.index_name, control)
        if control.cancelled:
            return None
        record = _publish(library, hidden, name, made.collection)
        is_whole = True
        library.calibrate(record.name)
        return record
    finally:
        if not is_whole:
            with suppress(LocalRagError):  # the disk is full or gone: nobody sees it, and the next start takes it away
                _discard(library, hidden)


def _put(library: Library, home: CollectionRecord, packed: Packed) -> list[str]:
    """Put a document into the ledger under ids of its new collection; returns those of its chunks."""
    identity = document_id(home.id, packed.sha256)
    chunks = chunks_at(identity, packed.text, packed.chunks)
    record = DocumentRecord(
        id=identity,
        collection=home.name,
        source=packed.sources[0].source,
        name=packed.sources[0].name,
        type=packed.type,
        title=packed.title,
        description=packed.description,
        language=packed.language,
        sha256=packed.sha256,
        status=packed.status,
        error=packed.error,
        characters=len(packed.text),
        chunks=len(chunks),
        added=packed.added,
        note=packed.note,
        pages=packed.pages,
    )
    first, *others = (replace(source, document_id=identity) for source in packed.sources)
    library.ledger.put(home.id, record, first, packed.text, chunks, packed.marks, packed.reader, packed.splitter)
    if others:
        library.ledger.attach(home.id, others)
    return [chunk.id for chunk in chunks]


def _put_vectors(
    library: Library,
    index: VectorIndex,
    home: CollectionRecord,
    contents: Contents,
    chunk_ids: list[str],
    control: Control,
) -> Iterator[tuple[int, int]]:
    """Vectors that came along; those that were not known are left to `rebuild`."""
    model, done = library.embeddings(), 0
    for rows in contents.vectors():
        known = np.flatnonzero(rows.any(axis=1))
        index.put(home.index_name, model, [chunk_ids[done + row] for row in known], rows[known])
        done += len(rows)
        yield done, len(chunk_ids)
        control.wait()
        if control.cancelled:
            return
    unfinished, batch = Unfinished(library.ledger.db), []
    for row, spans, vectors in contents.sentences():
        batch.append((chunk_ids[row], (spans, vectors)))
        if len(batch) == SENTENCES_AT_ONCE:
            unfinished.keep_sentences([i for i, _ in batch], home.index_name, [found for _, found in batch])
            batch = []
            if control.cancelled:
                return
    unfinished.keep_sentences([i for i, _ in batch], home.index_name, [found for _, found in batch])


def _publish(library: Library, hidden: CollectionRecord, wanted: str, own: str) -> CollectionRecord:
    """Name the collection, which is what makes it seen; in one step, so a crash leaves it whole or hidden."""
    base = wanted or " ".join(printable(own).split())[:MAX_NAME_CHARS] or "imported"
    for count in range(1, 1_000_000):
        number = "" if count == 1 else f" ({count})"
        name = base[: MAX_NAME_CHARS - len(number)].rstrip() + number
        if wanted or library.ledger.collection(name) is None:
            library.ledger.rename_collection(hidden.id, name)
            return library.collection(name)
    raise StoreError(f"Too many collections are named {base}. Import this one under another name.")


def _discard(library: Library, hidden: CollectionRecord) -> None:
    library.index().drop(hidden.index_name)  # first: as long as the ledger knows of it, the next start tries again
    library.ledger.delete_collection(hidden.id)
