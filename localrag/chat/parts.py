"""A document cut into parts that each fill a window: in order, without gaps, at the ends of sentences and paragraphs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from localrag.documents.sentences import split_sentences
from localrag.documents.splitter import cut_span
from localrag.errors import PromptError

LEAST_ROOM = 48
"""Tokens of text a part must have room for; with less the prompt around it outweighs it."""
UNIT_SHARE = 0.5
"""A sentence that takes more than this share of a part is cut, so that parts are well filled."""
PARAGRAPH_SHARE = 0.85
"""A part that is filled to this share of what it was to hold ends at its last blank line."""

Count = Callable[[str], int]
"""Tokens of a text with whatever stands around it in the prompt."""


class _Unit(NamedTuple):
    start: int
    end: int
    tokens: int
    paragraph: bool
    """A blank line lies before it."""


class CutStoppedError(Exception):
    """Cutting was given up because it was asked to stop."""


def cut_parts(text: str, count: Count, room: int, stopped: Callable[[], bool] = lambda: False) -> list[tuple[int, int]]:
    """Ranges (start, end) of a text, each of at most `room` tokens as `count` has it; none for an empty text.

    Each begins where the one before ends, the first at the first character that is no white space, the last ends after
    the last one. A sentence is cut only when it takes a large share of a part: at white space, or between characters
    where there is none.
    Raises:
        PromptError: there is no room for text in the window.
        CutStoppedError: `stopped` said so.
    """
    if room < LEAST_ROOM:
        raise PromptError(
            f"The window leaves {max(0, room)} tokens for text, {LEAST_ROOM} are needed. Raise n_ctx or lower max tokens."
        )
    units = _units(text, count, max(1, int(room * UNIT_SHARE)), stopped)
    parts: list[tuple[int, int]] = []
    first, left = 0, sum(unit.tokens for unit in units)
    while first < len(units):
        if stopped():
            raise CutStoppedError
        # As few parts as there have to be, of about the same size: a last part of one sentence would weigh as much as the rest.
        goal = min(room, math.ceil(left / math.ceil(left / room)) + room // 8)
        after = _after(text, units, first, count, goal, room)
        parts.append((units[first].start, units[after].start if after < len(units) else units[-1].end))
        left = max(1, left - sum(unit.tokens for unit in units[first:after]))
        first = after
    return parts


def _units(text: str, count: Count, most: int, stopped: Callable[[], bool]) -> list[_Unit]:
    units: list[_Unit] = []
    around = count("")  # what stands around any text, be it long or short
    before = 0
    for start, end in split_sentences(text):
        if stopped():
            raise CutStoppedError
        paragraph = text.count("\n", before, start) > 1
        for left, right, tokens in _pieces(text, start, end, count, most):
            units.append(_Unit(left, right, max(1, tokens - around), paragraph and left == start))
        before = end
    return units


def _pieces(text: str, start: int, end: int, count: Count, most: int) -> list[tuple[int, int, int]]:
    """A sentence in pieces of at most `most` tokens each, as far as characters can be parted."""
    tokens = count(text[start:end])
    if tokens <= most or end - start == 1:
        return [(start, end, tokens)]
    limit = max(1, min((end - start) * most // tokens, end - start - 1))
    spans = cut_span(text, start, end, limit)
    if len(spans) == 1:  # letters with accents, or the parts of an emoji: they stay together
        return [(start, end, tokens)]
    return [piece for left, right in spans for piece in _pieces(text, left, right, count, most)]


def _after(text: str, units: Sequence[_Unit], first: int, count: Count, goal: int, room: int) -> int:
    """Index of the unit after the part that begins with unit `first`: of about `goal` tokens, `room` at most.

    Tokens of pieces do not add up to those of the whole, for a token may lie across a border: sums are only guesses.
    """

    def size(until: int) -> int:
        return count(text[units[first].start : units[until].start if until < len(units) else units[-1].end])

    after, grown = first, first + 1
    while grown > after:
        after = grown
        spare = goal - size(after)
        while grown < len(units) and units[grown].tokens <= spare:
            spare -= units[grown].tokens
            grown += 1
    while after > first + 1 and size(after) > room:
        after -= 1
    if size(after) > room:
        raise PromptError(f"A piece of the document does not fit the {room} tokens that the window leaves. Raise n_ctx.")
    if after == len(units):
        return after
    filled = 0
    for unit in units[first:after]:
        filled += unit.tokens
    for at in range(after, first, -1):
        if units[at].paragraph:
            return at
        filled -= units[at - 1].tokens
        if filled < PARAGRAPH_SHARE * goal:
            break
    return after
