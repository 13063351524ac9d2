"""Word documents: nothing that is on the page is lost, and every paragraph knows its headings."""

import io
import zipfile

import docx as python_docx
import pytest

from localrag.documents.docx_numbering import formatted
from localrag.documents.readers import read_document
from localrag.errors import DocumentError
from localrag.settings import DocumentSettings
from localrag.types import ParsedDocument
from tests.tools.office_files import docx, mutations, outcome, package, relations, strict, text_mutations, word, word_part


def read(data: bytes, name: str = "report.docx") -> ParsedDocument:
    document = read_document(data, name, DocumentSettings())
    assert document.type == "docx"
    return document


def style(identity: str, inner: str, name: str = "") -> str:
    named = f'<w:name w:val="{name}"/>' if name else ""
    return f'<w:style w:type="paragraph" w:styleId="{identity}">{named}{inner}</w:style>'


def styled(body: str, *styles: str) -> bytes:
    return docx(body, {"word/styles.xml": word_part("styles", "".join(styles))}, s="styles styles.xml")


def cell(content: str) -> str:
    return f"<w:tc>{content}</w:tc>"


def table(*rows: list[str]) -> str:
    return "<w:tbl>" + "".join(f"<w:tr>{''.join(cells)}</w:tr>" for cells in rows) + "</w:tbl>"


def places(document: ParsedDocument) -> list[tuple[str, str, str]]:
    return [(document.text[mark.start :].split("\n")[0], mark.location, mark.kind) for mark in document.marks]


def test_text_boxes_insertions_and_content_controls_are_read_and_deletions_are_not() -> None:
    box = "<w:r><w:pict><v:textbox><w:txbxContent>" + word("in a box") + "</w:txbxContent></v:textbox></w:pict></w:r>"
    body = (
        f"<w:p><w:r><w:t>anchor</w:t></w:r>{box}</w:p>"
        "<w:p><w:ins><w:r><w:t>inserted</w:t></w:r></w:ins><w:del><w:r><w:delText>deleted</w:delText><w:t>gone</w:t></w:r></w:del></w:p>"
        "<w:moveFrom><w:p><w:r><w:t>moved away</w:t></w:r></w:p></w:moveFrom>"
        f"<w:sdt><w:sdtContent>{word('controlled')}<w:sdt><w:sdtContent>{word('twice')}</w:sdtContent></w:sdt></w:sdtContent></w:sdt>"
        "<w:p><w:hyperlink><w:r><w:t>linked</w:t></w:r></w:hyperlink><w:r><w:instrText>PAGE</w:instrText></w:r></w:p>"
    )
    assert read(docx(body)).text == "anchor\n\nin a box\n\ninserted\n\ncontrolled\n\ntwice\n\nlinked"


def test_of_alternatives_the_first_is_read_and_the_fallback_only_without_one() -> None:
    both = "<mc:AlternateContent><mc:Choice>{}</mc:Choice><mc:Fallback>{}</mc:Fallback></mc:AlternateContent>"
    only = "<mc:AlternateContent><mc:Fallback>{}</mc:Fallback></mc:AlternateContent>"
    assert read(docx(both.format(word("new"), word("old")) + only.format(word("alone")))).text == "new\n\nalone"


def test_breaks_tabs_and_symbols() -> None:
    run = (
        '<w:t>a</w:t><w:tab/><w:t>b</w:t><w:br/><w:t>c</w:t><w:noBreakHyphen/><w:t>d</w:t><w:softHyphen/><w:sym w:char="03B1"/>'
    )
    private = '<w:sym w:char="F0B7"/><w:sym w:char="oops"/>'
    stops = '<w:pPr><w:tabs><w:tab w:val="left" w:pos="1"/></w:tabs></w:pPr>'
    assert read(docx(f"<w:p>{stops}<w:r>{run}{private}</w:r></w:p>")).text == "a\tb\nc-dα"


def test_a_table_row_is_a_line_and_a_nested_table_stays_in_its_cell() -> None:
    nested = table([cell(word("x")), cell(word("y"))]) + word("after")
    rows = table(
        [cell(word("Name")), cell(word("Age")), cell("")],
        [cell(word("Ann") + word("Lee")), cell(""), cell(nested)],
        [cell(""), cell("")],
    )
    assert read(docx(word("before") + rows + word("end"))).text == "before\n\nName | Age\nAnn Lee |  | x | y after\n\nend"


