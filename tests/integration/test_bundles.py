"""Collections that are renamed, copied, exported and imported: real ledger, real Chroma; nothing half is ever seen."""

from __future__ import annotations

import io
import json
import signal
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from localrag.__main__ import main
from localrag.bundles import (
    copy_collection,
    discard_unfinished,
    export_collection,
    import_collection,
    rename_collection,
)
from localrag.chat.store import ConversationStore
from localrag.documents.ingest import Control
from localrag.documents.ledger import CollectionRecord
from localrag.documents.source import Source
from localrag.documents.unfinished import Unfinished
from localrag.embeddings.base import Vectors
from localrag.embeddings.fake import FakeEmbeddings
from localrag.engine import Engine, open_engine
from localrag.errors import EmbeddingError, StoreError
from localrag.library import Library
from localrag.settings import RetrievalSettings, Settings, load_settings
from localrag.types import SearchResult

ROOT = Path(__file__).parents[2]
DRILL = "The Kestrel drill has a warranty of 31 months. It weighs 1.4 kg.\n\nIts motor was designed in Oslo by Ada Berg.\n"
QUESTIONS = ("How long is the warranty of the drill?", "Who designed the motor?", "Which harbour has record number 41?")
DISTINCT = (2, 2, 1)
"""Passages of each question that have a score of their own with fake embeddings."""


def settings_at(place: Path, **given: object) -> Settings:
    return load_settings({"data_dir": place, "llm": "fake", "embeddings": "fake", **given}, {}, place)


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    opened = Library(settings_at(tmp_path / "sender"))
    yield opened
    opened.close()


@pytest.fixture
def colleague(tmp_path: Path) -> Iterator[Library]:
    opened = Library(settings_at(tmp_path / "colleague"))
    yield opened
    opened.close()


def long_text(sentences: int) -> str:
    return " ".join(f"The record number {n} describes harbour {n * 7} and its {n * 3} people." for n in range(sentences))


def fill(library: Library, folder: Path, name: str = "work") -> CollectionRecord:
    """Two folders with files of one name, a Markdown file, an archive, an empty and an uploaded one."""
    for inner, more in (("one", ""), ("two", "Beside it nothing is known.")):
        (folder / inner).mkdir(parents=True, exist_ok=True)
        (folder / inner / "notes.txt").write_text(f"{DRILL} {more}")
    (folder / "harbours.md").write_text("# Harbours\n\n" + long_text(300))
    (folder / "blank.txt").write_text(" ")
    with zipfile.ZipFile(folder / "old.zip", "w") as archive:
        archive.writestr("deep/inside.txt", "The Merlin saw was first sold in 1998.")
    paths = [folder / "one/notes.txt", folder / "two/notes.txt", *(folder / n for n in ("harbours.md", "blank.txt", "old.zip"))]
    sources = [Source(path.name, path=path) for path in paths]
    sources += [Source("uploaded 한글.txt", data=b"The lamp burned whale oil."), Source("gone.txt", path=folder / "gone.txt")]
    for _ in library.ingest(name, sources):
        pass
    return library.collection(name)


def export(library: Library, path: Path, name: str = "work", with_vectors: bool = True, with_paths: bool = False) -> Path:
    for _ in export_collection(library, name, path, with_vectors, with_paths=with_paths):
        pass
    return path


def drained(steps: Iterator[tuple[int, int]]) -> CollectionRecord:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            made = end.value
            break
    assert isinstance(made, CollectionRecord)
    return made


def answers(library: Library, name: str, counts: Sequence[int] = DISTINCT) -> list[SearchResult]:
    alone = RetrievalSettings(vector_weight=1.0)  # what becomes of vectors is what is tested
    return [library.search(name, question, k=k, retrieval=alone) for question, k in zip(QUESTIONS, counts, strict=True)]


