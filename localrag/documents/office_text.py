"""Paragraphs and tables of Office documents as blocks, and blocks as text with marks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

from localrag.documents.ooxml import Attributes, XmlTarget, is_on, local, value
from localrag.documents.raw import HeadingPath, words
from localrag.types import Mark

BlockKind = Literal["text", "heading", "item", "row", "line"]
CELL_BORDER = " | "
# A longer row lays out the page; its cells are no values to be joined on a line.
_ROW_CHARS = 2_000
# Word's own limit is 63.
_MAX_COLUMNS = 256
# Longer paragraphs in a heading's style are text that was styled wrongly.
_HEADING_CHARS = 300
# Deleted text, former properties, tab stops, and the reading aids above East Asian characters.
_SKIPPED = words(
    "del moveFrom pPrChange rPrChange tblPrChange trPrChange tcPrChange sectPrChange numberingChange tabs tabLst rt"
)
_BREAKS = {"tab": "\t", "ptab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}
_INVISIBLE = re.compile("[\x00-\x08\x0b-\x1f\u00ad\u200b\u2060\ufeff\ufffe\uffff]")


class Block(NamedTuple):
    """A paragraph, heading (with its level), list item, table row or single line."""

    text: str
    kind: BlockKind = "text"
    level: int = 0


class _Open(NamedTuple):
    """A paragraph, row or cell that has begun: its text so far, and the blocks or cells in it."""

    name: str
    text: list[str]
    blocks: list[Block]
    cells: list[list[Block]]


class OfficeText(XmlTarget):
    """Collects the blocks of a part, of WordprocessingML and DrawingML alike: they share the names p, r, t, tbl, tr, tc.

    Whatever holds paragraphs is walked through: text boxes, content controls, tracked insertions, groups, equations.
    A paragraph that holds others (a text box is anchored in it) comes first. Of alternatives only the first is taken.
    """

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self._open: list[_Open] = []
        self._sinks: list[list[Block]] = [self.blocks]
        self._skipping = 0
        self._in_text = False
        self._chosen: list[bool] = []

    def start(self, tag: str, attributes: Attributes) -> None:
        name = local(tag)
        if self._skipping or self._is_skipped(name, attributes):
            self._skipping += 1
        elif name == "t":
            self._in_text = True
        elif name in {"p", "tr", "tc"}:
            opened = _Open(name, [], [], [])
            self._open.append(opened)
            if name != "tr":
                self._sinks.append(opened.blocks)
            self.begin(name, attributes)
        else:
            if name == "AlternateContent":
                self._chosen.append(False)
            elif name == "Choice" and self._chosen:
                self._chosen[-1] = True
            elif name in _BREAKS:
                self.write(_BREAKS[name])
            self.begin(name, attributes)

    def end(self, tag: str) -> None:
        if self._skipping:
            self._skipping -= 1
            return
        name = local(tag)
        if name == "t":
            self._in_text = False
        elif name == "p":
            self._end_paragraph()
        elif name == "tc":
            self._end_cell()
        elif name == "tr":
            self._end_row()
        elif name == "AlternateContent":
            self._chosen.pop()
        self.finish(name)

    def data(self, text: str) -> None:
        if self._in_text and not self._skipping:
            self.write(text)

    def write(self, text: str) -> None:
        """Add text to the paragraph at hand."""
        if self._open and self._open[-1].name == "p":
            self._open[-1].text.append(text)

    def begin(self, name: str, attributes: Attributes) -> None:
        """For subclasses: an element begins that is not skipped."""

    def finish(self, name: str) -> None:
        """For subclasses: an element has ended."""

    def paragraph(self, text: str) -> Block | None:
        """For subclasses: the block a paragraph's text becomes; None leaves it out. Called at its end, never when blank."""
        return Block(text)

    def _is_skipped(self, name: str, attributes: Attributes) -> bool:
        if name == "Fallback":
            return bool(self._chosen) and self._chosen[-1]
        # A cell that the one left of it has swallowed.
        return name in _SKIPPED or (name == "tc" and is_on(value(attributes, "hMerge")))

    def _end_paragraph(self) -> None:
        ended = self._open.pop()
        self._sinks.pop()
        text = _INVISIBLE.sub("", "".join(ended.text)).strip()
        block = self.paragraph(text) if text else None
        if block is not None and block.kind == "heading" and len(text) > _HEADING_CHARS:
            block = Block(block.text)
        self._sinks[-1].extend([*([block] if block is not None else []), *ended.blocks])

    def _end_cell(self) -> None:
        ended = self._open.pop()
        self._sinks.pop()
        if self._open and self._open[-1].name == "tr":
            self._open[-1].cells.append(ended.blocks)
        else:
            self._sinks[-1].extend(ended.blocks)

    def _end_row(self) -> None:
        self._sinks[-1].extend(row_blocks(self._open.pop().cells))


def row_blocks(cells: Sequence[Sequence[Block]]) -> list[Block]:
    """A table row as one line; as the blocks of its cells when it holds headings, a lot of text, or one cell only."""
    filled = [cell for cell in cells if cell]
    blocks = [block for cell in cells for block in cell]
    is_layout = any(block.kind == "heading" for block in blocks) or sum(len(block.text) for block in blocks) > _ROW_CHARS
    if is_layout or (len(cells) == 1 and len(blocks) > 1):
        return blocks
    # Cells without text stay, so that columns keep their places, but not at the end; of very many only the filled ones.
    last = max((index for index, cell in enumerate(cells) if cell), default=-1)
    shown = cells[: last + 1] if last < _MAX_COLUMNS else filled
    line = CELL_BORDER.join(" ".join(" ".join(block.text for block in cell).split()) for cell in shown)
    return [Block(line, "row")] if filled else []


class OfficeWriter:
    """Blocks to text: paragraphs are parted by a blank line; rows, items and lines stand below each other."""

    def __init__(self) -> None:
        self.marks: list[Mark] = []
        self._parts: list[str] = []
        self._length = 0
        self._before: BlockKind = "text"
        self._section: tuple[str, int | None] | None = None
        self._path = HeadingPath()

    @property
    def text(self) -> str:
        return "".join(self._parts)

    def section(self, location: str, page: int | None = None) -> None:
        """What is added next belongs to this place; nothing is marked when nothing is added."""
        self._section = (location, page)
        self._before = "text"

    def add(self, blocks: Sequence[Block]) -> None:
        for block in blocks:
            if self._length:
                together = block.kind == self._before and block.kind in {"item", "row", "line"}
                self._write("\n" if together else "\n\n")
            if self._section is not None:
                self.marks.append(Mark(self._length, self._section[0], self._section[1], "section"))
                self._section = None
            if block.kind == "heading":
                self.marks.append(Mark(self._length, self._path.enter(block.level, block.text)))
            self._write(block.text)
            self._before = block.kind

    def _write(self, text: str) -> None:
        self._parts.append(text)
        self._length += len(text)
