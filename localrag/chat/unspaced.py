"""Contradictions in Chinese, Japanese and Korean, where words or their particles are not set apart."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from itertools import pairwise

from localrag.chat.claim_words import NEGATIVE_SIGNS
from localrag.chat.claims import Claim, han_numbers
from localrag.chat.opposite_words import NO_LONGER, OPPOSITE_SIGNS, STILL

_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3})")
_PARTS = re.compile("[,，。.;；]|(?<=[며고]) ")


def unspaced(said: Claim, window: Sequence[Claim]) -> str:
    """What speaks against a sentence in a script without words set apart, by its signs."""
    there = " ".join(claim.text for claim in window)
    if han_numbers(_THOUSANDS.sub("", said.text)) - han_numbers(_THOUSANDS.sub("", there)):
        return "numbers"
    pairs = set(pairwise(said.text))
    parts = [part for claim in window for part in _PARTS.split(claim.text) if part]
    near = [part for part in parts if len(pairs & set(pairwise(part))) >= 0.35 * max(1, len(part) - 1)]
    signs = NEGATIVE_SIGNS[said.language]
    if near and sum(map(said.text.count, signs)) % 2 != sum("".join(near).count(sign) for sign in signs) % 2:
        return "negation"
    if any(sign in said.text for sign in STILL) and any(sign in there for sign in NO_LONGER):
        return "negation"
    for pair in OPPOSITE_SIGNS:
        for one, other in (pair, pair[::-1]):
            if one in said.text and one not in there and other in there and other not in said.text:
                return "opposites"
    return "names" if _replaced(said.text, there, near) else ""


def _replaced(text: str, there: str, near: Sequence[str]) -> bool:
    """Whether a word has another one's place: in Korean before the same particle, in Chinese between the same signs."""
    words, others = re.findall(r"\w+", text), re.findall(r"\w+", there)
    if len(words) > 2:
        missing = [word for word in words if len(word) > 2 and word[:2] not in there]
        return any(len(o) == len(w) and o[2:] == w[2:] and o[:2] not in text for w in missing for o in others)
    for part in near:
        for kind, a, b, c, d in SequenceMatcher(None, text, part, autojunk=False).get_opcodes():
            if kind == "replace" and 2 <= b - a <= 4 and b - a == d - c and text[a:b] not in there:
                return True
    return False
