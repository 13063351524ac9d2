"""The Lab in a real browser: a question, a change of B, the map, an evaluation that outlives the page, B in Chat."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.tools.posts import KEEPER_ANSWER, KEEPER_QUESTION

pytestmark = pytest.mark.browser


def compare(page: Page, question: str) -> None:
    """Ask a question and wait until both sides have answered."""
    field = page.get_by_role("textbox", name="Question")
    field.fill(question)
    field.press("Enter")
    expect(page.get_by_text("Lines join what is the same in both")).to_be_visible()


def spans(page: Page, side: str) -> Locator:
    """The spans of one side, as they are listed."""
    column = page.get_by_test_id("stColumn").filter(has_text=f"Spans of {side}, best first")
    return column.get_by_test_id("stHtml").first


def test_two_settings_are_compared_mapped_evaluated_and_the_better_one_is_used(page: Page, with_post: str) -> None:
    page.goto(f"{with_post}/lab")
    expect(page.get_by_role("heading", name="Lab")).to_be_visible()
    compare(page, KEEPER_QUESTION)
    expect(spans(page, "A").locator("mark").filter(has_text="rapeseed oil")).to_have_text(KEEPER_ANSWER)
    before = spans(page, "A").inner_text()
    assert before == spans(page, "B").inner_text().replace("in A", "in B")

    slider = page.locator(".st-key-w_lab_B_k").get_by_role("slider")
    slider.focus()
    for _ in range(2):
        slider.press("ArrowRight")
    expect(page.get_by_text("Other than in Chat: k 0 → 2.")).to_be_visible()
    whole = page.get_by_text(re.compile(r"^B · .* (1 span, 1|2 spans, 2) for the model"))
    expect(whole).to_be_visible()
    assert spans(page, "A").inner_text() != spans(page, "B").inner_text()
    ranks = page.get_by_role("img", name=re.compile("Places in A and in B: "))
    expect(ranks).to_be_visible()
    assert ranks.evaluate("image => image.complete && image.naturalWidth > 0")

    page.get_by_text("Map of the collection").click()
    expect(page.get_by_test_id("stVegaLiteChart").locator("canvas, svg").first).to_be_visible()
    expect(page.get_by_text(re.compile(r"principal components\) hold \d+ %"))).to_be_visible()

    page.get_by_role("button", name="Evaluate A and B").click()
    expect(page.get_by_role("button", name="Cancel")).to_be_visible()
    page.get_by_test_id("stSidebar").get_by_text("Model", exact=True).click()
    expect(page.get_by_text("Loading").first).to_be_visible()
    page.get_by_test_id("stSidebar").get_by_text("Lab", exact=True).click()
    expect(page.get_by_role("region", name="Figures of A and B")).to_contain_text("nDCG@10")
    expect(whole).to_be_visible()  # the question and B are as they were

    page.get_by_role("button", name="Use B in Chat").click()
    expect(page.get_by_text("From the next question on Chat searches as B")).to_be_visible()
    expect(page.get_by_text("Other than in Chat: k 2 → 0.")).to_be_visible()
    page.get_by_role("button", name="Defaults").nth(1).click()
    expect(page.get_by_text("Other than in Chat: k 2 → 0.")).to_have_count(2)
    page.get_by_role("button", name="Use B in Chat").click()  # the other tests know the defaults
    expect(page.get_by_text("As Chat searches now.")).to_have_count(2)
