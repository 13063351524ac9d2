"""The front door: bytes of any file to a document, recognised by content. Another format is one module and one line here."""

from __future__ import annotations

from typing import Protocol

from localrag.documents import (
    code_reader,
    csv_reader,
    docx_reader,
    eml_reader,
    epub_reader,
    html_reader,
    json_reader,
    markdown_reader,
    pdf_reader,
    pptx_reader,
    text_reader,
    xlsx_reader,
)
from localrag.documents.kinds import unreadable_kind
from localrag.documents.raw import RawDocument
from localrag.errors import DocumentError
from localrag.settings import DocumentSettings
from localrag.types import ParsedDocument

BYTES_PER_MB = 1_000_000


class Reader(Protocol):
    """A module that reads one format."""

    @property
    def TYPE(self) -> str: ...  # noqa: N802  a module constant

    def recognises(self, raw: RawDocument) -> bool:
        """Whether the content is of this format; cheap, and no reliance on the name alone."""

    def read(self, raw: RawDocument) -> ParsedDocument:
        """The document's text and marks; DocumentError when it is damaged."""


# The first that recognises the content reads it. Those of binary formats never look at the text; plain text stands last.
BINARY_READERS: tuple[Reader, ...] = (pdf_reader, epub_reader, docx_reader, pptx_reader, xlsx_reader)
TEXT_READERS: tuple[Reader, ...] = (
    eml_reader,
    json_reader,
    html_reader,
    markdown_reader,
    code_reader,
    csv_reader,
    text_reader,
)


def read_document(data: bytes, name: str, settings: DocumentSettings, declared_type: str = "") -> ParsedDocument:
    """Read a document, told apart by its content; the name only hints at which kind of text it is.

    `name` is a file name, path or address. `declared_type` is what the carrier says, such as "text/html; charset=euc-kr".
    A document without any text is no error: ask `raw.has_text`.
    Raises:
        DocumentError: too large, a kind that is not read, binary, or damaged.
    """
    if len(data) > settings.max_document_mb * BYTES_PER_MB:
        raise DocumentError(
            f"{name} has {len(data) / BYTES_PER_MB:.1f} MB, more than the {settings.max_document_mb} MB that are read. "
            "Raise max_document_mb or split the file."
        )
    raw = RawDocument(data, name, declared_type)
    reader = next((reader for reader in BINARY_READERS if reader.recognises(raw)), None)
    if reader is None and (kind := unreadable_kind(data, raw.suffix)):
        raise DocumentError(f"{name} is {kind.name}, so it cannot be read. {kind.advice}")
    return (reader or next(reader for reader in TEXT_READERS if reader.recognises(raw))).read(raw)
