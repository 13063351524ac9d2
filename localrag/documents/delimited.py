"""Rows of delimited text: where each begins, what its fields are, and which delimiter parts them."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

DELIMITERS = (",", ";", "\t", "|")
# A quoted field that goes on for longer was never closed: its first line is then read as it stands.
_MAX_LINES_OF_A_ROW = 200
# After that many, quotes in this file mean nothing, and looking ahead for each of them would take long.
_MAX_STRAY_QUOTES = 50
_SAMPLE_ROWS = 50
_SAMPLE_CHARS = 65_536


class Row(NamedTuple):
    """A row of a table: `document_text[start:end]`, its line break included. A blank line is a row without fields."""

    start: int
    end: int
    fields: Sequence[str]


class Shape(NamedTuple):
    """How regular text is when parted by one delimiter. `share`: of its rows that have the usual number of fields."""

    delimiter: str
    columns: int
    share: float
    rows: Sequence[Row]


class _Endless(Exception):  # noqa: N818  never leaves this module
    """A quoted field that does not end."""


class _Lines:
    """The lines of a text, counted as they are taken; `row_start` is the first of the row at hand."""

    def __init__(self, text: str, offset: int) -> None:
        # Only \n, \r and \r\n end a line here; str.splitlines knows eight more, which stand in fields.
        self._lines = list(io.StringIO(text[offset:], newline=""))
        self._at = 0
        self.row_start = 0
        self.offset = offset

    def __iter__(self) -> Iterator[str]:
        while self._at < len(self._lines):
            if self._at - self.row_start >= _MAX_LINES_OF_A_ROW:
                raise _Endless
            self._at += 1
            yield self._lines[self._at - 1]

    def take_row(self, fields: Sequence[str]) -> Row:
        """The row that ends with the line taken last."""
        start = self.offset
        self.offset += sum(len(line) for line in self._lines[self.row_start : self._at])
        self.row_start = self._at
        return Row(start, self.offset, fields)

    def back_to_one(self) -> str:
        """Give all lines of this row back but its first."""
        self._at = self.row_start + 1
        return self._lines[self.row_start]

    @property
    def is_over(self) -> bool:
        return self.row_start >= len(self._lines)


def rows(text: str, delimiter: str, offset: int = 0) -> Iterator[Row]:
    """All rows from `offset` on; together they are the whole text.

    A quoted field may hold line breaks. One that is never closed, or is longer than the csv module takes, ends with its line.
    """
    lines, stray = _Lines(text, offset), 0
    while not lines.is_over:
        has_quotes = stray < _MAX_STRAY_QUOTES
        try:
            for fields in _reader(lines, delimiter, has_quotes):
                yield lines.take_row(fields)
        except (_Endless, csv.Error):
            stray += 1
            line = lines.back_to_one()
            yield lines.take_row(line.rstrip("\r\n").split(delimiter))


def _reader(lines: Iterable[str], delimiter: str, has_quotes: bool) -> Iterator[list[str]]:
    if has_quotes:
        return csv.reader(lines, delimiter=delimiter)
    return csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE)


def shapes(text: str, offset: int = 0) -> list[Shape]:
    """How regular the beginning of a text is with each delimiter, the best first: most regular, then most columns."""
    head = text[: offset + _SAMPLE_CHARS]
    found = [_shape(head, delimiter, offset, len(head) < len(text)) for delimiter in DELIMITERS]
    return sorted(found, key=lambda shape: (shape.columns > 1, round(shape.share, 1), shape.columns), reverse=True)


def _shape(head: str, delimiter: str, offset: int, is_cut: bool) -> Shape:
    sample: list[Row] = []
    for row in rows(head, delimiter, offset):
        if is_cut and sample and row.end == len(head):
            break
        if any(field.strip() for field in row.fields):
            sample.append(row)
        if len(sample) == _SAMPLE_ROWS:
            break
    if not sample:
        return Shape(delimiter, 0, 0.0, ())
    columns, count = Counter(len(row.fields) for row in sample).most_common(1)[0]
    return Shape(delimiter, columns, count / len(sample), sample)


def is_prose(shape: Shape) -> bool:
    """Whether the delimiter is punctuation: after a comma or semicolon, prose has a space."""
    spaced = sum(field.startswith(" ") for row in shape.rows for field in row.fields[1:])
    return shape.delimiter in ",;" and 2 * spaced > sum(len(row.fields) - 1 for row in shape.rows)


def row_spans(text: str) -> list[tuple[int, int]]:
    """Start and end of each row where every line of a text is one of a table, two lines at least; else none."""
    shape = shapes(text)[0]
    if shape.columns < 2 or shape.share < 1 or len(shape.rows) < 2 or is_prose(shape):
        return []
    return [(row.start, row.end) for row in rows(text, shape.delimiter) if any(field.strip() for field in row.fields)]


def is_header(fields: Sequence[str]) -> bool:
    """Whether a first row names columns: all filled, different, beginning with a letter, and none a sentence."""
    names = [field.strip() for field in fields]
    return (
        len(names) > 1
        and len(set(names)) == len(names)
        and all(name and len(name) <= 60 and re.match(r"[^\W\d]", name) and not name.endswith((".", ":")) for name in names)
    )
