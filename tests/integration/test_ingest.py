"""Documents into real collections: every status, and what is left after a failure, a cancel, a crash, a full disk."""

from __future__ import annotations

import hashlib
import os
import queue
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from localrag.documents.ingest import Control, IngestEvent
from localrag.documents.source import Source, sources_at
from localrag.documents.unfinished import Unfinished
from localrag.embeddings.base import Spans, Vectors
from localrag.embeddings.llamacpp import LlamaCppEmbeddings
from localrag.errors import BusyError, EmbeddingError, StoreError
from localrag.library import Library
from localrag.settings import Settings

pytestmark = pytest.mark.models

ROOT = Path(__file__).parents[2]
DRILL = "The Kestrel drill has a warranty of 31 months. It weighs 1.4 kg.\n\nIts motor was designed in Oslo by Ada Berg.\n"
SAW = "The Merlin saw was first sold in 1998. Its blade turns at 4,200 revolutions per minute.\n"


@pytest.fixture
def library(real_settings: Settings) -> Iterator[Library]:
    opened = Library(real_settings)
    yield opened
    opened.close()


def file(folder: Path, name: str, text: str | bytes) -> Source:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return Source(name, path=path)


def take_in(library: Library, *sources: Source, collection: str = "default") -> list[IngestEvent]:
    """The last event of each source."""
    return [event for event in library.ingest(collection, list(sources)) if event.status is not None]


def counts(library: Library, collection: str = "default") -> tuple[int, int]:
    """Chunks as the ledger and as Chroma count them."""
    record = library.collection(collection)
    return record.chunks, library.index().count(record.index_name)


def found(library: Library, question: str, collection: str = "default") -> str:
    evidence = library.search(collection, question, k=1).evidence
    return evidence[0].text if evidence else ""


def long_text(sentences: int, word: str = "alpha") -> str:
    return " ".join(
        f"The {word} record number {n} describes harbour {n * 7} and its crew of {n * 3} people." for n in range(sentences)
    )


def test_new_files_are_indexed_and_found(library: Library, tmp_path: Path) -> None:
    events = take_in(library, file(tmp_path, "drill.txt", DRILL), file(tmp_path, "säge 한글.md", f"# Saw\n\n{SAW}"))
    assert [(event.status, event.error) for event in events] == [("indexed", ""), ("indexed", "")]
    assert "31 months" in found(library, "How long is the warranty of the drill?")
    assert "1998" in found(library, "When was the saw first sold?")
    assert counts(library)[0] == counts(library)[1] == sum(event.chunks for event in events)


def test_a_file_that_did_not_change_is_left_alone(library: Library, tmp_path: Path) -> None:
    source = file(tmp_path, "drill.txt", DRILL)
    (first,) = take_in(library, source)
    added = library.documents("default")[0].added
    (second,) = take_in(library, source)
    assert (second.status, second.chunks) == ("unchanged", first.chunks)
    assert library.documents("default")[0].added == added


def test_reingesting_a_file_replaces_its_chunks(library: Library, tmp_path: Path) -> None:
    take_in(library, file(tmp_path, "a.txt", DRILL + long_text(40)))
    (event,) = take_in(library, file(tmp_path, "a.txt", SAW))
    assert (event.status, event.chunks) == ("replaced", 1)
    assert counts(library) == (1, 1)
    assert "drill" not in found(library, "How long is the warranty of the drill?")


def test_other_chunk_settings_split_an_unchanged_file_anew(library: Library, tmp_path: Path) -> None:
    source = file(tmp_path, "a.txt", long_text(40))
    (first,) = take_in(library, source)
    library.settings = library.settings.with_values({"chunk_chars": 200})
    (second,) = take_in(library, source)
    assert second.status == "replaced"
    assert second.chunks > first.chunks
    assert counts(library) == (second.chunks, second.chunks)


