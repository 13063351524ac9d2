"""EPUB: chapters in reading order, places, metadata; protected, damaged and hostile books."""

import io
import random
import zipfile
from collections.abc import Mapping
from contextlib import suppress

import pytest

from localrag.documents import epub_reader
from localrag.documents.raw import RawDocument
from localrag.documents.readers import read_document
from localrag.errors import DocumentError
from localrag.settings import DocumentSettings
from localrag.types import ParsedDocument

CONTAINER = """<?xml version="1.0"?>
<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container">
<rootfiles><rootfile full-path="OEBPS/book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>"""
ENCRYPTED = """<encryption xmlns="urn:oasis:names:tc:opendocument:xmlns:container">
<EncryptedData xmlns="http://www.w3.org/2001/04/xmlenc#"><EncryptionMethod Algorithm="{}"/></EncryptedData></encryption>"""


def chapter(body: str) -> str:
    return f'<?xml version="1.0"?>\n<html xmlns="http://www.w3.org/1999/xhtml"><head><title/></head><body>{body}</body></html>'


def package_document(*hrefs: str, more: str = "", toc: str = "") -> str:
    items = "".join(f'<item id="c{n}" href="{href}" media-type="application/xhtml+xml"/>' for n, href in enumerate(hrefs))
    refs = "".join(f'<itemref idref="c{n}"/>' for n in range(len(hrefs)))
    return f"""<?xml version="1.0"?>
<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/" version="3.0">
<metadata><dc:title> Winter\n sports </dc:title><dc:language>en</dc:language>
<dc:description>&lt;p&gt;On &lt;b&gt;snow&lt;/b&gt;.&lt;/p&gt;</dc:description></metadata>
<manifest>{items}{more}</manifest><spine{toc}>{refs}</spine></package>"""


