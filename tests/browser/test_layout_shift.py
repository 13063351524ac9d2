"""Nothing jumps while an answer is written: Chromium's own measure of what moves without being asked to."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_whole_way import LONG, ask, finished

pytestmark = pytest.mark.browser

MOST_SHIFT = 0.1
"""What web.dev calls good for a page's whole life (Cumulative Layout Shift)."""
WATCH = """() => {
    window.shifts = [];
    const told = node => node && (node.dataset?.testid || node.parentElement?.closest('[data-testid]')?.dataset.testid);
    new PerformanceObserver(list => list.getEntries().forEach(entry => entry.hadRecentInput || window.shifts.push({
        value: entry.value, at: Math.round(entry.startTime),
        parts: entry.sources.map(one => [told(one.node), one.previousRect.toJSON(), one.currentRect.toJSON()]),
    }))).observe({type: 'layout-shift'});
}"""


@pytest.mark.parametrize("width", [1440, 390])
def test_nothing_jumps_from_the_question_to_the_end_of_its_answer(page: Page, address: str, width: int) -> None:
    page.goto(address)
    expect(page.get_by_text("Ask your documents")).to_be_visible()
    page.get_by_role("combobox", name="Collection").click()  # the guide answers this, whatever else is in by now
    page.get_by_role("option", name="LocalRAG guide").click()
    expect(page.get_by_role("button", name="How do I stop an answer?")).to_be_visible()
    page.set_viewport_size({"width": width, "height": 900})
    page.wait_for_timeout(1_000)  # until all stands in its new place
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)
    page.evaluate(WATCH)
    ask(page, "Where is my data kept?")
    finished(page)
    _steady(page)


@pytest.mark.parametrize("width", [1440, 390])
def test_nothing_jumps_while_a_long_answer_grows_and_is_stopped(page: Page, address: str, width: int) -> None:
    page.goto(address)
    expect(page.get_by_text("Ask your documents")).to_be_visible()
    page.get_by_test_id("stCheckbox").get_by_text("Documents", exact=True).click()
    expect(page.get_by_text("Without documents")).to_be_visible()
    page.set_viewport_size({"width": width, "height": 500})
    page.wait_for_timeout(1_000)  # until all stands in its new place
    page.evaluate(WATCH)
    ask(page, LONG)
    page.wait_for_function("document.querySelectorAll('[data-testid=stHtml] p').length > 1 || window.shifts.length > 40")
    expect(page.get_by_role("paragraph").get_by_text(LONG)).not_to_be_in_viewport()  # the page follows what is written
    stop = page.get_by_role("button", name="Stop", exact=True)
    expect(stop).to_be_in_viewport()
    stop.click()
    finished(page)
    _steady(page)


def _steady(page: Page) -> None:
    shifts: list[dict[str, Any]] = page.evaluate("window.shifts")
    total = sum(shift["value"] for shift in shifts)
    worst = sorted(shifts, key=lambda shift: -float(shift["value"]))[:4]
    assert total < MOST_SHIFT, f"{total:.3f} in {len(shifts)} shifts, the worst {worst}"
