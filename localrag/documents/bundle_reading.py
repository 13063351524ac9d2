"""A bundle's file, however hostile: read in blocks, nothing unpacked to disk, every number checked before it is used."""

from __future__ import annotations

import struct
import zipfile
import zlib
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray
from pydantic import ValidationError

from localrag.documents import bundle
from localrag.documents.bundle import Manifest, Packed, from_line, sentence_type
from localrag.documents.sources import BYTES_PER_MB, printable
from localrag.embeddings.base import Spans, Vectors, unit
from localrag.errors import StoreError

MAX_MANIFEST_BYTES = 32_768
MAX_RATIO = 300
"""Text packs to a tenth, tables to a fiftieth: a large member packed tighter than this is made to exhaust the reader."""
_RATIO_FROM_BYTES = 16_000_000
_BLOCK_BYTES = 256 * 1024
_ROWS_BYTES = 1_000_000
_LENGTH_TOLERANCE = 0.05
_KNOWN = {bundle.MANIFEST, bundle.DOCUMENTS, bundle.VECTORS, bundle.SENTENCES}
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
# What zipfile, zlib, json, pydantic and numpy raise on damaged files.
_DAMAGED = (zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, EOFError, OSError, ValueError, struct.error)
_DAMAGED_TOO = (NotImplementedError, RuntimeError, IndexError, KeyError, OverflowError, SyntaxError, TypeError)


