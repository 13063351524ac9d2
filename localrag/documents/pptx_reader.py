"""Presentations (PPTX, PPTM, slide shows, templates): slides in their order, with tables, diagrams, charts and notes."""

from __future__ import annotations

import re
from typing import NamedTuple

from localrag.documents.office_parts import ChartText, DiagramText
from localrag.documents.office_text import Block, OfficeText, OfficeWriter
from localrag.documents.ooxml import Attributes, OfficePackage, Relation, is_kind, missing_note, relation_id, value
from localrag.documents.raw import RawDocument, short_title
from localrag.errors import DocumentError
from localrag.types import ParsedDocument

TYPE = "pptx"
_SLIDE_NAME = re.compile(r"ppt/slides/slide(\d{1,9})\.xml", re.IGNORECASE)
_TITLES = frozenset({"title", "ctrTitle"})
# Slide number, date and the picture of the slide on its notes page.
_FURNITURE = frozenset({"sldNum", "dt", "sldImg"})


class _Slide(NamedTuple):
    title: str
    blocks: list[Block]


def recognises(raw: RawDocument) -> bool:
    """By the parts of the package, whatever the file is called."""
    return is_kind(raw, TYPE)


def read(raw: RawDocument) -> ParsedDocument:
    """Title: of the properties, else the first slide's, else the file's name. Hidden slides are read like the others.

    Raises:
        DocumentError: damaged, or unpacking to too much. A damaged slide among others is left out and named in the note.
    """
    package = OfficePackage(raw, TYPE)
    slides, notes = _slides(package)
    writer = OfficeWriter()
    reader = _SlideReader(package)
    titles: list[str] = []
    problem: DocumentError | None = None
    for number, part in enumerate(slides, start=1):
        try:
            slide = reader.slide(part)
        except DocumentError as exc:
            problem = exc
            notes.append(f"Slide {number} was left out: {exc}")
            continue
        titles.append(slide.title)
        place = f"slide {number} › {short_title(slide.title)}" if slide.title else f"slide {number}"
        writer.section(place, number)
        writer.add(slide.blocks)
    if problem is not None and not titles:
        raise problem
    stated = package.properties()
    return ParsedDocument(
        writer.text,
        TYPE,
        title=short_title(stated.title or next(filter(None, titles), "")) or raw.stem,
        description=stated.description,
        language=stated.language,
        marks=tuple(writer.marks),
        pages=len(slides),
        note=" ".join([*notes, *reader.notes]),
    )


def _slides(package: OfficePackage) -> tuple[list[str], list[str]]:
    """The parts of the slides in the order they are shown, each once, and what is to be noted about them."""
    parts = {relation.id: relation.part for relation in package.relations(package.main) if relation.kind == "slide"}
    listed = package.elements(package.main, "sldId")
    found = dict.fromkeys(parts[identity] for slide in listed if (identity := relation_id(slide.attributes)) in parts)
    if not found:
        numbered = [(int(match[1]), name) for name in package.names if (match := _SLIDE_NAME.fullmatch(name))]
        found = dict.fromkeys(name for _, name in sorted(numbered))
    missing = len({relation_id(slide.attributes) for slide in listed}) - len(found)
    return list(found), [missing_note(missing, "slides")] if missing > 0 else []


class _SlideReader:
    """Reads slide after slide and remembers the footers it has seen."""

    def __init__(self, package: OfficePackage) -> None:
        self.notes: list[str] = []
        self._package = package
        self._footers: set[str] = set()
        self._seen: set[str] = set()

    def slide(self, part: str) -> _Slide:
        """The text of a slide: its title first, then the rest in the order of the file, diagrams, charts, notes, comments."""
        shapes = _Shapes(self._footers)
        self._package.feed(part, shapes)
        title = " ".join(block.text for block in shapes.titles)
        blocks = [*([Block(title)] if title else []), *shapes.blocks]
        for relation in self._relations(part):
            if relation.part not in self._seen and (found := self._beside(relation)):
                blocks += found
        return _Slide(title, blocks)

    def _relations(self, part: str) -> list[Relation]:
        try:
            return self._package.relations(part)
        except DocumentError:
            self.notes.append(f"The table of parts of {part:.100} is damaged: its notes and diagrams were left out.")
            return []

    def _beside(self, relation: Relation) -> list[Block]:
        targets: dict[str, type[OfficeText]] = {
            "diagramData": DiagramText,
            "chart": ChartText,
            "notesSlide": _Notes,
            "comments": _Comments,
        }
        if relation.kind not in targets:
            return []
        self._seen.add(relation.part)
        target = targets[relation.kind]()
        try:
            self._package.feed(relation.part, target)
        except DocumentError:
            self.notes.append(f"Its part {relation.part:.100} is damaged and was left out.")
            return []
        if relation.kind == "notesSlide" and target.blocks:
            return [Block("Notes: " + "\n".join(block.text for block in target.blocks))]
        return target.blocks


class _Shapes(OfficeText):
    """The shapes of a slide, in groups or not. What a paragraph is depends on the placeholder it stands in."""

    def __init__(self, footers: set[str]) -> None:
        super().__init__()
        self.titles: list[Block] = []
        self._footers = footers
        # None: the shape is no placeholder. A placeholder without a type holds the body.
        self._placeholder: str | None = None
        self._bullet: bool | None = None

    def begin(self, name: str, attributes: Attributes) -> None:
        if name in {"sp", "pic", "graphicFrame", "cxnSp"}:
            self._placeholder = None
        elif name == "ph":
            self._placeholder = value(attributes, "type", "body")
        elif name == "p":
            self._bullet = None
        elif name in {"buChar", "buAutoNum", "buBlip"}:
            self._bullet = True
        elif name == "buNone":
            self._bullet = False

    def paragraph(self, text: str) -> Block | None:
        if self._placeholder in _FURNITURE:
            return None
        if self._placeholder in _TITLES:
            self.titles.append(Block(" ".join(text.split())))
            return None
        if self._placeholder == "ftr":
            if text in self._footers:
                return None
            self._footers.add(text)
        in_body = self._placeholder in {"body", "obj"}
        in_row = any(opened.name == "tc" for opened in self._open)
        if not in_row and (self._bullet or (in_body and self._bullet is None)):
            return Block(f"- {text}", "item")
        return Block(text, "line")


class _Notes(_Shapes):
    """A page of speaker's notes, without the header and footer of the page."""

    def __init__(self) -> None:
        super().__init__(set())

    def paragraph(self, text: str) -> Block | None:
        return Block(text, "line") if self._placeholder in {"body", None} else None


class _Comments(OfficeText):
    """Comments of both generations: the older keeps its text in `text`, the newer in paragraphs."""

    def __init__(self) -> None:
        super().__init__()
        self._plain: list[str] | None = None

    def begin(self, name: str, attributes: Attributes) -> None:
        if name == "text":
            self._plain = []

    def data(self, text: str) -> None:
        super().data(text)
        if self._plain is not None:
            self._plain.append(text)

    def finish(self, name: str) -> None:
        if name == "text" and self._plain is not None:
            if text := " ".join("".join(self._plain).split()):
                self.blocks.append(Block(f"Comment: {text}"))
            self._plain = None

    def paragraph(self, text: str) -> Block:
        return Block(f"Comment: {text}")
