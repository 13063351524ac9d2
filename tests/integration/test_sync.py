"""A folder kept in sync: what comes, changes, moves and goes, and what must never be removed by mistake."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from localrag.__main__ import main
from localrag.documents.folders import Folders, SyncedFolder
from localrag.documents.ingest import Control
from localrag.documents.source import Source
from localrag.documents.unfinished import Unfinished
from localrag.embeddings.base import Vectors
from localrag.errors import BusyError, DocumentError, StoreError
from localrag.intake import Intake
from localrag.library import Library
from localrag.settings import Settings
from localrag.sync import keep_in_sync, stop_keeping, sync

DRILL = "The Kestrel drill has a warranty of 31 months. It weighs 1.4 kg.\n"
SAW = "The Merlin saw was first sold in 1998. Its blade turns at 4,200 revolutions per minute.\n"
LAMP = "The Heron lamp burns whale oil and was lit for the first time in 1841.\n"


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """A folder with two files, one of them further in."""
    write(tmp_path / "notes" / "drill.txt", DRILL)
    write(tmp_path / "notes" / "tools" / "saw.md", SAW)
    return tmp_path / "notes"


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def keep(library: Library, path: Path, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> SyncedFolder:
    return keep_in_sync(library, "default", str(path), include, exclude)


def run(library: Library, folder: SyncedFolder, **how: Any) -> dict[str, str]:
    """The status of every document of a sync, by its name below the folder; the vectors must fit the ledger after it."""
    events = [event for event in sync(library, "default", folder, **how) if event.status is not None]
    assert_tidy(library)
    return {os.path.relpath(event.document, folder.path): event.status or "" for event in events}


def assert_tidy(library: Library) -> None:
    record = library.collection("default")
    chunks = {chunk.id for document in library.documents("default") for chunk in library.ledger.chunks_of(document.id)}
    assert library.index().existing(record.index_name, sorted(chunks)) == chunks
    assert library.index().count(record.index_name) == len(chunks)
    assert Unfinished(library.ledger.db).left(record.id) == []


def known(library: Library, below: Path) -> set[str]:
    """All sources of the collection, by their names below a folder."""
    return {os.path.relpath(r.source, below) for r in library.ledger.sources(library.collection("default").id)}


def embedded(library: Library, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A list that gets every text the model embeds from now on."""
    model, seen = library.embeddings(), []
    embed = model.embed_texts

    def spy(texts: list[str]) -> Vectors:
        seen.extend(texts)
        return embed(texts)

    monkeypatch.setattr(model, "embed_texts", spy)
    return seen


def test_new_changed_and_deleted_files_follow(library: Library, notes: Path) -> None:
    folder = keep(library, notes)
    assert run(library, folder) == {"drill.txt": "indexed", "tools/saw.md": "indexed"}
    write(notes / "drill.txt", DRILL.replace("31", "42"))
    write(notes / "deep" / "er" / "lamp.txt", LAMP)
    shutil.rmtree(notes / "tools")
    assert run(library, folder) == {"drill.txt": "replaced", "deep/er/lamp.txt": "indexed", "tools/saw.md": "removed"}
    assert "42 months" in library.search("default", "warranty of the drill", k=1).evidence[0].text
    assert all("Merlin" not in evidence.text for evidence in library.search("default", "Merlin saw", k=5).evidence)


