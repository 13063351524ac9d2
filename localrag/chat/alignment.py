"""Which words of a sentence the evidence holds, and in which of its clauses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

from localrag.chat.claims import Claim, Token

PREFIX = 4
"""Letters of a stem that say which family a word is of."""


@lru_cache(maxsize=100_000)
def alike(one: str, other: str) -> bool:
    """Whether two stems are of one family: "employe" and "employ"."""
    if one == other:
        return True
    short, long = sorted((one, other), key=len)
    return len(short) >= PREFIX and long.startswith(short) and len(long) - len(short) <= 4 and not short[0].isdigit()


def holds(keys: frozenset[str], key: str) -> bool:
    return key in keys or any(alike(key, other) for other in keys)


def targets(said: Claim, clause: int, window: Sequence[Claim]) -> Iterator[tuple[Claim, list[Token]]]:
    """The clause of each sentence that shares most with a clause; the whole sentence where it does not stand out."""
    mine = frozenset(t.key for t in said.content(clause) if not t.key.startswith("~"))
    first = next((t.key for t in said.content(clause)), "")
    best: list[tuple[float, Claim, list[Token]]] = []
    for claim in window:
        clauses = [claim.content(number) for number in sorted({t.clause for t in claim.content()})]
        counts = [sum(1.5 if t.key == first else holds(mine, t.key) for t in words) for words in clauses]
        top = max(counts, default=0)
        if top:
            best.append((top, claim, [t for words, n in zip(clauses, counts, strict=True) if n == top for t in words]))
    top_of_all = max((count for count, _, _ in best), default=0)
    for count, claim, tokens in best:
        if count == top_of_all:
            yield claim, tokens
