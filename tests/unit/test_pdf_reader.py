"""PDF: text in reading order with page numbers, what a page break does to it, and files that are damaged or protected."""

import random
import re
import time
from contextlib import suppress

import pytest

from localrag.documents import pdf_reader
from localrag.documents.pdf_page import HYPHEN, PageLine
from localrag.documents.pdf_text import TextOfPages
from localrag.documents.raw import RawDocument
from localrag.documents.readers import read_document
from localrag.errors import DocumentError
from localrag.settings import DocumentSettings
from localrag.types import Mark, ParsedDocument
from tests.tools.pdf_writer import Page, Placed, page, paragraph, pdf_of, write_pdf

PROSE = (
    "The heat of the sun increases and we must improve our",
    "quarters. Accordingly a part of the day has been spent in",
    "cutting cane and building bunks.",
)
JOINED = " ".join(PROSE)


def read(data: bytes, name: str = "report.pdf") -> ParsedDocument:
    return read_document(data, name, DocumentSettings())


def text_of(*pages: Page) -> str:
    return read(write_pdf(pages)).text


def test_lines_of_a_paragraph_are_joined_and_paragraphs_are_not() -> None:
    lines = [
        *paragraph(72, 770, *PROSE),
        *paragraph(72, 720, "However, malicious actors were becoming more capable than", "ever."),
    ]
    assert text_of(Page(lines)) == f"{JOINED}\n\nHowever, malicious actors were becoming more capable than ever."


def test_an_indented_line_after_a_full_stop_begins_a_paragraph() -> None:
    lines = [
        Placed(72, 770, "We have often heard that the city had fallen, but it stands."),
        Placed(88, 758, "If the army of the river does not take it soon, we shall"),
        Placed(72, 746, "march there and seize the prize from them."),
    ]
    assert text_of(Page(lines)).split("\n\n") == [
        "We have often heard that the city had fallen, but it stands.",
        "If the army of the river does not take it soon, we shall march there and seize the prize from them.",
    ]


def test_headings_list_items_and_short_lines_keep_their_lines() -> None:
    lines = [
        Placed(72, 780, "Quarterly report", 18),
        *paragraph(72, 750, "Report ID: 1234", "Warehouse: East", "Prepared by: Sarah"),
        *paragraph(
            72,
            700,
            "1. Review of the procedures that were followed last year.",
            "2. Another audit of what was found then, item by item.",
        ),
        *paragraph(72, 660, "• the first point of several that were made in the room", "• the second"),
    ]
    assert text_of(Page(lines)) == (
        "Quarterly report\n\nReport ID: 1234\nWarehouse: East\nPrepared by: Sarah\n\n"
        "1. Review of the procedures that were followed last year.\n2. Another audit of what was found then, item by item.\n\n"
        "• the first point of several that were made in the room\n• the second"
    )


def test_cells_of_a_row_are_parted_by_tabs_and_rows_by_lines() -> None:
    rows = [("Code", "Place", "Count"), ("SKU-1", "A-12", "450"), ("SKU-2", "B-07", "289")]
    lines = [Placed(72 + 120 * c, 700 - 12 * r, cell) for r, row in enumerate(rows) for c, cell in enumerate(row)]
    assert text_of(Page(lines)) == "Code\tPlace\tCount\nSKU-1\tA-12\t450\nSKU-2\tB-07\t289"


def test_columns_are_read_one_after_the_other_and_a_sentence_runs_on() -> None:
    left = paragraph(
        60,
        770,
        "Dense retrieval is practical when the",
        "vectors are learned from a small number",
        "of pairs of questions and of passages by",
    )
    right = paragraph(320, 770, "a simple framework of two encoders that", "is described here in full.")
    assert text_of(Page([*left, *right])) == (
        "Dense retrieval is practical when the vectors are learned from a small number of pairs of questions and of "
        "passages by a simple framework of two encoders that is described here in full."
    )