def test_an_unchanged_folder_is_neither_read_nor_embedded(
    library: Library, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file in notes.rglob("*.*"):
        os.utime(file, (1_000_000_000, 1_000_000_000))
    folder = keep(library, notes)
    run(library, folder)
    seen = embedded(library, monkeypatch)
    assert set(run(library, folder).values()) == {"unchanged"}
    assert seen == []
    (kept,) = Folders(library.ledger.db).all()
    assert kept.synced


def test_renamed_files_and_folders_are_not_embedded_again(
    library: Library, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = keep(library, notes)
    run(library, folder)
    seen = embedded(library, monkeypatch)
    (notes / "drill.txt").rename(notes / "bohrer.txt")
    (notes / "tools").rename(notes / "werkzeug")
    assert run(library, folder) == {
        "bohrer.txt": "unchanged",
        "werkzeug/saw.md": "unchanged",
        "drill.txt": "removed",
        "tools/saw.md": "removed",
    }
    assert seen == []
    assert known(library, notes) == {"bohrer.txt", "werkzeug/saw.md"}
    assert library.collection("default").documents == 2


def test_patterns_choose_and_what_they_no_longer_let_in_goes(library: Library, notes: Path) -> None:
    write(notes / "drafts" / "lamp.md", LAMP)
    assert run(library, keep(library, notes, ["*.md"], ["drafts/"])) == {"tools/saw.md": "indexed"}
    changed = run(library, keep(library, notes, ["*.txt", "drafts/*.md"]))
    assert changed == {"drafts/lamp.md": "indexed", "drill.txt": "indexed", "tools/saw.md": "removed"}
    kept = keep_in_sync(library, "default", str(notes), exclude=["drill.*"])
    assert (kept.include, kept.exclude) == (("*.txt", "drafts/*.md"), ("drill.*",))
    assert run(library, kept)["drill.txt"] == "removed"
    with pytest.raises(DocumentError, match="pattern cannot be understood"):
        keep_in_sync(library, "default", str(notes), include=["!"])


def test_files_in_archives_follow_their_archive(library: Library, notes: Path) -> None:
    with zipfile.ZipFile(notes / "both.zip", "w") as archive:
        archive.writestr("in/lamp.txt", LAMP)
        archive.writestr("empty.txt", "")
    folder = keep(library, notes, ["*.zip"])
    assert run(library, folder) == {"both.zip/in/lamp.txt": "indexed", "both.zip/empty.txt": "empty"}
    assert set(run(library, folder).values()) <= {"unchanged", "empty"}
    (notes / "both.zip").rename(notes / "pair.zip")
    assert run(library, folder)["both.zip/in/lamp.txt"] == "removed"
    assert known(library, notes) == {"pair.zip/in/lamp.txt", "pair.zip/empty.txt"}
    assert set(run(library, keep(library, notes, ["*.md"])).values()) == {"indexed", "removed"}
    assert known(library, notes) == {"tools/saw.md"}


def test_what_was_added_from_elsewhere_stays_and_what_lies_in_the_folder_goes(
    library: Library, notes: Path, tmp_path: Path
) -> None:
    elsewhere = write(tmp_path / "copy.txt", DRILL)
    hidden, beside = write(notes / ".mine" / "lamp.txt", LAMP), write(tmp_path / "notes-2" / "saw.md", SAW)
    dotted = Source("saw.md", path=notes / ".." / "notes-2" / "saw.md")
    by_hand = [
        Source("upload.txt", data=SAW.encode()),
        Source("copy.txt", path=elsewhere),
        Source("lamp.txt", path=hidden),
        Source("saw.md", path=beside),
        Source("drill.txt", path=notes / "drill.txt"),
        dotted,
        Source("drill.txt", path=beside.parent / ".." / "notes" / "drill.txt"),
    ]
    list(library.ingest("default", by_hand))
    folder = keep(library, notes)
    run(library, folder)
    for file in (notes / "drill.txt", notes / "tools" / "saw.md"):
        file.unlink()
    assert run(library, folder) == {"drill.txt": "removed", "tools/saw.md": "removed"}
    sources = {record.source for record in library.ledger.sources(folder.collection_id)}
    assert sources == {"upload.txt", str(elsewhere), str(hidden), str(beside), dotted.identity}
    assert {"31 months" in e.text for e in library.search("default", "warranty of the drill", k=1).evidence} == {True}


def test_a_missing_folder_removes_nothing_unless_forced(library: Library, notes: Path) -> None:
    folder = keep(library, notes)
    run(library, folder)
    notes.rename(notes.with_name("away"))
    with pytest.raises(DocumentError, match=r"notes is not there, so nothing was removed\. Mount"):
        run(library, folder)
    write(notes, "a file in the folder's place")
    with pytest.raises(DocumentError, match="is a file, not a folder"):
        run(library, folder, force=True)
    assert known(library, notes) == {"drill.txt", "tools/saw.md"}
    notes.unlink()
    assert run(library, folder, force=True) == {"drill.txt": "removed", "tools/saw.md": "removed"}


def test_a_folder_that_is_suddenly_empty_looks_like_a_missing_drive(library: Library, notes: Path) -> None:
    for number in range(2):
        write(notes / f"{number}.txt", f"{LAMP} {number}")
    folder = keep(library, notes)
    run(library, folder)
    away = notes.rename(notes.with_name("away"))
    notes.mkdir()
    with pytest.raises(DocumentError, match=r"holds no files, 4 were known: .*not mounted.*--force\.$"):
        run(library, folder)
    assert len(known(library, notes)) == 4
    assert set(run(library, folder, force=True).values()) == {"removed"}
    shutil.rmtree(notes)
    away.rename(notes)
    assert len(run(library, folder)) == 4
    for file in sorted(notes.glob("?.txt")):
        file.unlink()
    run(library, folder)
    (notes / "drill.txt").unlink()
    (notes / "tools" / "saw.md").unlink()
    assert run(library, folder) == {"drill.txt": "removed", "tools/saw.md": "removed"}  # few: no drive


def test_below_what_cannot_be_read_nothing_is_removed(
    library: Library, notes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drive = tmp_path / "drive"
    write(drive / "lamp.txt", LAMP)
    (notes / "linked").symlink_to(drive)
    folder = keep(library, notes)
    assert run(library, folder)["linked/lamp.txt"] == "indexed"
    drive.rename(tmp_path / "unmounted")
    (notes / "drill.txt").unlink()
    scan = os.scandir

    def refuse(path: Any) -> Any:
        if str(path) == str(notes / "tools"):
            raise PermissionError(13, "Permission denied")
        return scan(path)

    with monkeypatch.context() as patch:  # the tests may run as root, who may read everything
        patch.setattr(os, "scandir", refuse)
        assert run(library, folder) == {"tools": "failed", "drill.txt": "removed"}
    assert known(library, notes) == {"tools", "tools/saw.md", "linked/lamp.txt"}
    (notes / "linked").unlink()
    assert run(library, folder) == {"tools/saw.md": "unchanged", "tools": "removed", "linked/lamp.txt": "removed"}


def test_loops_of_links_end_and_a_folder_has_one_name(library: Library, notes: Path) -> None:
    (notes / "again").symlink_to(notes / "tools")
    (notes / "tools" / "up").symlink_to(notes)
    (notes / "tools" / "itself").symlink_to(notes / "tools" / "itself")
    assert run(library, keep(library, notes)) == {"drill.txt": "indexed", "tools/saw.md": "indexed"}


def test_of_folders_in_one_another_each_keeps_what_the_other_lets_in(library: Library, notes: Path) -> None:
    write(notes / "tools" / "lamp.txt", LAMP)
    outer, inner = keep(library, notes, ["*.txt"]), keep(library, notes / "tools", ["*.md"])
    for _ in range(2):
        run(library, outer)
        run(library, inner)
        assert known(library, notes) == {"drill.txt", "tools/lamp.txt", "tools/saw.md"}
    shutil.rmtree(notes / "tools")
    assert run(library, outer) == {"drill.txt": "unchanged"}  # the inner one may be a drive of its own
    write(notes / "tools" / "saw.md", SAW)
    assert run(library, inner) == {"saw.md": "unchanged", "lamp.txt": "removed"}
    stop_keeping(library, "default", str(notes / "tools"))
    assert run(library, outer) == {"drill.txt": "unchanged", "tools/saw.md": "removed"}


def test_a_cancelled_sync_removes_nothing(library: Library, notes: Path) -> None:
    folder, control = keep(library, notes), Control()
    run(library, folder)
    (notes / "drill.txt").rename(notes / "bohrer.txt")
    control.cancel()
    assert run(library, folder, control=control) == {}
    assert known(library, notes) == {"drill.txt", "tools/saw.md"}


def test_what_failed_is_read_again_on_demand_only(library: Library, notes: Path) -> None:
    picture = notes / "picture.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8)
    folder = keep(library, notes)
    assert run(library, folder)["picture.png"] == "failed"
    assert run(library, folder)["picture.png"] == "failed"
    assert "picture.png" not in run(library, folder, retry=False)
    assert known(library, notes) == {"drill.txt", "picture.png", "tools/saw.md"}
    picture.write_text(LAMP)
    assert run(library, folder, retry=False)["picture.png"] == "indexed"


def test_localrags_own_data_are_left_alone(fake_settings: Settings, notes: Path) -> None:
    settings = fake_settings.with_values({"data_dir": notes / "data"}, "a test")
    library = Library(settings)
    folder = keep(library, notes)
    assert run(library, folder) == {"drill.txt": "indexed", "tools/saw.md": "indexed"}
    with pytest.raises(DocumentError, match="LocalRAG keeps its own data in"):
        keep(library, notes / "data" / "chroma")
    library.close()


@pytest.mark.parametrize("place", ["", "http://example.org/a", "/no/such/folder"])
def test_what_is_no_folder_is_not_kept(library: Library, place: str) -> None:
    with pytest.raises(DocumentError, match=r"^(There is no folder|.* cannot be kept in sync)"):
        keep_in_sync(library, "default", place)
    assert library.collections() == []


def test_a_name_that_is_no_unicode_is_kept(library: Library, tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    path.mkdir()
    (path / "drill.txt").write_text(DRILL)
    folder = keep(library, path)
    assert list(run(library, folder).values()) == ["indexed"]
    assert Folders(library.ledger.db).find(folder.collection_id, path) is not None
    (path / "drill.txt").unlink()
    assert list(run(library, folder).values()) == ["removed"]


def test_a_job_syncs_says_how_many_and_why_not(library: Library, notes: Path) -> None:
    intake = Intake(library)
    try:
        folder = keep(library, notes)
        job = intake.sync("default", folder)
        assert job.wait(60)
        view = job.snapshot()
        assert (view.total, view.done, view.error) == (2, 2, "")
        shutil.rmtree(notes)
        job = intake.sync("default", folder)
        assert job.wait(60)
        assert "is not there, so nothing was removed" in job.snapshot().error
        Folders(library.ledger.db).remove(folder)
        job = intake.sync("default", folder)
        assert job.wait(60)
        assert (job.snapshot().events, job.snapshot().error) == ((), "")
    finally:
        intake.close()


def test_folders_go_with_their_collection_and_only_one_process_changes_them(
    library: Library, fake_settings: Settings, notes: Path
) -> None:
    folder = keep(library, notes)
    other = Library(fake_settings)
    with pytest.raises(BusyError, match="already running"):
        keep(other, notes)
    with pytest.raises(BusyError, match="already running"):
        next(sync(other, "default", folder))
    other.close()
    with pytest.raises(StoreError, match=r"not kept in sync with default \(there are: .*notes\)"):
        stop_keeping(library, "default", "elsewhere")
    library.delete_collection("default")
    assert Folders(library.ledger.db).all() == []
    with pytest.raises(StoreError, match="no collection named default"):
        next(sync(library, "default", folder))


@pytest.mark.models
def test_with_a_real_model_what_is_gone_is_no_longer_found(real_settings: Settings, notes: Path) -> None:
    library = Library(real_settings)
    folder = keep(library, notes)

    def found() -> str:
        return library.search("default", "When was the saw first sold?", k=1).evidence[0].text

    try:
        assert run(library, folder) == {"drill.txt": "indexed", "tools/saw.md": "indexed"}
        assert "1998" in found()
        (notes / "tools" / "saw.md").rename(notes / "moved.md")
        assert run(library, folder)["moved.md"] == "unchanged"
        assert "1998" in found()
        (notes / "moved.md").unlink()
        assert run(library, folder)["moved.md"] == "removed"
        assert "1998" not in found()
    finally:
        library.close()


# The command line


@pytest.fixture
def command(notes: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Any:
    """Runs a command beside the folder; returns its status, its JSON lines and what it said on standard error."""
    monkeypatch.chdir(notes.parent)
    monkeypatch.setenv("LOCALRAG_EMBEDDINGS", "fake")

    def run_command(*arguments: str) -> tuple[int, list[dict[str, Any]], str]:
        capfd.readouterr()
        try:
            status = main(arguments)
        except SystemExit as exc:
            status = int(exc.code or 0)
        out, err = capfd.readouterr()
        assert "Traceback" not in out + err
        return status, [json.loads(line) for line in out.splitlines() if line.startswith("{")], err

    return run_command


def test_the_command_registers_syncs_lists_and_forgets(command: Any, notes: Path) -> None:
    status, lines, _ = command("sync", "--json", "--exclude", "*.md", "notes")
    assert status == 0
    assert [(line["path"], line["status"]) for line in lines[:-1]] == [(str(notes / "drill.txt"), "indexed")]
    assert set(lines[0]) == {"path", "document", "status", "chunks", "error", "seconds"}
    assert lines[-1]["summary"]["indexed"] == 1
    (notes / "drill.txt").rename(notes / "bohrer.txt")
    status, lines, _ = command("sync", "--json")
    assert (status, [line["status"] for line in lines[:-1]]) == (0, ["unchanged", "removed"])
    status, lines, _ = command("sync", "--list", "--json")
    assert (status, lines[0]["folder"], lines[0]["exclude"], lines[0]["watched"]) == (0, str(notes), ["*.md"], False)
    assert lines[0]["synced"]
    status, lines, _ = command("sync", "--forget", "notes", "--json")
    assert (status, lines) == (0, [{"folder": str(notes), "status": "forgotten"}])
    assert command("sync", "--list", "--json")[1] == []
    assert command("documents", "--json")[1][0]["source"] == str(notes / "bohrer.txt")


def test_the_command_says_what_went_wrong_and_ends_with_the_right_status(command: Any, notes: Path) -> None:
    assert command("sync", "--list", "--watch")[0] == 2
    assert command("sync", "--include", "*.md")[0] == 2
    assert command("sync", "--list", "notes")[0] == 2
    status, _, err = command("sync")
    assert (status, "There is no collection named default" in err) == (1, True)
    status, lines, _ = command("sync", "--json", "nowhere", "notes")
    assert (status, [line["status"] for line in lines[:-1]]) == (1, ["failed", "indexed", "indexed"])
    shutil.rmtree(notes)
    status, lines, _ = command("sync", "--json")
    assert (status, lines[0]["status"], lines[0]["path"]) == (1, "failed", str(notes))
    assert "is not there, so nothing was removed" in lines[0]["error"]
    status, lines, _ = command("sync", "--json", "--force")
    assert (status, lines[-1]["summary"]["removed"]) == (0, 2)
    status, _, err = command("sync", "--forget", "elsewhere")
    assert (status, "is not kept in sync with default" in err) == (1, True)


def test_the_command_says_that_the_app_is_running(command: Any, library: Library) -> None:
    library.claim_writing()
    for arguments in (("sync", "notes"), ("sync", "--forget", "notes"), ("sync",)):
        status, _, err = command(*arguments)
        assert (status, "LocalRAG is already running" in err) == (1, True)


def test_ingest_takes_patterns(command: Any, notes: Path) -> None:
    status, lines, _ = command("ingest", "--json", "notes", "--include", "*.md", "--exclude", "drafts/")
    assert (status, [line["path"] for line in lines[:-1]]) == (0, [str(notes / "tools" / "saw.md")])
    status, lines, _ = command("ingest", "--json", "notes", "--include", "*.pdf")
    assert (status, lines[0]["status"]) == (1, "failed")
    assert "no files that the patterns let in" in lines[0]["error"]
