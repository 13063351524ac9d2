"""A collection in one file, to keep or to hand on: what it holds, and what of it is believed.

The file is a ZIP archive of four members: `manifest.json`; `documents.jsonl`, a line for each document; `vectors.npy`, a row
for each chunk in the order of those lines; `sentences.npy`, a row for each sentence. The last two may be missing. Ids are not
kept: they follow from the collection a document is in, so whoever reads the file computes them.

Vectors are 16-bit floats, half the size of Chroma's 32-bit ones: they are of length 1, and a cosine changes by less than
0.0001. Those of sentences are 8-bit, as the ledger keeps them. A row of zeros is a vector that was not known.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple, Protocol

import numpy as np
from pydantic import BaseModel, ConfigDict, FailFast, Field, StrictBool, StringConstraints

from localrag.embeddings.base import Spans, Vectors
from localrag.types import Mark, MarkKind, SourceRecord

FORMAT = 1
SUFFIX = ".localrag"
MANIFEST, DOCUMENTS, VECTORS, SENTENCES = "manifest.json", "documents.jsonl", "vectors.npy", "sentences.npy"
VECTOR_TYPE = np.dtype("<f2")
MAX_REST_CHARS = 64_000_000
MAX_PARTS = 1_000_000
"""Of a document's line without its text: chunks, marks and sources. JSON of nothing but brackets takes fifty times its length
in memory, and a thousand times where pydantic parses it; a text takes four times at most."""
MAX_CHUNK_CHARS = 20_000
MAX_OVERLAP = 20
"""Characters of all chunks for each of the text: overlapping chunks say some twice, more only exhaust the disk."""
_TEXT_FIRST = '{"text": '
_ESCAPED = re.compile(r"\\u[dD]")

Line = Annotated[str, StringConstraints(max_length=4_096, strict=True)]
Text = Annotated[str, StringConstraints(strict=True)]
Offset = Annotated[int, Field(ge=0, le=2**53, strict=True)]


def sentence_type(dimension: int) -> np.dtype[np.void]:
    """A row of `sentences.npy`: the row of its chunk, its range in the chunk, its vector."""
    return np.dtype([("chunk", "<u4"), ("start", "<u4"), ("end", "<u4"), ("vector", "i1", (dimension,))])


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Embedding(Part):
    """The model the vectors come from."""

    identity: Line
    name: Line
    dimension: int = Field(ge=1, le=65_536, strict=True)


class Splitting(Part):
    """The sender's settings for documents, and the versions of what read and split them."""

    reader: Line
    splitter: Line
    chunk_chars: Offset
    chunk_overlap: Offset


class Counts(Part):
    """What the file holds, to see that nothing is missing."""

    documents: Offset
    chunks: Offset
    sentences: Offset
    characters: Offset


class Manifest(Part):
    """What stands in `manifest.json`."""

    format: Offset
    product: Line
    created: Line
    collection: Line
    embedding: Embedding
    settings: Splitting
    counts: Counts
    vectors: StrictBool
    paths: StrictBool


class Range(NamedTuple):
    """A chunk: `text[start:end]` of its document, with where that stands."""

    start: Offset
    end: Offset
    location: Line
    page: Offset | None


class _Mark(NamedTuple):
    start: Offset
    location: Line
    page: Offset | None
    kind: MarkKind


class _Source(Part):
    source: Annotated[str, StringConstraints(min_length=1, max_length=8_192, strict=True)]
    name: Line
    container: Annotated[str, StringConstraints(max_length=8_192, strict=True)]
    added: Line


class _Document(Part):
    """A line of `documents.jsonl` without the text, which stands first in it."""

    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$", strict=True)]
    type: Line
    title: Text
    description: Text
    language: Line
    reader: Line
    splitter: Line
    status: Literal["indexed", "empty"]
    error: Text
    note: Text
    pages: Offset
    added: Line
    sources: Annotated[list[_Source], Field(min_length=1), FailFast()]
    marks: Annotated[list[_Mark], FailFast()]
    chunks: Annotated[list[Range], FailFast()]


