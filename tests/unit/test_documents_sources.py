"""Files and folders."""

import os
import socket
from pathlib import Path

import pytest

from localrag.documents.sources import find_files, is_address, read_file
from localrag.errors import DocumentError


def names(found: list[Path], root: Path) -> list[str]:
    return [path.relative_to(root).as_posix() for path in found]


def test_a_folder_gives_its_visible_files_sorted_at_any_depth(tmp_path: Path) -> None:
    for name in ("b.txt", "a/z.md", "a/b/c.html", ".hidden/x.txt", "a/.secret", "empty/none/.keep"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    assert names(find_files(tmp_path), tmp_path) == ["a/b/c.html", "a/z.md", "b.txt"]


def test_a_file_gives_itself_and_a_hidden_folder_can_be_named(tmp_path: Path) -> None:
    hidden = tmp_path / ".notes"
    hidden.mkdir()
    (hidden / "a.txt").write_text("x")
    assert find_files(hidden / "a.txt") == find_files(hidden) == [hidden / "a.txt"]


def test_paths_come_out_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.txt").write_text("x")
    monkeypatch.chdir(tmp_path)
    assert find_files(Path(".")) == [tmp_path / "a.txt"]


def test_links_are_followed_once_and_loops_never(tmp_path: Path) -> None:
    (tmp_path / "outside.txt").write_text("x")
    root, other = tmp_path / "root", tmp_path / "other"
    for folder in (root / "sub", other):
        folder.mkdir(parents=True)
        (folder / "a.txt").write_text("x")
    (root / "sub" / "loop").symlink_to(root)
    (root / "up").symlink_to(tmp_path)
    (root / "linked").symlink_to(other)
    (root / "linked-again").symlink_to(other)
    (root / "self").symlink_to(root / "self")
    (root / "gone").symlink_to(root / "nowhere")
    found = names(find_files(root), root)
    assert len(found) == 2
    assert "sub/a.txt" in found


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs on this system")
def test_what_is_no_regular_file_is_left_out_and_refused_without_hanging(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        assert find_files(tmp_path) == []
        with pytest.raises(DocumentError, match=r"s is a socket, not a regular file\..*\.$"):
            find_files(tmp_path / "s")
    with pytest.raises(DocumentError, match="is a FIFO"):
        read_file(tmp_path / "fifo", 1)
    with pytest.raises(DocumentError, match="is a device"):
        read_file(Path("/dev/zero"), 1)


@pytest.mark.parametrize("act", [find_files, lambda path: read_file(path, 1)])
def test_a_missing_path_is_one_sentence(tmp_path: Path, act) -> None:
    with pytest.raises(DocumentError, match=r"none\.txt does not exist\. Check the path\.$"):
        act(tmp_path / "none.txt")
    with pytest.raises(DocumentError, match="cannot be opened"):
        act(tmp_path / ("x" * 5_000))
    with pytest.raises(DocumentError, match="cannot be opened"):
        act(Path("a\0b"))


def test_read_file_gives_the_bytes_up_to_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"x" * 1_000_000)
    assert read_file(path, 1) == b"x" * 1_000_000
    path.write_bytes(b"x" * 1_000_001)
    with pytest.raises(DocumentError, match=r"a\.bin is larger than the 1 MB that are read\..*\.$"):
        read_file(path, 1)


def test_a_folder_is_not_read_as_a_file(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match=r"is a folder, not a file\. Add the files in it\.$"):
        read_file(tmp_path, 1)


def test_missing_permission_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.txt").write_text("x")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        with pytest.raises(DocumentError, match=r"a\.txt may not be read by this user\..*\.$"):
            read_file(tmp_path / "a.txt", 1)
    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(DocumentError, match="may not be read by this user"):
        find_files(tmp_path)


def test_a_locked_folder_inside_is_named_so_that_reading_it_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "locked").mkdir()
    (tmp_path / "a.txt").write_text("x")
    scan = os.scandir

    def refuse(path: Path) -> object:
        if path.name == "locked":
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert names(find_files(tmp_path), tmp_path) == ["a.txt", "locked"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://a", True),
        (" HTTPS://a.b/c", True),
        ("file:///etc", True),
        ("C:\\x", False),
        ("notes/http.txt", False),
        ("www.example.com", False),
        ("", False),
        ("://x", False),
    ],
)
def test_an_address_begins_with_a_scheme(text: str, expected: bool) -> None:
    assert is_address(text) is expected
