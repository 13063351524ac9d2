"""Which documents a filter lets through."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from localrag.documents.ledger import Ledger
from localrag.documents.matching import chunk_ids_of, matching
from localrag.types import Chunk, DocumentRecord, SearchFilter, SourceRecord

ROWS = [
    ("a", "/shelf/one/a.pdf", "pdf", "en", "2026-01-31T23:59:00+00:00"),
    ("b", "/shelf/two/b.txt", "text", "de", "2026-02-01T08:00:00+00:00"),
    ("c", "/shelf/onerous/c.txt", "text", "en", "2026-03-01T08:00:00+00:00"),
]


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[tuple[Ledger, str]]:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    home = ledger.add_collection("c", "model", "model", 4)
    for name, source, kind, language, added in ROWS:
        record = DocumentRecord(name, "c", source, name, kind, language=language, chunks=1, added=added)
        chunk = Chunk(f"{name}-0", name, 0, 0, 4, "Text")
        ledger.put(home.id, record, SourceRecord(source.replace("/", os.sep), name, added=added), "Text", [chunk])
    yield ledger, home.id
    ledger.close()


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (SearchFilter(documents=("a", "c")), "ac"),
        (SearchFilter(types=("text",)), "bc"),
        (SearchFilter(languages=("en",), types=("text",)), "c"),
        (SearchFilter(folders=(os.sep + os.path.join("shelf", "one"),)), "a"),  # not what only begins like it
        (SearchFilter(folders=(os.sep + os.path.join("shelf", "one") + os.sep, os.sep + os.path.join("shelf", "two"))), "ab"),
        (SearchFilter(added_from="2026-02-01"), "bc"),
        (SearchFilter(added_to="2026-02-01"), "ab"),  # the whole day
        (SearchFilter(added_from="2026-01-31", added_to="2026-01-31"), "a"),
        (SearchFilter(added_to="2026-02-01T07:00:00+00:00"), "a"),
        (SearchFilter(documents=("gone",)), ""),
    ],
)
def test_a_document_matches_when_every_field_does(shelf: tuple[Ledger, str], filters: SearchFilter, expected: str) -> None:
    ledger, collection = shelf
    found = matching(ledger.db, collection, filters)
    assert found is not None
    assert sorted(found) == list(expected)
    assert sorted(chunk_ids_of(ledger.db, found)) == [f"{name}-0" for name in expected]


def test_an_empty_filter_is_none(shelf: tuple[Ledger, str]) -> None:
    ledger, collection = shelf
    assert not SearchFilter()
    assert matching(ledger.db, collection, SearchFilter()) is None
