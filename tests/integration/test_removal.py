"""Deleting documents with their files, and reading documents again, on a real ledger and a real Chroma."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from localrag.documents.source import Source, sources_at
from localrag.library import Library
from localrag.removal import FileFate, remove, source_files
from localrag.rereading import ask_anew
from localrag.types import DocumentRecord

SECRET = "wherefore"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three files of different content."""
    made = tmp_path / "docs"
    made.mkdir()
    for name in ("tea", "coffee", "water"):
        (made / f"{name}.txt").write_text(f"The {name} is hot. {SECRET}{name} is a word of it.", "utf-8")
    return made


def take_in(library: Library, *sources: Source) -> list[str | None]:
    return [event.status for event in library.ingest("c", sources) if event.status is not None]


def named(library: Library, *names: str) -> list[DocumentRecord]:
    return [record for record in library.documents("c") if record.name in names]


def test_documents_go_with_their_files_and_the_others_stay(library: Library, folder: Path) -> None:
    take_in(library, *sources_at(str(folder)))
    chosen = named(library, "tea.txt", "coffee.txt")
    paths = [file.path for file in source_files(library, "c", chosen)]
    assert sorted(paths) == [str(folder / "coffee.txt"), str(folder / "tea.txt")]
    done = remove(library, "c", chosen, paths)
    assert done.files == tuple(FileFate(path, True, "deleted") for path in sorted(paths))
    assert (done.documents, done.chunks) == (2, 2)
    assert [path.name for path in folder.iterdir()] == ["water.txt"]
    assert [record.name for record in library.documents("c")] == ["water.txt"]
    assert library.index().count(library.collection("c").index_name) == 1


def test_without_being_asked_for_no_file_is_touched(library: Library, folder: Path) -> None:
    take_in(library, *sources_at(str(folder)))
    assert remove(library, "c", library.documents("c")).files == ()
    assert len(list(folder.iterdir())) == 3
    assert not library.documents("c")


def test_deleted_text_is_in_no_file_any_more_and_neither_is_an_index_once_it_is_rebuilt(library: Library, folder: Path) -> None:
    take_in(library, *sources_at(str(folder)))
    data = library.settings.data_dir
    word = f"{SECRET}tea".encode()

    def holding() -> list[str]:
        return [path.name for path in data.rglob("*") if path.is_file() and word in path.read_bytes()]

    assert holding()
    remove(library, "c", named(library, "tea.txt"))
    assert not holding()
    before = {path.name for path in (data / "chroma").iterdir() if path.is_dir()}
    for _ in library.rebuild("c"):
        pass
    after = {path.name for path in (data / "chroma").iterdir() if path.is_dir()}
    assert not before & after, "the old vectors are still on the disk"
    assert library.search("c", "the water is hot").evidence
    word = f"{SECRET}water".encode()
    assert holding()
    library.delete_collection("c")
    assert not holding()


def test_a_file_that_changed_since_it_was_read_is_left(library: Library, folder: Path) -> None:
    take_in(library, *sources_at(str(folder)))
    path = folder / "tea.txt"
    path.write_text("Something written since.", "utf-8")
    done = remove(library, "c", named(library, "tea.txt"), [str(path)])
    assert done.files == (FileFate(str(path), False, "left: it has changed since it was read"),)
    assert path.read_text("utf-8") == "Something written since."


def test_a_file_that_was_only_touched_is_deleted(library: Library, folder: Path) -> None:
    take_in(library, *sources_at(str(folder)))
    path = folder / "tea.txt"
    os.utime(path, (1, 1))
    assert remove(library, "c", named(library, "tea.txt"), [str(path)]).files[0].deleted


def test_a_path_that_is_none_of_the_documents_is_left(library: Library, folder: Path) -> None:
    take_in(library, *sources_at(str(folder)))
    other = folder / "water.txt"
    done = remove(library, "c", named(library, "tea.txt"), [str(other)])
    assert not done.files[0].deleted
    assert other.exists()


def test_links_archives_uploads_and_addresses_are_not_offered(library: Library, folder: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("inside.txt", "The milk is cold.")
    link = tmp_path / "link.txt"
    link.symlink_to(folder / "tea.txt")
    take_in(
        library, *sources_at(str(tmp_path / "a.zip")), *sources_at(str(link)), Source("up.txt", data=b"The juice is sweet.")
    )
    records = library.documents("c")
    assert len(records) == 3
    assert not source_files(library, "c", records)
    done = remove(library, "c", records, [str(link), str(tmp_path / "a.zip")])
    assert [fate.deleted for fate in done.files] == [False, False]
    assert (tmp_path / "a.zip").exists()
    assert (folder / "tea.txt").exists()


def test_every_source_of_one_content_is_offered_and_other_collections_are_named(library: Library, folder: Path) -> None:
    (folder / "tea2.txt").write_bytes((folder / "tea.txt").read_bytes())
    take_in(library, *sources_at(str(folder)))
    for _ in library.ingest("other", sources_at(str(folder / "tea.txt"))):
        pass
    files = source_files(library, "c", named(library, "tea.txt"))
    assert [(Path(file.path).name, file.elsewhere) for file in files] == [("tea.txt", ("other",)), ("tea2.txt", ())]
    remove(library, "c", named(library, "tea.txt"))
    assert len(library.documents("other")) == 1


def test_a_failed_document_is_removed_with_its_file(library: Library, tmp_path: Path) -> None:
    path = tmp_path / "noise.bin"
    path.write_bytes(bytes(range(256)) * 8)
    assert take_in(library, *sources_at(str(path))) == ["failed"]
    records = library.documents("c")
    assert [file.path for file in source_files(library, "c", records)] == [str(path)]
    assert remove(library, "c", records, [str(path)]).files[0].deleted
    assert not library.documents("c")


def test_unchanged_documents_are_read_again_when_asked_for(library: Library, folder: Path) -> None:
    os.utime(folder / "tea.txt", (1, 1))
    take_in(library, *sources_at(str(folder)))
    assert take_in(library, *sources_at(str(folder / "coffee.txt"))) == ["unchanged"]
    sources, lost = ask_anew(library, "c", named(library, "coffee.txt"))
    assert ([source.path for source in sources], lost) == ([folder / "coffee.txt"], [])
    assert take_in(library, *sources) == ["replaced"]
    assert take_in(library, *sources) == ["unchanged"], "once is enough"
    assert len(library.documents("c")) == 3


def test_only_what_was_asked_for_is_read_again_in_an_archive(library: Library, tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("one.txt", "The milk is cold.")
        archive.writestr("two.txt", "The juice is sweet.")
    take_in(library, *sources_at(str(path)))
    sources, _ = ask_anew(library, "c", named(library, "one.txt"))
    assert [source.path for source in sources] == [path]
    assert sorted(str(status) for status in take_in(library, *sources)) == ["replaced", "unchanged"]


def test_an_upload_cannot_be_read_again_and_stays(library: Library) -> None:
    take_in(library, Source("up.txt", data=b"The juice is sweet."))
    sources, lost = ask_anew(library, "c", library.documents("c"))
    assert not sources
    assert [record.name for record in lost] == ["up.txt"]
    assert library.search("c", "sweet juice").evidence


def test_the_source_that_is_still_there_is_read_again(library: Library, folder: Path) -> None:
    (folder / "again.txt").write_bytes((folder / "tea.txt").read_bytes())
    take_in(library, *sources_at(str(folder / "tea.txt")), *sources_at(str(folder / "again.txt")))
    (folder / "tea.txt").unlink()
    sources, _ = ask_anew(library, "c", library.documents("c"))
    assert [source.path for source in sources] == [folder / "again.txt"]
