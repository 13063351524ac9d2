"""The events of an HTML page to readable text: paragraphs, lists, table rows, code, and the heading path at every heading."""

from __future__ import annotations

import re
from collections.abc import Sequence

from localrag.documents.html_page import Event, counts
from localrag.documents.raw import HeadingPath, words
from localrag.types import Mark

_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_PARAGRAPHS = words(
    "p div section article main header footer aside blockquote figure figcaption table dl details summary fieldset "
    "legend address hr form caption center nav body ul ol menu pre"
)
_LINES = frozenset({"dd", "dt", "tr", "br"})
# A table row that holds one of these lays out the page; its cells are no values to be joined on a line.
_LAYOUT = words("table ul ol dl pre blockquote h1 h2 h3 h4 h5 h6 article section")
_ROW_CHARS = 2_000
CELL_BORDER = " | "
_INVISIBLE = re.compile("[\u00ad\u200b\u2060\ufeff]")


class _Writer:
    """Text so far. Borders are kept back until text follows, so that they neither pile up nor trail."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.length = 0
        self.in_row = False
        self._breaks = 0
        self._space = False
        self._cells = 0
        self._marker = ""

    def border(self, breaks: int) -> None:
        """A new line (1) or paragraph (2) begins; inside a table row only a space, after a list marker nothing."""
        if self.in_row:
            self._space = True
        elif not self._marker:
            self._breaks = max(self._breaks, breaks)

    def line_break(self) -> None:
        """<br>: the second in a row makes a paragraph."""
        self.border(min(2, self._breaks + 1))

    def item(self, marker: str, is_first: bool) -> None:
        """A list item begins: on its own line, without a blank one between items."""
        if not self.in_row:
            self._breaks = max(1, self._breaks) if is_first else 1
            self._marker = marker

    def item_end(self) -> None:
        self._marker = ""

    def row(self, begins: bool) -> None:
        self.in_row = False
        self.border(1)
        self.in_row, self._cells = begins, -1 if begins else 0

    def cell(self) -> None:
        self._cells += 1

    def text(self, text: str) -> None:
        """Inline text: white space folds to one space, also across elements."""
        words = _INVISIBLE.sub("", text).split()
        self._space = self._space or text[:1].isspace()
        if words:
            self.verbatim(" ".join(words))
            self._space = text[-1:].isspace()
        elif text:
            self._space = True

    def verbatim(self, text: str) -> None:
        """Text as it is, after the borders that are due."""
        before = ""
        if self.length and self._breaks:
            before = "\n" * self._breaks
        elif self.in_row and self._cells > 0:
            before = CELL_BORDER * self._cells
        elif self.length and self._space:
            before = " "
        self._write(before + self._marker + text)
        self._breaks, self._space, self._marker = 0, False, ""
        self._cells = min(self._cells, 0)

    def _write(self, text: str) -> None:
        self.parts.append(text)
        self.length += len(text)


def compose(events: Sequence[Event]) -> tuple[str, tuple[Mark, ...]]:
    """Text and heading marks of balanced events.

    Paragraphs are parted by a blank line, list items start with "- " or their number, cells of a row are joined by " | ".
    """
    composer = _Composer(events)
    for index, event in enumerate(events):
        if event.opens:
            composer.start(index, event)
        elif event.tag:
            composer.end(event.tag)
        elif composer.code is not None:
            composer.code.append(event.text)
        else:
            composer.writer.text(event.text)
    return "".join(composer.writer.parts), tuple(composer.marks)


class _Composer:
    def __init__(self, events: Sequence[Event]) -> None:
        self.writer = _Writer()
        self.marks: list[Mark] = []
        self.code: list[str] | None = None
        self._chars = counts(events, lambda event: len(event.text))
        self._layout = counts(events, lambda event: event.opens and event.tag in _LAYOUT)
        self._path = HeadingPath()
        self._heading: tuple[int, int] | None = None
        self._lists: list[int | None] = []
        self._rows: list[bool] = []
        self._pre_depth = 0

    def start(self, index: int, event: Event) -> None:
        tag = event.tag
        if self.code is not None:
            self._pre_depth += tag == "pre"
            if tag == "br":
                self.code.append("\n")
            return
        if tag == "pre":
            self.code, self._pre_depth = [], 1
        elif tag == "dt":
            self.writer.border(2)
        elif tag == "br":
            self.writer.line_break()
            return
        elif tag in {"ul", "ol", "menu"}:
            self.writer.border(1 if self._lists else 2)
            self._lists.append(_first_number(event) if tag == "ol" else None)
            self._items = 0
            return
        elif tag == "li":
            self._item()
        elif tag == "tr":
            is_flat = self._layout[event.end] == self._layout[index] and (
                self._chars[event.end] - self._chars[index] <= _ROW_CHARS
            )
            self._rows.append(is_flat)
            if is_flat:
                self.writer.row(True)
        elif tag in {"td", "th"}:
            self._cell()
        self._border(tag)
        if tag in _HEADINGS and self._heading is None:
            self.writer.border(2)
            self._heading = (len(self.writer.parts), self.writer.length)

    def end(self, tag: str) -> None:
        if self.code is not None:
            self._pre_depth -= tag == "pre"
            if self._pre_depth:
                return
            self._end_code()
        elif tag == "tr":
            if self._rows and self._rows.pop():
                self.writer.row(False)
        elif tag in {"td", "th"} and not self.writer.in_row:
            self.writer.border(2)
        elif tag in {"ul", "ol", "menu"}:
            if self._lists:
                self._lists.pop()
            self._items = 1
            self.writer.border(1 if self._lists else 2)
            return
        elif tag == "li":
            self.writer.item_end()
        if tag in _HEADINGS and self._heading is not None:
            self._end_heading(tag)
        self._border(tag)

    _items = 0

    def _border(self, tag: str) -> None:
        if tag in _PARAGRAPHS or tag in _HEADINGS:
            self.writer.border(2)
        elif tag in _LINES and tag != "br":
            self.writer.border(1)

    def _item(self) -> None:
        indent = "  " * min(10, max(0, len(self._lists) - 1))
        number = self._lists[-1] if self._lists else None
        self.writer.item(f"{indent}- " if number is None else f"{indent}{number}. ", self._items == 0)
        if number is not None:
            self._lists[-1] = number + 1
        self._items += 1

    def _cell(self) -> None:
        if self.writer.in_row:
            self.writer.cell()
        else:
            self.writer.border(2)

    def _end_code(self) -> None:
        text = "".join(self.code or ()).replace("\r\n", "\n").replace("\r", "\n").strip("\n").rstrip()
        self.code = None
        if text and self.writer.in_row:
            self.writer.text(text)
        elif text:
            self.writer.border(2)
            self.writer.verbatim(text)

    def _end_heading(self, tag: str) -> None:
        if self._heading is None:
            return
        part, start = self._heading
        self._heading = None
        written = "".join(self.writer.parts[part:])
        title = written.strip()
        if title:
            self.marks.append(Mark(start + len(written) - len(written.lstrip()), self._path.enter(_HEADINGS[tag], title)))


def _first_number(event: Event) -> int:
    start = event.attributes.get("start", "1").strip()
    return int(start) if start.isascii() and start.isdigit() and len(start) < 9 else 1
