"""A collection into a bundle's file: written beside its place under another name, and only whole under its own."""

from __future__ import annotations

import os
import uuid
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from localrag.documents import bundle
from localrag.documents.bundle import Contents, Counts, sentence_type, to_line
from localrag.documents.ingest import Control
from localrag.documents.unfinished import in_levels
from localrag.errors import StoreError

_COMPRESSION = 6


def write_bundle(contents: Contents, path: Path, control: Control) -> Iterator[tuple[int, int]]:
    """Write a collection to `path`, which is replaced when the new file is whole; yields chunks (written, in all).

    When it is cancelled or fails, what stood at `path` stands there as before.
    Raises:
        StoreError: the file cannot be written, or the collection not be read.
    """
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        with _said(path), part.open("xb") as file:
            with zipfile.ZipFile(file, "w") as archive:
                yield from _members(contents, archive, control)
            file.flush()
            os.fsync(file.fileno())
        if not control.cancelled:
            with _said(path):
                part.replace(path)
                _keep_name(path.parent)
    finally:
        with suppress(OSError):
            part.unlink()


def _members(contents: Contents, archive: zipfile.ZipFile, control: Control) -> Iterator[tuple[int, int]]:
    manifest = contents.manifest
    total = manifest.counts.chunks
    documents = chunks = characters = 0
    with _member(archive, bundle.DOCUMENTS, zipfile.ZIP_DEFLATED) as member:
        for packed in contents.documents():
            member.write(to_line(packed).encode() + b"\n")
            documents, chunks, characters = documents + 1, chunks + len(packed.chunks), characters + len(packed.text)
            yield 0 if manifest.vectors else chunks, total
            control.wait()
            if control.cancelled:
                return
    counts = Counts(documents=documents, chunks=chunks, sentences=0, characters=characters)
    if manifest.vectors:
        dimension = manifest.embedding.dimension
        with _array(archive, bundle.VECTORS, bundle.VECTOR_TYPE, (chunks, dimension)) as member:
            done = 0
            for rows in contents.vectors():
                member.write(rows.astype(bundle.VECTOR_TYPE).tobytes())
                done += len(rows)
                yield done, total
                control.wait()
                if control.cancelled:
                    return
        if manifest.counts.sentences:
            counts = counts.model_copy(update={"sentences": manifest.counts.sentences})
            with _array(archive, bundle.SENTENCES, sentence_type(dimension), (counts.sentences,)) as member:
                _write_sentences(contents, member, dimension, control)
    with _member(archive, bundle.MANIFEST, zipfile.ZIP_DEFLATED) as member:
        member.write(manifest.model_copy(update={"counts": counts}).model_dump_json(indent=1).encode())


def _write_sentences(contents: Contents, member: IO[bytes], dimension: int, control: Control) -> None:
    made = sentence_type(dimension)
    for chunk, spans, vectors in contents.sentences():
        rows = np.empty(len(spans), made)
        rows["chunk"] = chunk
        rows["start"], rows["end"] = np.asarray(spans, np.int64).reshape(-1, 2).T
        rows["vector"] = in_levels(vectors)
        member.write(rows.tobytes())
        if control.cancelled:
            return


def _member(archive: zipfile.ZipFile, name: str, packing: int) -> IO[bytes]:
    """A member to write to, without the time: two exports of the same differ only where they do."""
    info = zipfile.ZipInfo(name)
    info.compress_type, info._compresslevel = packing, _COMPRESSION  # type: ignore[attr-defined]
    return archive.open(info, "w", force_zip64=True)


@contextmanager
def _array(archive: zipfile.ZipFile, name: str, made: np.dtype[Any], shape: tuple[int, ...]) -> Iterator[IO[bytes]]:
    """A member in numpy's format, whose header says how many rows will come. Vectors hardly get smaller by packing."""
    with _member(archive, name, zipfile.ZIP_STORED) as member:
        header = {"descr": npy.dtype_to_descr(made), "fortran_order": False, "shape": shape}
        npy.write_array_header_1_0(member, header)
        yield member


@contextmanager
def _said(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        reason = exc.strerror or exc
        raise StoreError(f"{path} cannot be written ({reason}). Choose another folder, or free some space.") from exc


def _keep_name(folder: Path) -> None:
    """So that the new name outlives a power cut; not every system can."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
