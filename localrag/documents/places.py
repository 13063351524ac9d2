"""Where in documents an offset stands, and what is a heading there."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

from localrag.documents.database import Database

KEPT = 200
"""Documents whose marks are kept in memory, until the ledger changes."""


@dataclass(frozen=True, slots=True)
class Places:
    """The marks of one document."""

    starts: tuple[int, ...] = ()
    locations: tuple[tuple[str, int | None], ...] = ()
    headings: frozenset[int] = frozenset()

    def at(self, offset: int) -> tuple[str, int | None]:
        """Location and page of an offset; ("", None) before the first mark."""
        found = bisect_right(self.starts, offset)
        return self.locations[found - 1] if found else ("", None)

    def headings_over(self, offset: int) -> str:
        """The headings the text at an offset stands under, such as "Guide › Chat", a heading's own among them.

        "" where there are none: before the first, in a section without one, on a page.
        """
        found = bisect_right(self.starts, offset)
        return self.locations[found - 1][0] if found and self.starts[found - 1] in self.headings else ""


class PlaceBook:
    """Places of documents by id, read once for many searches; may be used from any thread."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._kept: tuple[int, dict[str, Places]] = (-1, {})

    def of(self, document_ids: Iterable[str]) -> dict[str, Places]:
        """The places of documents; without marks for those the ledger does not know."""
        state, wanted = self._db.state(), set(document_ids)
        kept_at, kept = self._kept
        known = {i: kept[i] for i in wanted & kept.keys()} if kept_at == state else {}
        rows = self._db.rows_of(
            sorted(wanted - known.keys()), "SELECT document_id, marks FROM texts WHERE document_id IN ({ids})"
        )
        known |= {row["document_id"]: _places(row["marks"]) for row in rows}
        if self._db.state() == state and len(rows):
            self._kept = (state, dict([*(kept.items() if kept_at == state else ()), *known.items()][-KEPT:]))
        return {i: known.get(i, Places()) for i in wanted}


def _places(stored: str) -> Places:
    marks = json.loads(stored)
    return Places(
        tuple(start for start, *_ in marks),
        tuple((location, page) for _, location, page, _ in marks),
        frozenset(start for start, _, _, kind in marks if kind == "heading"),
    )