@pytest.mark.parametrize("content", ["", " \n\t\n ", "\ufeff"])
def test_a_file_without_text_is_empty_and_listed(library: Library, tmp_path: Path, content: str) -> None:
    (event,) = take_in(library, file(tmp_path, "blank.txt", content))
    assert (event.status, event.chunks) == ("empty", 0)
    assert "blank.txt" in event.error
    assert [(record.status, record.chunks) for record in library.documents("default")] == [("empty", 0)]
    (again,) = take_in(library, file(tmp_path, "blank.txt", DRILL))
    assert again.status == "indexed"


def test_a_failed_file_is_said_and_the_rest_goes_in(library: Library, tmp_path: Path) -> None:
    missing = Source("no.txt", path=tmp_path / "no.txt")
    events = take_in(library, missing, Source("closed", address="http://127.0.0.1:9/"), file(tmp_path, "drill.txt", DRILL))
    assert [event.status for event in events] == ["failed", "failed", "indexed"]
    assert "no.txt" in events[0].error
    assert {record.source: record.status for record in library.documents("default")} == {
        str(tmp_path / "no.txt"): "failed",
        "http://127.0.0.1:9/": "failed",
        str(tmp_path / "drill.txt"): "indexed",
    }
    (later,) = take_in(library, file(tmp_path, "no.txt", SAW))
    assert later.status == "indexed"
    assert counts(library) == (2, 2)


def test_a_file_that_fails_later_leaves_its_earlier_version_in(library: Library, tmp_path: Path) -> None:
    source = file(tmp_path, "drill.txt", DRILL)
    take_in(library, source)
    source.path.unlink()  # type: ignore[union-attr]
    (event,) = take_in(library, source)
    assert event.status == "failed"
    assert [record.status for record in library.documents("default")] == ["indexed"]
    assert "31 months" in found(library, "How long is the warranty of the drill?")


