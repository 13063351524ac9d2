"""Words that a line end parted: whether their hyphen belongs to them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from localrag.documents.pdf_page import HYPHEN

_WORD = re.compile(rf"(?<![\w{HYPHEN}-])[^\W\d_]+(?:-[^\W\d_]+)*(?![\w{HYPHEN}])")
_BROKEN = re.compile(rf"([^\W_]*){HYPHEN}([^\W_]*)")
_PART_CHARS = 4
# "Analyst-in-" goes on with a part of its own.
_LINKS = frozenset({"a", "and", "at", "by", "for", "in", "of", "off", "on", "or", "out", "the", "to", "up"})
_PREFIXES = frozenset({"high", "low", "self", "well", "cross", "long", "short", "large", "small", "ex"})


def join_words(text: str, places: Sequence[tuple[int, int]]) -> tuple[str, list[tuple[int, int]]]:
    """Text with every HYPHEN made "-" or nothing, and (offset, number) of places, sorted by offset, moved along."""
    text = text.removesuffix(HYPHEN)
    known = _words(text) if HYPHEN in text else Counter[str]()
    pieces: list[str] = []
    moved: list[tuple[int, int]] = []
    at, dropped, next_place = 0, 0, 0
    for match in _BROKEN.finditer(text):
        mark = match.end(1)
        while next_place < len(places) and places[next_place][0] <= mark:
            moved.append((places[next_place][0] - dropped, places[next_place][1]))
            next_place += 1
        follows = match[1].lower() in _LINKS and text[max(0, match.start() - 1) : match.start()] == "-"
        hyphen = "-" if follows or _keeps_hyphen(match[1], match[2], known) else ""
        pieces += [text[at:mark], hyphen]
        dropped += 1 - len(hyphen)
        at = mark + 1
    pieces.append(text[at:])
    moved += [(start - dropped, number) for start, number in places[next_place:]]
    return "".join(pieces), moved


def _words(text: str) -> Counter[str]:
    """How often each word occurs away from line ends; compounds count as a whole and by their parts."""
    known = Counter[str]()
    for match in _WORD.finditer(text):
        word = match[0].lower()
        known[word] += 1
        if "-" in word:
            known.update(word.split("-"))
    return known


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
