"""The lines of PDF pages to running text: lines of a paragraph are joined, also across columns and pages.

The rule: a line goes on in the next when it is as wide as its column, so that the next word did not fit any more. What looks
like a table row, a list item or a heading keeps its line. Wider line steps, other sizes and indents part paragraphs.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from localrag.documents.pdf_page import HYPHEN, PageLine

_LINE, _PARAGRAPH = "\n", "\n\n"
# Lengths in heights of the line: what counts as indented, and how much two sizes may differ and be the same font.
_INDENT = 0.7
_SIZES = 1.18
# How much further than usual the next line of a paragraph may be.
_STEP = 1.3
# More, in heights, is a step between paragraphs wherever it stands.
_SPACED = 1.3
_ENDED = re.compile("[.!?…‽؟۔।。！？:：;]['\"”’»›)\\]}」』】》）]*(?:\\[?\\d{1,3}\\]?)?\\Z")
_ITEM = re.compile(r"(?:[•‣◦▪▫■□●○–—·*-]|\(?(?:\d{1,3}|[a-zA-Z]|[ivxIVX]{1,5})[.)]|§{1,2}|\d+(?:\.\d+)+\.?)[ \t]|[•‣◦▪■●○※]")
_LEADERS = re.compile(r"\.{4,}|(?:\. ){4,}|…{2,}")
_NUMBER = re.compile(r"[-+(]?[$€£₩¥]?\d[\d.,:%/)-]*\Z")
# Chinese and Japanese are written without spaces; Korean is not.
_UNSPACED = re.compile("[\u2e80-\u9fff\uf900-\ufaff\uff01-\uff60\u3000-\u30ff]")
_WORD = re.compile(rf"(?<![\w{HYPHEN}-])[^\W\d_]+(?:-[^\W\d_]+)*(?![\w{HYPHEN}])")
_BROKEN = re.compile(rf"([^\W_]*){HYPHEN}([^\W_]*)")
_PART_CHARS, _LINK_CHARS = 4, 3
_PREFIXES = frozenset({"high", "low", "self", "well", "cross", "long", "short", "large", "small", "ex"})
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
    """Text of pages added in order, and where in it each page begins."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self.length = 0
        self.starts: list[tuple[int, int]] = []
        # The first page's text in reading order, for a title; without what stands in its margin.
        self.first_lines: list[str] = []
        self._last: _Placed | None = None
        self._is_first_line = True

    def add(self, number: int, lines: Sequence[PageLine]) -> None:
        """Add page `number` (from 1). Text set at another angle than most, as in a margin, stands apart from the rest."""
        angles = Counter[int]()
        for line in lines:
            angles[line.angle] += len(line.text)
        main = max(angles, key=lambda angle: angles[angle], default=0)
        if not self.starts:
            self.first_lines = [line.text for line in lines if line.angle == main][:_TITLE_LINES]
        turned = [line for line in lines if line.angle != main]
        groups = [turned] if turned and not self.starts else []
        groups.append([line for line in lines if line.angle == main])
        groups += [turned] if turned and self.starts else []
        began = False
        for group in groups:
            for placed in _placed(group):
                border = self._border(placed)
                if border == HYPHEN:
                    self._parts[-1] = self._parts[-1][:-1]
                    self.length -= 1
                self._write(border)
                if not began:
                    self.starts.append((self.length, number))
                    began = True
                self._write(placed.line.text)
                self._is_first_line = border in (_LINE, _PARAGRAPH)
                self._last = placed

    def _write(self, text: str) -> None:
        if text:
            self._parts.append(text)
            self.length += len(text)

    def _border(self, following: _Placed) -> str:
        """What parts a line from the last one: nothing, a space, a line break or a blank line."""
        last = self._last
        if last is None:
            return ""
        if last.line.ends_with_hyphen:
            return ""
        border = _border(last, following, self._is_first_line)
        if border != " ":
            return border
        before, after = last.line.text, following.line.text
        if before.endswith(("-", "\u2010")) and before[-2:-1].isalnum() and after[0].isalnum():
            return HYPHEN if after[0].islower() and before[-2].isalpha() else ""
        return "" if _UNSPACED.match(before[-1]) and _UNSPACED.match(after[0]) else " "

    def finish(self) -> tuple[str, list[tuple[int, int]]]:
        """The text with words put together that a line end parted, and (offset, page number) of every page."""
        text = "".join(self._parts).removesuffix(HYPHEN)
        known = _words(text) if HYPHEN in text else Counter[str]()
        pieces: list[str] = []
        starts: list[tuple[int, int]] = []
        pending = iter([*self.starts, (len(text) + 1, 0)])
        start, number = next(pending)
        at, dropped = 0, 0
        for match in _BROKEN.finditer(text):
            mark = match.end(1)
            while start <= mark:
                starts.append((start - dropped, number))
                start, number = next(pending)
            # "Analyst-in-" goes on with a part of its own.
            follows = len(match[1]) <= _LINK_CHARS and text[max(0, match.start() - 1) : match.start()] == "-"
            hyphen = "-" if follows or _keeps_hyphen(match[1], match[2], known) else ""
            pieces += [text[at:mark], hyphen]
            dropped += 1 - len(hyphen)
            at = mark + 1
        pieces.append(text[at:])
        starts += [(start - dropped, number), *((offset - dropped, page) for offset, page in pending)]
        return "".join(pieces), [place for place in starts if place[1]]


def _words(text: str) -> Counter[str]:
    """How often each word occurs away from line ends; compounds count as a whole and by their parts."""
    known = Counter[str]()
    for match in _WORD.finditer(text):
        word = match[0].lower()
        known[word] += 1
        if "-" in word:
            known.update(word.split("-"))
    return known


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
    if not goes_on or (_ITEM.match(b.text) and (ended or not b.text[0].isalnum())):
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


def _keeps_hyphen(left: str, right: str, known: Counter[str]) -> bool:
    """Whether the hyphen at a line end belongs to the word: what the document does elsewhere decides, then its parts."""
    if not left.isalpha() or not right.isalpha() or right[0].isupper() or len(left) == 1:
        return not (left.isupper() and right.isupper() and len(left) > 1)
    compound, joined = f"{left}-{right}".lower(), f"{left}{right}".lower()
    if known[compound] or known[joined]:
        return known[compound] > known[joined]
    if len(right) < _PART_CHARS or not known[right.lower()]:
        return False
    return left.lower() in _PREFIXES or (len(left) >= _PART_CHARS and bool(known[left.lower()]))