class BundleFile:
    """An exported collection; a context manager. For one thread; its `documents` are read before its vectors."""

    def __init__(self, path: Path, max_document_mb: int) -> None:
        """Open the file and read its manifest.

        Raises:
            StoreError: there is no such file, it is no bundle, damaged, or made by a newer LocalRAG. Reading raises it too.
        """
        self._path, self._limit = path, max_document_mb * int(BYTES_PER_MB)
        self._max_document_mb = max_document_mb
        self._lengths = array("L")
        try:
            self._file = path.open("rb") if path.is_file() else None
        except (OSError, ValueError) as exc:
            raise StoreError(f"{path!s:.300} cannot be opened: {exc}. Check the file and its permissions.") from exc
        if self._file is None:
            raise StoreError(f"There is no file at {path!s:.300}. Name a file that `collections --export` wrote.")
        try:
            with self._guarded():
                self._archive = zipfile.ZipFile(self._file)
                self._members = self._found()
                self.manifest = self._manifest()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> BundleFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._archive.close()
        if self._file is not None:
            self._file.close()

    def documents(self) -> Iterator[Packed]:
        """All documents, each once; in the end their counts are what the manifest says."""
        contents: set[str] = set()
        sources: set[str] = set()
        characters = 0
        self._lengths = array("L")
        for line in self._lines():
            with self._guarded():
                packed = from_line(line.decode())
                if packed.sha256 in contents or not sources.isdisjoint(s.source for s in packed.sources):
                    raise ValueError(f"{packed.sources[0].source:.100} is there twice")
                if len({s.source for s in packed.sources}) < len(packed.sources):
                    raise ValueError(f"{packed.sources[0].source:.100} names a source twice")
            if len(packed.text) > self._limit:
                raise self._too_long()
            contents.add(packed.sha256)
            sources |= {s.source for s in packed.sources}
            characters += len(packed.text)
            self._lengths.extend(c.end - c.start for c in packed.chunks)
            if len(self._lengths) > self.manifest.counts.chunks or len(contents) > self.manifest.counts.documents:
                raise self._damaged("it holds more than its manifest says")
            yield packed
        counts = self.manifest.counts
        if (len(contents), len(self._lengths), characters) != (counts.documents, counts.chunks, counts.characters):
            raise self._damaged(
                f"it holds {len(contents)} documents, its manifest says {counts.documents}, or parts are missing"
            )

    def vectors(self) -> Iterator[Vectors]:
        """Rows of length 1, or of zeros where a vector was not known; none at all when they were left out."""
        if not self.manifest.vectors:
            return
        dimension = self.manifest.embedding.dimension
        for rows in self._rows(bundle.VECTORS, bundle.VECTOR_TYPE, (len(self._lengths), dimension)):
            found: Vectors = rows.astype(np.float32)
            lengths = np.linalg.norm(found, axis=1)
            if not np.isfinite(found).all() or (np.abs(lengths[lengths != 0] - 1) > _LENGTH_TOLERANCE).any():
                raise self._damaged("a vector holds no usable numbers")
            yield found

    def sentences(self) -> Iterator[tuple[int, Spans, Vectors]]:
        """See `Contents`; the rows come in the order of the chunks, each sentence after the one before."""
        if bundle.SENTENCES not in self._members or not self.manifest.vectors:
            return
        made = sentence_type(self.manifest.embedding.dimension)
        lengths = np.frombuffer(self._lengths, np.dtype("L"))
        carried: NDArray[Any] = np.empty(0, made)
        for rows in self._rows(bundle.SENTENCES, made, (self.manifest.counts.sentences,)):
            rows = np.concatenate([carried, rows])
            self._check_sentences(rows, lengths)
            firsts = np.flatnonzero(np.diff(rows["chunk"], prepend=-1))
            for first, last in pairwise(firsts):
                yield _sentences(rows[first:last])
            carried = rows[firsts[-1] :]
        if len(carried):
            yield _sentences(carried)

    def _check_sentences(self, rows: NDArray[Any], lengths: NDArray[Any]) -> None:
        chunk, start, end = (rows[name].astype(np.int64) for name in ("chunk", "start", "end"))
        in_order = (np.diff((chunk << 32) + start) > 0).all()
        if not in_order or (chunk >= len(lengths)).any() or (start >= end).any() or (end > lengths[chunk]).any():
            raise self._damaged("a sentence lies outside of its chunk")

    def _found(self) -> dict[str, zipfile.ZipInfo]:
        found = {info.filename: info for info in self._archive.infolist()}
        if strange := found.keys() - _KNOWN:
            raise ValueError(f"it holds {printable(min(strange)):.100}, which belongs to no collection")
        if len(found) < len(self._archive.infolist()):
            raise ValueError("it holds two members of one name")
        if any(info.flag_bits & 1 or info.compress_type not in _METHODS for info in found.values()):
            raise ValueError("it is encrypted or packed in a way that is not read")
        return found

    def _manifest(self) -> Manifest:
        if bundle.MANIFEST not in self._members:
            raise ValueError(f"{bundle.MANIFEST} is missing")
        with self._archive.open(self._members[bundle.MANIFEST]) as member:
            data = member.read(MAX_MANIFEST_BYTES + 1)
        if len(data) > MAX_MANIFEST_BYTES:
            raise ValueError("its manifest is too long")
        made = _Versions.model_validate_json(data)
        if made.format > bundle.FORMAT:
            raise StoreError(
                f"{self._path.name} was made by a newer LocalRAG ({made.product:.40}, format {made.format}; this one reads"
                f" format {bundle.FORMAT}). Update LocalRAG and import it again."
            )
        manifest = Manifest.model_validate_json(data)
        wanted = {bundle.DOCUMENTS} | ({bundle.VECTORS} if manifest.vectors else set())
        if missing := wanted - self._members.keys():
            raise ValueError(f"{min(missing)} is missing")
        if manifest.format < 1 or (manifest.counts.sentences and bundle.SENTENCES not in self._members):
            raise ValueError("its manifest does not fit what it holds")
        return manifest

    def _lines(self) -> Iterator[bytes]:
        pending = bytearray()
        for block in self._blocks(bundle.DOCUMENTS):
            pending += block
            if b"\n" in block:
                *lines, rest = pending.split(b"\n")
                yield from map(bytes, lines)
                pending = bytearray(rest)
            if len(pending) > self._limit + bundle.MAX_REST_CHARS:
                raise self._too_long()
        if pending:
            raise self._damaged("its last line is cut off")

    def _blocks(self, name: str) -> Iterator[bytes]:
        size, info = 0, self._members[name]
        with self._guarded(), self._archive.open(info) as member:
            while block := member.read(_BLOCK_BYTES):
                size += len(block)
                if size > _RATIO_FROM_BYTES and size > MAX_RATIO * max(1, info.compress_size):
                    raise ValueError(f"{name} unpacks to more than {size // 1_000_000} MB")
                yield block

    def _rows(self, name: str, made: np.dtype[Any], shape: tuple[int, ...]) -> Iterator[NDArray[Any]]:
        """The rows of a member in numpy's format, which must be of exactly this type and shape; some at a time."""
        width = made.itemsize * (shape[1] if len(shape) > 1 else 1)
        left, at_once = shape[0], max(1, _ROWS_BYTES // width)
        with self._guarded(), self._archive.open(self._members[name]) as member:
            if npy.read_magic(member) != (1, 0) or npy.read_array_header_1_0(member) != (shape, False, made):
                raise ValueError(f"{name} has another shape than its manifest says")
            while left:
                count = min(left, at_once)
                data = member.read(count * width)
                if len(data) < count * width:
                    raise EOFError(f"{name} is cut off")
                left -= count
                yield np.frombuffer(data, made).reshape(count, *shape[1:])
            if member.read(1):
                raise ValueError(f"{name} is longer than its manifest says")

    def _too_long(self) -> StoreError:
        return StoreError(
            f"{self._path.name} holds a document of more than the {self._max_document_mb} MB that are read."
            " Raise max_document_mb and import it again."
        )

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except RecursionError as exc:
            raise self._damaged("it is nested too deeply") from exc
        except (*_DAMAGED, *_DAMAGED_TOO) as exc:
            raise self._damaged(exc) from exc

    def _damaged(self, reason: Exception | str) -> StoreError:
        if isinstance(reason, ValidationError):
            found = reason.errors()[0]
            reason = f"{'.'.join(map(str, found['loc'])) or 'a line'}: {found['msg']}"
        first = " ".join((str(reason) or type(reason).__name__).split()).rstrip(".")
        return StoreError(
            f"{self._path.name} is damaged, or no collection that was exported ({printable(first):.200})."
            " Export it again, or ask for it again; nothing was imported."
        )


class _Versions(bundle.Part):
    format: bundle.Offset
    product: str = "of unknown version"


def _sentences(rows: NDArray[Any]) -> tuple[int, Spans, Vectors]:
    spans = [(int(start), int(end)) for start, end in zip(rows["start"], rows["end"], strict=True)]
    return int(rows["chunk"][0]), spans, unit(rows["vector"].astype(np.float32))
