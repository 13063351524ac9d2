"""The ledger: a document is in or out, and whatever Chroma may hold too much is on a list."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from localrag.documents.backlog import Backlog
from localrag.documents.ledger import CollectionRecord, Ledger, now
from localrag.documents.source import Source
from localrag.documents.unfinished import Unfinished
from localrag.embeddings.base import unit
from localrag.errors import StoreError
from localrag.types import Chunk, DocumentRecord, Mark, SourceRecord

MARKS = (Mark(0, "Top"), Mark(4, "page 2", 2, "page"))


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


def came_from(source: str, document_id: str = "doc") -> SourceRecord:
    return SourceRecord(source, Path(source).name, document_id, added=now())


def chunks(document_id: str, *names: str) -> list[Chunk]:
    return [Chunk(name, document_id, at, at * 10, at * 10 + len(name), name, "Top") for at, name in enumerate(names)]


def put(ledger: Ledger, home: CollectionRecord, *names: str, source: str = "/a.txt", document_id: str = "doc") -> None:
    made = replace(record(home, source, document_id), chunks=len(names))
    text = " ".join(names)
    ledger.put(
        home.id, made, came_from(source, document_id), text, chunks(document_id, *names), MARKS, reader="r", splitter="s"
    )


def left(ledger: Ledger, home: CollectionRecord) -> list[str]:
    return sorted(Unfinished(ledger.db).left(home.id))


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
        stored = again.stored("doc")
        assert stored is not None
        assert (stored.reader, stored.splitter, again.marks("doc")) == ("r", "s", MARKS)
        assert again.collections() == [replace(home, documents=1, chunks=2)]
    finally:
        again.close()


def test_what_is_not_there_is_said_plainly(ledger: Ledger) -> None:
    assert (ledger.document("x"), ledger.text("x"), ledger.marks("x"), ledger.collection("x")) == (None, "", (), None)


def test_replacing_a_document_lists_the_chunks_it_no_longer_has(ledger: Ledger, home: CollectionRecord) -> None:
    put(ledger, home, "c1", "c2")
    put(ledger, home, "c2", "c3")
    assert [chunk.id for chunk in ledger.chunks_of("doc")] == ["c2", "c3"]
    assert left(ledger, home) == ["c1"]
    assert len(ledger.documents(home.id)) == 1


def test_a_replacement_that_fails_halfway_leaves_the_old_document(ledger: Ledger, home: CollectionRecord) -> None:
    put(ledger, home, "c1", "c2")
    twice = [*chunks("doc", "c3"), *chunks("doc", "c3")]
    with pytest.raises(StoreError):
        ledger.put(home.id, record(home), came_from("/a.txt"), "new", twice)
    assert ledger.text("doc") == "c1 c2"
    assert left(ledger, home) == []
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
    unfinished = Unfinished(ledger.db)
    unfinished.announce(home.id, ["c1", "c2"])
    unfinished.announce(home.id, ["c2"])
    assert left(ledger, home) == ["c1", "c2"]
    put(ledger, home, "c1")
    assert left(ledger, home) == ["c2"]
    assert unfinished.left(home.id, replaced_only=True) == []  # a write that goes on is none of its business
    unfinished.settle(home.id, ["c2"])
    assert left(ledger, home) == []


def test_unfinished_chunks_belong_to_their_collection(ledger: Ledger, home: CollectionRecord) -> None:
    other = ledger.add_collection("other", "gguf:abc", "mini", 384)
    Unfinished(ledger.db).announce(other.id, ["x"])
    assert left(ledger, home) == []
    Unfinished(ledger.db).settle(home.id, ["x"])
    assert left(ledger, other) == ["x"]


def test_sentences_come_back_as_they_were_embedded(ledger: Ledger, home: CollectionRecord) -> None:
    vectors = unit(np.random.default_rng(1).standard_normal((3, 384)).astype(np.float32))
    unfinished = Unfinished(ledger.db)
    unfinished.announce(home.id, ["c1", "c2"], "i", [([(0, 5), (6, 9), (9, 300)], vectors), ([], vectors[:0])])
    found = unfinished.sentences(["c1", "c2", "c3"], "i")
    assert list(found) == ["c1"]
    assert found["c1"][0] == [(0, 5), (6, 9), (9, 300)]
    assert (found["c1"][1] * vectors).sum(axis=1).min() > 0.999
    assert unfinished.sentences(["c1"], "another") == {}
    unfinished.settle(home.id, ["c1"])
    assert unfinished.sentences(["c1"], "i") == {}


def test_one_content_has_several_sources_and_goes_with_the_last(ledger: Ledger, home: CollectionRecord) -> None:
    put(ledger, home, "c1", source="/a.txt")
    ledger.attach(home.id, [came_from("/b.txt")])
    assert [(found.source, found.also) for found in ledger.documents(home.id)] == [("/a.txt", ("/b.txt",))]
    ledger.detach(home.id, ["/a.txt"])
    assert [(found.source, found.also) for found in ledger.documents(home.id)] == [("/b.txt", ())]
    ledger.detach(home.id, ["/b.txt"])
    assert ledger.documents(home.id) == []
    assert left(ledger, home) == ["c1"]


def test_a_source_that_changes_lets_go_of_its_document_in_the_same_step(ledger: Ledger, home: CollectionRecord) -> None:
    put(ledger, home, "c1", document_id="old")
    put(ledger, home, "c2", document_id="new")
    assert [found.id for found in ledger.documents(home.id)] == ["new"]
    assert (left(ledger, home), ledger.text("old")) == (["c1"], "")


def test_a_source_that_failed_is_listed_with_its_reason(ledger: Ledger, home: CollectionRecord) -> None:
    put(ledger, home, "c1", source="/a.txt")
    ledger.attach(home.id, [SourceRecord("/x.txt", "x.txt", error="It is gone.", added=now())])
    ledger.attach(home.id, [replace(came_from("/a.txt"), error="It may not be read.")])
    assert {(found.source, found.status, found.error, found.note) for found in ledger.documents(home.id)} == {
        ("/a.txt", "indexed", "", "It may not be read."),
        ("/x.txt", "failed", "It is gone.", ""),
    }


def test_deleting_a_document_lists_its_chunks_and_forgets_its_text(ledger: Ledger, home: CollectionRecord) -> None:
    put(ledger, home, "c1", "c2")
    ledger.delete_documents(home.id, ["doc"])
    assert left(ledger, home) == ["c1", "c2"]
    assert (ledger.documents(home.id), ledger.chunks(["c1"]), ledger.text("doc")) == ([], {}, "")


def test_a_backlog_outlives_a_restart_with_the_bytes_that_were_uploaded(
    ledger: Ledger, home: CollectionRecord, tmp_path: Path
) -> None:
    given = [
        Source("a.txt", data=b"one"),
        Source("b.txt", path=tmp_path / "b.txt"),
        Source("p", address="https://example.org/p"),
    ]
    backlog = Backlog(ledger.db, tmp_path / "inbox")
    number, stored = backlog.add(home.id, given)
    backlog.pause(number, True)
    backlog.finish(number, [stored[1]])
    again = Ledger(tmp_path / "ledger.sqlite")
    try:
        (job,) = Backlog(again.db, tmp_path / "inbox").jobs()
    finally:
        again.close()
    assert (job.id, job.collection, job.total, job.paused) == (number, "default", 3, True)
    assert [source.identity for source in job.sources] == ["a.txt", "https://example.org/p"]
    assert job.sources[0].stored is not None
    assert job.sources[0].stored.read_bytes() == b"one"
    backlog.finish(number)
    assert backlog.jobs() == []
    assert list((tmp_path / "inbox").iterdir()) == []


def test_deleting_a_collection_takes_everything_in_it_along(ledger: Ledger, home: CollectionRecord, tmp_path: Path) -> None:
    other = ledger.add_collection("other", "gguf:abc", "mini", 384)
    put(ledger, home, "c1")
    put(ledger, other, "k1", document_id="kept")
    Unfinished(ledger.db).announce(home.id, ["c9"])
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


def test_a_list_of_documents_is_never_older_than_the_last_write(tmp_path: Path) -> None:
    ledger, other = Ledger(tmp_path / "ledger.sqlite"), Ledger(tmp_path / "ledger.sqlite")
    home = ledger.add_collection("c", "id", "model", 4)
    for number, writer in enumerate((ledger, other, ledger)):
        assert len(ledger.documents(home.id)) == number
        record = DocumentRecord(f"d{number}", "c", f"/{number}.txt", f"{number}.txt")
        writer.put(home.id, record, SourceRecord(f"/{number}.txt", f"{number}.txt"), "text", [])
    assert len(ledger.documents(home.id)) == 3
    ledger.documents(home.id).clear()
    assert len(ledger.documents(home.id)) == 3, "the list that is kept was changed from outside"
    ledger.delete_documents(home.id, ["d1"])
    assert [record.id for record in ledger.documents(home.id)] == ["d0", "d2"]
