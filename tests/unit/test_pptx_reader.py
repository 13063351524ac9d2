"""Presentations: every slide in its order, cited by number and title."""

import io
import zipfile

import pptx as python_pptx
import pytest
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.util import Inches

from localrag.documents.readers import read_document
from localrag.errors import DocumentError
from localrag.settings import DocumentSettings
from localrag.types import Mark, ParsedDocument
from tests.tools.office_files import (
    A,
    P,
    mutations,
    outcome,
    package,
    pptx,
    relations,
    shape,
    slide_part,
    strict,
    text_mutations,
)


def read(data: bytes, name: str = "talk.pptx") -> ParsedDocument:
    document = read_document(data, name, DocumentSettings())
    assert document.type == "pptx"
    return document


def test_slides_follow_the_presentations_order_and_know_number_and_title() -> None:
    slides = [shape("First", "title") + shape("one\ntwo", "none"), shape("no title"), ""]
    document = read(pptx(slides, order=[2, 1, 3]))
    assert document.text == "no title\n\nFirst\n\n- one\n- two"
    assert document.marks == (
        Mark(0, "slide 1", 1, "section"),
        Mark(10, "slide 2 › First", 2, "section"),
    )
    assert (document.pages, document.title) == (3, "First")


def test_groups_tables_and_alternatives_are_read_and_furniture_is_not() -> None:
    group = f"<p:grpSp><p:grpSp>{shape('deep in groups')}</p:grpSp></p:grpSp>"
    cells = "".join(f"<a:tc><a:txBody><a:p><a:r><a:t>{text}</a:t></a:r></a:p></a:txBody></a:tc>" for text in ("a", "b"))
    merged = '<a:tc hMerge="1"><a:txBody><a:p><a:r><a:t>swallowed</a:t></a:r></a:p></a:txBody></a:tc>'
    grid = f"<p:graphicFrame><a:graphic><a:tbl><a:tr>{cells}{merged}</a:tr></a:tbl></a:graphic></p:graphicFrame>"
    both = f"<mc:Choice>{shape('new')}</mc:Choice><mc:Fallback>{shape('old')}</mc:Fallback>"
    choice = f"<mc:AlternateContent>{both}</mc:AlternateContent>"
    furniture = shape("17", "sldNum") + shape("1 May", "dt") + shape("Acme", "ftr")
    document = read(pptx([group + grid + choice + furniture, shape("Acme", "ftr") + shape("last")]))
    assert document.text == "deep in groups\n\na | b\n\nnew\nAcme\n\nlast"


def test_the_title_comes_first_wherever_it_stands_and_line_breaks_in_it_are_spaces() -> None:
    lines = "<a:r><a:t>The</a:t></a:r><a:br/><a:r><a:t>End</a:t></a:r>"
    broken = f'<p:sp><p:nvPr><p:ph type="ctrTitle"/></p:nvPr><a:p>{lines}</a:p></p:sp>'
    document = read(pptx([shape("below") + broken]))
    assert document.text == "The End\n\nbelow"
    assert document.marks[0].location == "slide 1 › The End"


def test_notes_diagrams_and_comments_belong_to_their_slide() -> None:
    points = "".join(f"<d:pt><d:t><a:p><a:r><a:t>{text}</a:t></a:r></a:p></d:t></d:pt>" for text in ("plan", "do"))
    parts = {
        "ppt/slides/_rels/slide1.xml.rels": relations(
            n="notesSlide ../notesSlides/n1.xml", d="diagramData ../diagrams/data1.xml", c="comments ../comments/c1.xml"
        ),
        "ppt/notesSlides/n1.xml": slide_part(
            shape("say it\nslowly", "body") + shape("3", "sldNum") + shape("page", "hdr"), "notes"
        ),
        "ppt/diagrams/data1.xml": f'<d:dataModel xmlns:d="d" xmlns:a="{A}">{points}</d:dataModel>',
        "ppt/comments/c1.xml": f'<p:cmLst xmlns:p="{P}"><p:cm><p:text>really?</p:text></p:cm></p:cmLst>',
    }
    document = read(pptx([shape("Plan", "title"), shape("Next", "title")], parts))
    assert document.text == "Plan\n\nNotes: say it\nslowly\n\nplan\ndo\n\nComment: really?\n\nNext"
    assert [mark.page for mark in document.marks] == [1, 2]


def test_a_damaged_slide_is_left_out_and_named_unless_it_is_the_only_one() -> None:
    parts = {"ppt/slides/slide1.xml": "<oops"}
    document = read(pptx(["", shape("good")], parts))
    assert document.text == "good"
    assert document.marks == (Mark(0, "slide 2", 2, "section"),)
    assert document.note.startswith("Slide 1 was left out: talk.pptx is damaged: its part ppt/slides/slide1.xml cannot be read")
    with pytest.raises(DocumentError, match="slide1"):
        read(pptx([""], parts))


def test_missing_slides_are_noted_and_a_lost_order_is_that_of_the_names() -> None:
    document = read(pptx([shape("one")], order=[1, 7]))
    assert (document.text, document.note) == ("one", "1 of its slides is missing in the file.")
    assert read(pptx([shape("one")], order=[1, 7, 8])).note == "2 of its slides are missing in the file."
    lost = {"ppt/_rels/presentation.xml.rels": relations()}
    assert read(pptx([shape(str(number)) for number in range(1, 12)], lost)).text.split() == [str(n) for n in range(1, 12)]


def test_a_slide_that_is_listed_a_thousand_times_is_read_once() -> None:
    assert read(pptx([shape("once")], order=[1] * 1000)).text == "once"


def test_strict_files_and_slide_shows_under_other_names_are_read() -> None:
    data = pptx([shape("Hello", "title")])
    assert read(strict(data)).text == read(data, "show.ppsm").text == read(data, "old.ppt").text == "Hello"


def test_a_presentation_of_python_pptx_is_read() -> None:
    made = python_pptx.Presentation()
    slide = made.slides.add_slide(made.slide_layouts[1])
    slide.shapes.title.text = "Sales"
    slide.placeholders[1].text = "up"
    grid = slide.shapes.add_table(1, 2, Inches(1), Inches(1), Inches(1), Inches(1)).table
    grid.cell(0, 0).text, grid.cell(0, 1).text = "left", "right"
    data = CategoryChartData()
    data.categories = ["East", "West"]
    data.add_series("Q1", (19.2, 21.4))
    slide.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, Inches(1), Inches(1), Inches(2), Inches(2), data)
    slide.notes_slide.notes_text_frame.text = "smile"
    slide._element.set("show", "0")
    buffer = io.BytesIO()
    made.save(buffer)
    document = read(buffer.getvalue())
    blocks = document.text.split("\n\n")
    assert blocks[:3] == ["Sales", "- up", "left | right"]
    assert sorted(blocks[3:]) == ["Notes: smile", "Q1: East 19.2, West 21.4"]
    assert (document.pages, document.title) == (1, "Sales")


def test_damaged_archives_and_parts_are_read_or_refused() -> None:
    data = pptx([shape("Title", "title") + shape("text " * 30), shape("more")])
    outcomes = {outcome(copy, "a.pptx") for copy in mutations(data, 300, seed=3)}
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = {name: archive.read(name).decode() for name in archive.namelist()}
    for part, text in parts.items():
        outcomes |= {outcome(package({**parts, part: copy}), "a.pptx") for copy in text_mutations(text, 100, seed=4)}
    assert "pptx" in outcomes
    assert len(outcomes) > 1
    assert all(text == "pptx" or text.startswith("a.pptx ") for text in outcomes)
