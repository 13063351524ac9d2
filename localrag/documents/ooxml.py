"""Office Open XML packages (DOCX, PPTX, XLSX): which of the three, their parts, relationships and properties.

Names are compared without their namespaces, since strict and transitional files differ in nothing else that matters here.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import unquote

from lxml import etree

from localrag.documents.raw import RawDocument
from localrag.documents.zip_package import ZipPackage, member_names
from localrag.errors import DocumentError

Attributes = Mapping[str, str]
_MAIN_PARTS = {
    "docx": re.compile(r"word/document\d*\.xml", re.IGNORECASE),
    "pptx": re.compile(r"ppt/presentation\d*\.xml", re.IGNORECASE),
    "xlsx": re.compile(r"xl/workbook\d*\.xml", re.IGNORECASE),
}
# Document, template, slide show and add-in, each with and without macros, all say "main+xml".
_MAIN_TYPES = {
    "docx": re.compile(r"(?:wordprocessingml|ms-word)\..*main\+xml", re.IGNORECASE),
    "pptx": re.compile(r"(?:presentationml|ms-powerpoint)\..*main\+xml", re.IGNORECASE),
    "xlsx": re.compile(r"(?:spreadsheetml|ms-excel)\..*main\+xml", re.IGNORECASE),
}
_TYPES_PART = "[Content_Types].xml"
# What Office programs fill in by themselves is no title.
_NO_TITLE = re.compile(
    r"(?:microsoft (?:office )?(?:word|powerpoint|excel)\b.*|word document|no slide title|\W*|"
    r"(?:powerpoint )?(?:presentation|präsentation|présentation) ?\d*|(?:document|dokument|slide|book|untitled) ?\d*|"
    r".{0,200}\.(?:docx?|pptx?|xlsx?|dotx?))",
    re.IGNORECASE,
)


class Element(NamedTuple):
    """An element's name without namespace, its attributes, and the text directly in it."""

    name: str
    attributes: Attributes
    text: str


class Relation(NamedTuple):
    """`kind` is the last word of its type, such as "header"; `part` is the name of the part it leads to."""

    id: str
    kind: str
    part: str


class Properties(NamedTuple):
    """What the document says about itself; "" where it says nothing."""

    title: str = ""
    description: str = ""
    language: str = ""


@lru_cache(maxsize=4096)
def local(name: str) -> str:
    """An element's or attribute's name without its namespace."""
    return name.rpartition("}")[2]


def value(attributes: Attributes, name: str, default: str = "") -> str:
    """An attribute by its name, whatever its namespace; one without a namespace goes first."""
    if name in attributes:
        return attributes[name]
    return next((attributes[key] for key in attributes if local(key) == name), default)


def relation_id(attributes: Attributes, name: str = "id") -> str:
    """The id of a relationship; unlike an element's own id it has a namespace."""
    return next((attributes[key] for key in attributes if key[0] == "{" and local(key) == name), "")


def whole_number(text: str, default: int = 0) -> int:
    """A decimal number of at most 9 digits, else the default."""
    return int(text) if re.fullmatch(r"-?[0-9]{1,9}", text) else default


def is_on(text: str) -> bool:
    """A truth value as Office writes it."""
    return text.lower() in {"1", "true", "on"}


def missing_note(count: int, noun: str) -> str:
    """What is to be noted when that many parts are missing; `noun` is a plural, such as "slides"."""
    return f"{count:,} of its {noun} {'is' if count == 1 else 'are'} missing in the file."


class XmlTarget:
    """What the parser calls. Nothing is kept but what a subclass keeps, so that a large part needs no tree in memory."""

    def start(self, tag: str, attributes: Attributes) -> None: ...

    def end(self, tag: str) -> None: ...

    def data(self, text: str) -> None: ...

    def doctype(self, name: str, public: str, system: str) -> None:
        """Office files have none; it could only declare entities that expand without end."""
        raise _Forbidden("it declares a document type")

    def close(self) -> None: ...


class _Forbidden(Exception):  # noqa: N818  becomes a DocumentError that names the part
    pass


class _Collector(XmlTarget):
    def __init__(self, names: Collection[str]) -> None:
        self.found: list[Element] = []
        self._names = names
        self._open: list[tuple[str, Attributes, list[str]]] = []

    def start(self, tag: str, attributes: Attributes) -> None:
        self._open.append((local(tag), dict(attributes), []))

    def data(self, text: str) -> None:
        if self._open:
            self._open[-1][2].append(text)

    def end(self, tag: str) -> None:
        name, attributes, parts = self._open.pop()
        if name in self._names:
            self.found.append(Element(name, attributes, "".join(parts)))