def packed(members: Mapping[str, str | bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/epub+zip", zipfile.ZIP_STORED)
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def book(**changes: str | bytes) -> bytes:
    """A book of two chapters, the second first in the archive."""
    members: dict[str, str | bytes] = {
        "META-INF/container.xml": CONTAINER,
        "OEBPS/text/two.xhtml": chapter("<h1>Rinks</h1><p>On ice.</p><h2>Tests</h2><p>Three.</p>"),
        "OEBPS/text/one.xhtml": chapter("<h1>The sun</h1><p>It shines<a id='x'/> on <i>all</i>.</p>"),
        "OEBPS/book.opf": package_document("text/one.xhtml", "text/two.xhtml"),
    }
    return packed(members | changes)


def read(data: bytes) -> ParsedDocument:
    return read_document(data, "shelf/book.epub", DocumentSettings())


def test_chapters_come_in_reading_order_with_their_headings() -> None:
    document = read(book())
    assert document.text == "The sun\n\nIt shines on all.\n\nRinks\n\nOn ice.\n\nTests\n\nThree."
    assert [(document.text[mark.start :].split("\n")[0], mark.location) for mark in document.marks] == [
        ("The sun", "The sun"),
        ("Rinks", "Rinks"),
        ("Tests", "Rinks › Tests"),
    ]
    assert (document.type, document.title, document.language, document.description, document.note) == (
        "epub",
        "Winter sports",
        "en",
        "On snow.",
        "",
    )


def test_a_chapter_without_heading_has_the_title_of_the_contents() -> None:
    nav = chapter('<nav epub:type="toc"><ol><li><a href="text/one.xhtml">Preface</a></li></ol></nav>')
    members = {
        "OEBPS/text/one.xhtml": chapter("<p>No heading here.</p>"),
        "OEBPS/nav.xhtml": nav,
        "OEBPS/book.opf": package_document(
            "text/one.xhtml", "text/two.xhtml", more='<item id="n" href="nav.xhtml" properties="nav" media-type="text/html"/>'
        ),
    }
    document = read(book(**members))
    assert [(mark.location, mark.kind) for mark in document.marks][:2] == [("Preface", "section"), ("Rinks", "heading")]


def test_an_ncx_names_chapters_too_and_its_places_inside_a_file_do_not() -> None:
    points = "".join(
        f'<navPoint><navLabel><text>{title}</text></navLabel><content src="text/{src}"/></navPoint>'
        for title, src in [("Foreword", "one.xhtml#top"), ("Middle", "two.xhtml#m"), ("End", "two.xhtml#e")]
    )
    members = {
        "OEBPS/text/one.xhtml": chapter("<p>No heading here.</p>"),
        "OEBPS/text/two.xhtml": chapter("<p>The chapter goes on.</p>"),
        "OEBPS/toc.ncx": f'<ncx xmlns="http://www.daisy.org/z3986/2005/ncx/"><navMap>{points}</navMap></ncx>',
        "OEBPS/book.opf": package_document(
            "text/one.xhtml",
            "text/two.xhtml",
            more='<item id="toc" href="toc.ncx" media-type="application/x-dtbncx+xml"/>',
            toc=' toc="toc"',
        ),
    }
    assert [mark.location for mark in read(book(**members)).marks] == ["Foreword"]


def test_escaped_names_and_a_missing_container_are_no_obstacle() -> None:
    members = {"OEBPS/text/a b.xhtml": chapter("<p>Found.</p>"), "OEBPS/book.opf": package_document("text/a%20b.xhtml")}
    assert read(book(**members)).text == "Found."
    assert read(packed({"x/b.opf": package_document("c.xhtml"), "x/c.xhtml": chapter("<p>Found.</p>")})).text == "Found."


def test_without_a_spine_the_manifest_is_the_order() -> None:
    document = package_document("text/two.xhtml", "text/one.xhtml").replace("<itemref", "<nothing")
    assert read(book(**{"OEBPS/book.opf": document})).text.startswith("Rinks")


def test_a_damaged_chapter_is_left_out_and_counted() -> None:
    document = read(book(**{"OEBPS/book.opf": package_document("text/one.xhtml", "text/none.xhtml")}))
    assert document.text.startswith("The sun")
    assert document.note == "1 of 2 chapters is damaged and left out."
    with pytest.raises(DocumentError, match="none of its 1 chapters can be read"):
        read(book(**{"OEBPS/book.opf": package_document("text/none.xhtml")}))


def test_a_protected_book_is_refused_and_one_with_scrambled_fonts_is_not() -> None:
    with pytest.raises(DocumentError, match=r"^shelf/book\.epub is protected against copying \(DRM\)\."):
        read(book(**{"META-INF/encryption.xml": ENCRYPTED.format("http://www.w3.org/2001/04/xmlenc#aes128-cbc")}))
    assert read(book(**{"META-INF/encryption.xml": ENCRYPTED.format("http://www.idpf.org/2008/embedding")})).text


def test_entities_are_neither_expanded_nor_fetched() -> None:
    bomb = '<!DOCTYPE package [<!ENTITY a "ha"><!ENTITY b "&a;&a;"><!ENTITY f SYSTEM "file:///etc/passwd">]>'
    document = package_document("text/one.xhtml").replace("Winter", "&b;&f;Winter").replace('<?xml version="1.0"?>', bomb)
    assert read(book(**{"OEBPS/book.opf": document})).title == "&b;&f;Winter sports"


def test_a_book_is_known_by_its_content() -> None:
    assert epub_reader.recognises(RawDocument(book(), "a.txt"))
    assert epub_reader.recognises(RawDocument(book()[:300], "a.txt"))
    other = io.BytesIO()
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("a.txt", "x")
    assert not epub_reader.recognises(RawDocument(other.getvalue(), "a.epub"))


@pytest.mark.parametrize("data", [book()[:300], packed({"a.txt": "x"}), book(**{"OEBPS/book.opf": b"\0\1"})])
def test_an_incomplete_book_is_refused_with_a_sentence(data: bytes) -> None:
    with pytest.raises(DocumentError, match=r"^shelf/book\.epub is (?:damaged|an incomplete EPUB|a damaged EPUB).*\.$"):
        read(data)


@pytest.mark.parametrize("seed", range(200))
def test_a_mutated_book_is_read_or_refused_with_one_error(seed: int) -> None:
    chance = random.Random(seed)
    opf = bytearray(package_document("text/one.xhtml", "text/two.xhtml").encode())
    for _ in range(chance.randint(0, 5)):
        opf[chance.randrange(len(opf))] = chance.randrange(256)
    data = bytearray(book(**{"OEBPS/book.opf": bytes(opf)}))
    for _ in range(chance.randint(0, 5)):
        data[chance.randrange(60, len(data))] = chance.randrange(256)
    with suppress(DocumentError):
        document = epub_reader.read(RawDocument(bytes(data), "a.epub"))
        assert all(0 <= mark.start <= len(document.text) for mark in document.marks)
