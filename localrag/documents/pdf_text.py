"""The lines of PDF pages to running text: lines of a paragraph are joined, also across columns and pages.

The rule: a line goes on in the next when it is as wide as its column, so that the next word did not fit any more. What looks
like a table row, a list item or a heading keeps its line. Wider line steps, other sizes and indents part paragraphs.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from localrag.documents.pdf_hyphens import join_words
from localrag.documents.pdf_margins import Edges, arrange, edges
from localrag.documents.pdf_page import HYPHEN, PageLine

_LINE, _PARAGRAPH = "\n", "\n\n"
_RUNS_ON = frozenset({"", " ", HYPHEN})
# Running headers are looked for on the two pages before, as left and right ones may differ, and on the next.
_NEAR_PAGES = 2
# Lengths in heights of the line: what counts as indented, and how much two sizes may differ and be the same font.
_INDENT = 0.7
_SIZES = 1.18
# How much further than usual the next line of a paragraph may be.
_STEP = 1.3
# More, in heights, is a step between paragraphs wherever it stands.
_SPACED = 1.3
_ENDED = re.compile("[.!?…‽؟۔।。！？:：;]['\"”’»›)\\]}」』】》）]*(?:\\[?\\d{1,3}\\]?)?\\Z")
_ITEM = re.compile(r"(?:[•‣◦▪▫■□●○–—·*-]|\(?(?:\d{1,3}|[a-zA-Z]|[ivxIVX]{1,5})[.)]|§{1,2}|\d+(?:\.\d+)+\.?)[ \t]|[•‣◦▪■●○※]")
# Others may be a number or a word of the text that happens to begin a line.
_SURE_ITEM = re.compile(r"[^\w(]|\d+(?:\.\d+){2}")
_LEADERS = re.compile(r"\.{4,}|(?:\. ){4,}|…{2,}")
_NUMBER = re.compile(r"[-+(]?[$€£₩¥]?\d[\d.,:%/)-]*\Z")
# Chinese and Japanese are written without spaces; Korean is not.
_UNSPACED = re.compile("[\u2e80-\u9fff\uf900-\ufaff\uff01-\uff60\u3000-\u30ff]")
# Shorter lines are titles, labels and verses: not joined unless the next begins with a small letter.
_PROSE_CHARS = 20
# Rows of a table may stand further apart than lines of text.
_ROW_STEP = 2.5
_ALIGNED = 0.5
_TITLE_LINES = 3


class _Placed(NamedTuple):
    """A line, the edges of its column, and the usual step from line to line there."""

    line: PageLine
    left: float
    right: float
    step: float


class TextOfPages:
    """Text of pages added in order, and where in it each page begins. A page is written when the next one is known."""

    def __init__(self) -> None:
        self.length = 0
        # The first page's text in reading order, for a title; without what stands in its margin.
        self.first_lines: list[str] = []
        self._parts: list[str] = []
        self._starts: list[tuple[int, int]] = []
        self._held: tuple[int, Sequence[PageLine]] | None = None
        self._edges: list[Edges] = []
        # What runs along the pages and waits for the end of a paragraph.
        self._aside: list[PageLine] = []
        self._last: _Placed | None = None
        self._is_first_line = True

    def add(self, number: int, lines: Sequence[PageLine]) -> None:
        """Add page `number` (from 1), which has lines."""
        following = edges(number, lines)
        self._write_page([following])
        self._held = number, lines
        self._edges = [*self._edges, following][-_NEAR_PAGES - 1 :]

    def finish(self) -> tuple[str, list[tuple[int, int]]]:
        """The text with words put together that a line end parted, and (offset, page number) of every page."""
        self._write_page([])
        self._write_aside()
        return join_words("".join(self._parts), self._starts)

    def _write_page(self, following: Sequence[Edges]) -> None:
        if self._held is None:
            return
        number, lines = self._held
        parts = arrange(number, lines, [*self._edges[:-1], *following])
        if not self._starts:
            self.first_lines = [line.text for line in parts.body][:_TITLE_LINES]
        placed = _placed(parts.body)
        if self._border(placed[0]) not in _RUNS_ON or not self._starts:
            self._write_aside()
            self._write(_PARAGRAPH if self._parts else "")
            self._starts.append((self.length, number))
            self._aside = parts.above
            self._write_aside()
        else:
            self._aside += parts.above
        for line in placed:
            self._write_line(line, number)
        # Nothing on the next page stands below this line.
        last = placed[-1]
        self._last = last._replace(line=last.line._replace(base=-math.inf))
        self._aside += parts.below

    def _write_line(self, placed: _Placed, number: int) -> None:
        border = self._border(placed)
        if self._aside and border not in _RUNS_ON:
            self._write_aside()
            border = _PARAGRAPH
        if border == HYPHEN:
            self._parts[-1] = self._parts[-1][:-1]
            self.length -= 1
        # A page begins with a border already, or within a sentence of the page before.
        begins = not self._starts or self._starts[-1][1] != number
        if begins or self._parts[-1:] != [_PARAGRAPH]:
            self._write(border)
        if begins:
            self._starts.append((self.length, number))
        self._write(placed.line.text)
        self._is_first_line = border in (_LINE, _PARAGRAPH)
        self._last = placed

    def _write_aside(self) -> None:
        if not self._aside:
            return
        if self._parts and self._parts[-1] != _PARAGRAPH:
            self._write(_PARAGRAPH)
        self._write(_LINE.join(line.text.removesuffix(HYPHEN) for line in self._aside))
        self._aside = []

    def _write(self, text: str) -> None:
        if text:
            self._parts.append(text)
            self.length += len(text)

    def _border(self, following: _Placed) -> str:
        """What parts a line from the last one: nothing, a space, a line break or a blank line."""
        last = self._last
        if last is None:
            return _PARAGRAPH if self._parts else ""
        if last.line.ends_with_hyphen:
            return ""
        border = _border(last, following, self._is_first_line)
        if border != " ":
            return border
        before, after = last.line.text, following.line.text
        if before.endswith(("-", "\u2010")) and before[-2:-1].isalnum() and after[0].isalnum():
            return HYPHEN if after[0].islower() and before[-2].isalpha() else ""
        return "" if _UNSPACED.match(before[-1]) and _UNSPACED.match(after[0]) else " "


def _placed(lines: Sequence[PageLine]) -> list[_Placed]:
    """Lines with the edges of the column they stand in: of the run of lines of one size, one below the other."""
    steps = [(a.base - b.base) / a.height for a, b in pairwise(lines) if _is_below(a, b)]
    usual = median(steps) if steps else 0.0
    placed: list[_Placed] = []
    run: list[PageLine] = []
    for line in [*lines, None]:
        if run and (line is None or not _is_below(run[-1], line)):
            placed += _run(run, usual)
            run = []
        if line is not None:
            run.append(line)
    return placed


def _run(run: Sequence[PageLine], usual: float) -> list[_Placed]:
    """Lines one below the other. `usual`: the usual step on the page, in heights of a line."""
    steps = [a.base - b.base for a, b in pairwise(run)]
    own = median(step / line.height for step, line in zip(steps, run, strict=False)) if steps else usual
    left, right = min(line.left for line in run), max(line.right for line in run)
    placed: list[_Placed] = []
    for at, line in enumerate(run):
        # A paragraph set wider than the rest of its page goes by the steps above and below.
        around = [*steps[max(0, at - 1) : at], *steps[at + 1 : at + 2]]
        local = min([*around, _SPACED * line.height]) if around else 0.0
        step = max(min(usual, own) * line.height, local)
        placed.append(_Placed(line, left, right, step or line.height))
    return placed


def _is_below(line: PageLine, following: PageLine) -> bool:
    """Whether a line stands below another in the same column, in the same size."""
    height = max(line.height, following.height)
    overlap = min(line.right, following.right) - max(line.left, following.left)
    return (
        _same_size(line, following)
        and 0.5 * height < line.base - following.base < 4 * height
        and overlap > 0.3 * min(line.right - line.left, following.right - following.left)
    )


def _same_size(line: PageLine, following: PageLine) -> bool:
    sizes = sorted((line.height, following.height))
    return sizes[1] <= _SIZES * sizes[0]


def _border(last: _Placed, following: _Placed, is_first_line: bool) -> str:
    a, b = last.line, following.line
    if a.angle != b.angle or not _same_size(a, b):
        return _PARAGRAPH
    ended = _ENDED.search(a.text[-12:]) is not None
    below = _is_below(a, b)
    if _is_row(a, b):
        return _LINE if below and a.base - b.base < _ROW_STEP * a.height else _PARAGRAPH
    if below and a.base - b.base > _STEP * last.step:
        return _PARAGRAPH
    goes_on = _goes_on(last, b, ended)
    if not below:
        return " " if goes_on and not ended and _is_prose(a) and not _ITEM.match(b.text) else _PARAGRAPH
    if not goes_on or (_ITEM.match(b.text) and (ended or _SURE_ITEM.match(b.text))):
        return _LINE
    shift = (b.left - a.left) / a.height
    if ended and shift > _INDENT:
        return _PARAGRAPH
    return _LINE if ended and shift < -_INDENT and not is_first_line else " "


def _goes_on(placed: _Placed, following: PageLine, ended: bool) -> bool:
    """Whether a line was ended by the edge of its column only."""
    line = placed.line
    small = following.text[0].islower() and not ended and 2 * (line.right - line.left) > placed.right - placed.left
    if small:
        return True
    if not _is_prose(line):
        return False
    aligned = (
        abs(line.right - following.right) < _ALIGNED * line.height and abs(line.left - following.left) < _ALIGNED * line.height
    )
    return _is_full(placed, following) or (aligned and not ended)


def _is_prose(line: PageLine) -> bool:
    return len(line.text) + len(_UNSPACED.findall(line.text)) >= _PROSE_CHARS


def _is_full(placed: _Placed, following: PageLine) -> bool:
    """Whether the first word of the next line would not have fitted at the end of this one."""
    words = following.text.split(maxsplit=1)
    word = words[0].rstrip(HYPHEN) if words else ""
    shown = 1 if _UNSPACED.match(word) else len(word)
    width = (following.right - following.left) / max(1, len(following.text))
    return placed.line.right + (shown + 0.5) * width > placed.right


def _is_row(line: PageLine, following: PageLine) -> bool:
    """Whether one of two lines has cells, or dots up to a page number, or both hold mostly numbers."""
    if "\t" in line.text or "\t" in following.text or _LEADERS.search(line.text):
        return True
    return _is_numeric(line.text) and _is_numeric(following.text)


def _is_numeric(text: str) -> bool:
    words = text.split()
    return 2 * sum(_NUMBER.match(word) is not None for word in words) >= len(words)
