"""A page of a PDF as visual lines: what PDFium reads of it, in its order, with the place of every line on the page."""

from __future__ import annotations

import ctypes
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from statistics import median_high
from typing import Any, NamedTuple

import pypdfium2 as pdfium
import pypdfium2.raw as api

# Stands in the text where a line ends with a hyphen of which only the whole document tells whether it belongs to the word.
HYPHEN = "\x02"
# White space wider than this, in heights of the line, is a border between cells; justified text stays below.
_CELL_GAP = 1.5
_SAME_LINE, _LINE_STEP, _WORD_GAP = 0.6, 0.7, 0.15
# The gaps of a justified line are alike, those between cells are not.
_ALIKE = 1.25
_INDEX_CHARS = 6
_DROPPED = re.compile(
    "[\x00\x01\x03-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u200b\u2060\ufeff\ufffe\uffff\ud800-\udfff\ue000-\uf8ff]"
)
# How the bullets of the Symbol and Wingdings fonts come out, in Unicode's private use area.
_BULLETS = str.maketrans(dict.fromkeys("\uf0b7\uf0a7\uf0a8\uf0d8\uf076\uf06e\uf0fc", "•"))
_FIELDS = frozenset({api.FPDF_ANNOT_WIDGET, api.FPDF_ANNOT_FREETEXT})


class PageLine(NamedTuple):
    """A line of text, placed along its own writing direction, in points; mirrored for right-to-left: it begins at `left`."""

    text: str
    left: float
    right: float
    base: float
    height: float
    angle: int

    @property
    def ends_with_hyphen(self) -> bool:
        return self.text.endswith(HYPHEN)


class PageText(NamedTuple):
    """The lines of a page; `lost` of its `characters` had no Unicode meaning. Not `drawn`: the page is simply blank."""

    lines: list[PageLine]
    lost: int
    characters: int
    drawn: bool


def read_page(document: pdfium.PdfDocument, index: int) -> PageText:
    """The lines of page `index` (from 0), with the values of its form fields. Raises PdfiumError for a page that is broken."""
    page = document[index]
    try:
        if _has_fields(page) and api.FPDFPage_Flatten(page.raw, api.FLAT_NORMALDISPLAY) == api.FLATTEN_SUCCESS:
            page.close()
            page = document[index]
        text_page = page.get_textpage()
        try:
            box = page.get_bbox()
            reader = _Chars(text_page.raw, text_page.count_chars())
            lines = list(reader.lines())
            seen = [line for line, inside in ((line, reader.is_inside(span, box)) for span, line in lines) if inside]
            # A page box that hides most of the text is wrong itself.
            if 2 * sum(len(line.text) for line in seen) < sum(len(line.text) for _, line in lines):
                seen = [line for _, line in lines]
            return PageText(_visual_lines(seen), reader.lost, len(reader.codes), api.FPDFPage_CountObjects(page.raw) > 0)
        finally:
            text_page.close()
    finally:
        page.close()


def _has_fields(page: pdfium.PdfPage) -> bool:
    """Whether there are form fields or text boxes drawn over the page, whose text is no part of it until flattened."""
    for number in range(min(api.FPDFPage_GetAnnotCount(page.raw), 2000)):
        annotation = api.FPDFPage_GetAnnot(page.raw, number)
        if annotation:
            kind = api.FPDFAnnot_GetSubtype(annotation)
            api.FPDFPage_CloseAnnot(annotation)
            if kind in _FIELDS:
                return True
    return False


