"""The ledger: a document is in or out, and whatever Chroma may hold too much is on a list."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from localrag.documents.ledger import CollectionRecord, Ledger, now
from localrag.errors import StoreError
from localrag.types import Chunk, DocumentRecord


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger(tmp_path / "ledger.sqlite")
    yield opened
    opened.close()


@pytest.fixture
def home(ledger: Ledger) -> CollectionRecord:
    return ledger.add_collection("default", "gguf:abc", "mini", 384)


def record(home: CollectionRecord, source: str = "/a.txt", document_id: str = "doc") -> DocumentRecord:
    return DocumentRecord(document_id, home.name, source, Path(source).name, "txt", added=now())


def chunks(document_id: str, *names: str) -> list[Chunk]:
    return [Chunk(name, document_id, at, at * 10, at * 10 + len(name), name, "Top") for at, name in enumerate(names)]


def put(ledger: Ledger, home: CollectionRecord, *names: str, source: str = "/a.txt", document_id: str = "doc") -> None:
    made = replace(record(home, source, document_id), chunks=len(names))
    ledger.put(home.id, made, " ".join(names), chunks(document_id, *names), "s")


def test_a_document_comes_back_with_text_and_chunks_after_a_restart(
    ledger: Ledger, home: CollectionRecord, tmp_path: Path
) -> None:
    put(ledger, home, "c1", "c2")
    again = Ledger(tmp_path / "ledger.sqlite")
    try:
        assert [(found.source, found.chunks, found.collection) for found in again.documents(home.id)] == [
            ("/a.txt", 2, "default")
        ]
        assert again.text("doc") == "c1 c2"
        assert again.chunks_of("doc") == chunks("doc", "c1", "c2")
        assert again.chunks(["c2", "unknown"]) == {"c2": chunks("doc", "c1", "c2")[1]}
        assert again.splitter("doc") == "s"
        assert again.collections() == [replace(home, documents=1, chunks=2)]
    finally:
        again.close()


def test_what_is_not_there_is_said_plainly(ledger: Ledger) -> None:
    assert (ledger.document("x"), ledger.text("x"), ledger.splitter("x"), ledger.collection("x")) == (None, "", "", None)


def test_replacing_a_document_lists_the_chunks_it_no_longer_has(ledger: Ledger, home: CollectionRecord) -> None:
    put(ledger, home, "c1", "c2")
    put(ledger, home, "c2", "c3")
    assert [chunk.id for chunk in ledger.chunks_of("doc")] == ["c2", "c3"]
    assert ledger.unfinished(home.id) == ["c1"]
    assert len(ledger.documents(home.id)) == 1


def test_a_replacement_that_fails_halfway_leaves_the_old_document(ledger: Ledger, home: CollectionRecord) -> None:
    put(ledger, home, "c1", "c2")
    twice = [*chunks("doc", "c3"), *chunks("doc", "c3")]
    with pytest.raises(StoreError):
        ledger.put(home.id, record(home), "new", twice, "s")
    assert ledger.text("doc") == "c1 c2"
    assert ledger.unfinished(home.id) == []
    put(ledger, home, "c4")
    assert ledger.text("doc") == "c4"


def test_a_reader_sees_the_old_or_the_new_document_and_never_a_half(
    ledger: Ledger, home: CollectionRecord, tmp_path: Path
) -> None:
    versions = [tuple(f"{letter}{n}" for n in range(50)) for letter in "ab"]
    put(ledger, home, *versions[0])
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            for version in versions:
                put(ledger, home, *version)

    writer = threading.Thread(target=write)
    writer.start()
    reader = Ledger(tmp_path / "ledger.sqlite")
    try:
        seen = {tuple(chunk.id for chunk in reader.chunks_of("doc")) for _ in range(200)}
    finally:
        stop.set()
        writer.join()
        reader.close()
    assert seen <= set(versions)


def test_announced_chunks_are_unfinished_until_their_document_is_in(ledger: Ledger, home: CollectionRecord) -> None:
    ledger.announce(home.id, ["c1", "c2"])
    ledger.announce(home.id, ["c2"])
    assert sorted(ledger.unfinished(home.id)) == ["c1", "c2"]
    put(ledger, home, "c1")
    assert ledger.unfinished(home.id) == ["c2"]
    ledger.settle(home.id)
    assert ledger.unfinished(home.id) == []


def test_unfinished_chunks_belong_to_their_collection(ledger: Ledger, home: CollectionRecord) -> None:
    other = ledger.add_collection("other", "gguf:abc", "mini", 384)
    ledger.announce(other.id, ["x"])
    assert ledger.unfinished(home.id) == []
    ledger.settle(home.id)
    assert ledger.unfinished(other.id) == ["x"]


def test_deleting_a_document_lists_its_chunks_and_forgets_its_text(ledger: Ledger, home: CollectionRecord) -> None:
    put(ledger, home, "c1", "c2")
    ledger.delete_document(home.id, "doc")
    assert sorted(ledger.unfinished(home.id)) == ["c1", "c2"]
    assert (ledger.documents(home.id), ledger.chunks(["c1"]), ledger.text("doc")) == ([], {}, "")


def test_deleting_a_collection_takes_everything_in_it_along(ledger: Ledger, home: CollectionRecord, tmp_path: Path) -> None:
    other = ledger.add_collection("other", "gguf:abc", "mini", 384)
    put(ledger, home, "c1")
    put(ledger, other, "k1", document_id="kept")
    ledger.announce(home.id, ["c9"])
    ledger.delete_collection(home.id)
    assert [found.name for found in ledger.collections()] == ["other"]
    with sqlite3.connect(tmp_path / "ledger.sqlite") as db:
        left = {
            table: db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("documents", "chunks", "unfinished")
        }
    db.close()
    assert left == {"documents": 1, "chunks": 1, "unfinished": 0}


def test_more_ids_than_sqlite_takes_variables_are_looked_up(ledger: Ledger, home: CollectionRecord) -> None:
    names = [f"c{n}" for n in range(1200)]
    put(ledger, home, *names)
    assert set(ledger.chunks(names)) == set(names)


def test_a_collections_name_is_taken_once(ledger: Ledger, home: CollectionRecord) -> None:
    with pytest.raises(StoreError):
        ledger.add_collection(home.name, "gguf:other", "other", 768)
    assert ledger.collection("default") == home


@pytest.mark.parametrize("content", [b"no database at all" * 100, b"SQLite format 3\0" + b"\xff" * 4096])
def test_a_file_that_is_no_ledger_is_said(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "broken.sqlite").write_bytes(content)
    with pytest.raises(StoreError, match=r"broken\.sqlite"):
        Ledger(tmp_path / "broken.sqlite")