def assert_alike(found: list[SearchResult], wanted: list[SearchResult], tolerance: float = 1e-3) -> None:
    for mine, theirs in zip(found, wanted, strict=True):
        assert [(e.text, e.start, e.end, e.location, e.page) for e in mine.evidence] == [
            (e.text, e.start, e.end, e.location, e.page) for e in theirs.evidence
        ]
        assert [e.focus for e in mine.evidence] == [e.focus for e in theirs.evidence]
        assert [e.score for e in mine.evidence] == pytest.approx([e.score for e in theirs.evidence], abs=tolerance)


def contents(library: Library, name: str) -> list[tuple[object, ...]]:
    """All that does not depend on the collection or on paths, in the order of contents."""
    ledger = library.ledger
    return sorted(
        (
            record.sha256,
            record.name,
            record.title,
            record.type,
            record.language,
            record.status,
            record.error,
            record.added,
            record.chunks,
            record.characters,
            ledger.text(record.id),
            ledger.marks(record.id),
            tuple((c.start, c.end, c.text, c.location, c.page) for c in ledger.chunks_of(record.id)),
        )
        for record in library.documents(name)
        if record.status != "failed"
    )


def is_clean(library: Library) -> bool:
    """Nothing in the ledger or in Chroma belongs to no collection that is seen."""
    db = library.ledger.db
    seen = {record.id for record in library.collections()}
    indexes = {found.name for found in library.index().client.list_collections()}
    orphans = db.rows("SELECT 1 FROM sentences WHERE chunk_id NOT IN (SELECT id FROM chunks)")
    homes = {row["collection_id"] for table in ("documents", "sources") for row in db.rows(f"SELECT * FROM {table}")}
    known = {row["id"] for row in db.rows("SELECT id FROM collections")}
    return known == seen and homes <= seen and not orphans and indexes <= {r.index_name for r in library.collections()}


def test_an_import_holds_what_was_exported(library: Library, colleague: Library, tmp_path: Path) -> None:
    sent = fill(library, tmp_path / "docs")
    path = export(library, tmp_path / "work.localrag")
    made = drained(import_collection(colleague, path))
    assert (made.name, made.documents, made.chunks) == ("work", sent.documents, sent.chunks)
    assert contents(colleague, "work") == contents(library, "work")
    assert colleague.index().count(made.index_name) == made.chunks
    assert_alike(answers(colleague, "work"), answers(library, "work"))
    assert not {r.id for r in library.documents("work")} & {r.id for r in colleague.documents("work")}
    assert is_clean(colleague)


def test_folders_of_the_sender_stay_with_the_sender(library: Library, colleague: Library, tmp_path: Path) -> None:
    secret = tmp_path / "Ada Berg, private"
    fill(library, secret)
    path = export(library, tmp_path / "work.localrag")
    with zipfile.ZipFile(path) as archive:
        everything = b"".join(archive.read(name) for name in archive.namelist())
    assert b"private" not in everything
    assert str(tmp_path).encode() not in everything
    drained(import_collection(colleague, path))
    assert sorted(record.source for record in colleague.documents("work")) == [
        "blank.txt",
        "harbours.md",
        "notes.txt",
        "notes.txt (2)",
        "old.zip/deep/inside.txt",
        "uploaded 한글.txt",
    ]


def test_paths_go_along_when_they_are_wanted(library: Library, colleague: Library, tmp_path: Path) -> None:
    fill(library, tmp_path / "docs")
    drained(import_collection(colleague, export(library, tmp_path / "work.localrag", with_paths=True)))
    sources = {record.source for record in colleague.documents("work")}
    assert sources == {record.source for record in library.documents("work") if record.status != "failed"}
    (event,) = [
        event for event in colleague.ingest("work", [Source("notes.txt", path=tmp_path / "docs/one/notes.txt")]) if event.status
    ]
    assert event.status == "unchanged"


