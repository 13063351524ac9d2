"""A question that leans on the one before it, made findable by rule: no model stands in front of the evidence."""

from __future__ import annotations

import re
from collections.abc import Sequence

from localrag.types import Turn

_LEANS = re.compile(
    r"^\s*(and|but|also|so|what about|how about|why|why not|tell me more|more|go on|which one|what else)\b"
    r"|\b(it|its|they|them|their|this|that|these|those|he|him|his|she|her|there)\b"
    r"|\bthe (first|second|third|last|other|former|latter)\b",
    re.IGNORECASE,
)
SHORT_WORDS = 3


def standalone(question: str, turns: Sequence[Turn]) -> str:
    """What to search for: the question itself, or after the last question when it cannot stand alone.

    It cannot when it is of at most three words or points back ("and the second one?").
    """
    if not turns:
        return question
    leans = len(question.split()) <= SHORT_WORDS or bool(_LEANS.search(question))
    return f"{turns[-1].question} {question}" if leans else question
