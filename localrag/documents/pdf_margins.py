"""What stands on a page of a PDF beside its text: page numbers, running headers and footers, text turned in the margin.

Nothing is dropped: it is set apart, so that it does not stand in the middle of a sentence that runs over the page.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from localrag.documents.pdf_page import PageLine

# How many lines at the top and at the bottom of a page are looked at.
_EDGE_LINES = 5
# A running line stands at the same height on every page, give or take a share of its own height.
_SHIFT = 1.0
# ... and this far from the text, in heights, or it is a part of it.
_DISTANCE = 1.6
_PAGE_NUMBER = re.compile(
    r"[-–—\[(\s]*(?:(?:page|p\.|seite|página|стр\.?|제)\s*)?(?:\d{1,5}|[ivxlc]{1,8})(?:\s*(?:/|of|von|de)\s*\d{1,5})?\s*(?:쪽|페이지|頁|页)?"
    r"[-–—\])\s]*",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"\d+")


class PageParts(NamedTuple):
    """The lines of a page: what runs along above its text, the text, what runs along below. Turned text counts as above."""

    number: int
    above: list[PageLine]
    body: list[PageLine]
    below: list[PageLine]


class Edges(NamedTuple):
    """The uppermost and lowermost lines of a page, outermost first."""

    number: int
    top: list[PageLine]
    bottom: list[PageLine]


def edges(number: int, lines: Sequence[PageLine]) -> Edges:
    main = _main_angle(lines)
    ordered = sorted((line for line in lines if line.angle == main), key=lambda line: -line.base)
    return Edges(number, ordered[:_EDGE_LINES], ordered[::-1][:_EDGE_LINES])


def arrange(number: int, lines: Sequence[PageLine], others: Sequence[Edges]) -> PageParts:
    """Part a page by what pages near it have at the same places. Where most of a page is like the last, it is all text."""
    main, own = _main_angle(lines), edges(number, lines)
    turned = [line for line in lines if line.angle != main]
    above = _running(own.top, number, [(other.number, other.top) for other in others])
    below = _running(own.bottom, number, [(other.number, other.bottom) for other in others])
    body = [line for line in lines if line.angle == main and line not in above and line not in below]
    if sum(len(line.text) for line in [*above, *below]) > sum(len(line.text) for line in body):
        return PageParts(number, turned, [line for line in lines if line.angle == main], [])
    return PageParts(number, [*turned, *above], body, [line for line in reversed(below) if line not in above])


def _main_angle(lines: Sequence[PageLine]) -> int:
    angles = Counter[int]()
    for line in lines:
        angles[line.angle] += len(line.text)
    return max(angles, key=lambda angle: angles[angle], default=0)


def _running(edge: Sequence[PageLine], number: int, others: Sequence[tuple[int, Sequence[PageLine]]]) -> list[PageLine]:
    """The lines of an edge, from the outermost on, that run along and stand at a distance from the first that does not."""
    found: list[PageLine] = []
    for line in edge[:-1]:
        repeats = any(_repeats(line, other, number - page) for page, lines in others for other in lines)
        if not repeats and not _PAGE_NUMBER.fullmatch(line.text):
            break
        found.append(line)
    rest = edge[len(found)] if len(found) < len(edge) else None
    while found and rest is not None and abs(found[-1].base - rest.base) < _DISTANCE * found[-1].height:
        rest = found.pop()
    return found


def _repeats(line: PageLine, other: PageLine, distance: int) -> bool:
    """Whether two lines are the same, but for one number that counts the pages between them."""
    if abs(line.base - other.base) > _SHIFT * line.height:
        return False
    if line.text == other.text:
        return True
    ours, theirs = _NUMBER.findall(line.text), _NUMBER.findall(other.text)
    if len(ours) != len(theirs) or _NUMBER.sub("#", line.text) != _NUMBER.sub("#", other.text):
        return False
    changed = [(a, b) for a, b in zip(ours, theirs, strict=True) if a != b]
    return all(len(a) < 7 and len(b) < 7 and int(a) - int(b) == distance for a, b in changed) and len(changed) == 1