def test_a_table_that_lays_out_the_page_keeps_its_paragraphs_and_headings() -> None:
    layout = table([cell(word("One", "Heading1") + word("text")), cell(word("Two", "Heading1"))])
    document = read(docx(layout))
    assert document.text == "One\n\ntext\n\nTwo"
    assert [mark.location for mark in document.marks] == ["One", "Two"]


@pytest.mark.parametrize(
    ("styles", "used"),
    [
        ((style("a1", "", "heading 1"), style("a2", "", "heading 2")), ("a1", "a2")),
        ((), ("berschrift1", "berschrift2")),
        ((), ("Heading1", "Heading2")),
        ((style("t", "", "Titre 1"), style("u", "", "제목 2")), ("t", "u")),
        (
            (style("b", '<w:basedOn w:val="c"/>'), style("c", "", "heading 1"), style("d", '<w:outlineLvl w:val="1"/>')),
            ("b", "d"),
        ),
        ((style("p", '<w:basedOn w:val="q"/>'), style("q", '<w:basedOn w:val="p"/>')), ("Heading1", "Heading2")),
    ],
)
def test_headings_are_known_by_name_id_level_or_inheritance(styles: tuple[str, ...], used: tuple[str, str]) -> None:
    body = word("intro") + word("One", used[0]) + word("text") + word("Two", used[1]) + word("more", "p")
    assert places(read(styled(body, *styles))) == [("One", "One", "heading"), ("Two", "One › Two", "heading")]


def test_a_level_at_the_paragraph_overrules_its_style() -> None:
    body = word("Deep", "", '<w:outlineLvl w:val="2"/>') + word("text", "Heading1", '<w:outlineLvl w:val="9"/>')
    assert places(read(docx(body))) == [("Deep", "Deep", "heading")]
    former = '<w:pPrChange><w:pPr><w:pStyle w:val="Heading1"/></w:pPr></w:pPrChange>'
    assert places(read(docx(word("was a heading", "", former)))) == []


def test_a_heading_of_the_length_of_a_page_is_text() -> None:
    assert read(docx(word("word " * 100, "Heading1"))).marks == ()


NUMBERING = word_part(
    "numbering",
    '<w:abstractNum w:abstractNumId="7">'
    '<w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="decimal"/><w:pStyle w:val="Heading1"/>'
    '<w:lvlText w:val="%1."/></w:lvl>'
    '<w:lvl w:ilvl="1"><w:start w:val="1"/><w:numFmt w:val="lowerLetter"/><w:lvlText w:val="%1.%2)"/></w:lvl></w:abstractNum>'
    '<w:abstractNum w:abstractNumId="8">'
    '<w:lvl w:ilvl="0"><w:numFmt w:val="bullet"/><w:lvlText w:val="x"/></w:lvl></w:abstractNum>'
    '<w:num w:numId="1"><w:abstractNumId w:val="7"/></w:num><w:num w:numId="2"><w:abstractNumId w:val="8"/></w:num>'
    '<w:num w:numId="3"><w:abstractNumId w:val="7"/>'
    '<w:lvlOverride w:ilvl="0"><w:startOverride w:val="5"/></w:lvlOverride></w:num>',
)


def item(text: str, number: int, level: int = 0) -> str:
    return word(text, "", f'<w:numPr><w:ilvl w:val="{level}"/><w:numId w:val="{number}"/></w:numPr>')


def test_list_items_carry_the_labels_that_word_shows() -> None:
    body = (
        item("a", 1)
        + item("b", 1)
        + item("c", 1, 1)
        + item("d", 1, 1)
        + item("e", 1)
        + item("f", 2)
        + item("g", 3)
        + item("h", 0)
    )
    document = read(docx(body, {"word/numbering.xml": NUMBERING}, n="numbering numbering.xml"))
    assert document.text == "1. a\n2. b\n  2.a) c\n  2.b) d\n3. e\n- f\n5. g\n\nh"
    assert read(docx(item("lost", 4))).text == "- lost"


