"""The front door: what a file is, by its content."""

import gzip
import io
import zipfile

import pytest

from localrag.documents.raw import HeadingPath, RawDocument, has_text, short_title
from localrag.documents.readers import read_document
from localrag.errors import DocumentError
from localrag.settings import DocumentSettings
from localrag.types import ParsedDocument

SETTINGS = DocumentSettings()


def zip_with(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return buffer.getvalue()


OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 504


def ole_with(stream: str) -> bytes:
    return OLE + stream.encode("utf-16-le") + b"\0" * 64


@pytest.mark.parametrize(
    ("data", "kind", "advice"),
    [
        (zip_with("a.txt"), "a ZIP archive", "Unpack it and add the files in it."),
        (zip_with(), "an empty ZIP archive", "There is nothing in it"),
        (zip_with("a.txt")[:-30], "a damaged ZIP archive", "Copy or download it again"),
        (zip_with("word/document.xml")[:60], "a damaged Word document (DOCX)", "Copy or download it again"),
        (zip_with("ppt/presentation.xml")[:60], "a damaged PowerPoint presentation (PPTX)", "Copy or download it again"),
        (zip_with("xl/workbook.xml")[:60], "a damaged Excel workbook (XLSX)", "Copy or download it again"),
        (zip_with("xl/workbook.bin"), "an Excel binary workbook (XLSB)", "save it as XLSX"),
        (b"PK\x03\x04mimetypeapplication/vnd.oasis.opendocument.text", "an OpenDocument text (ODT)", "save it as DOCX"),
        (b"PK\x03\x04application/vnd.oasis.opendocument.spreadsheet", "an OpenDocument spreadsheet (ODS)", "save it as XLSX"),
        (b"PK\x03\x04application/vnd.oasis.opendocument.presentation", "an OpenDocument presentation (ODP)", "save it as PPTX"),
        (ole_with("WordDocument"), "a Word document of the old format (DOC)", "save it as DOCX"),
        (ole_with("PowerPoint Document"), "a PowerPoint presentation of the old format (PPT)", "save it as PPTX"),
        (ole_with("Workbook"), "an Excel workbook of the old format (XLS)", "save it as XLSX"),
        (ole_with("__properties_version1.0"), "an Outlook message (MSG)", "Save it as EML"),
        (ole_with("EncryptedPackage"), "protected by a password", "Remove the password and add it again."),
        (OLE, "a document of an old Office version", "Save it as DOCX"),
        # The name in the text of a document is no directory entry.
        (OLE + b"-" + "EncryptedPackage\0".encode("utf-16-le"), "a document of an old Office version", "Save it as DOCX"),
        (b"\x89PNG\r\n\x1a\n\0\0", "a PNG image", "OCR"),
        (b"\xff\xd8\xff\xe0", "a JPEG image", "OCR"),
        (b"RIFF\0\0\0\0WAVEfmt ", "a WAV recording", "transcript"),
        (b"ID3\x04\0\0", "an MP3 recording", "transcript"),
        (gzip.compress(b"x"), "a gzip archive", "Unpack it"),
        (b"\x7fELF\x02", "a program", "no document"),
        (b"MZ\x90\0\x03\0\0\0\x04", "a program", "no document"),
        (b"{\\rtf1 hello}", "an RTF document", "save it as DOCX"),
        (b"GGUF\x03\0\0\0", "a GGUF model file", "Choose it as a model"),
    ],
)
def test_other_kinds_are_named_and_refused_whatever_the_file_is_called(data: bytes, kind: str, advice: str) -> None:
    with pytest.raises(DocumentError) as caught:
        read_document(data, "notes.txt", SETTINGS)
    assert str(caught.value).startswith(f"notes.txt is {kind}, so it cannot be read. ")
    assert advice in str(caught.value)
    assert str(caught.value).endswith(".")


def test_a_cut_off_archive_is_named_by_what_it_was_meant_to_be() -> None:
    with pytest.raises(DocumentError, match=r"^report\.docx is a damaged Word document \(DOCX\), so it cannot be read\."):
        read_document(zip_with("a")[:40], "report.docx", SETTINGS)


@pytest.mark.parametrize(
    "text",
    [
        "MZ is a prefix.",
        "BM 25 ranks words",
        "GGUF is a file format",
        "ID3 tags",
        "PAR1 was",
        "wOFF",
        "BZhang",
        "A %PDF-1.4 header",
    ],
)
def test_words_that_look_like_signatures_are_text(text: str) -> None:
    assert read_document(text.encode(), "a.txt", SETTINGS).text == text


@pytest.mark.parametrize(
    ("data", "name", "declared", "kind"),
    [
        ("<!DOCTYPE html><p>x", "a.txt", "", "html"),
        ('\ufeff \n<?xml version="1.0"?>\n<!-- c --><HTML lang=en><body>x', "a", "", "html"),
        ("<p>fragment</p>", "a.html", "", "html"),
        ("<p>fragment</p>", "page", "text/html; charset=utf-8", "html"),
        ('<p align="center">logo</p>\n\n# Tool\n', "README.md", "", "md"),
        ("no tags at all", "a.html", "", "txt"),
        ("a < b and c > d", "a.htm", "", "txt"),
        ("# Title\n", "a.md", "", "md"),
        ("# Title\n", "a.txt", "", "txt"),
        ("# Title\n", "a", "text/markdown", "md"),
        ("# Title\n\nSee [x](http://y).\n", "README", "", "md"),
        ("# a comment\nx = 1\n", "Makefile", "", "code"),
        ("# a comment\nx = [1](2)\n", "a.py", "", "code"),
        ("plain", "https://h.org/notes.md?raw=1#x", "", "md"),
        ("plain", "https://h.org", "text/plain", "txt"),
        ("", "a.html", "text/html", "txt"),
    ],
)
def test_the_format_follows_the_content_and_the_name_only_hints(data: str, name: str, declared: str, kind: str) -> None:
    assert read_document(data.encode(), name, SETTINGS, declared).type == kind


def test_the_charset_of_the_declared_type_is_used() -> None:
    data = "<html><body><p>가나다 펲시</p></body></html>".encode("cp949")
    assert read_document(data, "a", SETTINGS, 'text/html; charset="EUC-KR"').text == "가나다 펲시"


def test_a_file_over_the_limit_is_refused_with_both_sizes() -> None:
    with pytest.raises(DocumentError, match=r"^big\.txt has 1\.5 MB, more than the 1 MB that are read\..*\.$"):
        read_document(b"x" * 1_500_000, "big.txt", DocumentSettings(max_document_mb=1))


@pytest.mark.parametrize(
    ("text", "name", "title"),
    [
        ("\n\n  The notes \nmore", "a.txt", "The notes"),
        ("x" * 81 + "\nshort", "dir/long story.txt", "long story"),
        ("[\n1\n", "C:\\data\\list.json", "list"),
        ("", "empty.txt", "empty"),
        ("----", "https://h.org/a/My%20page.txt?x=/y.z", "My page"),
        ("", "https://h.org", "https://h.org"),
        ("", ".hidden", ".hidden"),
    ],
)
def test_the_title_of_a_text_is_its_first_short_line_or_the_files_name(text: str, name: str, title: str) -> None:
    document = read_document(text.encode(), name, SETTINGS)
    assert document.title == title
    assert document.text == text


@pytest.mark.parametrize(
    ("text", "expected"), [("", False), (" \n\t\u00a0", False), ("\u200b\ufeff\u00ad", False), (" .", True)]
)
def test_has_text_sees_through_blank_and_invisible_characters(text: str, expected: bool) -> None:
    assert has_text(ParsedDocument(text, "txt")) is expected


def test_headings_of_the_same_or_a_higher_level_replace() -> None:
    path = HeadingPath()
    assert [path.enter(level, title) for level, title in [(2, "A"), (4, "B"), (3, "C"), (1, "D"), (2, "")]] == [
        "A",
        "A › B",
        "A › C",
        "D",
        "D",
    ]


def test_a_hostile_title_is_cut() -> None:
    assert len(short_title("word " * 300_000)) <= 200
    assert short_title(" a\n b ") == "a b"


def test_a_raw_document_is_decoded_once() -> None:
    raw = RawDocument(b"abc", "a.txt")
    assert raw.text is raw.text
