"""A file dropped on the question; the last of the browser's tests, for it begins the collection every later chat opens with."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_modes import open_post
from tests.browser.test_whole_way import ask, finished

pytestmark = pytest.mark.browser


def test_a_file_is_dropped_into_the_question_and_answers_it(page: Page, with_post: str, tmp_path: Path) -> None:
    notes = tmp_path / "kiln-notes.md"
    notes.write_text(
        "# Kiln\n\nThe blue glaze matures at 1,240 degrees. The kiln cools for nine hours before it is opened.\n", "utf-8"
    )
    open_post(page, with_post)
    page.get_by_test_id("stChatInput").locator("input[type=file]").set_input_files(notes)
    expect(page.get_by_test_id("stChatInput").get_by_text("kiln-notes.md")).to_be_visible()
    ask(page, "For how long does the kiln cool?")
    expect(page.locator("mark").filter(has_text="cools for nine hours").first).to_be_visible()
    finished(page)
