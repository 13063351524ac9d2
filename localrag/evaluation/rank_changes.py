"""Where the spans of one search stand in the list of another one for the same question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from localrag.types import Evidence


@dataclass(frozen=True, slots=True)
class RankChanges:
    """For each span of two lists, best first, the place (from 0) of its counterpart in the other list; None when it has none.

    Two settings seldom draw the edges of a span alike, so the counterpart is the span that has most characters in common
    with it, the better placed of two. A long span may be the counterpart of several short ones.
    """

    of_first: tuple[int | None, ...]
    of_second: tuple[int | None, ...]

    @property
    def lines(self) -> list[tuple[int, int]]:
        """Every pair (place in the first list, place in the second) of a span and its counterpart, seen from either side."""
        pairs = {(here, there) for here, there in enumerate(self.of_first) if there is not None}
        return sorted(pairs | {(there, here) for here, there in enumerate(self.of_second) if there is not None})


def rank_changes(first: Sequence[Evidence], second: Sequence[Evidence]) -> RankChanges:
    """Compare two lists of spans of the same documents."""
    return RankChanges(tuple(_counterpart(span, second) for span in first), tuple(_counterpart(span, first) for span in second))


def _counterpart(span: Evidence, others: Sequence[Evidence]) -> int | None:
    shared = [_shared(span, other) for other in others]
    most = max(shared, default=0)
    return shared.index(most) if most else None


def _shared(one: Evidence, other: Evidence) -> int:
    """Characters two spans have in common."""
    if one.document_id != other.document_id:
        return 0
    return max(0, min(one.end, other.end) - max(one.start, other.start))
