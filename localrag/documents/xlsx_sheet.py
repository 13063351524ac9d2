"""One worksheet as lines of text, read as a stream: only cells that are there cost anything, wherever they stand."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from localrag.documents.office_text import CELL_BORDER
from localrag.documents.ooxml import Attributes, XmlTarget, local, value, whole_number
from localrag.documents.xlsx_values import CellValues, folded

# Of a whole workbook: some ten seconds. Larger tables belong into a database, and nobody waits for their embedding.
MAX_CELLS = 2_000_000
MAX_CHARS = 20_000_000
# Empty cells in between keep columns in their places; across a wider gap there is no such order to keep.
_MAX_GAP = 30
_HEADER_ROWS = 10
_LAST_COLUMN = 16_384


class SheetRow(NamedTuple):
    """A row with something in it, its number as Excel counts, and whether it may name the columns."""

    number: int
    text: str
    is_names: bool


class Enough(Exception):  # noqa: N818  a limit, not a failure
    """The workbook holds more than is read."""


class Budget:
    """What may still be looked at in this workbook."""

    def __init__(self, cells: int = MAX_CELLS, chars: int = MAX_CHARS) -> None:
        self.cells, self.chars = cells, chars

    def take_cell(self) -> None:
        if self.cells <= 0:
            raise Enough
        self.cells -= 1

    def take_chars(self, count: int) -> None:
        if self.chars < count:
            raise Enough
        self.chars -= count


class Sheet(XmlTarget):
    """Collects the rows of a worksheet part. Raises Enough when the budget is spent; the rows before stay."""

    def __init__(self, values: CellValues, budget: Budget) -> None:
        self._values, self._budget = values, budget
        self._rows: list[tuple[int, int, str, bool]] = []
        self._number = self._column = 0
        self._cells: list[tuple[int, str]] = []
        self._has_numbers = False
        self._kind = self._style = ""
        self._stored: list[str] = []
        self._formula: list[str] = []
        self._into: list[str] | None = None
        self._phonetic = False

    def start(self, tag: str, attributes: Attributes) -> None:
        name = local(tag)
        if name == "c":
            self._budget.take_cell()
            self._column = column_number(value(attributes, "r")) or self._column + 1
            self._kind, self._style = value(attributes, "t"), value(attributes, "s")
            self._stored, self._formula = [], []
        elif name == "v" or (name == "t" and self._kind == "inlineStr" and not self._phonetic):
            self._into = self._stored
        elif name == "f":
            self._into = self._formula
        elif name == "row":
            self._number = whole_number(value(attributes, "r")) or self._number + 1
            self._column, self._cells, self._has_numbers = 0, [], False
        elif name == "rPh":
            self._phonetic = True

    def end(self, tag: str) -> None:
        name = local(tag)
        if name in {"v", "f", "t"}:
            self._into = None
        elif name == "c":
            self._end_cell()
        elif name == "row":
            self._end_row()
        elif name == "rPh":
            self._phonetic = False

    def data(self, text: str) -> None:
        if self._into is not None:
            self._into.append(text)

    def rows(self) -> list[SheetRow]:
        """The rows so far, with columns aligned as far as gaps allow."""
        left = min((first for _, first, _, _ in self._rows), default=0)
        return [SheetRow(number, _gap(first - left) + line, names) for number, first, line, names in self._rows]

    def _end_cell(self) -> None:
        if not self._stored and not self._formula:
            return
        text = self._values.text(self._kind, "".join(self._stored), self._style, "".join(self._formula))
        if text:
            self._budget.take_chars(len(text))
            self._cells.append((self._column, text))
            self._has_numbers = self._has_numbers or self._kind not in {"s", "str", "inlineStr"}

    def _end_row(self) -> None:
        if not self._cells:
            return
        parts: list[str] = []
        before = self._cells[0][0]
        for column, text in self._cells:
            if parts:
                parts.append(CELL_BORDER + _gap(column - before - 1))
            parts.append(text)
            before = column
        is_names = len(self._cells) > 1 and not self._has_numbers
        self._rows.append((self._number, self._cells[0][0], "".join(parts), is_names))


def header_index(rows: list[SheetRow]) -> int | None:
    """Which of the first rows names the columns: the first with two texts or more and no number."""
    return next((index for index, row in enumerate(rows[:_HEADER_ROWS]) if row.is_names), None)


def _gap(columns: int) -> str:
    return CELL_BORDER * (columns if 0 < columns <= _MAX_GAP else 0)


@lru_cache(maxsize=65_536)
def _column_of(letters: str) -> int:
    number = 0
    for letter in letters:
        number = 26 * number + ord(letter) - ord("A") + 1
    return number if number <= _LAST_COLUMN else 0


def column_number(reference: str) -> int:
    """28 for "AB7"; 0 when it is no reference."""
    letters = reference.rstrip("0123456789").replace("$", "")
    return _column_of(letters) if 0 < len(letters) <= 3 and letters.isascii() and letters.isupper() else 0


class CellComments(XmlTarget):
    """The comments of a sheet: "Comment on B3: text"."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._cell = ""
        self._parts: list[str] = []
        self._in_text = False

    def start(self, tag: str, attributes: Attributes) -> None:
        name = local(tag)
        if name == "comment":
            self._cell, self._parts = value(attributes, "ref")[:20], []
        self._in_text = name == "t"

    def end(self, tag: str) -> None:
        self._in_text = False
        if local(tag) == "comment" and (text := folded("".join(self._parts))):
            self.lines.append(f"Comment on {self._cell}: {text}")

    def data(self, text: str) -> None:
        if self._in_text:
            self._parts.append(text)