def test_a_name_that_is_no_unicode_goes_in_and_can_be_found(library: Library, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.txt")
    path.write_text(DRILL)
    missing = tmp_path / os.fsdecode(b"gone\xe9.txt")
    events = take_in(library, Source(path.name, path=path), Source(missing.name, path=missing))
    assert [event.status for event in events] == ["indexed", "failed"]
    assert events[0].document.endswith("caf\\xe9.txt")
    assert library.find_document("default", str(path)).status == "indexed"
    assert "31 months" in found(library, "How long is the warranty of the drill?")


def test_what_was_uploaded_goes_in_under_its_name(library: Library) -> None:
    (event,) = take_in(library, Source("drill.txt", data=DRILL.encode()))
    assert (event.status, event.document) == ("indexed", "drill.txt")
    (again,) = take_in(library, Source("drill.txt", data=SAW.encode()))
    assert again.status == "replaced"


def test_every_hit_is_the_documents_text_at_its_place(library: Library, tmp_path: Path) -> None:
    korean = "위원회는 항구에 관한 긴 논의 끝에 예산에 합의했다. 배의 승무원은 31명이다. " * 20
    article = f"<h1>Saws &amp; drills</h1><p>{SAW}</p><pre>a\n  b</pre><p>{long_text(30)}</p>"
    page = f"<html><body><article>{article}</article></body></html>"
    take_in(
        library,
        file(tmp_path, "a.txt", "\ufeff" + long_text(30) + "\r\n\r\n" + DRILL),
        file(tmp_path, "b.txt", "\U0001f642 " + korean),
        file(tmp_path, "c.html", page),
        file(tmp_path, "d.md", f"# One\n\n{DRILL}\n## Two\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n{SAW}"),
    )
    seen = set()
    for question in (
        "How long is the warranty of the drill?",
        "승무원은 몇 명입니까?",
        "When was the saw sold?",
        "harbour crew",
    ):
        for evidence in library.search("default", question, k=20).evidence:
            text = library.ledger.text(evidence.document_id)
            assert evidence.text == text[evidence.start : evidence.end]
            seen.add(evidence.document_id)
    assert len(seen) == 4


def test_the_best_passages_come_first_and_a_budget_is_kept(library: Library, tmp_path: Path) -> None:
    take_in(library, file(tmp_path, "a.txt", long_text(60)), file(tmp_path, "drill.txt", DRILL))
    hits = library.search("default", "What does the Kestrel drill weigh?", k=5).evidence
    assert len(hits) == 5
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert hits[0].document.endswith("drill.txt")
    for budget in (10, 300, 1200):
        fitting = library.search("default", "harbour crew", budget_chars=budget).evidence
        assert sum(len(hit.text) for hit in fitting) <= budget
        assert bool(fitting) == (budget > 10)


def take_in_until(library: Library, sources: list[Source], chunks: int) -> list[IngestEvent]:
    """All events of an ingestion that is cancelled once a document has this many chunks in."""
    control, events = Control(), []
    for event in library.ingest("default", sources, control):
        events.append(event)
        if event.done >= chunks and event.status is None:
            control.cancel()
    return events


def test_cancelling_in_the_middle_leaves_nothing_half(library: Library, tmp_path: Path) -> None:
    sources = [file(tmp_path, "drill.txt", DRILL), file(tmp_path, "long.txt", long_text(4000)), file(tmp_path, "saw.txt", SAW)]
    events = take_in_until(library, sources, 100)
    assert events[-1].status is None
    assert 100 <= events[-1].done < events[-1].chunks
    assert [Path(record.source).name for record in library.documents("default")] == ["drill.txt"]
    assert counts(library) == (1, 1)
    assert Unfinished(library.ledger.db).left(library.collection("default").id) == []
    assert library.backlog.jobs() == []


def test_cancelling_a_replacement_keeps_the_old_version_whole(library: Library, tmp_path: Path) -> None:
    take_in(library, file(tmp_path, "a.txt", DRILL))
    events = take_in_until(library, [file(tmp_path, "a.txt", DRILL + long_text(4000))], 100)
    assert 100 <= events[-1].done < events[-1].chunks
    assert counts(library) == (1, 1)
    assert "31 months" in found(library, "How long is the warranty of the drill?")


def test_a_pause_holds_the_work_and_the_rest_goes_in_after_it(library: Library, tmp_path: Path) -> None:
    control = Control()
    events: queue.Queue[IngestEvent | None] = queue.Queue()

    def drain() -> None:
        for event in library.ingest("default", [file(tmp_path, "long.txt", long_text(3000))], control):
            events.put(event)
        events.put(None)

    worker = threading.Thread(target=drain)
    worker.start()
    while (event := events.get(timeout=60)) is None or not event.done:
        pass
    control.pause()
    while not events.empty() or _grows(events):  # what was on its way still lands
        events.get()
    assert worker.is_alive()
    assert control.paused
    control.resume()
    worker.join(120)
    assert counts(library)[0] == counts(library)[1] == library.documents("default")[0].chunks > 100


def _grows(events: queue.Queue[IngestEvent | None]) -> bool:
    """Whether anything comes in the time three batches take."""
    try:
        events.put(events.get(timeout=6))
    except queue.Empty:
        return False
    return True


def test_the_same_content_twice_is_one_document_with_two_sources(library: Library, tmp_path: Path) -> None:
    first, second = file(tmp_path, "a.txt", DRILL), file(tmp_path, "b.txt", DRILL)
    assert [event.status for event in take_in(library, first, second)] == ["indexed", "unchanged"]
    (record,) = library.documents("default")
    assert (record.source, record.also) == (str(first.path), (str(second.path),))
    assert counts(library) == (1, 1)
    file(tmp_path, "a.txt", SAW)
    assert [event.status for event in take_in(library, first)] == ["replaced"]
    assert {record.source for record in library.documents("default")} == {str(first.path), str(second.path)}
    assert counts(library) == (2, 2)


def test_an_archive_that_was_broken_off_is_not_taken_for_unchanged(library: Library, tmp_path: Path) -> None:
    path = tmp_path / "both.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", DRILL)
        archive.writestr("b.txt", long_text(3000))
        archive.writestr("c.txt", SAW)
    os.utime(path, (1_700_000_000, 1_700_000_000))
    source = Source("both.zip", path=path)
    take_in_until(library, [source], 64)
    assert [Path(record.source).name for record in library.documents("default")] == ["a.txt"]
    assert [event.status for event in take_in(library, source)] == ["unchanged", "indexed", "indexed"]
    assert [event.status for event in take_in(library, source)] == ["unchanged"] * 3