@dataclass(frozen=True, slots=True)
class Packed:
    """A document on its way from one collection to another: everything but ids and vectors."""

    sha256: str
    type: str
    title: str
    description: str
    language: str
    reader: str
    splitter: str
    status: Literal["indexed", "empty"]
    error: str
    note: str
    pages: int
    added: str
    sources: tuple[SourceRecord, ...]
    text: str
    marks: tuple[Mark, ...]
    chunks: tuple[Range, ...]


class Contents(Protocol):
    """What a collection is made of: a bundle's file, or a collection that is there; `documents` is drained first."""

    @property
    def manifest(self) -> Manifest: ...

    def documents(self) -> Iterator[Packed]: ...

    def vectors(self) -> Iterator[Vectors]:
        """The vectors of all chunks in order, some rows at a time."""
        ...

    def sentences(self) -> Iterator[tuple[int, Spans, Vectors]]:
        """Number of a chunk, ranges of sentences in it, their unit vectors; of the chunks where they are known."""
        ...


_FIELDS = tuple(name for name in _Document.model_fields if name not in ("sources", "marks", "chunks"))


def to_line(packed: Packed) -> str:
    """A document as a line of JSON, the text first."""
    values: dict[str, object] = {"text": packed.text} | {name: getattr(packed, name) for name in _FIELDS}
    values["sources"] = [
        {"source": s.source, "name": s.name, "container": s.container, "added": s.added} for s in packed.sources
    ]
    values["marks"] = [[m.start, m.location, m.page, m.kind] for m in packed.marks]
    values["chunks"] = packed.chunks
    return json.dumps(values, ensure_ascii=False)


def from_line(line: str) -> Packed:
    """A document from its line.

    Raises:
        ValueError: it is not what `to_line` writes, or its ranges lie outside of its text.
    """
    if not line.startswith(_TEXT_FIRST + '"'):
        raise ValueError("a line does not begin with a text")
    text, end = json.JSONDecoder().raw_decode(line, len(_TEXT_FIRST))
    if not line.startswith(", ", end):
        raise ValueError("a line does not go on as it should after its text")
    if len(line) - end > MAX_REST_CHARS or line.count("[", end) + line.count("{", end) > MAX_PARTS:
        raise ValueError("a line holds too much beside its text")
    rest = json.loads("{" + line[end + 2 :])
    if _ESCAPED.search(line):
        json.dumps([text, rest], ensure_ascii=False).encode()  # half a character is a ValueError: SQLite would take none
    found = _Document.model_validate(rest)
    marks = tuple(Mark(*mark) for mark in found.marks)
    _check(found, text)
    sources = tuple(SourceRecord(s.source, s.name, container=s.container, added=s.added) for s in found.sources)
    values = {name: getattr(found, name) for name in _FIELDS}
    return Packed(**values, sources=sources, text=text, marks=marks, chunks=tuple(found.chunks))


def _check(found: _Document, text: str) -> None:
    length = len(text)
    if any(not (c.start < c.end <= length and c.end - c.start <= MAX_CHUNK_CHARS) for c in found.chunks):
        raise ValueError("a chunk lies outside of its text, or is too long")
    if len({(c.start, c.end) for c in found.chunks}) < len(found.chunks):
        raise ValueError("a chunk is there twice")
    if sum(c.end - c.start for c in found.chunks) > MAX_OVERLAP * length:
        raise ValueError("the chunks overlap too much")
    if bool(found.chunks) != (found.status == "indexed"):
        raise ValueError(f"a document is {found.status} with {len(found.chunks)} chunks")
    starts = [mark.start for mark in found.marks]
    if starts != sorted(starts) or (starts and starts[-1] > length):
        raise ValueError("a mark lies outside of its text")
