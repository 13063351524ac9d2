"""A part of a long text at a time, with the chunks in it marked. Draws nothing."""

from __future__ import annotations

import html
from collections.abc import Sequence

from localrag.chat.prose import ACCENT, FIGURES, READING
from localrag.types import Chunk, Mark

WINDOW_CHARS = 8_000
_SLACK = 5
"""A part may be shorter by one in so many, to end where a line or a word does."""
_ROW = "display:flex;flex-wrap:wrap;gap:0 1rem;align-items:flex-start"
_RAIL = f"{FIGURES};flex:0 0 9rem;max-width:100%;opacity:0.7;padding-top:0.25rem;overflow-wrap:anywhere"
_TEXT = f"{READING};flex:1 1 22rem;min-width:0;white-space:pre-wrap;padding:0 0 0.5rem 0.9rem"


def window(text: str, start: int) -> tuple[int, int]:
    """The part of a text from `start` on, as (start, end); it ends with a line or a word where it can."""
    start = min(max(0, start), max(0, len(text) - 1))
    return start, _soft_end(text, start)


def _soft_end(text: str, start: int) -> int:
    end = start + WINDOW_CHARS
    if end >= len(text):
        return len(text)
    least = end - WINDOW_CHARS // _SLACK
    return next((at + 1 for sign in ("\n", " ") if (at := text.rfind(sign, least, end)) >= 0), end)


def start_before(text: str, start: int) -> int:
    """Where the part before `start` begins."""
    begin = start - WINDOW_CHARS
    if begin <= 0:
        return 0
    most = begin + WINDOW_CHARS // _SLACK
    return next((at + 1 for sign in ("\n", " ") if (at := text.find(sign, begin, most)) >= 0), begin)


def place(chunk: Chunk) -> str:
    """Where a chunk stands: page and heading, as far as they are known."""
    page = f"page {chunk.page}" if chunk.page else ""
    if page and str(chunk.page) in chunk.location.split(" ›")[0].split():  # "slide 3 › Plans" says it already
        page = ""
    return " › ".join(part for part in (page, chunk.location) if part)


def marked(text: str, chunks: Sequence[Chunk], start: int, end: int) -> str:
    """A part of a text as HTML: every chunk a block with its number and place beside it; text of no chunk stands bare."""
    rows: list[str] = []
    at = start
    for chunk in chunks:
        if chunk.end <= at or chunk.start >= end:
            continue
        begin = max(at, chunk.start)
        _bare(rows, text[at:begin])
        until = min(end, chunk.end)
        cut = " (goes on)" if until < chunk.end else ""
        begun = " (from before)" if begin > chunk.start and begin == start else ""
        label = f"<b>{chunk.index + 1}</b>{begun}{cut}<br>{html.escape(place(chunk))}"
        title = html.escape(f"chunk {chunk.index + 1}, characters {chunk.start + 1:,} to {chunk.end:,}", quote=True)
        rows.append(
            f'<div style="{_ROW}" title="{title}"><div style="{_RAIL}">{label}</div>'
            f'<div style="{_TEXT};border-left:2px solid {ACCENT}">{html.escape(text[begin:until].rstrip())}</div></div>'
        )
        at = until
    _bare(rows, text[at:end])
    return "".join(rows)


def _bare(rows: list[str], text: str) -> None:
    if text.strip():
        rows.append(
            f'<div style="{_ROW}"><div style="{_RAIL}">in no chunk</div>'
            f'<div style="{_TEXT};border-left:2px dotted currentColor">{html.escape(text.strip())}</div></div>'
        )


def page_starts(marks: Sequence[Mark]) -> dict[int, int]:
    """Where each page begins, by its number."""
    starts: dict[int, int] = {}
    for mark in marks:
        if mark.page is not None:
            starts.setdefault(mark.page, mark.start)
    return starts


def headings(marks: Sequence[Mark]) -> list[Mark]:
    """Marks at which a heading or a section begins, each place once."""
    return [
        mark
        for before, mark in zip((None, *marks), marks, strict=False)
        if mark.kind != "page" and mark.location and (before is None or mark.location != before.location)
    ]