def test_a_damaged_file_is_listed_and_takes_nothing_else_along(library: Library, tmp_path: Path) -> None:
    """A file that fails while it is read, in one batch with copies: each source is in the ledger with what became of it."""
    first, second = file(tmp_path, "a.txt", DRILL), file(tmp_path, "c.txt", DRILL)
    broken = file(tmp_path, "b.pdf", b"%PDF-1.7\nnothing of a PDF follows")
    assert [event.status for event in take_in(library, first, broken, second)] == ["indexed", "failed", "unchanged"]
    assert {(r.source, r.status, r.also) for r in library.documents("default")} == {
        (str(first.path), "indexed", (str(second.path),)),
        (str(broken.path), "failed", ()),
    }


def test_a_renamed_file_is_not_embedded_again(library: Library, tmp_path: Path) -> None:
    first = file(tmp_path, "a.txt", DRILL)
    take_in(library, first)
    assert first.path is not None
    moved = Source("b.txt", path=first.path.rename(tmp_path / "b.txt"))
    (event,) = take_in(library, moved)
    assert (event.status, event.document) == ("unchanged", str(moved.path))


def test_the_files_of_an_archive_come_and_go_with_it(library: Library, tmp_path: Path) -> None:
    def pack(**texts: str) -> Source:
        path = tmp_path / "both.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for name, text in texts.items():
                archive.writestr(f"docs/{name}.txt", text)
        return Source("both.zip", path=path)

    inside = str(tmp_path / "both.zip" / "docs")
    events = take_in(library, pack(drill=DRILL, saw=SAW))
    assert [(event.status, event.document) for event in events] == [
        ("indexed", f"{inside}/drill.txt"),
        ("indexed", f"{inside}/saw.txt"),
    ]
    assert [event.status for event in take_in(library, pack(saw=SAW, third=long_text(3)))] == ["unchanged", "indexed"]
    assert {record.source for record in library.documents("default")} == {f"{inside}/saw.txt", f"{inside}/third.txt"}
    assert counts(library) == (2, 2)


def test_a_model_that_fails_in_the_middle_leaves_nothing_half(library: Library, tmp_path: Path) -> None:
    real = library.embeddings()

    class Failing(LlamaCppEmbeddings):
        """The real model until it comes to the poisoned text."""

        def __init__(self) -> None:
            self.name, self.identity, self.dimension = real.name, real.identity, real.dimension

        def embed_passages(self, texts: list[str], spans: Sequence[Spans]) -> tuple[Vectors, list[Vectors]]:
            if any("poison" in text for text in texts):
                raise EmbeddingError("The model failed. Try again.")
            return real.embed_passages(texts, spans)

        def embed_question(self, text: str) -> np.ndarray:
            return real.embed_question(text)

        def close(self) -> None:
            real.close()

    library._embeddings = Failing()
    bad = file(tmp_path, "long.txt", long_text(900) + " poison.")
    events = take_in(library, bad, file(tmp_path, "drill.txt", DRILL))
    assert [event.status for event in events] == ["failed", "indexed"]
    assert counts(library) == (1, 1)


def test_a_crash_leaves_nothing_that_is_found_and_is_cleaned_up_later(library: Library, tmp_path: Path) -> None:
    take_in(library, file(tmp_path, "drill.txt", DRILL))
    record, question = library.collection("default"), "How long is the warranty of the drill?"
    # What a process that died leaves: ids announced, vectors written, no document. Nearer to the question than any text.
    ghosts = [hashlib.sha256(str(n).encode()).hexdigest()[:32] for n in range(60)]
    vector = library.embeddings().embed_question(question)
    Unfinished(library.ledger.db).announce(record.id, ghosts)
    library.index().put(record.index_name, library.embeddings(), ghosts, np.tile(vector, (60, 1)))
    assert library.index().count(record.index_name) == 61
    result = library.search("default", question, k=4)
    assert [Path(hit.document).name for hit in result.evidence] == ["drill.txt"]
    assert result.confidence < 0.99
    library.close()
    again = Library(library.settings)
    try:
        take_in(again, file(tmp_path, "saw.txt", SAW))
        assert counts(again) == (2, 2)
    finally:
        again.close()


