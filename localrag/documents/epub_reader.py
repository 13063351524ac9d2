"""EPUB: the chapters in reading order, with the headings and the table of contents as the place of every part."""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Iterator
from html import unescape
from typing import Any, NamedTuple
from urllib.parse import unquote

from lxml import etree

from localrag.documents.decode import decode
from localrag.documents.html_page import main_text, parse_page
from localrag.documents.html_text import compose
from localrag.documents.raw import RawDocument, short_title
from localrag.documents.zip_package import ZipPackage, is_zip, member_names
from localrag.errors import DocumentError
from localrag.types import Mark, ParsedDocument

TYPE = "epub"
_CONTAINER = "META-INF/container.xml"
_ENCRYPTION = "META-INF/encryption.xml"
_MIME = b"application/epub+zip"
_MIME_WITHIN_BYTES = 200
# Fonts are scrambled in books that are not protected otherwise (EPUB 3.3, "Font obfuscation"; Adobe's older way).
_FONT_SCRAMBLING = frozenset({"http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC"})
_PAGES = frozenset({"application/xhtml+xml", "text/html", "text/x-oeb1-document", "application/xml", "text/xml"})
_PAGE_SUFFIXES = (".xhtml", ".html", ".htm", ".xml")
_MAX_ELEMENTS = 200_000
_CHAPTER_BREAK = "\n\n"


class _Item(NamedTuple):
    """An entry of the book's manifest. `name`: of the archive's member."""

    name: str
    media_type: str
    properties: str


class _Book(NamedTuple):
    title: str
    language: str
    description: str
    chapters: list[str]
    contents: str


def recognises(raw: RawDocument) -> bool:
    """By its media type, the first member of the archive; by its container file where that is left out."""
    if not is_zip(raw):
        return False
    return _MIME in raw.data[:_MIME_WITHIN_BYTES] or _CONTAINER in member_names(raw)


def read(raw: RawDocument) -> ParsedDocument:
    """Title, language and description as the book states them; chapters that are damaged are left out and counted in the note.

    Raises DocumentError for a book that is protected, damaged, or has no chapter that can be read.
    """
    package = ZipPackage(raw)
    _refuse_protected(raw, package)
    book = _book(raw, package)
    titles = _contents(raw, package, book.contents)
    parts: list[str] = []
    marks: list[Mark] = []
    length, damaged = 0, 0
    for name in book.chapters:
        try:
            text, found = _chapter(raw, package.read(name), name, titles.get(name, ""))
        except DocumentError:
            damaged += 1
            continue
        if text:
            before = _CHAPTER_BREAK if parts else ""
            length += len(before)
            parts += [before, text]
            marks += [Mark(mark.start + length, mark.location, kind=mark.kind) for mark in found]
            length += len(text)
    if damaged and not parts:
        raise DocumentError(f"{raw.name} is a damaged EPUB: none of its {damaged} chapters can be read. Get the file again.")
    verb = "is" if damaged == 1 else "are"
    note = f"{damaged} of {len(book.chapters)} chapters {verb} damaged and left out." if damaged else ""
    first = marks[0].location.partition(" › ")[0] if marks else ""
    title = short_title(book.title) or first or raw.stem
    return ParsedDocument("".join(parts), TYPE, title, book.description, book.language, tuple(marks), note=note)


def _chapter(raw: RawDocument, data: bytes, name: str, title: str) -> tuple[str, tuple[Mark, ...]]:
    """Text and marks of a chapter; one that does not begin with a heading begins with its title in the table of contents.

    A file without either goes on with the chapter before: long chapters are often split into several files.
    """
    text, marks = compose(main_text(parse_page(decode(data, f"{raw.name} ({name})"), raw.name)))
    first = next((mark.start for mark in marks), len(text))
    if title and text[:first].strip() and not any(mark.location.endswith(title) for mark in marks):
        marks = (Mark(0, title, kind="section"), *marks)
    return text, marks


def _refuse_protected(raw: RawDocument, package: ZipPackage) -> None:
    if not package.has(_ENCRYPTION):
        return
    methods = {
        element.get("Algorithm", "")
        for data in _every(_xml(raw, package, _ENCRYPTION), "EncryptedData")
        for element in _every(data, "EncryptionMethod")
    }
    if methods - _FONT_SCRAMBLING:
        raise DocumentError(f"{raw.name} is protected against copying (DRM). Add an unprotected copy of the book.")


