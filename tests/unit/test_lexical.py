"""BM25 over the ledger's words: the same score however it is come by."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from localrag.documents.ledger import Ledger
from localrag.retrieval import lexical
from localrag.types import Chunk, DocumentRecord, SourceRecord

WORDS = "heron otter reed river stone quay ferry lamp oil lighthouse 鹤水 등대 ñandú 2026".split()


def put(ledger: Ledger, collection: str, document: str, texts: list[str]) -> None:
    chunks = [Chunk(f"{document}-{n}", document, n, 0, len(text), text) for n, text in enumerate(texts)]
    record = DocumentRecord(document, "c", document, document, "text", language="en", chunks=len(chunks), added="2026")
    ledger.put(collection, record, SourceRecord(document, document), " ".join(texts), chunks)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger(tmp_path / "ledger.sqlite")
    yield opened
    opened.close()


def texts(chance: random.Random, count: int) -> list[str]:
    return [" ".join(chance.choices(WORDS, weights=range(1, len(WORDS) + 1), k=chance.randrange(1, 30))) for _ in range(count)]


@pytest.mark.parametrize("seed", range(5))
def test_scores_of_given_chunks_are_those_fts5_gives(ledger: Ledger, seed: int) -> None:
    chance = random.Random(seed)
    home = ledger.add_collection("c", "model", "model", 4)
    for n in range(6):
        put(ledger, home.id, f"d{n}", texts(chance, 20))
    ledger.delete_documents(home.id, ["d3"])
    for _ in range(10):
        asked = dict.fromkeys(lexical.terms(" ".join(chance.sample(WORDS, 4)), "en"))
        rows = ledger.db.rows(
            "SELECT k.id, -bm25(words) AS score FROM words JOIN chunks k ON k.number = words.rowid WHERE words MATCH ?",
            (lexical._any_of(asked),),
        )
        expected = dict.fromkeys(ledger.chunk_ids(home.id), 0.0) | {row["id"]: row["score"] for row in rows}
        assert lexical.scores(ledger.db, asked, list(expected)) == pytest.approx(expected)


def test_the_best_of_a_collection_are_found_behind_many_of_another(ledger: Ledger) -> None:
    """More of another collection's chunks score higher than are looked at first."""
    other, home = (ledger.add_collection(name, "model", "model", 4) for name in ("other", "home"))
    put(ledger, other.id, "many", ["heron heron heron"] * 100)
    put(ledger, home.id, "few", ["a heron stood in the reed by the river", "an otter"] + ["stone and quay"] * 200)
    assert list(lexical.best(ledger.db, home.id, ["heron"], 3)) == ["few-0"]
    assert list(lexical.best(ledger.db, other.id, ["heron"], 3)) == ["many-0", "many-1", "many-10"]
    assert lexical.best(ledger.db, home.id, ["heron"], 3, among=[]) == {}
    assert list(lexical.best(ledger.db, home.id, ["heron"], 3, among=["few"])) == ["few-0"]


def test_counts_are_made_anew_when_documents_come_and_go(ledger: Ledger) -> None:
    home = ledger.add_collection("c", "model", "model", 4)
    put(ledger, home.id, "a", ["heron", "otter", "quay", "stone"])
    rare = lexical.weighed_terms(ledger.db, home.id, "heron")["heron"]
    put(ledger, home.id, "b", ["heron river", "heron reed", "heron lamp", "oil"])
    assert lexical.weighed_terms(ledger.db, home.id, "heron")["heron"] < rare
    unknown = lexical.rarity(ledger.db, ["heron", "unheard"])
    assert set(unknown) == {"heron", "unheard"}
    assert all(weight > 0 for weight in unknown.values())


def test_an_empty_ledger_scores_nothing(ledger: Ledger) -> None:
    home = ledger.add_collection("c", "model", "model", 4)
    assert lexical.weighed_terms(ledger.db, home.id, "heron") == {}
    assert lexical.best(ledger.db, home.id, ["heron"], 3) == {}
    assert lexical.scores(ledger.db, ["heron"], ["gone"]) == {"gone": 0.0}
