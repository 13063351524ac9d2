"""From the key press to the evidence on the page, in Chromium: alone, and while another tab's answer is written.

`python -m tests.tools.evidence_in_chromium --questions 9 --models-dir DIR`. Prints milliseconds from the keydown event to the
frame after a new highlighted sentence, each and their median. Measure on an idle machine.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.tools.app_server import chromium_flags, serving
from tests.tools.prepare import chromium

QUESTIONS = (
    "Where is my data kept?",
    "How do I stop an answer?",
    "What do the marks under a sentence mean?",
    "How is a folder kept in sync?",
    "What does the Lab compare?",
    "How are collections exported?",
    "Which files can be read?",
    "What does tuning measure?",
    "How do I ask about one document?",
)
LONG = "Write a very long story about a lighthouse keeper and the sea, in many chapters."
WAIT_MS = 60_000
WATCH = """() => {
  window.shown = undefined;
  window.pressed = undefined;
  const marks = document.querySelectorAll('mark').length;
  document.addEventListener('keydown', event => {
    if (event.key === 'Enter' && window.pressed === undefined) window.pressed = performance.now();
  }, {capture: true, once: false});
  const look = () => {
    if (document.querySelectorAll('mark').length > marks) {
      requestAnimationFrame(() => setTimeout(() => { window.shown = performance.now(); }));
    } else {
      requestAnimationFrame(look);
    }
  };
  requestAnimationFrame(look);
}"""


def milliseconds(page: Page, question: str) -> float:
    """Ask, and wait for the evidence."""
    box = page.get_by_test_id("stChatInputTextArea")
    box.fill(question)
    page.evaluate(WATCH)
    box.press("Enter")
    page.wait_for_function("window.shown !== undefined")
    return float(page.evaluate("window.shown - window.pressed"))


def write_a_story(page: Page, address: str) -> None:
    """Have an answer written in a tab for as long as a test needs it."""
    page.goto(address)
    page.get_by_test_id("stCheckbox").get_by_text("Documents", exact=True).click()
    page.get_by_text("Without documents").first.wait_for()
    box = page.get_by_test_id("stChatInputTextArea")
    box.fill(LONG)
    box.press("Enter")
    page.get_by_role("button", name="Stop", exact=True).wait_for()
    page.wait_for_timeout(1_000)


def stop(page: Page) -> None:
    """End the story, if it has not ended."""
    button = page.get_by_role("button", name="Stop", exact=True)
    if button.count():
        button.first.click()
        button.wait_for(state="detached")


def finish(page: Page) -> None:
    """Wait for the end of the answer, and until the page is at rest."""
    page.wait_for_timeout(1_000)  # the button comes after the evidence
    page.get_by_role("button", name="Stop", exact=True).wait_for(state="detached")
    page.wait_for_timeout(500)


def measure(address: str, count: int) -> dict[str, list[float]]:
    """Milliseconds by circumstance; all questions in one chat each, the first not counted."""
    found: dict[str, list[float]] = {"alone": [], "beside another tab's answer": []}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=chromium_flags())
        page, other = browser.new_page(), browser.new_page()
        for tab in (page, other):
            tab.set_default_timeout(WAIT_MS)
        for circumstance, values in found.items():
            page.goto(address)
            page.get_by_test_id("stChatInputTextArea").wait_for()
            page.wait_for_timeout(1_000)
            milliseconds(page, "What is this?")
            finish(page)
            for question in (QUESTIONS * count)[:count]:
                if circumstance != "alone":
                    write_a_story(other, address)
                values.append(milliseconds(page, question))
                stop(other)
                finish(page)
        browser.close()
    return found


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--questions", type=int, default=9)
    parser.add_argument("--models-dir", type=Path, required=True)
    args = parser.parse_args()
    settings = {"LOCALRAG_MODELS_DIR": str(args.models_dir), "LOCALRAG_MAX_TOKENS": "2000", "LOCALRAG_SEED": "1"}
    scratch = tempfile.TemporaryDirectory(prefix="evidence-", ignore_cleanup_errors=True)
    with scratch as folder, serving(Path(folder), **settings) as app:
        found = measure(app.address, args.questions)
    for circumstance, values in found.items():
        listed = ", ".join(f"{value:.0f}" for value in values)
        print(f"{circumstance}: median {statistics.median(values):.0f} ms of {listed}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
