"""Every page wide and narrow, light and dark: nothing overflows, and the screenshots of the README come from here."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.test_lab import compare
from tests.browser.test_whole_way import ask, finished

pytestmark = pytest.mark.browser

SIZES = {"wide": (1440, 900), "middle": (1024, 768), "narrow": (390, 844)}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", list(SIZES))
def test_pages_fit_their_window(browser: Browser, address: str, screenshots: Path, scheme: str, size: str) -> None:
    width, height = SIZES[size]
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    page.set_default_timeout(90_000)
    for name, path, sign in (
        ("welcome", "", "Ask your documents"),
        ("documents", "/documents", "Drop files here"),
        ("model", "/model", "Loading"),
        ("lab", "/lab", "Evaluate A and B"),
        ("chat", "", "Ask your documents"),
    ):
        page.goto(f"{address}{path}")
        expect(page.get_by_text(sign).first).to_be_visible()
        if name == "chat":
            ask(page, "Where is my data kept?")
            finished(page)
        if name == "lab":
            compare(page, "How do I stop an answer?")
        expect(page.get_by_test_id("stSkeleton")).to_have_count(0)
        page.wait_for_timeout(600)  # fonts and the sidebar's slide settle; nothing is asserted on the time
        page.screenshot(path=screenshots / f"{name}-{size}-{scheme}.png")
        overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert overflow <= 0, f"{name} is {overflow} px wider than the window"
    context.close()
