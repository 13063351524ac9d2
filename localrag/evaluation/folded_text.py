"""Finding a text as a person copied it: other white space, ligatures and width of letters (NFKC), the same place."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right

MAX_PLACES = 100
# What joins the character before it under NFKC: marks, vowels and ends of Korean syllables, half-width voicing marks.
_JOINS = "\u0300-\u036f\u0483-\u0489\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed\u0900-\u0dff\u0e00-\u109f"
_JOINS += "\u1160-\u11ff\u1700-\u17ff\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\u302a-\u302f\u3099\u309a\ufe20-\ufe2f\uff9e\uff9f"
_PIECE = re.compile(rf"[\x00-\x7f]+(?![{_JOINS}])|[^\x00-\x7f{_JOINS}](?![{_JOINS}])|.[{_JOINS}]*", re.DOTALL)


class FoldedText:
    """A text under NFKC, with the way back: each piece of it is a piece of the original."""

    def __init__(self, text: str) -> None:
        self._pieces: list[tuple[int, int]] | None = None
        if unicodedata.is_normalized("NFKC", text):
            self._folded = text
            return
        self._pieces, self._original_end, parts, at = [], len(text), [], 0
        for piece in _PIECE.finditer(text):
            part = piece[0] if piece[0].isascii() else unicodedata.normalize("NFKC", piece[0])
            self._pieces.append((at, piece.start()))
            parts.append(part)
            at += len(part)
        self._folded = "".join(parts)

    def find(self, text: str) -> list[tuple[int, int]]:
        """Ranges (start, end) of the original that read as `text`, whatever the white space in either; at most MAX_PLACES."""
        words = unicodedata.normalize("NFKC", text).split()
        if not words or max(words, key=len) not in self._folded:  # far faster than the pattern, and mostly true
            return []
        found = re.finditer(r"\s+".join(map(re.escape, words)), self._folded)
        return [self._range(match.start(), match.end()) for _, match in zip(range(MAX_PLACES), found, strict=False)]

    def _range(self, start: int, end: int) -> tuple[int, int]:
        if self._pieces is None:
            return start, end
        first = bisect_right(self._pieces, start, key=lambda piece: piece[0]) - 1
        last = bisect_right(self._pieces, end - 1, key=lambda piece: piece[0]) - 1
        after = self._pieces[last + 1] if last + 1 < len(self._pieces) else (len(self._folded), self._original_end)
        begin = self._pieces[first][1] + self._inside(first, start)
        unchanged = after[0] - self._pieces[last][0] == after[1] - self._pieces[last][1]
        return begin, self._pieces[last][1] + (end - self._pieces[last][0]) if unchanged else after[1]

    def _inside(self, piece: int, folded: int) -> int:
        """How far into a piece of the original an offset of the folded text lies; 0 where the piece changed its length."""
        assert self._pieces is not None
        at, original = self._pieces[piece]
        end = self._pieces[piece + 1] if piece + 1 < len(self._pieces) else (len(self._folded), self._original_end)
        return folded - at if end[0] - at == end[1] - original else 0