def test_a_deleted_document_is_gone_and_its_file_stays(library: Library, tmp_path: Path) -> None:
    drill, saw = file(tmp_path, "drill.txt", DRILL), file(tmp_path, "saw.txt", SAW)
    take_in(library, drill, saw)
    library.delete_document("default", str(drill.path))
    assert [record.name for record in library.documents("default")] == ["saw.txt"]
    assert counts(library) == (1, 1)
    assert drill.path is not None
    assert drill.path.exists()
    with pytest.raises(StoreError, match=r"no document is named drill\.txt"):
        library.delete_document("default", "drill.txt")
    assert take_in(library, drill)[0].status == "indexed"


def test_collections_are_apart(library: Library, tmp_path: Path) -> None:
    drill = file(tmp_path, "drill.txt", DRILL)
    take_in(library, drill)
    take_in(library, drill, file(tmp_path, "saw.txt", SAW), collection="Zweite  Sammlung")
    assert [(record.name, record.documents) for record in library.collections()] == [("Zweite Sammlung", 2), ("default", 1)]
    assert "drill" in found(library, "When was the saw first sold?")
    assert "1998" in found(library, "When was the saw first sold?", "Zweite Sammlung")
    library.delete_collection("Zweite Sammlung")
    assert [record.name for record in library.collections()] == ["default"]
    assert counts(library) == (1, 1)
    with pytest.raises(StoreError, match=r"no collection named Zweite Sammlung \(there are: default\)"):
        library.search("Zweite Sammlung", "saw")


@pytest.mark.parametrize("name", ["", "  ", "x" * 81])
def test_a_collections_name_has_a_sensible_length(library: Library, name: str) -> None:
    with pytest.raises(StoreError, match="1 to 80 characters"):
        library.create_collection(name)
    assert library.collections() == []


def test_a_collection_of_another_embedding_model_is_refused(library: Library, tmp_path: Path) -> None:
    take_in(library, file(tmp_path, "drill.txt", DRILL))
    library.close()
    other = Library(library.settings.with_values({"embeddings": "fake"}))
    try:
        with pytest.raises(StoreError, match="all-MiniLM-L6-v2, the settings name fake"):
            other.search("default", "drill")
        with pytest.raises(StoreError, match="Switch back"):
            list(other.ingest("default", [file(tmp_path, "saw.txt", SAW)]))
    finally:
        other.close()


def test_one_process_writes_at_a_time_and_says_so(library: Library, tmp_path: Path) -> None:
    library.claim_writing()
    library.claim_writing()
    second = Library(library.settings)
    try:
        with pytest.raises(BusyError, match="already running"):
            list(second.ingest("default", [file(tmp_path, "drill.txt", DRILL)]))
        take_in(library, file(tmp_path, "drill.txt", DRILL))
        assert "31 months" in found(second, "How long is the warranty of the drill?")
        library.close()
        second.claim_writing()
    finally:
        second.close()


def test_a_reader_that_is_open_sees_what_another_process_adds(library: Library, tmp_path: Path) -> None:
    take_in(library, file(tmp_path, "drill.txt", DRILL))
    reader = Library(library.settings)
    try:
        assert "drill" in found(reader, "When was the saw first sold?")
        library.close()
        file(tmp_path, "saw.txt", SAW)
        settings = library.settings
        command = [sys.executable, "-m", "localrag", "ingest", "--data-dir", str(settings.data_dir)]
        command += ["--models-dir", str(settings.models_dir), str(tmp_path / "saw.txt")]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
        assert "1998" in found(reader, "When was the saw first sold?")
    finally:
        reader.close()


