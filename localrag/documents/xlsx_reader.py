"""Workbooks (XLSX, XLSM, templates, strict or not): every sheet, a line for each row, cited by sheet and rows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from localrag.documents.office_parts import DiagramText
from localrag.documents.office_text import Block, OfficeWriter
from localrag.documents.ooxml import OfficePackage, Relation, XmlTarget, is_kind, is_on, missing_note, relation_id, value
from localrag.documents.raw import RawDocument, short_title
from localrag.documents.row_groups import GROUP_ROWS, grouped, range_label
from localrag.documents.xlsx_sheet import Budget, CellComments, Enough, Sheet, SheetRow, header_index
from localrag.documents.xlsx_values import CellFormats, CellValues, SharedStrings
from localrag.errors import DocumentError
from localrag.types import ParsedDocument

TYPE = "xlsx"
_SHEET_KINDS = frozenset({"worksheet", "dialogsheet", "xlMacrosheet", "xlIntlMacrosheet"})
_SHEET_NAME = re.compile(r"xl/worksheets/sheet(\d{1,9})\.xml", re.IGNORECASE)
# What Excel calls a new sheet says nothing about what is in it.
_DEFAULT_NAME = re.compile(r"(?:sheet|tabelle|feuil|hoja|foglio|planilha|лист|시트|工作表|シート)\s*\d*", re.IGNORECASE)
_REPEATED_CHARS = 300


def recognises(raw: RawDocument) -> bool:
    """By the parts of the package, whatever the file is called."""
    return is_kind(raw, TYPE)


def read(raw: RawDocument) -> ParsedDocument:
    """Title: of the properties, else the file's name. Hidden sheets, rows and columns are read like the others.

    The row that names the columns is repeated in front of every group of rows. Formulas show the values stored with them.
    Raises:
        DocumentError: damaged, or unpacking to too much. A sheet that cannot be read is left out and named in the note.
    """
    return _Workbook(OfficePackage(raw, TYPE), Budget()).document(raw)


class _Workbook:
    def __init__(self, package: OfficePackage, budget: Budget) -> None:
        self._package, self._budget = package, budget
        self._writer = OfficeWriter()
        self._notes: list[str] = []
        self._relations = package.relations(package.main)

    def document(self, raw: RawDocument) -> ParsedDocument:
        values = self._values()
        sheets = self._sheets()
        problem: DocumentError | None = None
        failed = 0
        for name, part in sheets:
            try:
                self._add_sheet(name, part, values)
            except DocumentError as exc:
                problem, failed = exc, failed + 1
                self._notes.append(f"Sheet {name} was left out: {exc}")
        if problem is not None and failed == len(sheets):
            raise problem
        if values.lost:
            lost = "The text of 1 cell is" if values.lost == 1 else f"The texts of {values.lost:,} cells are"
            self._notes.append(f"{lost} missing in the file.")
        stated = self._package.properties()
        return ParsedDocument(
            self._writer.text,
            TYPE,
            title=short_title(stated.title) or raw.stem,
            description=stated.description,
            language=stated.language,
            marks=tuple(self._writer.marks),
            note=" ".join(self._notes),
        )

    def _values(self) -> CellValues:
        strings, formats = SharedStrings(), CellFormats()
        self._feed_first("sharedStrings", strings)
        try:
            self._feed_first("styles", formats)
        except DocumentError:
            self._notes.append("Its styles are damaged, so dates may be shown as numbers.")
        stated = self._package.elements(self._package.main, "workbookPr")
        from_1904 = any(is_on(value(element.attributes, "date1904")) for element in stated)
        return CellValues(strings.strings, formats.formats, from_1904)

    def _feed_first(self, kind: str, target: XmlTarget) -> None:
        part = next((relation.part for relation in self._relations if relation.kind == kind), "")
        if part:
            self._package.feed(part, target)

    def _sheets(self) -> list[tuple[str, str]]:
        """Name and part of every worksheet in the workbook's order."""
        parts = {relation.id: relation.part for relation in self._relations if relation.kind in _SHEET_KINDS}
        # Sheets of charts are none of those, and not missing.
        known = {relation.id for relation in self._relations}
        found: dict[str, str] = {}
        missing = 0
        for sheet in self._package.elements(self._package.main, "sheet"):
            identity, name = relation_id(sheet.attributes), short_title(value(sheet.attributes, "name"))
            if part := parts.get(identity):
                found.setdefault(part, name)
            elif identity not in known:
                missing += 1
        if not found:
            numbered = [(int(match[1]), name) for name in self._package.names if (match := _SHEET_NAME.fullmatch(name))]
            found = {name: f"Sheet{number}" for number, name in sorted(numbered)}
            missing -= len(found)
        if missing > 0:
            self._notes.append(missing_note(missing, "sheets"))
        return [(name, part) for part, name in found.items()]

    def _add_sheet(self, name: str, part: str, values: CellValues) -> None:
        sheet = Sheet(values, self._budget)
        try:
            self._package.feed(part, sheet)
        except Enough:
            rows = sheet.rows()
            after = f"after row {rows[-1].number:,}" if rows else "as a whole"
            self._notes.append(f"Sheet {name} was left out {after}: the workbook holds more than is read. Split it.")
        self._add_rows(name, sheet.rows())
        self._add_beside(name, part)

    def _add_rows(self, name: str, rows: list[SheetRow]) -> None:
        header = header_index(rows)
        repeated = rows[header].text if header is not None else ""
        if len(repeated) > _REPEATED_CHARS:
            repeated = repeated[: _REPEATED_CHARS - 1].rstrip() + "…"
        for first, after in _groups(rows):
            group = rows[first:after]
            self._writer.section(f"{name}, {range_label(group[0].number, group[-1].number, 'row')}")
            if first == 0 and not _DEFAULT_NAME.fullmatch(name):
                self._writer.add([Block(name)])
            if header is not None and first > header:
                self._writer.add([Block(repeated, "row")])
            self._writer.add([Block(row.text, "row") for row in group])

    def _add_beside(self, name: str, part: str) -> None:
        """Comments on cells and text in shapes."""
        try:
            relations: list[Relation] = self._package.relations(part)
            for relation in relations:
                if relation.kind == "comments":
                    comments = CellComments()
                    self._package.feed(relation.part, comments)
                    self._writer.section(f"{name}, comments")
                    self._writer.add([Block(line, "line") for line in comments.lines])
                elif relation.kind == "drawing":
                    shapes = DiagramText()
                    self._package.feed(relation.part, shapes)
                    self._writer.section(f"{name}, shapes")
                    self._writer.add(shapes.blocks)
        except DocumentError:
            self._notes.append(f"The comments or shapes of sheet {name} are damaged and were left out.")


def _groups(rows: list[SheetRow]) -> Iterator[tuple[int, int]]:
    """Groups of rows as index ranges; none reaches across many empty rows, where another table begins."""
    borders = [index for index in range(1, len(rows)) if rows[index].number - rows[index - 1].number > GROUP_ROWS]
    for start, end in pairwise([0, *borders, len(rows)]):
        for first, after in grouped(len(row.text) for row in rows[start:end]):
            yield start + first, start + after
