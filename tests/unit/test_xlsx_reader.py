"""Workbooks: a line for each row, values as they are shown, and nothing cut without saying so."""

import datetime
import io
import zipfile

import openpyxl
import pytest
from openpyxl.comments import Comment

from localrag.documents import xlsx_reader
from localrag.documents.ooxml import OfficePackage
from localrag.documents.raw import RawDocument
from localrag.documents.readers import read_document
from localrag.documents.xlsx_sheet import Budget, column_number
from localrag.documents.xlsx_values import number_text
from localrag.errors import DocumentError
from localrag.settings import DocumentSettings
from localrag.types import ParsedDocument
from tests.tools.office_files import A, R, S, mutations, outcome, package, relations, strict, text_mutations, xlsx


def read(data: bytes, name: str = "book.xlsx") -> ParsedDocument:
    document = read_document(data, name, DocumentSettings())
    assert document.type == "xlsx"
    return document


def saved(book: openpyxl.Workbook) -> bytes:
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def lines(document: ParsedDocument) -> list[str]:
    """The rows, without the name of the sheet in front of the first."""
    return document.text.split("\n")[2:]


def places(document: ParsedDocument) -> list[tuple[str, str]]:
    return [(document.text[mark.start :].split("\n")[0], mark.location) for mark in document.marks]


def numbered(count: int) -> str:
    head = '<row r="1"><c r="A1" t="str"><v>Name</v></c><c r="B1" t="str"><v>Age</v></c></row>'
    return head + "".join(
        f'<row r="{n}"><c r="A{n}" t="str"><v>n{n}</v></c><c r="B{n}"><v>{n}</v></c></row>' for n in range(2, count + 1)
    )


def test_rows_come_in_groups_that_repeat_the_names_of_the_columns() -> None:
    document = read(xlsx(numbered(45)))
    assert places(document) == [
        ("Data", "Data, rows 1 to 20"),
        ("Name | Age", "Data, rows 21 to 40"),
        ("Name | Age", "Data, rows 41 to 45"),
    ]
    assert document.text.startswith("Data\n\nName | Age\nn2 | 2\n")
    assert "n20 | 20\n\nName | Age\nn21 | 21" in document.text
    assert all(mark.kind == "section" and mark.page is None for mark in document.marks)


def test_a_group_of_long_rows_is_shorter_and_a_table_without_names_repeats_nothing() -> None:
    rows = "".join(f'<row r="{n}"><c t="str"><v>{"x" * 700}</v></c><c><v>{n}</v></c></row>' for n in range(1, 4))
    document = read(xlsx(rows))
    assert [mark.location for mark in document.marks] == ["Data, rows 1 to 2", "Data, row 3"]
    assert document.text.count("xxx | 1") == document.text.count("xxx | 3") == 1


def test_every_type_of_cell_is_shown_as_excel_shows_it() -> None:
    strings = "<si><t>plain</t></si><si><r><t>ri</t></r><r><t>ch</t></r><rPh><t>no</t></rPh></si><si><t>a_x000D_\nb</t></si>"
    cells = (
        '<c t="s"><v>0</v></c><c t="s"><v>1</v></c><c t="s"><v>2</v></c><c t="s"><v>99</v></c>'
        '<c t="inlineStr"><is><t>in</t></is></c><c t="b"><v>1</v></c><c t="e"><v>#DIV/0!</v></c>'
        '<c><v>0.30000000000000004</v></c><c><v>1E3</v></c><c t="d"><v>2024-05-03T00:00:00</v></c>'
        '<c><f>A1+1</f><v>7</v></c><c><f>SUM(A1:A2)</f></c><c t="str"><f>A1</f><v>text</v></c><c><v>odd</v></c><c s="1"/>'
    )
    shown = "plain | rich | a b |  | in | TRUE | #DIV/0! | 0.3 | 1000 | 2024-05-03 | 7 | =SUM(A1:A2) | text | odd"
    assert lines(read(xlsx(f"<row>{cells}</row>", strings))) == [shown]


STYLES = (
    '<numFmts><numFmt numFmtId="164" formatCode="[$-407]dd\\.mm\\.yyyy"/><numFmt numFmtId="165" formatCode="[h]:mm"/>'
    '<numFmt numFmtId="166" formatCode="0.00&quot;days&quot;"/><numFmt numFmtId="167" formatCode="[Red]0.0%"/></numFmts>'
    '<cellStyleXfs><xf numFmtId="14"/></cellStyleXfs><cellXfs>'
    + "".join(f'<xf numFmtId="{number}"/>' for number in (0, 14, 22, 164, 165, 166, 167, 21, 9))
    + "</cellXfs>"
)