def test_a_full_disk_fails_the_document_and_spares_the_others(library: Library, tmp_path: Path) -> None:
    """A limit on the size of files the process may write stands in for the disk's end."""
    take_in(library, file(tmp_path, "drill.txt", DRILL))
    library.close()
    file(tmp_path, "long.txt", long_text(2000))
    settings = library.settings
    largest = max(path.stat().st_size for path in settings.data_dir.rglob("*") if path.is_file())
    code = (
        "import resource, signal, sys\nfrom localrag.__main__ import main\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({largest + 8192}, {largest + 8192}))\nsys.exit(main(sys.argv[1:]))\n"
    )
    command = [sys.executable, "-c", code, "ingest", "--data-dir", str(settings.data_dir)]
    command += ["--models-dir", str(settings.models_dir), str(tmp_path / "long.txt")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr + done.stdout
    assert "failed" in done.stdout + done.stderr
    again = Library(settings)
    try:
        assert "31 months" in found(again, "How long is the warranty of the drill?")
        take_in(again, file(tmp_path, "saw.txt", SAW))
        assert counts(again) == (2, 2)
    finally:
        again.close()


@pytest.mark.parametrize(("first", "second"), [("a.txt", "b.txt"), ("b.txt", "a.txt")])
def test_a_renamed_file_stays_in_when_its_old_name_has_new_text(
    library: Library, tmp_path: Path, first: str, second: str
) -> None:
    """As when logs are rotated: what `first` held is `second` now, whichever of them is looked at first."""
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / first).write_text("The first day was calm and clear.", "utf-8")
    list(library.ingest("c", sources_at(str(folder))))
    (folder / first).rename(folder / second)
    (folder / first).write_text("On the second day the harbour froze.", "utf-8")
    events = [event for event in library.ingest("c", sources_at(str(folder))) if event.status is not None]
    assert {event.status for event in events} <= {"indexed", "replaced", "unchanged"}
    assert {record.name: library.ledger.text(record.id) for record in library.documents("c")} == {
        first: "On the second day the harbour froze.",
        second: "The first day was calm and clear.",
    }
    found = {library.search("c", question, k=1).evidence[0].document for question in ("calm and clear", "harbour froze")}
    assert found == {str(folder / "a.txt"), str(folder / "b.txt")}
    home = library.collection("c")
    assert library.index().ids(home.index_name) == library.ledger.chunk_ids(home.id)


def test_two_files_that_change_places_both_stay(library: Library, tmp_path: Path) -> None:
    one, two, between = tmp_path / "one.txt", tmp_path / "two.txt", tmp_path / "between"
    one.write_text("The keeper counts the ships.", "utf-8")
    two.write_text("The cook bakes the bread.", "utf-8")
    list(library.ingest("c", [*sources_at(str(one)), *sources_at(str(two))]))
    one.rename(between)
    two.rename(one)
    between.rename(two)
    list(library.ingest("c", [*sources_at(str(one)), *sources_at(str(two))]))
    texts = {record.name: library.ledger.text(record.id) for record in library.documents("c")}
    assert texts == {"one.txt": "The cook bakes the bread.", "two.txt": "The keeper counts the ships."}
    home = library.collection("c")
    assert library.index().ids(home.index_name) == library.ledger.chunk_ids(home.id)


def test_a_file_is_one_source_however_its_path_is_written(library: Library, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    path = tmp_path / "f.txt"
    path.write_text("Version one.", "utf-8")
    list(library.ingest("c", sources_at(str(path))))
    path.write_text("Version two.", "utf-8")
    list(library.ingest("c", sources_at(str(tmp_path / "sub" / ".." / "f.txt"))))
    (record,) = library.documents("c")
    assert (record.source, library.ledger.text(record.id)) == (str(path), "Version two.")
    assert library.find_document("c", str(tmp_path / "sub" / ".." / "f.txt")).id == record.id
