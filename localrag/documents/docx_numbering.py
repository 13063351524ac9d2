"""Word's lists: the label in front of each item or numbered heading, which no paragraph holds itself."""

from __future__ import annotations

import re
from typing import NamedTuple

from localrag.documents.ooxml import Attributes, XmlTarget, local, value, whole_number

_LEVELS = 9
_LABEL_CHARS = 40


class ListPlace(NamedTuple):
    """The list a paragraph is in, and how deep in it, from 0."""

    list_id: str
    level: int


class _Level(NamedTuple):
    form: str = "decimal"
    pattern: str = ""
    start: int = 1


class Numbering(XmlTarget):
    """The lists of a document and how far each has counted."""

    def __init__(self) -> None:
        self._levels: dict[tuple[str, int], _Level] = {}
        self._lists: dict[str, str] = {}
        self._starts: dict[tuple[str, int], int] = {}
        self._of_style: dict[tuple[str, str], int] = {}
        self._counts: dict[str, list[int | None]] = {}
        self._begun: set[tuple[str, int]] = set()
        self._abstract = self._list = ""
        self._level = 0

    def start(self, tag: str, attributes: Attributes) -> None:
        name, given = local(tag), value(attributes, "val")
        key = (self._abstract, self._level)
        if name == "abstractNum":
            self._abstract, self._list = value(attributes, "abstractNumId"), ""
        elif name == "num":
            self._abstract, self._list = "", value(attributes, "numId")
        elif name in {"lvl", "lvlOverride"}:
            self._level = whole_number(value(attributes, "ilvl"))
            if name == "lvl" and self._abstract:
                self._levels[self._abstract, self._level] = _Level()
        elif name == "abstractNumId":
            self._lists[self._list] = given
        elif name == "startOverride":
            self._starts[self._list, self._level] = whole_number(given, 1)
        elif key in self._levels:
            level = self._levels[key]
            if name == "numFmt":
                self._levels[key] = level._replace(form=given)
            elif name == "lvlText":
                self._levels[key] = level._replace(pattern=given[: 2 * _LABEL_CHARS])
            elif name == "start":
                self._levels[key] = level._replace(start=whole_number(given, 1))
            elif name == "pStyle":
                self._of_style[self._abstract, given] = self._level

    def label(self, place: ListPlace, style_id: str) -> tuple[str, int] | None:
        """Count on, and return the label ("2.1", "(a)", "-" for a bullet, "" for none) and the level; None outside lists."""
        abstract = self._lists.get(place.list_id)
        if abstract is None:
            # numId 0 takes a paragraph out of the list of its style.
            return None if place.list_id in {"", "0"} else ("-", max(0, min(place.level, _LEVELS - 1)))
        level = place.level if place.level >= 0 else self._of_style.get((abstract, style_id), 0)
        level = max(0, min(level, _LEVELS - 1))
        self._count(abstract, place.list_id, level)
        found = self._levels.get((abstract, level), _Level())
        if found.form in {"bullet", "none"}:
            return ("-" if found.form == "bullet" and found.pattern.strip() else "", level)
        return (self._expanded(abstract, found.pattern) or "-", level)

    def _count(self, abstract: str, list_id: str, level: int) -> None:
        counts = self._counts.setdefault(abstract, [None] * _LEVELS)
        override = self._starts.get((list_id, level))
        if override is not None and (list_id, level) not in self._begun:
            counts[level] = override
        elif (count := counts[level]) is not None:
            counts[level] = count + 1
        else:
            counts[level] = self._levels.get((abstract, level), _Level()).start
        self._begun.add((list_id, level))
        counts[level + 1 :] = [None] * (_LEVELS - level - 1)

    def _expanded(self, abstract: str, pattern: str) -> str:
        """A pattern such as "%1.%2" with the numbers in it."""

        def number(match: re.Match[str]) -> str:
            at = int(match[1]) - 1
            level = self._levels.get((abstract, at), _Level())
            count = self._counts[abstract][at]
            return formatted(level.start if count is None else count, level.form)

        return re.sub(r"%([1-9])", number, pattern)[:_LABEL_CHARS].strip()


def formatted(count: int, form: str) -> str:
    """A number in one of Word's formats; in digits when the format is rare or the number has no form in it."""
    if form in {"lowerLetter", "upperLetter"} and 1 <= count <= 260:
        letter = chr(ord("a") + (count - 1) % 26) * ((count - 1) // 26 + 1)
        return letter if form == "lowerLetter" else letter.upper()
    if form in {"lowerRoman", "upperRoman"} and 1 <= count < 4000:
        return _roman(count) if form == "upperRoman" else _roman(count).lower()
    if form == "decimalZero":
        return f"{count:02}"
    if form == "ganada" and 1 <= count <= 14:
        return "가나다라마바사아자차카타파하"[count - 1]
    if form in {"decimalEnclosedCircle", "decimalEnclosedCircleChinese"} and 1 <= count <= 20:
        return chr(0x2460 + count - 1)
    return str(count)


def _roman(count: int) -> str:
    digits = ((1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L"), (40, "XL"), (10, "X"))
    text = ""
    for size, letters in (*digits, (9, "IX"), (5, "V"), (4, "IV"), (1, "I")):
        text += letters * (count // size)
        count %= size
    return text
