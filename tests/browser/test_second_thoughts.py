"""What went wrong is said in sight, and what cannot be undone is asked once more: in a real browser."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_modes import open_post
from tests.browser.test_whole_way import ask, finished

pytestmark = pytest.mark.browser


def test_a_file_that_is_no_model_is_told_in_sight_as_soon_as_it_is_typed(page: Page, address: str, tmp_path: Path) -> None:
    no_model = tmp_path / "notes.txt"
    no_model.write_text("The tea is cold.", "utf-8")
    page.goto(f"{address}/model")
    expect(page.get_by_role("button", name="Apply")).to_be_visible()
    path = page.get_by_label("or the path of another .gguf file")
    path.fill(str(no_model))
    path.press("Enter")
    said = page.get_by_test_id("stBottom").get_by_text(re.compile("notes.txt"))
    expect(said).to_be_in_viewport()
    expect(page.get_by_role("button", name="Apply")).to_have_count(0)


def test_a_chat_is_deleted_when_that_was_said_twice(page: Page, with_post: str) -> None:
    open_post(page, with_post)
    asked = "What did the lamp of the lighthouse burn?"  # by no other test: their chats stay in the sidebar
    ask(page, asked)
    finished(page)
    titled = page.get_by_test_id("stSidebar").get_by_text(asked)
    expect(titled).to_have_count(1)
    page.get_by_test_id("stSidebar").get_by_role("button", name="More").click()
    menu = page.get_by_test_id("stPopoverBody")
    menu.get_by_role("button", name="Delete chat").click()
    menu.get_by_role("button", name="Keep", exact=True).click()
    menu.get_by_role("button", name="Delete chat").click()
    menu.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_text("Ask your documents")).to_be_visible()
    expect(titled).to_have_count(0)
