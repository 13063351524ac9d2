"""axe-core on every page and tab, light and dark, wide and narrow: nothing serious, nothing critical."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import WAIT_MS
from tests.browser.test_lab import compare
from tests.browser.test_whole_way import ask, finished
from tests.tools.axe import Finding, fetch, findings

pytestmark = pytest.mark.browser

SIZES = {"wide": (1440, 900), "narrow": (390, 844)}
MODEL_TABS = ("Settings", "Tune", "Get a model", "Compare", "Figures")
SETTLED_MS = 600
"""Fonts and fades: a colour measured half-way through a fade is nobody's."""
GRAVE = frozenset({"serious", "critical"})
RULES = frozenset({"heading-order"})
"""Milder for axe-core, but ours to keep: headings are the way through a page for who cannot see it."""


@dataclass(frozen=True, slots=True)
class Excused:
    """A finding that lies in Streamlit and cannot be mended from here: one rule, on elements inside one selector."""

    rule: str
    inside: str
    why: str


EXCUSED = (
    Excused(
        "color-contrast",
        "[data-testid=stSlider]:has(input:disabled) [data-testid=stWidgetLabel]",
        "The label of a disabled slider is paler. WCAG 1.4.3 excepts what is disabled; axe-core sees that of a label of the"
        " browser's own, and Streamlit's is a plain element beside the slider.",
    ),
    Excused(
        "color-contrast",
        "[data-testid=stPopoverButton][kind=tertiary][aria-expanded=true]",
        "While its own dialog is open, Streamlit writes a quiet button in the accent darkened by a quarter, in dark themes too,"
        " where that is hard to read; no theme setting reaches it. The dialog carries the same name.",
    ),
)


def welcome(page: Page, address: str) -> Iterator[str]:
    page.goto(address)
    expect(page.get_by_text("Ask your documents")).to_be_visible()
    yield "Chat, welcome"


def answered(page: Page, address: str) -> Iterator[str]:
    page.goto(address)
    expect(page.get_by_text("Ask your documents")).to_be_visible()
    ask(page, "Where is my data kept?")
    finished(page)
    yield "Chat, answered"
    page.get_by_text("What the model read").last.click()
    expect(page.get_by_role("region", name="What the model read")).to_be_visible()
    yield "Chat, what the model read"
    page.keyboard.press("Escape")
    page.get_by_role("button", name="open", exact=True).first.click()
    expect(page.get_by_role("dialog", name="Document")).to_be_visible()
    yield "Chat, a passage in its document"


def documents(page: Page, address: str) -> Iterator[str]:
    page.goto(f"{address}/documents")
    table = page.get_by_test_id("stDataFrame")
    expect(table).to_be_visible()
    table.scroll_into_view_if_needed()
    box = table.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 20, box["y"] + 52)  # the first row's tick box: the table is drawn on a canvas
    expect(page.get_by_role("button", name="Ask about this document")).to_be_visible()
    yield "Documents, a document ticked"


def model(page: Page, address: str) -> Iterator[str]:
    page.goto(f"{address}/model")
    for tab in MODEL_TABS:
        page.get_by_role("tab", name=tab, exact=True).click()
        expect(page.get_by_role("tabpanel", name=tab, exact=True)).to_be_visible()
        yield f"Model, {tab}"


def lab(page: Page, address: str) -> Iterator[str]:
    page.goto(f"{address}/lab")
    compare(page, "How do I stop an answer?")
    page.get_by_text("Map of the collection").click()
    expect(page.get_by_test_id("stVegaLiteChart").locator("canvas, svg").first).to_be_visible()
    yield "Lab, a comparison and the map"


VIEWS: tuple[Callable[[Page, str], Iterator[str]], ...] = (welcome, answered, documents, model, lab)


@pytest.fixture(scope="session", autouse=True)
def script() -> None:
    """axe-core, fetched when `make prepare` has not done so."""
    fetch()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", list(SIZES))
@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.__name__)
def test_nothing_keeps_people_out_of_a_page(
    browser: Browser, address: str, view: Callable[[Page, str], Iterator[str]], size: str, scheme: str
) -> None:
    width, height = SIZES[size]
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    page.set_default_timeout(WAIT_MS)
    found: list[str] = []
    for name in view(page, address):
        expect(page.locator("[data-testid=stSkeleton], [data-stale=true]")).to_have_count(0)
        page.wait_for_timeout(SETTLED_MS)
        found += [f"{name}: {finding}" for finding in findings(page) if _counts(page, finding)]
    context.close()
    assert not found, "\n".join(found)


def _counts(page: Page, finding: Finding) -> bool:
    if finding.impact not in GRAVE and finding.rule not in RULES:
        return False
    inside = "([target, inside]) => !!document.querySelector(target)?.closest(inside)"
    return not any(one.rule == finding.rule and page.evaluate(inside, [finding.target, one.inside]) for one in EXCUSED)


def test_axe_core_does_find_what_is_wrong(browser: Browser) -> None:
    page = browser.new_page()
    page.set_content("<html lang='en'><title>t</title><main><p style='color:#999;background:#fff'>pale</p><button></button>")
    assert {finding.rule for finding in findings(page) if finding.impact in GRAVE} == {"color-contrast", "button-name"}
    page.close()