def test_a_document_at_two_places_keeps_both(library: Library, colleague: Library, tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text(DRILL)
    for _ in library.ingest("work", [Source(name, path=tmp_path / name) for name in ("a.txt", "b.txt")]):
        pass
    drained(import_collection(colleague, export(library, tmp_path / "w.localrag")))
    (record,) = colleague.documents("work")
    assert (record.source, record.also) == ("a.txt", ("b.txt",))
    colleague.delete_document("work", "b.txt")
    assert is_clean(colleague)


def test_without_vectors_the_texts_are_embedded_anew(library: Library, colleague: Library, tmp_path: Path) -> None:
    fill(library, tmp_path / "docs")
    path = export(library, tmp_path / "w.localrag", with_vectors=False)
    assert path.stat().st_size < export(library, tmp_path / "v.localrag").stat().st_size
    made = drained(import_collection(colleague, path))
    assert colleague.index().count(made.index_name) == made.chunks > 0
    assert_alike(answers(colleague, "work"), answers(library, "work"))


def test_vectors_of_another_model_are_not_used(library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(library, tmp_path / "docs")
    wanted = answers(library, "work")
    path = export(library, tmp_path / "w.localrag")
    content = read_members(path)
    made = json.loads(content["manifest.json"])
    made["embedding"]["identity"] = "gguf:another"
    content["manifest.json"] = json.dumps(made).encode()
    content["vectors.npy"] = turned(content["vectors.npy"])  # were they used, the search would find something else
    write_members(path, content)
    record = drained(import_collection(library, path))
    assert (record.name, record.embedding) == ("work (2)", FakeEmbeddings.identity)
    assert_alike(answers(library, "work (2)"), wanted)


def read_members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write_members(path: Path, content: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)


def turned(data: bytes) -> bytes:
    out = io.BytesIO()
    np.save(out, np.ascontiguousarray(np.load(io.BytesIO(data))[::-1]))
    return out.getvalue()


def test_vectors_that_are_used_are_those_of_the_file(library: Library, colleague: Library, tmp_path: Path) -> None:
    fill(library, tmp_path / "docs")
    path = export(library, tmp_path / "w.localrag")
    content = read_members(path)
    content["vectors.npy"] = turned(content["vectors.npy"])
    write_members(path, content)
    drained(import_collection(colleague, path))
    mine, theirs = answers(colleague, "work")[0].evidence, answers(library, "work")[0].evidence
    assert [e.text for e in mine] != [e.text for e in theirs]


def test_lost_vectors_are_made_anew_by_the_importer(library: Library, colleague: Library, tmp_path: Path) -> None:
    record = fill(library, tmp_path / "docs")
    wanted = answers(library, "work")
    ids = [c.id for d in library.documents("work") for c in library.ledger.chunks_of(d.id)]
    library.index().remove(record.index_name, ids[::3])
    made = drained(import_collection(colleague, export(library, tmp_path / "w.localrag")))
    assert colleague.index().count(made.index_name) == made.chunks
    assert_alike(answers(colleague, "work"), wanted)


def test_names_are_taken_from_the_file_and_numbered(library: Library, tmp_path: Path) -> None:
    fill(library, tmp_path / "docs")
    path = export(library, tmp_path / "w.localrag")
    assert [drained(import_collection(library, path)).name for _ in range(2)] == ["work (2)", "work (3)"]
    assert drained(import_collection(library, path, "  from   Ada ")).name == "from Ada"
    with pytest.raises(StoreError, match="named from Ada already"):
        drained(import_collection(library, path, "from Ada"))
    with pytest.raises(StoreError, match="1 to 80 characters"):
        drained(import_collection(library, path, "x" * 81))
    rename_collection(library, "work", "y" * 80)
    export(library, path, "y" * 80)
    assert drained(import_collection(library, path)).name == "y" * 76 + " (2)"
    assert is_clean(library)


@pytest.mark.parametrize(("said", "name"), [("  a \n b\t", "a b"), ("", "imported"), ("z" * 300, "z" * 80), (" ", "imported")])
def test_a_strange_name_in_the_file_becomes_a_sound_one(library: Library, tmp_path: Path, said: str, name: str) -> None:
    fill(library, tmp_path / "docs")
    path = export(library, tmp_path / "w.localrag")
    content = read_members(path)
    content["manifest.json"] = json.dumps(json.loads(content["manifest.json"]) | {"collection": said}).encode()
    write_members(path, content)
    assert drained(import_collection(library, path)).name == name
    assert name in [record.name for record in library.collections()]


def test_an_empty_collection_can_travel(library: Library, colleague: Library, tmp_path: Path) -> None:
    library.create_collection("empty")
    made = drained(import_collection(colleague, export(library, tmp_path / "e.localrag", "empty")))
    assert (made.documents, made.chunks) == (0, 0)
    assert colleague.search("empty", "anything?").evidence == ()


def test_an_export_shows_one_moment(library: Library, colleague: Library, tmp_path: Path) -> None:
    """While it goes on a document is deleted and another goes in."""
    fill(library, tmp_path / "docs")
    wanted = contents(library, "work")
    (tmp_path / "late.txt").write_text("It came too late.")
    steps = export_collection(library, "work", tmp_path / "w.localrag")
    next(steps)
    library.delete_document("work", "harbours.md")
    for _ in library.ingest("work", [Source("late.txt", path=tmp_path / "late.txt")]):
        pass
    for _ in steps:
        pass
    assert contents(library, "work") != wanted
    made = drained(import_collection(colleague, tmp_path / "w.localrag"))
    assert contents(colleague, "work") == wanted
    assert colleague.index().count(made.index_name) == made.chunks


def test_a_copy_is_of_its_own(library: Library, tmp_path: Path) -> None:
    sent = fill(library, tmp_path / "docs")
    copy = drained(copy_collection(library, "work", "copy"))
    assert (copy.documents, copy.chunks) == (sent.documents, sent.chunks)
    assert contents(library, "copy") == contents(library, "work")
    assert_alike(answers(library, "copy"), answers(library, "work"), 1e-6)
    library.delete_collection("work")
    assert "31 months" in library.search("copy", QUESTIONS[0], k=1).evidence[0].text
    events = [e for e in library.ingest("copy", [Source("notes.txt", path=tmp_path / "docs/one/notes.txt")]) if e.status]
    assert [event.status for event in events] == ["unchanged"]
    assert is_clean(library)
    with pytest.raises(StoreError, match="no collection named work"):
        drained(copy_collection(library, "work", "again"))
    with pytest.raises(StoreError, match="named copy already"):
        drained(copy_collection(library, "copy", "copy"))


def test_renaming_keeps_documents_and_conversations(library: Library, tmp_path: Path) -> None:
    fill(library, tmp_path / "docs")
    library.create_collection("other")
    store = ConversationStore(tmp_path / "conversations.sqlite")
    try:
        mine, others = store.create("work"), store.create("other")
        assert rename_collection(library, "work", "  new   name ", store).name == "new name"
        assert (store.get(mine).collection, store.get(others).collection) == ("new name", "other")
        assert [record.name for record in library.collections()] == ["new name", "other"]
        assert "31 months" in library.search("new name", QUESTIONS[0], k=1).evidence[0].text
        for new, reason in (("other", "named other already"), (" ", "1 to 80"), ("x" * 81, "1 to 80")):
            with pytest.raises(StoreError, match=reason):
                rename_collection(library, "new name", new, store)
        assert rename_collection(library, "new name", "new name", store).name == "new name"
        with pytest.raises(StoreError, match="no collection named work"):
            rename_collection(library, "work", "else", store)
        assert store.get(mine).collection == "new name"
    finally:
        store.close()
    with pytest.raises(StoreError, match="conversations"):  # the file is closed: the collection keeps its name
        rename_collection(library, "new name", "else", store)
    assert [record.name for record in library.collections()] == ["new name", "other"]


# What is broken off


def test_a_cancelled_import_leaves_nothing(library: Library, colleague: Library, tmp_path: Path) -> None:
    fill(library, tmp_path / "docs")
    with_vectors, without = export(library, tmp_path / "v.localrag"), export(library, tmp_path / "t.localrag", "work", False)
    for path in (with_vectors, without):
        steps = 0
        while True:
            control = Control()
            for at, _ in enumerate(import_collection(colleague, path, "x", control)):
                assert colleague.collections() == []
                if at == steps:
                    control.cancel()
            if not control.cancelled:
                break
            steps += 1
            assert colleague.collections() == []
            assert is_clean(colleague)
        assert steps > 3
        colleague.delete_collection("x")


def test_an_import_nobody_drains_to_the_end_leaves_nothing(library: Library, colleague: Library, tmp_path: Path) -> None:
    fill(library, tmp_path / "docs")
    steps = import_collection(colleague, export(library, tmp_path / "v.localrag"))
    next(steps)
    steps.close()
    assert is_clean(colleague)


def test_an_import_the_model_fails_leaves_nothing(
    library: Library, colleague: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(library, tmp_path / "docs")
    path = export(library, tmp_path / "t.localrag", with_vectors=False)
    embed = FakeEmbeddings.embed_texts

    def fail(self: FakeEmbeddings, texts: list[str]) -> Vectors:
        if any("harbour" in text for text in texts):
            raise EmbeddingError("The model is gone. Load it again.")
        return embed(self, texts)

    monkeypatch.setattr(FakeEmbeddings, "embed_texts", fail)
    with pytest.raises(EmbeddingError):
        drained(import_collection(colleague, path))
    assert colleague.collections() == []
    assert is_clean(colleague)


HOSTILE: dict[str, Callable[[dict[str, bytes]], object]] = {
    "vectors cut": lambda c: c.update({"vectors.npy": c["vectors.npy"][:-1]}),
    "no vectors": lambda c: c.pop("vectors.npy"),
    "a last line cut": lambda c: c.update({"documents.jsonl": c["documents.jsonl"][:-30]}),
    "a range outside": lambda c: c.update(
        {"documents.jsonl": c["documents.jsonl"].replace(b'"chunks": [[0,', b'"chunks": [[-5,')}
    ),
    "a path above": lambda c: c.update({"../x": b""}),
    "a NaN": lambda c: c.update({"vectors.npy": c["vectors.npy"][:-2] + b"\x00\x7e"}),
    "counts": lambda c: c.update({"manifest.json": c["manifest.json"].replace(b'"documents": ', b'"documents": 1')}),
}


@pytest.mark.parametrize("how", HOSTILE)
def test_a_hostile_file_leaves_nothing(library: Library, colleague: Library, tmp_path: Path, how: str) -> None:
    fill(library, tmp_path / "docs")
    path = export(library, tmp_path / "w.localrag")
    content = read_members(path)
    before = content.copy()
    HOSTILE[how](content)
    assert content != before
    write_members(path, content)
    with pytest.raises(StoreError, match=r"w\.localrag is damaged"):
        drained(import_collection(colleague, path))
    assert colleague.collections() == []
    assert is_clean(colleague)


KILLED = """
import os, signal, sys
from pathlib import Path
from localrag.bundles import import_collection
from localrag.library import Library
from localrag.settings import load_settings

place = Path(sys.argv[1])
library = Library(load_settings({"data_dir": place, "llm": "fake", "embeddings": "fake"}, {}, place))
for at, _ in enumerate(import_collection(library, Path(sys.argv[2]))):
    if at == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(("with_vectors", "step"), [(True, 0), (True, 3), (True, 6), (False, 6)])
def test_a_killed_import_is_never_seen_and_swept_at_the_next_start(
    library: Library, tmp_path: Path, with_vectors: bool, step: int
) -> None:
    """At step 6 all documents and vectors are there; only the name is missing."""
    fill(library, tmp_path / "docs")
    path = export(library, tmp_path / "w.localrag", with_vectors=with_vectors)
    place = tmp_path / "colleague"
    command = [sys.executable, "-c", KILLED, str(place), str(path), str(step)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == -signal.SIGKILL, done.stderr
    with sqlite3.connect(place / "ledger.sqlite") as db:
        assert db.execute("SELECT count(*) FROM documents").fetchone()[0] > 0
    db.close()
    settings = settings_at(place)
    opened = Library(settings)
    assert opened.collections() == []
    assert len(opened.ledger.collections(hidden=True)) == 1
    opened.close()
    engine = open_engine(settings)
    try:
        assert engine.library.ledger.collections(hidden=True) == []
        assert is_clean(engine.library)
        assert drained(import_collection(engine.library, path)).name == "work"
    finally:
        engine.close()


def test_sweeping_leaves_whole_collections_alone(library: Library, tmp_path: Path) -> None:
    fill(library, tmp_path / "docs")
    assert discard_unfinished(library) == 0
    library.ledger.add_hidden("fake", "fake", 256)
    assert discard_unfinished(library) == 1
    assert [record.name for record in library.collections()] == ["work"]


# Jobs of the engine


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    opened = Engine(settings_at(tmp_path / "sender"))
    yield opened
    opened.close()


def test_export_import_and_copy_are_jobs(engine: Engine, tmp_path: Path) -> None:
    sent = fill(engine.library, tmp_path / "docs")
    exported = engine.intake.export("work", tmp_path / "w.localrag")
    imported = engine.intake.import_(tmp_path / "w.localrag")
    copied = engine.intake.copy("work", "copy")
    assert all(job.wait(60) for job in (exported, imported, copied))
    for job, name in ((exported, "work"), (imported, "work (2)"), (copied, "copy")):
        view = job.snapshot()
        assert (view.error, view.done) == ("", 1)
        (event,) = view.events
        assert (event.name, event.status, event.done, event.chunks) == (name, "indexed", sent.chunks, sent.chunks)
    assert [record.name for record in engine.library.collections()] == ["copy", "work", "work (2)"]


def test_a_job_that_fails_says_why(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "no.localrag").write_bytes(b"PK\x03\x04 nonsense")
    job = engine.intake.import_(tmp_path / "no.localrag")
    assert job.wait(60)
    assert "no.localrag is damaged" in job.snapshot().error
    with pytest.raises(StoreError, match="no collection named"):
        engine.intake.export("nothing", tmp_path / "n.localrag")
    assert not (tmp_path / "n.localrag").exists()


def test_a_closed_engine_leaves_no_half_import(engine: Engine, tmp_path: Path) -> None:
    fill(engine.library, tmp_path / "docs")
    job = engine.intake.copy("work", "copy")
    job.control.pause()
    engine.intake.close()
    assert job.finished
    assert engine.library.ledger.collections(hidden=True) == []
    names = [record.name for record in engine.library.collections()]
    assert names == ["work"] or job.snapshot().done == 1


def test_renaming_waits_for_documents_that_go_in(engine: Engine, tmp_path: Path) -> None:
    fill(engine.library, tmp_path / "docs")
    conversation = engine.new_conversation("work")
    job = engine.intake.rebuild("work")
    job.control.pause()
    blocked = not job.finished
    if blocked:
        with pytest.raises(StoreError, match="being worked on"):
            engine.rename_collection("work", "new")
    job.control.resume()
    assert job.wait(60)
    assert engine.rename_collection("work", "new") == "new"
    assert engine.conversation(conversation).collection == "new"


# The command line


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    monkeypatch.chdir(tmp_path)
    for name, value in {"DATA_DIR": str(tmp_path / "data"), "EMBEDDINGS": "fake", "LLM": "fake"}.items():
        monkeypatch.setenv(f"LOCALRAG_{name}", value)

    def command(*arguments: str) -> tuple[int, str, str]:
        capfd.readouterr()
        try:
            status = main(["collections", *arguments])
        except SystemExit as exc:
            status = int(exc.code or 0)
        out, err = capfd.readouterr()
        assert "Traceback" not in out + err
        return status, out, err

    return command


def test_the_command_line_does_it_all(run: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    (tmp_path / "drill.txt").write_text(DRILL)
    assert main(["ingest", "drill.txt", "-c", "work"]) == 0
    lines = [
        json.loads(run(*arguments, "--json")[1])
        for arguments in (
            ("--export", "work", "out"),
            ("--import", "out.localrag", "--as", "theirs"),
            ("--import", "out.localrag"),
            ("--copy", "work", "copy"),
            ("--rename", "copy", "renamed"),
            ("--delete", "theirs"),
        )
    ]
    assert [(line["collection"], line["status"]) for line in lines] == [
        ("work", "exported"),
        ("theirs", "imported"),
        ("work (2)", "imported"),
        ("copy", "copied"),
        ("renamed", "renamed"),
        ("theirs", "deleted"),
    ]
    assert (lines[0]["file"], lines[0]["bytes"]) == ("out.localrag", (tmp_path / "out.localrag").stat().st_size)
    assert [line["chunks"] for line in lines[:4]] == [1, 1, 1, 1]
    listed = [json.loads(line)["collection"] for line in run("--json")[1].splitlines()]
    assert listed == ["renamed", "work", "work (2)"]
    assert run("--export", "work", "plain.localrag", "--no-vectors", "--with-paths")[0] == 0
    content = read_members(tmp_path / "plain.localrag")
    assert set(content) == {"documents.jsonl", "manifest.json"}
    assert str(tmp_path / "drill.txt").encode() in content["documents.jsonl"]
    assert "exported work to" in run("--export", "work", str(tmp_path))[1]
    assert (tmp_path / "work.localrag").exists()


def test_the_command_line_says_what_is_wrong(run: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    (tmp_path / "drill.txt").write_text(DRILL)
    (tmp_path / "bad.localrag").write_bytes(b"nothing of the kind")
    assert main(["ingest", "drill.txt", "-c", "work"]) == 0
    for arguments, reason in (
        (("--rename", "none", "x"), "no collection named none"),
        (("--rename", "work", ""), "1 to 80"),
        (("--copy", "work", "work"), "named work already"),
        (("--export", "none", "x"), "no collection named none"),
        (("--export", "work", "no/such/folder/x"), "cannot be written"),
        (("--import", "missing"), "There is no file"),
        (("--import", "bad.localrag"), "bad.localrag is damaged"),
        (("--import", "."), "There is no file"),
    ):
        status, out, err = run(*arguments)
        assert (status, out) == (1, "")
        assert reason in err
        assert len(err.splitlines()) == 1
    for wrong in (
        ("--as", "x"),
        ("--no-vectors",),
        ("--with-paths", "--delete", "work"),
        ("--rename", "a"),
        ("--delete", "a", "--import", "b"),
    ):
        assert run(*wrong)[0] == 2
    assert [line.split("  ")[0] for line in run()[1].splitlines()] == ["work"]


# With the real embedding model


@pytest.mark.models
@pytest.mark.parametrize("with_vectors", [True, False])
def test_a_colleague_finds_the_same_evidence(tmp_path: Path, models_dir: Path, with_vectors: bool) -> None:
    given = {"models_dir": models_dir, "embeddings": "llamacpp"}
    sender, receiver = (Library(settings_at(tmp_path / name, **given)) for name in ("sender", "colleague"))
    try:
        record = fill(sender, tmp_path / "docs")
        path = export(sender, tmp_path / "w.localrag", with_vectors=with_vectors)
        made = drained(import_collection(receiver, path))
        assert_alike(answers(receiver, "work", (4, 4, 4)), answers(sender, "work", (4, 4, 4)))
        kept = Unfinished(receiver.ledger.db).count_sentences(made.id, made.index_name)
        assert kept == Unfinished(sender.ledger.db).count_sentences(record.id, record.index_name) > made.chunks
        assert is_clean(receiver)
    finally:
        sender.close()
        receiver.close()