def test_numbers_follow_the_format_of_their_style() -> None:
    values = [
        (0, 45415),
        (1, 45415),
        (2, 45415.604166666664),
        (3, 45415),
        (4, 1.5),
        (5, 2.5),
        (6, 0.255),
        (7, 0.75),
        (8, 0.07),
        (99, 3),
    ]
    cells = "".join(f'<c s="{style}"><v>{number}</v></c>' for style, number in values)
    shown = "45415 | 2024-05-03 | 2024-05-03 14:30:00 | 2024-05-03 | 36:00:00 | 2.5 | 25.5% | 18:00:00 | 7% | 3"
    assert lines(read(xlsx(f"<row>{cells}</row>", styles=STYLES))) == [shown]


@pytest.mark.parametrize(
    ("stored", "from_1904", "shown"),
    [
        ("1", False, "1900-01-01"),
        ("59", False, "1900-02-28"),
        ("61", False, "1900-03-01"),
        ("0", True, "1904-01-01"),
        ("2958465", False, "9999-12-31"),
        ("2958466", False, "2958466"),
        ("2957004", True, "2957004"),
        ("-1", False, "-1"),
        ("1e400", False, "inf"),
        ("nan", False, "nan"),
        ("0.5", False, "12:00:00"),
        ("45415.9999999", False, "2024-05-04"),
    ],
)
def test_dates_at_the_ends_of_the_calendar(stored: str, from_1904: bool, shown: str) -> None:
    assert number_text(stored, "date", from_1904) == shown


def test_columns_keep_their_places_across_empty_cells() -> None:
    rows = (
        '<row r="3"><c r="C3" t="str"><v>c</v></c><c r="E3"><v>5</v></c></row>'
        '<row r="4"><c r="B4"><v>1</v></c><c r="E4"><v>2</v></c></row>'
    )
    document = read(xlsx(rows))
    assert lines(document) == [" | c |  | 5", "1 |  |  | 2"]
    assert places(document)[0][1] == "Data, rows 3 to 4"


def test_a_cell_in_the_far_corner_costs_one_cell() -> None:
    rows = '<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576" t="str"><v>far</v></c></row>'
    raw = RawDocument(xlsx(rows), "a.xlsx")
    budget = Budget()
    before = budget.cells
    document = xlsx_reader._Workbook(OfficePackage(raw, "xlsx"), budget).document(raw)
    assert before - budget.cells == 2
    assert document.text == "Data\n\n1\n\nfar"
    assert [mark.location for mark in document.marks] == ["Data, row 1", "Data, row 1048576"]


@pytest.mark.parametrize("budget", [Budget(cells=7), Budget(chars=13)], ids=["cells", "characters"])
def test_what_a_limit_cuts_off_is_said(budget: Budget) -> None:
    raw = RawDocument(xlsx(numbered(30)), "a.xlsx")
    document = xlsx_reader._Workbook(OfficePackage(raw, "xlsx"), budget).document(raw)
    assert document.note == "Sheet Data was left out after row 3: the workbook holds more than is read. Split it."
    assert lines(document) == ["Name | Age", "n2 | 2", "n3 | 3"]


def test_a_long_string_that_every_cell_repeats_is_cut_at_the_limit() -> None:
    document = read(xlsx('<row><c t="s"><v>0</v></c></row>' * 30_000, f"<si><t>{'x' * 30_000}</t></si>"))
    assert len(document.text) < 21_000_000
    assert "was left out after row" in document.note


def test_a_workbook_of_openpyxl_is_read() -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["Name", "When", "Ok"])
    sheet.append(["Ann", datetime.datetime(2024, 5, 3, 14, 30), True])
    sheet.append(["Bo", datetime.date(1999, 12, 31), None])
    hidden = book.create_sheet("Costs")
    hidden.sheet_state = "hidden"
    hidden["B2"] = datetime.time(3, 4)
    hidden["B2"].comment = Comment("late", "me")
    book.properties.title, book.properties.language = "People", "en"
    document = read(saved(book))
    assert document.text == (
        "Name | When | Ok\nAnn | 2024-05-03 14:30:00 | TRUE\nBo | 1999-12-31\n\nCosts\n\n03:04:00\n\nComment on B2: late"
    )
    assert [mark.location for mark in document.marks] == ["Sheet, rows 1 to 3", "Costs, row 2", "Costs, comments"]
    assert (document.title, document.language, document.pages, document.note) == ("People", "en", 0, "")


def test_damaged_styles_cost_the_formats_only() -> None:
    document = read(xlsx('<row><c s="1"><v>45415</v></c></row>', parts={"xl/styles.xml": "<oops"}))
    assert lines(document) == ["45415"]
    assert document.note == "Its styles are damaged, so dates may be shown as numbers."


def test_text_in_shapes_is_read() -> None:
    parts = {
        "xl/worksheets/_rels/sheet1.xml.rels": relations(d="drawing ../drawings/drawing1.xml"),
        "xl/drawings/drawing1.xml": f'<d xmlns:a="{A}"><a:p><a:r><a:t>a remark</a:t></a:r></a:p></d>',
    }
    assert read(xlsx("", parts=parts)).text == "a remark"


