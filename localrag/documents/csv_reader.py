"""Tables as delimited text (CSV, TSV): the text unchanged, with a mark at every group of rows."""

from __future__ import annotations

import re

from localrag.documents.delimited import Shape, is_header, is_prose, rows, shapes
from localrag.documents.raw import RawDocument
from localrag.documents.row_groups import grouped, range_label
from localrag.types import Mark, ParsedDocument

TYPE = "csv"
_SUFFIXES = frozenset({".csv", ".tsv", ".tab", ".psv"})
_MEDIA_TYPES = frozenset({"text/csv", "application/csv", "text/tab-separated-values", "text/comma-separated-values"})
_HEADER_CHARS = 80
# Without a name that says so, a table must be as regular as no prose is.
_LEAST_ROWS = 3
_CERTAIN_ROWS = 5
_FIELD_CHARS = 200
# Spreadsheet programs write this line in front to name the delimiter.
_SEPARATOR_LINE = re.compile(r"sep=([,;\t|])[ \t]*(?:\r\n|\n|\r)", re.IGNORECASE)


def recognises(raw: RawDocument) -> bool:
    """By its rows: all of the same number of fields under a header. Under a table's name, most of them are enough."""
    if not raw.text.strip():
        return False
    if raw.suffix in _SUFFIXES or raw.media_type in _MEDIA_TYPES:
        return _SEPARATOR_LINE.match(raw.text) is not None or _is_table(_best(raw))
    return raw.suffix in {"", ".txt", ".dat", ".data", ".log", ".xls"} and _is_surely_table(_best(raw))


def read(raw: RawDocument) -> ParsedDocument:
    """Title: the name of the file. Rows count from 1, header and blank lines included, as spreadsheets count them."""
    text = raw.text
    separator = _SEPARATOR_LINE.match(text)
    offset = separator.end() if separator else 0
    delimiter = separator[1] if separator else _best(raw).delimiter
    found = list(rows(text, delimiter, offset))
    names = ""
    if found and is_header(found[0].fields):
        names = ", ".join(field.strip() for field in found[0].fields)
        names = ": " + (names if len(names) <= _HEADER_CHARS else names[: _HEADER_CHARS - 1].rstrip() + "…")
    marks = tuple(
        Mark(found[first].start, range_label(first + 1, after, "row") + names, kind="section")
        for first, after in grouped(row.end - row.start for row in found)
    )
    return ParsedDocument(text, TYPE, title=raw.stem, marks=marks)


def _best(raw: RawDocument) -> Shape:
    """The most regular way to part the text; a file named .tsv is parted by tabs when that is possible at all."""
    found = shapes(raw.text)
    tabs = next(shape for shape in found if shape.delimiter == "\t")
    return tabs if raw.suffix in {".tsv", ".tab"} and tabs.columns > 1 else found[0]


def _is_table(shape: Shape) -> bool:
    """Two columns in half of the rows (real tables have preambles and ragged rows), or one column of short values."""
    if shape.columns > 1:
        return shape.share >= 0.5
    return all(len(row.fields[0]) <= _FIELD_CHARS for row in shape.rows if row.fields)


def _is_surely_table(shape: Shape) -> bool:
    if shape.columns < 2 or shape.share < 1 or not is_header(shape.rows[0].fields):
        return False
    # Two columns parted by a comma are also two halves of a verse.
    least = _CERTAIN_ROWS if shape.columns == 2 and shape.delimiter in ",;" else _LEAST_ROWS
    short = all(len(field) <= _FIELD_CHARS for row in shape.rows for field in row.fields)
    return len(shape.rows) >= least and not is_prose(shape) and short
