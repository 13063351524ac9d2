"""Word documents (DOCX, DOCM, templates, strict or not): everything a reader of the page sees, with the heading path.

The XML is walked as it stands; python-docx's own iteration loses text boxes, tracked insertions and content controls.
"""

from __future__ import annotations

from localrag.documents import html_reader, text_reader
from localrag.documents.docx_numbering import ListPlace, Numbering
from localrag.documents.docx_styles import Styles
from localrag.documents.office_parts import ChartText, DiagramText, NoteText
from localrag.documents.office_text import Block, OfficeText, OfficeWriter
from localrag.documents.ooxml import Attributes, OfficePackage, Relation, XmlTarget, is_kind, relation_id, value, whole_number
from localrag.documents.raw import RawDocument, short_title
from localrag.errors import DocumentError
from localrag.types import ParsedDocument

TYPE = "docx"
# The parts that are read after the body, by the kind of their relationship, under the name they are cited by.
_AFTER = (
    ("diagramData", "Diagrams"),
    ("chart", "Charts"),
    ("footnotes", "Footnotes"),
    ("endnotes", "Endnotes"),
    ("comments", "Comments"),
    ("header", "Headers"),
    ("footer", "Footers"),
)
_EMBEDDED = frozenset({"package", "oleObject"})
_BODY_TEXT = 9


def recognises(raw: RawDocument) -> bool:
    """By the parts of the package, whatever the file is called."""
    return is_kind(raw, TYPE)


def read(raw: RawDocument) -> ParsedDocument:
    """Title: of the properties, else the first paragraph in a title's style, else the first heading, else the file's name.

    Raises:
        DocumentError: damaged, or unpacking to too much. A damaged part beside the body is left out and named in the note.
    """
    package = OfficePackage(raw, TYPE)
    relations = package.relations(package.main)
    notes: list[str] = []
    styles, numbering = Styles(), Numbering()
    for kind, target in (("styles", styles), ("numbering", numbering)):
        _feed_first(package, relations, kind, target, notes)
    body = _Body(styles, numbering, package, relations)
    package.feed(package.main, body)
    writer = OfficeWriter()
    writer.add(body.blocks)
    headings = [block.text for block in body.blocks if block.kind == "heading"]
    _add_other_parts(package, relations, writer, notes)
    notes += body.notes
    if count := len({relation.part for relation in relations if relation.kind in _EMBEDDED}):
        notes.append(f"{count} embedded file{'s were' if count > 1 else ' was'} not read; add what matters by itself.")
    stated = package.properties()
    title = stated.title or body.title or next(iter(headings), "")
    return ParsedDocument(
        writer.text,
        TYPE,
        title=short_title(title) or raw.stem,
        description=stated.description,
        language=stated.language or styles.language,
        marks=tuple(writer.marks),
        note=" ".join(notes),
    )


class _Body(OfficeText):
    """The main part: headings by style or outline level, list items with their labels."""

    def __init__(self, styles: Styles, numbering: Numbering, package: OfficePackage, relations: list[Relation]) -> None:
        super().__init__()
        self.title = ""
        self.notes: list[str] = []
        self._styles, self._numbering, self._package = styles, numbering, package
        self._chunks = {relation.id: relation.part for relation in relations if relation.kind == "aFChunk"}
        # The style and list of each open paragraph: one in a text box is inside another.
        self._properties: list[dict[str, str]] = []

    def begin(self, name: str, attributes: Attributes) -> None:
        if name == "p":
            self._properties.append({})
        elif name in {"pStyle", "outlineLvl", "numId", "ilvl"} and self._properties:
            self._properties[-1][name] = value(attributes, "val")
        elif name == "sym":
            self.write(_symbol(value(attributes, "char")))
        elif name == "textpath":
            self.write(value(attributes, "string"))
        elif name == "altChunk":
            self._embed(relation_id(attributes))

    def finish(self, name: str) -> None:
        if name == "p":
            self._properties.pop()

    def paragraph(self, text: str) -> Block | None:
        given = self._properties[-1]
        style = given.get("pStyle", "")
        level = self._styles.heading_level(style) if style else None
        if (outline := whole_number(given.get("outlineLvl", ""), -1)) >= 0:
            level = outline + 1 if outline < _BODY_TEXT else None
        label, depth = self._label(given, style)
        if level is not None:
            if level == 0 and not self.title:
                self.title = text
            folded = " ".join(text.split())
            return Block(f"{label} {folded}" if label and label != "-" else folded, "heading", level)
        return Block("  " * depth + f"{label} {text}", "item") if label else Block(text)

    def _label(self, given: dict[str, str], style: str) -> tuple[str, int]:
        """The label of the paragraph's list and how deep the item is; "" outside lists."""
        place = self._styles.list_place(style) if style else None
        if "numId" in given:
            level = whole_number(given.get("ilvl", ""), place.level if place else 0)
            place = ListPlace(given["numId"], level)
        return (self._numbering.label(place, style) if place else None) or ("", 0)

    def _embed(self, identity: str) -> None:
        """A page or text that stands in the package as it came."""
        part = self._chunks.pop(identity, "")
        if not part:
            return
        try:
            raw = RawDocument(self._package.read(part), part)
            if raw.data.startswith(b"PK"):
                raise DocumentError("a document in the document")
            reader = html_reader if html_reader.recognises(raw) else text_reader
            self._sinks[-1].extend(Block(text) for text in reader.read(raw).text.split("\n\n") if text.strip())
        except DocumentError:
            self.notes.append(f"Its embedded part {part:.100} was not read.")


def _symbol(code: str) -> str:
    """A character by its hexadecimal code; those of symbol fonts mean nothing outside them."""
    try:
        number = int(code, 16)
    except ValueError:
        return ""
    return chr(number) if 0x20 <= number < 0xD800 else ""


def _feed_first(package: OfficePackage, relations: list[Relation], kind: str, target: XmlTarget, notes: list[str]) -> None:
    part = next((relation.part for relation in relations if relation.kind == kind), "")
    if part:
        try:
            package.feed(part, target)
        except DocumentError:
            notes.append(f"Its {kind} are damaged, so headings and lists may be missing.")


def _add_other_parts(package: OfficePackage, relations: list[Relation], writer: OfficeWriter, notes: list[str]) -> None:
    """Notes, comments, charts and page headers; a text that several of them repeat (as headers do) once."""
    seen: set[str] = set()
    absent = {relation.kind for relation in package.missing(package.main)}
    for kind, label in _AFTER:
        if kind in absent:
            some = "Some of its" if any(relation.kind == kind for relation in relations) else "Its"
            notes.append(f"{some} {label.lower()} are missing in the file.")
        writer.section(label)
        for part in dict.fromkeys(relation.part for relation in relations if relation.kind == kind):
            target = _target(kind)
            try:
                package.feed(part, target)
            except DocumentError:
                notes.append(f"Its part {part:.100} is damaged and was left out.")
                continue
            # A header that is only a page number says nothing.
            new = [block for block in target.blocks if block.text not in seen and any(map(str.isalpha, block.text))]
            seen.update(block.text for block in new)
            writer.add(new)


def _target(kind: str) -> OfficeText:
    if kind == "chart":
        return ChartText()
    if kind == "diagramData":
        return DiagramText()
    return NoteText()
