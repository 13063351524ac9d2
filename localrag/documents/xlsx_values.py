"""What a cell shows: shared strings, numbers without noise, dates as ISO 8601, errors and booleans as Excel writes them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

from localrag.documents.ooxml import Attributes, XmlTarget, local, value, whole_number

NumberFormat = Literal["number", "date", "elapsed", "percent"]
# Built-in formats that no file spells out (ECMA-376 part 1, 18.8.30), those of East Asian editions included.
_DATES = frozenset({*range(14, 23), *range(27, 37), 45, 47, *range(50, 59)})
_ELAPSED, _PERCENTS = 46, frozenset({9, 10})
_GENERAL = frozenset({"general", "standard", "@"})
# Parts of a format that are shown as they stand: quoted, escaped, spacing, colours and conditions.
_LITERAL = re.compile(r'"[^"]*"|\\.|_.|\*.|\[(?!(?:h+|m+|s+)\])[^\]]*\]', re.IGNORECASE)
# Excel's day 60 is the 29th of February 1900, which never was; serial numbers before it are one day off.
_EPOCH_1900, _EARLY_1900, _EPOCH_1904 = datetime(1899, 12, 30), datetime(1899, 12, 31), datetime(1904, 1, 1)
_DAY_60, _LAST_DAY = 60, 2_958_466
_DAY_S = 86_400
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")


class SharedStrings(XmlTarget):
    """The strings of a workbook, each held once; without the phonetic aids of East Asian ones."""

    def __init__(self) -> None:
        self.strings: list[str] = []
        self._parts: list[str] = []
        self._in_text = False
        self._phonetic = False

    def start(self, tag: str, attributes: Attributes) -> None:
        name = local(tag)
        if name == "si":
            self._parts = []
        elif name == "rPh":
            self._phonetic = True
        elif name == "t":
            self._in_text = not self._phonetic

    def end(self, tag: str) -> None:
        name = local(tag)
        if name == "si":
            self.strings.append(folded("".join(self._parts)))
        elif name == "rPh":
            self._phonetic = False
        elif name == "t":
            self._in_text = False

    def data(self, text: str) -> None:
        if self._in_text:
            self._parts.append(text)


class CellFormats(XmlTarget):
    """The number format of each cell style, by the style's index."""

    def __init__(self) -> None:
        self.formats: list[NumberFormat] = []
        self._custom: dict[int, str] = {}
        self._in_cells = False

    def start(self, tag: str, attributes: Attributes) -> None:
        name = local(tag)
        if name == "numFmt":
            self._custom[whole_number(value(attributes, "numFmtId"), -1)] = value(attributes, "formatCode")
        elif name == "cellXfs":
            self._in_cells = True
        elif name == "xf" and self._in_cells:
            number = whole_number(value(attributes, "numFmtId"))
            self.formats.append(_format(number, self._custom.get(number, "")))

    def end(self, tag: str) -> None:
        if local(tag) == "cellXfs":
            self._in_cells = False


class CellValues:
    """What cells of one workbook show. `lost` counts those whose shared string is not there."""

    def __init__(self, strings: Sequence[str], formats: Sequence[NumberFormat], from_1904: bool) -> None:
        self._strings, self._formats, self._from_1904 = strings, formats, from_1904
        self.lost = 0

    def text(self, kind: str, stored: str, style: str, formula: str) -> str:
        """`kind` is the cell's type attribute, `stored` its value. A formula without a stored value is shown itself."""
        if not stored:
            return folded(f"={formula}") if formula else ""
        if kind == "s":
            index = whole_number(stored.strip(), -1)
            if 0 <= index < len(self._strings):
                return self._strings[index]
            self.lost += 1
            return ""
        if kind == "b":
            return "TRUE" if stored.strip() in {"1", "true"} else "FALSE"
        if kind == "d":
            return stored.strip().replace("T00:00:00", "").replace("T", " ").removesuffix(".000")
        if kind in {"str", "inlineStr", "e"}:
            return folded(stored)
        index = whole_number(style, -1)
        return number_text(stored, self._formats[index] if 0 <= index < len(self._formats) else "number", self._from_1904)


def number_text(stored: str, form: NumberFormat, from_1904: bool = False) -> str:
    """A stored number as it reads: 0.1 instead of 0.10000000000000001, 2024-05-03 instead of 45415, 25% instead of 0.25."""
    try:
        number = float(stored)
    except ValueError:
        return folded(stored)
    if form == "percent":
        return f"{100 * number:.15g}%"
    if form == "elapsed" and 0 <= number < _LAST_DAY:
        seconds = round(number * _DAY_S)
        return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    if form == "date" and 0 <= number < _LAST_DAY - (1462 if from_1904 else 0):
        return _date_text(number, from_1904)
    # Excel itself keeps 15 digits.
    return f"{number:.15g}"


def _date_text(number: float, from_1904: bool) -> str:
    """A date, with its time when it has one; below one day only a time."""
    epoch = _EPOCH_1904 if from_1904 else _EPOCH_1900 if number >= _DAY_60 else _EARLY_1900
    seconds = round(number * _DAY_S)
    moment = epoch + timedelta(seconds=seconds)
    if number < 1 and not from_1904:
        return moment.strftime("%H:%M:%S")
    return moment.date().isoformat() if seconds % _DAY_S == 0 else moment.isoformat(sep=" ")


def _format(number: int, code: str) -> NumberFormat:
    if not code:
        return (
            "date" if number in _DATES else "elapsed" if number == _ELAPSED else "percent" if number in _PERCENTS else "number"
        )
    if code.lower() in _GENERAL:
        return "number"
    shown = _LITERAL.sub("", code[:500]).partition(";")[0].lower()
    if re.search(r"\[[hms]", shown):
        return "elapsed"
    if re.search(r"[ymdhs]", shown):
        return "date"
    return "percent" if "%" in shown else "number"


def folded(text: str) -> str:
    """One line; characters that XML cannot hold are written as _x000D_."""
    if "_x" in text:
        text = _ESCAPED.sub(_unescaped, text)
    return " ".join(text.split())


def _unescaped(match: re.Match[str]) -> str:
    code = int(match[1], 16)
    return chr(code) if code >= 0x20 and not 0xD800 <= code < 0xE000 else " "
