"""Plain text: the document's text is the decoded file, unchanged."""

from __future__ import annotations

from localrag.documents.lines import split_lines
from localrag.documents.raw import RawDocument
from localrag.types import ParsedDocument

TYPE = "txt"
# Longer first lines are prose, not titles; 80 is the classic width of a line of text.
_TITLE_CHARS = 80


def recognises(raw: RawDocument) -> bool:
    """Anything that decodes. Stands last in the registry; DocumentError when the bytes are no text."""
    return raw.text is not None


def read(raw: RawDocument) -> ParsedDocument:
    """Title: the first line with text when it is short and has a letter, else the name of the file."""
    first = next((line.text.strip() for line in split_lines(raw.text) if line.text.strip()), "")
    title = first if len(first) <= _TITLE_CHARS and any(char.isalpha() for char in first) else raw.stem
    return ParsedDocument(raw.text, TYPE, title=title)
