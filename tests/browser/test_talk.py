"""What can be done with answers, in a real browser with the real model; also with the keyboard alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.test_whole_way import ask, ask_for_a_long_answer, finished
from tests.tools.posts import KEEPER_QUESTION

pytestmark = pytest.mark.browser


def test_a_stopped_answer_goes_on(page: Page, with_post: str) -> None:
    page.goto(with_post)
    ask_for_a_long_answer(page)
    answer = page.get_by_test_id("stChatMessage").last
    expect(answer.locator("[data-testid=stHtml] p").first).to_contain_text(re.compile(r".{40}"))  # the bar is no text
    page.get_by_role("button", name="Stop", exact=True).click()
    finished(page)
    before = answer.locator("[data-testid=stHtml]").first.inner_text().strip()
    page.get_by_role("button", name="Go on", exact=True).click()
    finished(page)
    expect(answer.get_by_text("Without documents: nothing in this answer is checked")).to_be_visible()
    assert before[:20] in answer.inner_text()


def test_answered_again_edited_and_back_by_the_arrows(page: Page, with_post: str) -> None:
    page.goto(with_post)
    ask(page, KEEPER_QUESTION)
    finished(page)
    page.get_by_role("button", name="Again").click()
    page.get_by_role("button", name="Answer again").click()
    expect(page.get_by_text("2 of 2")).to_be_visible()
    finished(page)
    page.get_by_role("button", name=re.compile(r"\bEdit\b")).click()
    page.get_by_label("Question", exact=True).fill("When did paraffin take the place of rapeseed oil?")
    page.get_by_role("button", name="Ask", exact=True).click()
    expect(page.get_by_text("3 of 3")).to_be_visible()
    finished(page)
    page.get_by_role("button", name="Earlier").click()
    expect(page.get_by_text("2 of 3")).to_be_visible()
    expect(page.get_by_test_id("stChatMessage").first).to_contain_text(KEEPER_QUESTION)


def test_the_row_under_an_answer_is_reached_and_used_with_the_keyboard(page: Page, with_post: str) -> None:
    page.goto(with_post)
    ask(page, KEEPER_QUESTION)
    finished(page)
    page.get_by_text("What the model read").last.click()  # the way on begins there
    page.keyboard.press("Escape")
    reached: list[str] = []
    for _ in range(14):
        page.keyboard.press("Tab")
        reached.append(str(page.evaluate("document.activeElement.innerText || document.activeElement.ariaLabel || ''")).strip())
        if reached[-1].endswith("Why"):
            break
    assert any(name.endswith("Why") for name in reached), reached
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog").get_by_text("Searched for:")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_an_exported_page_stands_for_itself(page: Page, browser: Browser, with_post: str, tmp_path: Path) -> None:
    page.goto(with_post)
    ask(page, KEEPER_QUESTION)
    finished(page)
    page.get_by_role("button", name="Export").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="One web page").first.click()
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    alone = browser.new_context(java_script_enabled=False, offline=True).new_page()
    asked: list[str] = []
    alone.context.on("request", lambda request: asked.append(request.url))
    alone.goto(path.as_uri())
    expect(alone.locator("mark").filter(has_text="rapeseed oil").first).to_be_visible()
    assert asked == [path.as_uri()]
    assert alone.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    alone.context.close()


def test_a_word_of_an_answer_finds_its_chat(page: Page, with_post: str) -> None:
    page.goto(with_post)
    ask(page, KEEPER_QUESTION)
    finished(page)
    page.get_by_role("button", name="New chat").click()
    expect(page.get_by_text("Ask your documents")).to_be_visible()
    box = page.get_by_placeholder("Search chats")
    box.fill("lamp")
    box.press("Enter")
    hit = page.get_by_test_id("stSidebar").locator("[class*=st-key-found_]").first
    expect(hit).to_be_visible()
    hit.get_by_role("button").click()
    expect(page.get_by_test_id("stChatMessage").first).to_be_visible()
    page.wait_for_url(re.compile(r"\?c="))
