"""What documents are made of. Offsets count Unicode code points of a document's text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

DocumentStatus = Literal["indexed", "unchanged", "replaced", "empty", "failed", "removed"]
MarkKind = Literal["heading", "section", "page"]


@dataclass(frozen=True, slots=True)
class Mark:
    """From offset `start` on, the text belongs to `location`: a heading path such as "Guide › Chat", "page 3", "rows 2 to 31".

    `kind` says what begins there: a heading with its section, a section without one (a slide, a group of rows), or only
    a page, which text runs across. `page` counts from 1: a page or slide.
    """

    start: int
    location: str
    page: int | None = None
    kind: MarkKind = "heading"


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    """What a reader made of a file: its text, and where in the document each part of it stands.

    `pages` counts pages or slides, 0 where there are none. `note` is a sentence about what could not be read of it.
    """

    text: str
    type: str
    title: str = ""
    description: str = ""
    language: str = ""
    marks: tuple[Mark, ...] = ()
    pages: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True)
class Chunk:
    """An indexed piece: `text == document_text[start:end]`. The id is deterministic."""

    id: str
    document_id: str
    index: int
    start: int
    end: int
    text: str
    location: str = ""
    page: int | None = None


@dataclass(frozen=True, slots=True)
class DocumentRecord:
    """A document as the ledger knows it. `source` is the path or address it came from first, `added` an ISO 8601 UTC time.

    `also` are further sources of the same content. `error` says why it is empty or failed, `note` what of it could not be read.
    """

    id: str
    collection: str
    source: str
    name: str
    type: str = ""
    title: str = ""
    description: str = ""
    language: str = ""
    sha256: str = ""
    status: DocumentStatus = "indexed"
    error: str = ""
    characters: int = 0
    chunks: int = 0
    added: str = ""
    note: str = ""
    pages: int = 0
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """A place a document came from. `document_id` is "" when it could not be taken in, `error` then says why.

    `container` is the archive it lies in. `stamp` is the file's size and times when it was read, at `checked_ns`.
    """

    source: str
    name: str
    document_id: str = ""
    container: str = ""
    stamp: str = ""
    checked_ns: int = 0
    error: str = ""
    added: str = ""
