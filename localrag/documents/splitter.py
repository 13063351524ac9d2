"""Documents to chunks: runs of whole sentences that keep to paragraphs and sections."""

from __future__ import annotations

import hashlib
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from localrag.documents.sentences import split_sentences
from localrag.types import Chunk, ParsedDocument

_NONE, _PARAGRAPH, _HEADING = 0, 1, 2
_JOINERS = frozenset("\u200d\ufe0e\ufe0f")


class _Unit(NamedTuple):
    """A sentence, or a piece of one that is too long. `border`: what lies before it. `heading`: it is a heading itself."""

    start: int
    end: int
    border: int
    heading: bool = False


ChunkRange = tuple[int, int, str, int | None]
"""Where a chunk begins and ends in its document's text, its location and its page."""


def split(document_id: str, parsed: ParsedDocument, chunk_chars: int, chunk_overlap: int) -> list[Chunk]:
    """The chunks of a document: see `split_ranges`."""
    return chunks_at(document_id, parsed.text, split_ranges(parsed, chunk_chars, chunk_overlap))


def chunks_at(document_id: str, text: str, ranges: Iterable[ChunkRange]) -> list[Chunk]:
    """The chunks at these ranges of a document's text, with their ids."""
    chunks: list[Chunk] = []
    for start, end, location, page in ranges:
        piece = text[start:end]
        identity = chunk_id(document_id, start, end, piece)
        chunks.append(Chunk(identity, document_id, len(chunks), start, end, piece, location, page))
    return chunks


def split_ranges(parsed: ParsedDocument, chunk_chars: int, chunk_overlap: int) -> list[ChunkRange]:
    """Chunks of whole sentences, each at most `chunk_chars` characters, `text == parsed.text[start:end]`, trimmed.

    A chunk that is at least half full ends at the next heading; one that would grow too long ends at its last heading or
    blank line, if half full there, else at its last sentence. A heading is never a chunk's last line. A sentence longer than
    `chunk_chars` is cut at white space, or anywhere where there is none. A chunk begins with the last whole sentences of
    the one before, `chunk_overlap` characters at most and never more than half a chunk, in the same section only.
    `location` and `page` are those at the chunk's start.
    """
    units = _units(parsed, chunk_chars)
    overlap = min(chunk_overlap, chunk_chars // 2)
    starts = [mark.start for mark in parsed.marks]
    ranges: list[ChunkRange] = []
    first, new = 0, 0
    while new < len(units):
        last = _last_unit(units, first, new, chunk_chars)
        start, end = units[first].start, units[last].end
        at = bisect_right(starts, start) - 1
        location, page = (parsed.marks[at].location, parsed.marks[at].page) if at >= 0 else ("", None)
        ranges.append((start, end, location, page))
        new = last + 1
        first = _overlap_start(units, first, new, overlap, chunk_chars)
    return ranges


def chunk_id(document_id: str, start: int, end: int, text: str) -> str:
    """32 hexadecimal digits, the same for the same piece of the same document."""
    return hashlib.sha256(f"{document_id}:{start}:{end}:{text}".encode("utf-8", "surrogatepass")).hexdigest()[:32]


def cut_span(text: str, start: int, end: int, limit: int) -> list[tuple[int, int]]:
    """Cut a trimmed span into trimmed pieces of at most `limit` characters, at white space when the second half has some."""
    pieces: list[tuple[int, int]] = []
    while end - start > limit:
        window = text[start + limit // 2 : start + limit + 1]
        words = len(window) - len(window.rstrip()) or next((i for i, c in enumerate(reversed(window)) if c.isspace()), -1) + 1
        cut = start + limit // 2 + len(window) - words if words else _between_characters(text, start, start + limit)
        piece_end = start + len(text[start:cut].rstrip())
        if piece_end > start:
            pieces.append((start, piece_end))
        start = cut
        while start < end and text[start].isspace():
            start += 1
    if end > start:
        pieces.append((start, end))
    return pieces


def _between_characters(text: str, start: int, cut: int) -> int:
    """Step back from between a letter and its accents, or the parts of an emoji; not further than 16 code points."""
    for at in range(cut, max(start + 1, cut - 16), -1):
        if not (unicodedata.combining(text[at]) or text[at] in _JOINERS or text[at - 1] == "\u200d"):
            return at
    return cut


def _units(parsed: ParsedDocument, chunk_chars: int) -> list[_Unit]:
    """All sentences with the border before each, too long ones cut."""
    units: list[_Unit] = []
    marks = iter([mark for mark in parsed.marks if mark.kind != "page"])
    mark = next(marks, None)
    before = 0
    for start, end in split_sentences(parsed.text):
        border = _PARAGRAPH if _has_blank_line(parsed.text[before:start]) else _NONE
        is_heading = False
        while mark is not None and mark.start < end:
            is_heading = is_heading or mark.kind == "heading"
            border, mark = _HEADING, next(marks, None)
        for index, (left, right) in enumerate(cut_span(parsed.text, start, end, chunk_chars)):
            units.append(_Unit(left, right, border if index == 0 else _NONE, is_heading))
        before = end
    return units


def _has_blank_line(gap: str) -> bool:
    return len(gap.splitlines()) > 2 or (len(gap.splitlines()) == 2 and gap[-1] in "\r\n")


def _last_unit(units: Sequence[_Unit], first: int, new: int, chunk_chars: int) -> int:
    """Index of the last unit of the chunk that begins with unit `first` and must take in `new`."""
    begin, last, half = units[first].start, new, chunk_chars // 2
    while last + 1 < len(units) and units[last + 1].end - begin <= chunk_chars:
        if units[last + 1].border == _HEADING and units[last].end - begin >= half and not units[last].heading:
            return last
        last += 1
    if last + 1 == len(units):
        return last
    if units[last + 1].border == _NONE:
        for wanted in (_HEADING, _PARAGRAPH):
            at = last
            while at > new and units[at].border < wanted:
                at -= 1
            if at > new and units[at - 1].end - begin >= half:
                last = at - 1
                break
    return _without_trailing_headings(units, new, last)


def _without_trailing_headings(units: Sequence[_Unit], new: int, last: int) -> int:
    at = last
    while at > new and units[at].heading:
        at -= 1
    return at if not units[at].heading else last


def _overlap_start(units: Sequence[_Unit], first: int, new: int, overlap: int, chunk_chars: int) -> int:
    """Index of the first unit to repeat in front of unit `new`; `new` itself when none."""
    if not overlap or new >= len(units):
        return new
    start = new
    while (
        start - 1 > first
        and units[start].border != _HEADING
        and units[new - 1].end - units[start - 1].start <= overlap
        and units[new].end - units[start - 1].start <= chunk_chars
    ):
        start -= 1
    return start