def test_a_sentence_runs_on_over_a_page_break_and_marks_know_the_page() -> None:
    first = page(
        "We have a long line here that fills the width of the page and",
        "another one that goes on to the page that comes after it and",
    )
    second = page("then it ends on the second page.")
    document = read(write_pdf([first, Page(), second]))
    assert "\n" not in document.text
    assert document.pages == 3
    assert document.note == ""
    start = document.text.index("then it ends")
    assert document.marks == (Mark(0, "page 1", 1, "page"), Mark(start, "page 3", 3, "page"))


def test_page_numbers_and_running_headers_stand_outside_the_sentence_that_runs_on() -> None:
    pages = [
        Page([Placed(72, 810, "A book of seas"), *paragraph(72, 770, *lines), Placed(300, 30, f"Page {number}")])
        for number, lines in enumerate(
            [
                ("On the first of the pages a sentence begins that goes on to",),
                ("the second one. And here begins another one that is to go on",),
                ("to the last.", "", "Exercise 3"),
            ],
            start=1,
        )
    ]
    document = read(write_pdf(pages))
    assert document.text == (
        "A book of seas\n\nOn the first of the pages a sentence begins that goes on to the second one. "
        "And here begins another one that is to go on to the last.\n\nPage 1\nA book of seas\nPage 2\nA book of seas\n\n"
        "Exercise 3\n\nPage 3"
    )
    assert [document.text[mark.start :].split()[0] for mark in document.marks] == ["A", "the", "to"]


def test_numbers_at_the_same_place_are_text_unless_they_count_pages() -> None:
    document = read(write_pdf([Page([Placed(72, 770, f"Item {7 * n}"), *paragraph(72, 740, *PROSE)]) for n in (1, 2, 3)]))
    assert document.text == "\n\n".join(f"Item {7 * n}\n\n{JOINED}" for n in (1, 2, 3))


def test_a_page_that_ends_with_a_full_stop_ends_a_paragraph() -> None:
    document = read(pdf_of("The first page is done.", "The second page begins."))
    assert document.text == "The first page is done.\n\nThe second page begins."
    assert [document.text[mark.start :].split()[1] for mark in document.marks] == ["first", "second"]


@pytest.mark.parametrize(
    ("before", "after", "elsewhere", "text"),
    [
        ("the atten-", "tion of all", "", "the attention of all"),
        ("a dual-", "encoder of text", "One encoder is one, two are dual by nature.", "a dual-encoder of text"),
        ("it is open-", "domain text", "All of it is open-domain text.", "it is open-domain text"),
        ("no co-", "operation here", "Our cooperation is old.", "no cooperation here"),
        ("a Lucene-", "BM25 system", "", "a Lucene-BM25 system"),
        ("a d-", "dimensional space", "", "a d-dimensional space"),
        ("between 2019-", "2020 and now", "", "between 2019-2020 and now"),
        ("it is self-ref-", "erential now", "", "it is self-referential now"),
        ("an Analyst-in-", "charge of it", "", "an Analyst-in-charge of it"),
    ],
)
def test_a_word_parted_by_a_line_end_is_put_together(before: str, after: str, elsewhere: str, text: str) -> None:
    whole = text_of(
        Page([*paragraph(72, 700, f"Many words stand in front of {before}", after), Placed(72, 600, elsewhere or "-")])
    )
    assert f"Many words stand in front of {text}" in " ".join(whole.split())


def test_marks_stay_right_when_hyphens_go() -> None:
    document = read(pdf_of("Words that need the atten-\ntion of all.", "Second page with the atten-\ntion of none.", "Third."))
    assert HYPHEN not in document.text
    assert [document.text[mark.start :].split()[0] for mark in document.marks] == ["Words", "Second", "Third."]


def test_a_word_parted_by_a_page_break_is_put_together() -> None:
    document = read(pdf_of("All of the words in this line need the atten-", "tion of all readers of the page that follows."))
    assert document.text.startswith("All of the words in this line need the attention of all")
    assert document.text[document.marks[1].start :].startswith("tion of all")


