"""The Documents page in a real browser: three kinds of files, their outcomes, filters, the text by pages, deleting."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, TimeoutError, expect

from tests.tools.pdf_writer import page as pdf_page
from tests.tools.pdf_writer import write_pdf

pytestmark = pytest.mark.browser


def harbour() -> bytes:
    """A report of three pages, each about something else."""
    about = {"one": "quay", "two": "pilot", "three": "crane"}
    texts = [
        (f"Page {number} tells of the {what}.", f"The {what} was built of oak and iron.") for number, what in about.items()
    ]
    return write_pdf([pdf_page(*lines) for lines in texts], "Harbour report")


def tick_first_row(page: Page) -> None:
    """The table is drawn on a canvas, so its boxes are found by their place; a list that is new may still be moving."""
    for _ in range(5):
        table = page.get_by_test_id("stDataFrame")
        expect(table).to_have_count(1)
        expect(page.get_by_test_id("stStatusWidget")).to_have_count(0)
        box = table.bounding_box()
        assert box is not None
        page.mouse.click(box["x"] + 20, box["y"] + 52)
        try:
            page.get_by_role("button", name="Delete 1 document").wait_for(timeout=6_000)
        except TimeoutError:
            continue
        return


def test_files_go_in_are_filtered_read_by_pages_and_deleted(page: Page, address: str, tmp_path: Path) -> None:
    report, notes, broken = tmp_path / "harbour.pdf", tmp_path / "ferry.md", tmp_path / "broken.docx"
    report.write_bytes(harbour())
    notes.write_text("# Ferry\n\nThe ferry leaves at eight.", "utf-8")
    broken.write_bytes(b"PK\x03\x04" + bytes(400))
    page.goto(f"{address}/documents")
    page.get_by_role("button", name="New", exact=False).last.click()
    page.get_by_label("Name of the new collection").fill("Harbour")
    page.get_by_role("button", name="Make it").click()
    expect(page.get_by_text("0 documents · 0 chunks")).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_test_id("stFileUploaderDropzoneInput").set_input_files([report, notes, broken])
    expect(page.get_by_text("2 of 3 documents in")).to_be_visible()
    lines = page.get_by_test_id("stMarkdown")
    expect(lines.filter(has_text="broken.docx is a damaged Word document")).to_be_visible()
    expect(lines.filter(has_text="ferry.md · indexed")).to_have_count(0)
    page.get_by_role("button", name=re.compile("indexed 2")).first.click()
    expect(lines.filter(has_text="ferry.md · indexed")).to_be_visible()
    page.get_by_role("button", name="Close", exact=True).click()
    expect(page.get_by_text("2 of 3 documents in")).to_have_count(0)

    page.get_by_role("searchbox", name="Find").fill("harbour.pdf")
    expect(page.get_by_text("1 of 3 documents", exact=True)).to_be_visible()
    tick_first_row(page)
    expect(page.get_by_text(re.compile(r"characters 1 to [\d,]+ of"))).to_be_visible()
    expect(page.get_by_text("Page one tells of the quay", exact=False).first).to_be_visible()
    number = page.get_by_role("spinbutton", name="Page")
    number.fill("3")
    number.press("Enter")
    expect(page.get_by_text(re.compile(r"characters [1-9]\d{2,} to"))).to_be_visible()
    expect(page.get_by_text("Page three tells of the crane", exact=False).first).to_be_visible()
    expect(page.get_by_text("Page one tells of the quay", exact=False)).to_have_count(0)

    page.get_by_role("button", name="Delete 1 document").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("harbour.pdf").first).to_be_visible()
    dialog.get_by_role("button", name="Delete 1 document").click()
    expect(page.get_by_text(re.compile(r"1 document and \d+ chunks? (is|are) out of Harbour"))).to_be_visible()
    expect(page.get_by_text("1 document · 1 could not be read · 1 chunk")).to_be_visible()
    assert report.exists()