def _book(raw: RawDocument, package: ZipPackage) -> _Book:
    """What the package document says. Hrefs are relative to it and may be escaped like addresses."""
    opf = _package_document(raw, package)
    root = _xml(raw, package, opf)
    items = {
        item.get("id", ""): _Item(_resolve(opf, item.get("href", "")), item.get("media-type", ""), item.get("properties", ""))
        for item in _every(root, "item")
    }
    spine = next(_every(root, "spine"), None)
    listed = [items.get(entry.get("idref", "")) for entry in _every(spine, "itemref")] if spine is not None else []
    contents = {item.name for item in items.values() if "nav" in item.properties.split()}
    chapters = [item.name for item in listed if item and _is_page(item) and item.name not in contents]
    if not chapters:
        chapters = [item.name for item in items.values() if _is_page(item) and package.has(item.name)]
    ncx = items.get(spine.get("toc", "")) if spine is not None else None
    toc = next(iter(contents), ncx.name if ncx else "")
    description = " ".join(" ".join(compose(parse_page(_first(root, "description"), raw.name))[0].split())[:5000].split())
    return _Book(_first(root, "title"), _first(root, "language")[:35], description, list(dict.fromkeys(chapters)), toc)


def _package_document(raw: RawDocument, package: ZipPackage) -> str:
    if package.has(_CONTAINER):
        for rootfile in _every(_xml(raw, package, _CONTAINER), "rootfile"):
            name = _resolve("", rootfile.get("full-path", ""))
            if package.has(name):
                return name
    found = next((name for name in package.names if name.lower().endswith(".opf")), None)
    if found is None:
        raise DocumentError(f"{raw.name} is an incomplete EPUB: it has no package document. Get the file again and add it.")
    return found


def _is_page(item: _Item) -> bool:
    return item.media_type.lower() in _PAGES or (not item.media_type and item.name.lower().endswith(_PAGE_SUFFIXES))


def _contents(raw: RawDocument, package: ZipPackage, name: str) -> dict[str, str]:
    """Title of each file in the table of contents (EPUB 3: nav, EPUB 2: ncx): the entry that leads to its beginning."""
    if not name or not package.has(name):
        return {}
    try:
        root = _xml(raw, package, name)
    except DocumentError:
        return {}
    entries = [(entry.get("href", ""), _text(entry)) for entry in _every(root, "a")]
    for entry in _every(root, "navPoint"):
        target = next(_every(entry, "content"), None)
        entries.append((target.get("src", "") if target is not None else "", _first(entry, "text")))
    inside = Counter(_resolve(name, href) for href, _ in entries)
    titles: dict[str, str] = {}
    for href, title in entries:
        file = _resolve(name, href)
        # With a fragment it leads to some place in the file, which is the beginning only when it is the one entry.
        if "#" not in href or inside[file] == 1:
            titles.setdefault(file, short_title(title))
    return titles


def _xml(raw: RawDocument, package: ZipPackage, name: str) -> Any:
    """Root of an XML member. Entities are not expanded, nothing is fetched, small damages are repaired."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, recover=True)
    try:
        root = etree.fromstring(package.read(name), parser)
    except (etree.XMLSyntaxError, ValueError) as exc:
        raise DocumentError(f"{raw.name} is a damaged EPUB: {name} is no XML. Get the file again and add it.") from exc
    if root is None:
        raise DocumentError(f"{raw.name} is a damaged EPUB: {name} is empty. Get the file again and add it.")
    return root


def _every(root: Any, name: str) -> Iterator[Any]:
    """Elements of a local name: which namespace a book uses, if any, depends on its age."""
    for count, element in enumerate(root.iter(f"{{*}}{name}")):
        if count >= _MAX_ELEMENTS:
            return
        yield element


def _first(root: Any, name: str) -> str:
    """Folded text of the first element of that name with text."""
    texts = (_text(element) for element in _every(root, name))
    return next((text for text in texts if text), "")


def _text(element: Any) -> str:
    """Folded text of an element. HTML's own entities, such as &nbsp;, come unexpanded from the XML parser."""
    return " ".join(unescape("".join(element.itertext())).split())


def _resolve(base: str, reference: str) -> str:
    """The member an href leads to, without its fragment."""
    path = unquote(re.split(r"[?#]", reference, maxsplit=1)[0])
    return posixpath.normpath(posixpath.join(posixpath.dirname(base), path)).lstrip("/") if path else ""