def test_text_in_the_margin_stands_apart_and_is_no_title() -> None:
    margin = Placed(30, 200, "arXiv:2004.04906v3", 16, turned=True)
    document = read(write_pdf([Page([Placed(72, 770, "A title"), *paragraph(72, 700, *PROSE), margin])]))
    assert document.text == f"arXiv:2004.04906v3\n\nA title\n\n{JOINED}"
    assert document.title == "A title"


def test_superscripts_go_back_into_their_line() -> None:
    lines = [
        Placed(72, 700, "is often observed in practice"),
        Placed(196.8, 704, "2", 6),
        Placed(200.2, 700, ", and the rest of it"),
    ]
    assert text_of(Page(lines)) == "is often observed in practice2, and the rest of it"


def test_what_stands_beside_the_page_is_not_read() -> None:
    assert text_of(
        Page([Placed(72, 700, "On the page as it is shown."), Placed(72, 820, "slug.indd 4")], box="0 0 595 800")
    ) == ("On the page as it is shown.")
    assert text_of(Page([Placed(72, 700, "All of it is outside.")], box="0 0 10 10")) == "All of it is outside."


def test_the_values_of_form_fields_are_read() -> None:
    assert "Filled in by hand" in text_of(Page([Placed(72, 700, "Name:")], field_text="Filled in by hand"))


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("Annual report 2024", "Annual report 2024"),
        ("Grüße 한국어", "Grüße 한국어"),
        ("untitled", "First line"),
        ("Microsoft Word - draft.doc", "First line"),
        ("final_v3.INDD", "First line"),
        ("(anonymous)", "First line"),
        ("12.5", "First line"),
        ("", "First line"),
    ],
)
def test_the_title_is_that_of_the_file_when_it_says_something(title: str, shown: str) -> None:
    assert read(write_pdf([page("First line")], title=title)).title == shown


def test_without_a_short_line_the_files_name_is_the_title() -> None:
    assert read(pdf_of("many words " * 20), "a/My report.pdf").title == "My report"


def test_a_scan_is_an_empty_document_with_a_note() -> None:
    document = read(write_pdf([Page(picture=True)] * 3), "scan.pdf")
    assert (document.text, document.marks, document.pages, document.title) == ("", (), 3, "scan")
    assert document.note == "All 3 pages hold no text: a scan? Run OCR over the file and add it again."
    assert read(write_pdf([Page()])).note.startswith("The only page holds no text")


def test_scanned_pages_among_others_are_counted() -> None:
    pages = [page("one"), *[Page(picture=True)] * 3, page("two"), Page(picture=True)]
    assert read(write_pdf(pages)).note == "4 of 6 pages hold no text (pages 2 to 4 and 6): scans? They cannot be searched."


def test_a_broken_page_is_left_out_and_named() -> None:
    document = read(write_pdf([page("one"), Page(broken=True), page("three")]))
    assert document.text == "one\n\nthree"
    assert [mark.page for mark in document.marks] == [1, 3]
    assert document.note == "Page 2 of 3 cannot be read: the file is damaged there."


def test_a_file_that_lost_half_of_its_pages_is_called_damaged() -> None:
    with pytest.raises(DocumentError, match=r"^report\.pdf is a damaged PDF \(1 of 2 pages cannot be loaded\)\. .+\.$"):
        read(write_pdf([page("one"), Page(broken=True)]))


def test_a_cyclic_page_tree_ends() -> None:
    data = write_pdf([page("one"), page("two")])
    tree = re.search(rb"(\d+) 0 obj\n<< /Type /Pages", data)
    assert tree
    began = time.monotonic()
    with pytest.raises(DocumentError, match="damaged PDF"):
        read(re.sub(rb"/Kids \[\d+ 0 R \d+ 0 R\]", b"/Kids [" + tree[1] + b" 0 R " + tree[1] + b" 0 R]", data))
    assert time.monotonic() - began < 5


