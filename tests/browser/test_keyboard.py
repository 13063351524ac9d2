"""The whole way without a mouse: ask, read the evidence and the prompt, stop an answer, go to another page and tab."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.test_whole_way import LONG, finished

pytestmark = pytest.mark.browser

MOST_STEPS = 60
"""More presses of Tab than this to anything is no way there."""


def reach(page: Page, wanted: Locator, key: str = "Tab") -> None:
    """Press a key until the focus is on an element, as somebody without a mouse does."""
    expect(wanted).to_be_visible()
    for _ in range(MOST_STEPS):
        if wanted.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press(key)
    told = page.evaluate("document.activeElement.outerHTML.slice(0, 300)")
    raise AssertionError(f"{MOST_STEPS} times {key} did not reach {wanted}; the focus is on {told}")


def type_question(page: Page, question: str) -> None:
    reach(page, page.get_by_role("textbox", name="Your question"))
    page.keyboard.type(question)
    page.keyboard.press("Enter")


def test_a_question_its_evidence_and_its_prompt_are_reached_without_a_mouse(page: Page, address: str) -> None:
    page.goto(address)
    expect(page.get_by_text("Ask your documents")).to_be_visible()
    type_question(page, "Where is my data kept?")
    expect(page.get_by_text("Evidence ·")).to_be_visible()
    finished(page)
    reach(page, page.get_by_role("button", name="open", exact=True).first, "Shift+Tab")
    page.keyboard.press("Enter")
    document = page.get_by_role("dialog", name="Document")
    expect(document.locator("mark")).to_be_visible()
    page.keyboard.press("Escape")
    expect(document).to_have_count(0)

    reach(page, page.get_by_role("button", name="What the model read"))
    page.keyboard.press("Enter")
    prompt = page.get_by_role("region", name="What the model read")
    expect(prompt).to_contain_text("Where is my data kept?")
    reach(page, prompt)  # so that the arrow keys scroll it
    page.keyboard.press("Escape")
    expect(prompt).to_have_count(0)


def test_an_answer_is_stopped_and_pages_and_tabs_are_changed_without_a_mouse(page: Page, address: str) -> None:
    page.goto(address)
    expect(page.get_by_text("Ask your documents")).to_be_visible()
    reach(page, page.get_by_role("switch", name="Documents").or_(page.get_by_role("checkbox", name="Documents")))
    page.keyboard.press("Space")
    expect(page.get_by_text("Without documents")).to_be_visible()
    type_question(page, LONG)
    reach(page, page.get_by_role("button", name="Stop", exact=True), "Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_text("stopped").or_(page.get_by_text("Stopped before the first word")).first).to_be_visible()
    finished(page)

    reach(page, page.get_by_test_id("stSidebar").get_by_role("link", name="Model", exact=True), "Shift+Tab")
    page.keyboard.press("Enter")
    reach(page, page.get_by_role("tab", name="Settings", exact=True))
    for _ in range(2):
        page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tabpanel", name="Get a model", exact=True)).to_contain_text("Address of a model file")