def test_numbered_headings_are_cited_with_their_number() -> None:
    styles = word_part("styles", style("Heading1", '<w:pPr><w:numPr><w:numId w:val="1"/></w:numPr></w:pPr>', "heading 1"))
    parts = {"word/numbering.xml": NUMBERING, "word/styles.xml": styles}
    document = read(
        docx(word("Scope", "Heading1") + word("Terms", "Heading1"), parts, n="numbering numbering.xml", s="styles styles.xml")
    )
    assert [mark.location for mark in document.marks] == ["1. Scope", "2. Terms"]


@pytest.mark.parametrize(
    ("count", "form", "shown"),
    [
        (28, "lowerLetter", "bb"),
        (1994, "upperRoman", "MCMXCIV"),
        (4, "lowerRoman", "iv"),
        (7, "decimalZero", "07"),
        (3, "ganada", "다"),
        (2, "decimalEnclosedCircle", "②"),
        (10**8, "lowerLetter", "100000000"),
        (9999, "upperRoman", "9999"),
        (5, "unheardOf", "5"),
    ],
)
def test_numbers_in_words_formats(count: int, form: str, shown: str) -> None:
    assert formatted(count, form) == shown


def test_missing_footnotes_and_the_like_are_noted() -> None:
    parts = {"word/header1.xml": word_part("hdr", word("Acme report"))}
    related = {"a": "header header1.xml", "b": "header header2.xml", "c": "endnotes endnotes.xml"}
    document = read(docx(word("body"), parts, **related))
    assert document.text == "body\n\nAcme report"
    assert document.note == "Its endnotes are missing in the file. Some of its headers are missing in the file."


def test_headers_footnotes_and_comments_follow_the_body_each_under_its_name() -> None:
    notes = '<w:footnote w:type="separator">' + word("---x") + "</w:footnote><w:footnote>" + word("a note") + "</w:footnote>"
    parts = {
        "word/header1.xml": word_part("hdr", word("Acme report")),
        "word/header2.xml": word_part("hdr", word("Acme report")),
        "word/footer1.xml": word_part("ftr", word("17")),
        "word/footnotes.xml": word_part("footnotes", notes),
        "word/comments.xml": word_part(
            "comments", '<w:comment w:author="Ann">' + word("why?") + word("really") + "</w:comment>"
        ),
    }
    related = {"a": "header header1.xml", "b": "header header2.xml", "c": "footer footer1.xml"}
    document = read(docx(word("body"), parts, **related, d="footnotes footnotes.xml", e="comments comments.xml"))
    assert document.text == "body\n\na note\n\nComment by Ann: why?\n\nreally\n\nAcme report"
    assert places(document) == [
        ("a note", "Footnotes", "section"),
        ("Comment by Ann: why?", "Comments", "section"),
        ("Acme report", "Headers", "section"),
    ]


def test_a_web_page_in_the_package_is_read_and_an_embedded_file_is_named() -> None:
    parts = {"word/page.html": "<html><body><p>from a page</p></body></html>", "word/embeddings/a.xlsx": "x"}
    document = read(docx(word("body") + '<w:altChunk r:id="c"/>', parts, c="aFChunk page.html", p="package embeddings/a.xlsx"))
    assert document.text == "body\n\nfrom a page"
    assert document.note == "1 embedded file was not read; add what matters by itself."


def core(title: str) -> str:
    return (
        '<cp:coreProperties xmlns:cp="c" xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f"<dc:title>{title}</dc:title><dc:description>About it</dc:description><dc:language>de-DE</dc:language>"
        "</cp:coreProperties>"
    )


def test_title_description_and_language() -> None:
    body = word("The paper", "Title") + word("Intro", "Heading1")
    stated = read(docx(body, {"docProps/core.xml": core("Annual  report")}))
    assert (stated.title, stated.description, stated.language) == ("Annual report", "About it", "de-DE")
    assert read(docx(body, {"docProps/core.xml": core("Microsoft Word - a.doc")})).title == "The paper"
    assert read(docx(body, {"docProps/core.xml": core("Word by word")})).title == "Word by word"
    assert read(docx(word("Intro", "Heading1"))).title == "Intro"
    language = '<w:docDefaults><w:rPrDefault><w:rPr><w:lang w:val="ko-KR"/></w:rPr></w:rPrDefault></w:docDefaults>'
    plain = read(styled(word("text"), language))
    assert (plain.title, plain.language, plain.pages) == ("report", "ko-KR", 0)