def test_a_page_count_that_lies_does_not_hang() -> None:
    began = time.monotonic()
    with suppress(DocumentError):
        read(pdf_of("one").replace(b"/Count 1 ", b"/Count 999999 "))
    assert time.monotonic() - began < 5


def test_a_password_is_asked_for_only_when_one_is_needed() -> None:
    assert read(write_pdf([page("open to all")], title="A title", password="")).text == "open to all"
    with pytest.raises(
        DocumentError, match=r"^report\.pdf is protected by a password\. Save it without one and add it again\.$"
    ):
        read(write_pdf([page("closed")], password="secret"))


def test_a_file_without_pages_is_called_damaged_whatever_failed_before_it() -> None:
    with pytest.raises(DocumentError, match="protected by a password"):
        read(write_pdf([page("closed")], password="secret"))
    with pytest.raises(DocumentError, match=r"^report\.pdf is a damaged PDF \(data format error\)\."):
        read(write_pdf([]))


def test_a_cut_off_file_is_called_damaged_with_pdfiums_reason() -> None:
    with pytest.raises(DocumentError, match=r"^report\.pdf is a damaged PDF \(data format error\)\."):
        read(pdf_of("one")[:60])


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"%PDF-1.7\n1 0 obj\n", True),
        (b"\xef\xbb\xbf\n %PDF-1.4", True),
        (b"HTTP junk\n%PDF-1.4\n1 0 obj\n%%EOF", True),
        (b"A %PDF-1.4 header", False),
        (b"x" * 2000 + b"%PDF-1.4 1 0 obj %%EOF", False),
    ],
)
def test_a_pdf_is_known_by_its_content(data: bytes, expected: bool) -> None:
    assert pdf_reader.recognises(RawDocument(data, "a.txt")) is expected


def test_junk_before_the_header_and_a_wrong_table_of_objects_do_not_matter() -> None:
    data = pdf_of("still here")
    assert read(b"HTTP/1.1 200 OK\r\n\r\n" + data, "a.docx").text == "still here"
    assert read(data.replace(b"startxref\n", b"startxref\n9")).text == "still here"


def test_too_much_text_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf_reader, "MAX_CHARS", 10)
    with pytest.raises(DocumentError, match="more than 10 characters"):
        read(pdf_of("more than ten characters", "more"))


def test_chinese_lines_are_joined_without_a_space_and_korean_ones_with_one() -> None:
    def joined(*lines: str) -> str:
        text = TextOfPages()
        text.add(1, [PageLine(line, 72, 72 + 10 * len(line), 700 - 12 * n, 10, 0) for n, line in enumerate(lines)])
        return text.finish()[0]

    assert joined("检索的向量是从少量的问题和段落", "中学到的。") == "检索的向量是从少量的问题和段落中学到的。"
    assert joined("삼성카드의 포인트는 빅포인트 및 서비스포인트로", "구분되며 적립된다.") == (
        "삼성카드의 포인트는 빅포인트 및 서비스포인트로 구분되며 적립된다."
    )


def test_four_hundred_pages_take_seconds() -> None:
    data = write_pdf([page(*PROSE * 10)] * 400)
    began = time.monotonic()
    document = read(data)
    assert time.monotonic() - began < 10
    assert document.pages == len(document.marks) == 400


@pytest.mark.parametrize("seed", range(150))
def test_a_mutated_file_is_read_or_refused_with_one_error(seed: int) -> None:
    chance = random.Random(seed)
    data = bytearray(
        write_pdf([page(*PROSE), Page(picture=True), Page(field_text="x")], title="T", password=[None, ""][seed % 2])
    )
    for _ in range(chance.randint(1, 12)):
        data[chance.randrange(9, len(data))] = chance.randrange(256)
    if chance.random() < 0.3:
        del data[chance.randrange(9, len(data)) :]
    with suppress(DocumentError):
        document = read(bytes(data))
        assert all(0 <= mark.start <= len(document.text) for mark in document.marks)