class _Chars:
    """The characters of a page by index. PDFium adds the spaces and line breaks it sees in the layout."""

    def __init__(self, raw: Any, count: int) -> None:
        self._raw = raw
        self.codes = [api.FPDFText_GetUnicode(raw, index) for index in range(count)]
        self.lost = sum(code == 0 or 0xE000 <= code <= 0xF8FF or code == 0xFFFD for code in self.codes)
        self._box = [ctypes.c_double() for _ in range(4)]
        self._origin = [ctypes.c_double() for _ in range(2)]
        self._loose = api.FS_RECTF()

    def lines(self) -> Iterator[tuple[tuple[int, int], PageLine]]:
        """Every line with text, with its first and last visible character."""
        start = 0
        for index, code in enumerate([*self.codes, 10]):
            is_hyphen = code in (2, 0xFFFE) and api.FPDFText_IsHyphen(self._raw, index) == 1
            if code in (10, 13) or is_hyphen:
                yield from self._lines(start, index, is_hyphen)
                start = index + 1

    def _lines(self, start: int, end: int, is_hyphen: bool) -> Iterator[tuple[tuple[int, int], PageLine]]:
        """One line as a rule; more where PDFium missed that the next word stands lower."""
        visible = [index for index in range(start, end) if self.codes[index] > 32 and self.codes[index] != 0xA0]
        if not visible:
            return
        angle = api.FPDFText_GetCharAngle(self._raw, visible[0])
        angle = angle if math.isfinite(angle) and angle >= 0 else 0.0
        cuts = [0, *self._drops(visible, angle), len(visible)]
        for first, last in pairwise(cuts):
            run = visible[first:last]
            text = self._text(run, angle)
            if text:
                yield (run[0], run[-1]), self._placed(text + HYPHEN * (is_hyphen and last == len(visible)), run, angle)

    def _drops(self, visible: Sequence[int], angle: float) -> list[int]:
        """Positions in `visible` before which the text goes down by a line."""
        drops: list[int] = []
        base = self._base(visible[0], angle)
        for at in range(1, len(visible)):
            index = visible[at]
            if index > visible[at - 1] + 1:
                here, height = self._base(index, angle), self._height(index, angle)
                if base - here > _LINE_STEP * height and self._along(index, angle)[0] < self._along(visible[at - 1], angle)[0]:
                    drops.append(at)
                base = here
        return drops

    def _placed(self, text: str, run: Sequence[int], angle: float) -> PageLine:
        left, right = self._along(run[0], angle)[0], self._along(run[-1], angle)[1]
        left, right = min(left, right), max(left, right)
        if _is_right_to_left(text):
            left, right = -right, -left
        samples = run[:: max(1, len(run) // 5)]
        height = median_high(self._height(index, angle) for index in samples)
        base = median_high(self._base(index, angle) for index in samples)
        return PageLine(text, left, right, base, height, round(math.degrees(angle)))

    def _text(self, visible: Sequence[int], angle: float) -> str:
        """The characters with a tab where a gap is as wide as between the cells of a table."""
        gaps = {
            index: abs(self._along(index, angle)[0] - self._along(before, angle)[1]) / self._height(index, angle)
            for before, index in pairwise(visible)
            if index > before + 1
        }
        widths = gaps.values()
        is_justified = len(gaps) > 2 and max(widths) < _ALIKE * min(widths)
        parts: list[str] = []
        for index in visible:
            if index in gaps:
                parts.append("\t" if gaps[index] > _CELL_GAP and not is_justified else " ")
            parts.append(_character(self.codes[index]))
        return _DROPPED.sub("", "".join(parts).translate(_BULLETS)).strip()

    def is_inside(self, span: tuple[int, int], box: Sequence[float]) -> bool:
        """Whether the middle of the first or the last character lies on the page (left, bottom, right, top)."""
        for index in span:
            left, right, bottom, top = self._char_box(index)
            x, y = (left + right) / 2, (bottom + top) / 2
            if box[0] <= x <= box[2] and box[1] <= y <= box[3]:
                return True
        return False

    def _char_box(self, index: int) -> tuple[float, float, float, float]:
        """Left, right, bottom, top of a character, all 0 when PDFium knows none."""
        if not api.FPDFText_GetCharBox(self._raw, index, *self._box):
            return 0.0, 0.0, 0.0, 0.0
        values = [value.value if math.isfinite(value.value) else 0.0 for value in self._box]
        return values[0], values[1], values[2], values[3]

    def _along(self, index: int, angle: float) -> tuple[float, float]:
        """Where a character begins and ends, measured along the writing direction."""
        left, right, bottom, top = self._char_box(index)
        if not angle:
            return left, right
        cos, sin = math.cos(angle), math.sin(angle)
        ends = [x * cos - y * sin for x in (left, right) for y in (bottom, top)]
        return min(ends), max(ends)

    def _base(self, index: int, angle: float) -> float:
        if not api.FPDFText_GetCharOrigin(self._raw, index, *self._origin):
            return 0.0
        x, y = (value.value if math.isfinite(value.value) else 0.0 for value in self._origin)
        return x * math.sin(angle) + y * math.cos(angle)

    def _height(self, index: int, angle: float) -> float:
        """Height of the character's font at its size; the box of the drawn shape would differ from "a" to "T"."""
        if not api.FPDFText_GetLooseCharBox(self._raw, index, self._loose):
            return 10.0
        wide, high = abs(self._loose.right - self._loose.left), abs(self._loose.top - self._loose.bottom)
        height = wide if abs(math.sin(angle)) > 0.7 else high
        return height if math.isfinite(height) and height > 0.5 else 10.0


def _character(code: int) -> str:
    return chr(code) if 0 < code <= 0x10FFFF else ""


def _is_right_to_left(text: str) -> bool:
    kinds = Counter(unicodedata.bidirectional(char) for char in text[:200])
    return kinds["R"] + kinds["AL"] > kinds["L"]


def _visual_lines(lines: Sequence[PageLine]) -> list[PageLine]:
    """Lines with what PDFium split off put back: superscripts, and what follows one."""
    whole: list[PageLine] = []
    for line in lines:
        before = whole[-1] if whole else None
        if before is not None and before.angle == line.angle and not before.ends_with_hyphen:
            height = max(before.height, line.height)
            gap = (line.left - before.right) / height
            # An index may stand under an exponent, so it may begin before that ends.
            overlap = 2.0 if len(line.text) <= _INDEX_CHARS or len(before.text) <= _INDEX_CHARS else 0.3
            if abs(line.base - before.base) < _SAME_LINE * height and -overlap < gap < _CELL_GAP:
                main = before if before.right - before.left >= line.right - line.left else line
                space = " " if gap > _WORD_GAP and line.text[0] not in ",.;:)]}!?" else ""
                whole[-1] = main._replace(text=before.text + space + line.text, left=before.left, right=line.right)
                continue
        whole.append(line)
    return whole
