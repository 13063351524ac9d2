"""One document picked, summarised and asked about, in a real browser with the real model."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

POST = "The lighthouse at Farrow Point"


def test_a_long_document_is_summarised_with_progress_over_a_reload_and_stopped(page: Page, with_post: str) -> None:
    page.goto(with_post)
    expect(page.get_by_text("Ask your documents")).to_be_visible()
    summarise = page.get_by_role("button", name="Summarise", exact=True)
    expect(summarise).to_have_count(0)
    box = page.get_by_role("combobox", name="Document")
    box.fill("farrow")
    page.get_by_role("option", name=POST).click()
    summarise.click()
    expect(page.get_by_text(f"Summarise {POST}").first).to_be_visible()
    part = page.get_by_text(re.compile(r"Part \d of \d, [\d,]+ of [\d,]+ characters read"))
    expect(part).to_be_visible()
    page.wait_for_url(re.compile(r"\?c="))
    page.reload()
    expect(part).to_be_visible()
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.get_by_text(re.compile("Stopped before the first word"))).to_be_visible()


def test_the_preview_of_a_document_leads_to_a_question_about_it(page: Page, with_post: str) -> None:
    page.goto(f"{with_post}/documents")
    table = page.get_by_test_id("stDataFrame")
    expect(table).to_be_visible()
    table.scroll_into_view_if_needed()
    bounds = table.bounding_box()
    assert bounds is not None
    page.mouse.click(bounds["x"] + 20, bounds["y"] + 52)
    page.get_by_role("button", name="Ask about this document").click()
    expect(page.get_by_text("Ask your documents")).to_be_visible()
    expect(page.get_by_role("button", name="Summarise", exact=True)).to_be_visible()