def test_an_empty_workbook_has_no_text() -> None:
    document = read(saved(openpyxl.Workbook()))
    assert (document.text, document.marks) == ("", ())


def test_strict_files_macros_and_other_names_are_read() -> None:
    data = xlsx(numbered(3))
    assert (
        read(strict(data)).text == read(data, "a.xlsm").text == read(data, "a.xls").text == "Data\n\nName | Age\nn2 | 2\nn3 | 3"
    )


def test_dates_count_from_1904_when_the_workbook_says_so() -> None:
    sheets = '<sheets><sheet name="Data" r:id="a"/></sheets>'
    book = f'<workbook xmlns="{S}" xmlns:r="{R}"><workbookPr date1904="1"/>{sheets}</workbook>'
    assert lines(read(xlsx('<row><c s="1"><v>0</v></c></row>', styles=STYLES, parts={"xl/workbook.xml": book}))) == [
        "1904-01-01"
    ]


def test_cells_whose_texts_are_missing_are_counted_in_the_note() -> None:
    cells = '<row r="1"><c t="s"><v>0</v></c><c t="s"><v>{}</v></c><c t="s"><v>-1</v></c><c t="s"><v>x</v></c></row>'
    document = read(xlsx(cells.format(999), "<si><t>here</t></si>"))
    assert (lines(document), document.note) == (["here"], "The texts of 3 cells are missing in the file.")
    one = '<row r="1"><c t="s"><v>0</v></c><c t="str"><v>inline</v></c></row>'
    lost = {"xl/_rels/workbook.xml.rels": relations(a="worksheet worksheets/sheet1.xml", b="sharedStrings gone.xml")}
    document = read(xlsx(one, parts=lost))
    assert (lines(document), document.note) == (["inline"], "The text of 1 cell is missing in the file.")


def test_missing_sheets_are_counted_and_sheets_of_charts_are_not() -> None:
    listed = '<sheet name="Gone" r:id="y"/><sheet name="Data" r:id="a"/><sheet name="Chart" r:id="c"/>'
    parts = {
        "xl/workbook.xml": f'<workbook xmlns="{S}" xmlns:r="{R}"><sheets>{listed}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": relations(
            a="worksheet worksheets/sheet1.xml", c="chartsheet charts/sheet1.xml", y="worksheet worksheets/sheet2.xml"
        ),
        "xl/charts/sheet1.xml": "<chartsheet/>",
    }
    cells = '<row r="1"><c t="str"><v>present</v></c></row>'
    document = read(xlsx(cells, parts=parts))
    assert (lines(document), document.note) == (["present"], "1 of its sheets is missing in the file.")
    lost = {"xl/_rels/workbook.xml.rels": relations()}
    assert read(xlsx(cells, parts=lost)).note == ""


def test_a_damaged_sheet_is_left_out_and_named_unless_it_is_the_only_one() -> None:
    two = '<sheet name="Data" r:id="a"/><sheet name="Bad" r:id="z"/>'
    parts = {
        "xl/workbook.xml": f'<workbook xmlns="{S}" xmlns:r="{R}"><sheets>{two}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": relations(a="worksheet worksheets/sheet1.xml", z="worksheet worksheets/sheet2.xml"),
        "xl/worksheets/sheet2.xml": "<oops",
    }
    document = read(xlsx(numbered(2), parts=parts))
    assert document.text == "Data\n\nName | Age\nn2 | 2"
    assert document.note.startswith(
        "Sheet Bad was left out: book.xlsx is damaged: its part xl/worksheets/sheet2.xml cannot be read"
    )
    with pytest.raises(DocumentError, match="sheet1"):
        read(xlsx("", parts={"xl/worksheets/sheet1.xml": "<oops"}))


@pytest.mark.parametrize(
    ("reference", "column"), [("A1", 1), ("AB7", 28), ("XFD1", 16384), ("XFE1", 0), ("a1", 0), ("", 0), ("ZZZZ1", 0)]
)
def test_column_numbers(reference: str, column: int) -> None:
    assert column_number(reference) == column


def test_damaged_archives_and_parts_are_read_or_refused() -> None:
    data = xlsx(numbered(30), "<si><t>x</t></si>", STYLES)
    outcomes = {outcome(copy, "a.xlsx") for copy in mutations(data, 300, seed=5)}
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = {name: archive.read(name).decode() for name in archive.namelist()}
    for part, text in parts.items():
        outcomes |= {outcome(package({**parts, part: copy}), "a.xlsx") for copy in text_mutations(text, 100, seed=6)}
    assert "xlsx" in outcomes
    assert len(outcomes) > 1
    assert all(text == "xlsx" or text.startswith("a.xlsx ") for text in outcomes)
