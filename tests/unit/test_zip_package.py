"""Archives of parts: names, damaged and hostile archives."""

import io
import random
import stat
import struct
import warnings
import zipfile
from contextlib import suppress

import pytest

from localrag.documents import zip_package
from localrag.documents.archive import Archive
from localrag.documents.raw import RawDocument
from localrag.documents.zip_package import ZipPackage, is_zip, member_names
from localrag.errors import DocumentError


def packed(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", method) as archive:
        warnings.simplefilter("ignore")
        for name, data in members:
            archive.writestr(name, data)
    return buffer.getvalue()


def package(data: bytes) -> ZipPackage:
    return ZipPackage(RawDocument(data, "a.docx"))


def test_parts_are_listed_once_and_read() -> None:
    archive = package(packed(("a.xml", b"one"), ("word/", b""), ("word/b.xml", b"two" * 200_000)))
    assert archive.names == ("a.xml", "word/b.xml")
    assert archive.has("a.xml")
    assert not archive.has("word/")
    assert archive.read("word/b.xml") == b"two" * 200_000


def test_names_with_back_slashes_or_a_leading_slash_are_found() -> None:
    archive = package(packed(("word\\document.xml", b"x"), ("/b.xml", b"y"), ("./c.xml", b"z")))
    assert archive.names == ("word/document.xml", "b.xml", "c.xml")
    assert archive.read("word/document.xml") == b"x"


def test_dots_in_names_are_resolved_inside_the_archive() -> None:
    names = ("../../evil.txt", "a/./b/../c.txt", "a/../../d.txt", "e//f.txt", "g/..", "h/.", "..hidden/x", "C:\\i.txt")
    archive = package(packed(*((name, name.encode()) for name in names)))
    assert archive.names == ("evil.txt", "a/c.txt", "d.txt", "e/f.txt", "..hidden/x", "C:/i.txt")
    assert archive.read("evil.txt") == b"../../evil.txt"


def test_symbolic_links_are_left_out() -> None:
    link = zipfile.ZipInfo("link.txt")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(link, "/etc/passwd")
        archive.writestr("real.txt", "text")
    assert package(buffer.getvalue()).names == ("real.txt",)


def test_files_whose_names_lead_through_dots_are_documents_and_hidden_ones_are_not() -> None:
    names = ("../../a.txt", "b/./c.txt", "../.d.txt", "e/.git/../f.txt", ".git/config", "__MACOSX/../g.txt", "__MACOSX/h.txt")
    archive = Archive(RawDocument(packed(*((name, b"text") for name in names)), "a.zip"))
    assert archive.members == ["a.txt", "b/c.txt", "e/f.txt", "g.txt"]


def test_the_names_of_something_else_are_none() -> None:
    whole = packed(("a.xml", b"one"))
    assert is_zip(RawDocument(whole[:20], "a"))
    assert member_names(RawDocument(whole[:20], "a")) == frozenset()
    assert not is_zip(RawDocument(b"PKzip is a program", "a"))
    assert member_names(RawDocument(b"PKzip is a program", "a")) == frozenset()
    assert member_names(RawDocument(whole, "a")) == {"a.xml"}


def test_names_are_looked_up_once_per_document(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = RawDocument(packed(("a.xml", b"one")), "a")
    assert member_names(raw) == {"a.xml"}
    monkeypatch.setattr(zip_package, "ZipPackage", None)
    assert member_names(raw) == {"a.xml"}


@pytest.mark.parametrize("keep", [4, 30, 60, -5, -30])
def test_a_cut_off_archive_is_called_damaged(keep: int) -> None:
    with pytest.raises(DocumentError, match=r"^a\.docx is damaged or cut off \(.+\)\. .+\.$"):
        package(packed(("a.xml", b"one" * 50))[:keep])


def test_a_part_with_wrong_bytes_is_called_damaged() -> None:
    data = packed(("a.xml", b"some text"), method=zipfile.ZIP_STORED).replace(b"some text", b"some tent")
    with pytest.raises(DocumentError, match=r"^a\.docx is damaged or cut off \(Bad CRC-32"):
        package(data).read("a.xml")


def test_a_missing_part_is_named() -> None:
    with pytest.raises(DocumentError, match=r"^a\.docx has no part b\.xml"):
        package(packed(("a.xml", b"one"))).read("b.xml")


def test_a_name_given_twice_is_refused_only_when_the_parts_differ() -> None:
    assert package(packed(("a", b"1"), ("b", b"2"), ("b", b"2"))).read("b") == b"2"
    archive = package(packed(("a", b"1"), ("b", b"2"), ("b", b"3")))
    assert archive.read("a") == b"1"
    with pytest.raises(DocumentError, match="two different parts b"):
        archive.read("b")


def test_a_protected_part_is_called_protected() -> None:
    data = bytearray(packed(("a.xml", b"one")))
    directory = data.index(b"PK\x01\x02")
    data[6] |= 1
    data[directory + 8] |= 1
    with pytest.raises(DocumentError, match="protected by a password"):
        package(bytes(data)).read("a.xml")


def test_other_packing_methods_are_refused() -> None:
    with pytest.raises(DocumentError, match=r"packed with method 12"):
        package(packed(("a.xml", b"one"), method=zipfile.ZIP_BZIP2)).read("a.xml")


def test_a_part_that_unpacks_to_absurdly_much_is_refused_early() -> None:
    archive = package(packed(("bomb.xml", bytes(60_000_000))))
    with pytest.raises(DocumentError, match=r"^a\.docx unpacks to more than 1[67] MB in its part bomb\.xml"):
        archive.read("bomb.xml")


def test_a_lying_header_does_not_help_a_bomb() -> None:
    data = bytearray(packed(("bomb.xml", bytes(60_000_000))))
    directory = data.index(b"PK\x01\x02")
    for place in (22, directory + 24):
        data[place : place + 4] = struct.pack("<I", 10)
    with pytest.raises(DocumentError):
        package(bytes(data)).read("bomb.xml")


def test_the_caps_count_a_part_and_all_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    noise = random.Random(1).randbytes(600_000)
    archive = package(packed(("a", noise), ("b", noise), ("c", noise)))
    monkeypatch.setattr(zip_package, "MAX_UNPACKED_BYTES", 1_500_000)
    assert archive.read("a") == archive.read("b") == noise
    with pytest.raises(DocumentError, match="unpacks to more than"):
        archive.read("c")
    monkeypatch.setattr(zip_package, "MAX_MEMBER_BYTES", 500_000)
    with pytest.raises(DocumentError, match="unpacks to more than"):
        package(packed(("a", noise))).read("a")


def test_too_many_parts_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zip_package, "MAX_MEMBERS", 2)
    with pytest.raises(DocumentError, match="has 3 parts, more than the 2"):
        package(packed(("a", b""), ("b", b""), ("c", b"")))


@pytest.mark.parametrize("seed", range(300))
def test_a_mutated_archive_is_read_or_refused_with_one_error(seed: int) -> None:
    chance = random.Random(seed)
    data = bytearray(packed(("a.xml", b"one" * 30), ("word/b.xml", chance.randbytes(50)), ("c", b"")))
    for _ in range(chance.randint(1, 6)):
        data[chance.randrange(len(data))] = chance.randrange(256)
    if chance.random() < 0.2:
        del data[chance.randrange(len(data)) :]
    raw = RawDocument(bytes(data), "a.zip")
    assert isinstance(member_names(raw), frozenset)
    with suppress(DocumentError):
        archive = ZipPackage(raw)
        for name in archive.names:
            archive.read(name)