def test_strict_files_macros_other_names_and_odd_part_names_are_read_alike() -> None:
    data = styled(word("One", "b") + word("text"), style("b", "", "heading 1"))
    assert places(read(strict(data))) == [("One", "One", "heading")]
    assert read(data, "old.doc").text == read(data, "x.docm").text == "One\n\ntext"
    types = '<Types><Override PartName="/main%20part.xml" ContentType="{}"/></Types>'
    kind = "application/vnd.ms-word.template.macroEnabledTemplate.main+xml"
    odd = {
        "[Content_Types].xml": types.format(kind),
        "_rels/.rels": relations(r="officeDocument /main%20part.xml"),
        "main part.xml": word_part("document", word("found")),
    }
    assert read(package(odd)).text == "found"


def test_a_document_of_python_docx_is_read() -> None:
    made = python_docx.Document()
    made.add_heading("Report", 0)
    made.add_heading("Results", 1)
    made.add_paragraph("first", "List Number")
    made.add_paragraph("dot", "List Bullet")
    grid = made.add_table(2, 3)
    grid.cell(0, 0).text, grid.cell(0, 2).text, grid.cell(1, 1).text = "wide", "c", "b"
    grid.cell(0, 0).merge(grid.cell(0, 1))
    buffer = io.BytesIO()
    made.save(buffer)
    document = read(buffer.getvalue())
    assert document.text == "Report\n\nResults\n\n1. first\n- dot\n\nwide | c\n | b"
    assert [mark.location for mark in document.marks] == ["Report", "Report › Results"]
    assert document.title == "Report"


@pytest.mark.parametrize(
    "part",
    [
        word_part("document", "<w:p>" * 100_000 + "</w:p>" * 100_000),
        '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>' + word_part("document", word("&b;")),
        word_part("document", word("cut"))[:-5],
        "",
        "\0\1",
    ],
    ids=["deep", "laughs", "cut", "empty", "binary"],
)
def test_a_hostile_main_part_is_one_sentence(part: str) -> None:
    with pytest.raises(DocumentError, match=r"^a\.docx is damaged: its part word/document\.xml cannot be read .*add it\.$"):
        read_document(package({"word/document.xml": part}), "a.docx", DocumentSettings())


def test_a_file_that_unpacks_to_gigabytes_is_refused() -> None:
    with pytest.raises(DocumentError, match="unpacks to more than"):
        read_document(package({"word/document.xml": " " * 150_000_000}), "a.docx", DocumentSettings())


def test_a_damaged_part_beside_the_body_is_left_out_and_named() -> None:
    document = read(docx(word("body"), {"word/header1.xml": "<oops"}, h="header header1.xml"))
    assert document.text == "body"
    assert document.note == "Its part word/header1.xml is damaged and was left out."


def test_a_row_of_very_many_empty_cells_takes_no_long_time() -> None:
    row = [cell(word("a")), *[cell("")] * 50_000, cell(word("b"))]
    assert read(docx(table(row))).text == "a | b"


def sample() -> bytes:
    body = word("One", "Heading1") + item("a", 1) + table([cell(word("x")), cell(word("y"))]) + word("text " * 30)
    return docx(body, {"word/numbering.xml": NUMBERING, "docProps/core.xml": core("T")}, n="numbering numbering.xml")


def test_damaged_archives_are_read_or_refused() -> None:
    outcomes = {outcome(data, "a.docx") for data in mutations(sample(), 400, seed=1)}
    assert "docx" in outcomes
    assert len(outcomes) > 1
    assert all(text == "docx" or text.startswith("a.docx ") for text in outcomes)


@pytest.mark.parametrize("part", ["word/document.xml", "word/numbering.xml", "word/_rels/document.xml.rels"])
def test_damaged_parts_are_read_or_refused(part: str) -> None:
    with zipfile.ZipFile(io.BytesIO(sample())) as archive:
        parts = {name: archive.read(name).decode() for name in archive.namelist()}
    outcomes = {outcome(package({**parts, part: text}), "a.docx") for text in text_mutations(parts[part], 200, seed=2)}
    assert "docx" in outcomes