class OfficePackage:
    """The parts of one file. Raises DocumentError when it is damaged or has no main part."""

    def __init__(self, raw: RawDocument, kind: str) -> None:
        self._zip = ZipPackage(raw)
        self._name = raw.name
        self._names = {name.lower(): name for name in self._zip.names}
        self.main = self._main_part(kind)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all parts, as the package spells them."""
        return self._zip.names

    def has(self, part: str) -> bool:
        return part.lower() in self._names

    def read(self, part: str) -> bytes:
        return self._zip.read(self._names.get(part.lower(), part))

    def feed(self, part: str, target: XmlTarget) -> None:
        """Parse a part. Raises DocumentError: missing, no well-formed XML, nested too deep, or with entities of its own."""
        # Without huge_tree libxml2 stops at 256 levels and 10 MB of text in one element; real parts have some 60 levels.
        parser = etree.XMLParser(target=target, resolve_entities=False, no_network=True, huge_tree=False, load_dtd=False)
        try:
            etree.fromstring(self.read(part), parser)
        except (etree.LxmlError, _Forbidden, ValueError, LookupError) as exc:
            raise DocumentError(
                f"{self._name} is damaged: its part {part:.100} cannot be read ({str(exc).rstrip('.'):.150}). "
                "Open it in an office program, save it again and add it."
            ) from exc

    def elements(self, part: str, *names: str) -> list[Element]:
        """The elements of a part with these names, in the order in which they end; none when there is no such part."""
        if not self.has(part):
            return []
        target = _Collector(frozenset(names))
        self.feed(part, target)
        return target.found

    def relations(self, part: str) -> list[Relation]:
        """The relationships of a part ("" for the package) to other parts that exist."""
        found = self._inner_relations(part)
        return [relation._replace(part=self._names[relation.part.lower()]) for relation in found if self.has(relation.part)]

    def missing(self, part: str) -> list[Relation]:
        """The relationships of a part to other parts that the package should hold and does not."""
        return [relation for relation in self._inner_relations(part) if not self.has(relation.part)]

    def _inner_relations(self, part: str) -> list[Relation]:
        folder, name = posixpath.split(part)
        found = []
        for element in self.elements(posixpath.join(folder, "_rels", f"{name}.rels"), "Relationship"):
            given: dict[str, Any] = dict(element.attributes)
            target = unquote(given.get("Target", "")).replace("\\", "/").partition("#")[0]
            full = posixpath.normpath(posixpath.join("/", folder, target)).lstrip("/")
            if given.get("TargetMode", "").lower() != "external":
                kind = given.get("Type", "").rstrip("/").rpartition("/")[2]
                found.append(Relation(given.get("Id", ""), kind, full))
        return found

    def properties(self) -> Properties:
        """Title, description and language from the core properties; damaged ones count as none."""
        try:
            related = [relation.part for relation in self.relations("") if relation.kind == "core-properties"]
            part = next(iter(related), "docProps/core.xml")
            found = self.elements(part, "title", "subject", "description", "language")
        except DocumentError:
            return Properties()
        given = {element.name: " ".join(element.text[:20_000].split())[:5_000] for element in reversed(found)}
        title = given.get("title", "")
        return Properties(
            "" if _NO_TITLE.fullmatch(title) else title,
            given.get("description") or given.get("subject") or "",
            given.get("language", "")[:35],
        )

    def _main_part(self, kind: str) -> str:
        """By its type in the table of types, since the relationship to it may be broken; else by its usual name."""
        try:
            types = self.elements(_TYPES_PART, "Override")
            stated = [element for element in types if _MAIN_TYPES[kind].search(value(element.attributes, "ContentType"))]
            relations = {relation.part for relation in self.relations("") if relation.kind == "officeDocument"}
        except DocumentError:
            stated, relations = [], set()
        names = [value(element.attributes, "PartName").lstrip("/") for element in stated]
        names += [*relations, *(name for name in self._zip.names if _MAIN_PARTS[kind].fullmatch(name))]
        found = [name for name in names if self.has(name)]
        if not found:
            raise DocumentError(f"{self._name} is damaged: its main part is missing. Save it again and add it.")
        both = [name for name in found if name in relations]
        return self._names[(both or found)[0].lower()]


def is_kind(raw: RawDocument, kind: str) -> bool:
    """Whether a file is a "docx", "pptx" or "xlsx", with or without macros, by the names and types of its parts."""
    names = member_names(raw)
    if any(_MAIN_PARTS[kind].fullmatch(name) for name in names):
        return True
    if _TYPES_PART not in names or any(pattern.fullmatch(name) for pattern in _MAIN_PARTS.values() for name in names):
        return False
    try:
        types = ZipPackage(raw).read(_TYPES_PART)[:1_000_000].decode("utf-8", "replace")
    except DocumentError:
        return False
    return any(_MAIN_TYPES[kind].search(stated) for stated in re.findall(r'ContentType="([^"]{0,200})"', types))
