"""Several tabs of a real browser for minutes: questions, stops, reloads, changes of page; then all is accounted for.

`python -m tests.tools.eight_tabs --minutes 10 --models-dir DIR`. Status 1 when an answer was lost or mixed up, a page failed,
or the server died; memory is printed for somebody to judge.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sqlite3
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psutil
from playwright.sync_api import Browser, Page, TimeoutError, sync_playwright

from tests.tools.app_server import chromium_flags, serving
from tests.tools.prepare import chromium

ACT_MS, SOON_MS = 60_000, 1_000
SUBJECTS = ("marks", "collections", "folders", "the Lab", "models", "privacy", "summaries", "sliders")
DRAIN_S = 300.0


class Tab:
    """One window with a conversation of its own; every question in it carries its name."""

    def __init__(self, browser: Browser, address: str, number: int, choice: random.Random) -> None:
        self.name, self.address, self.choice = f"tab{number}", address, choice
        self.page: Page = browser.new_context().new_page()
        self.page.set_default_timeout(ACT_MS)
        self.asked = 0
        self.page.goto(address)

    def act(self) -> str:
        """Do one thing; returns what."""
        what = self.choice.choices(("ask", "stop", "reload", "page"), (5, 2, 1, 1))[0]
        getattr(self, f"_{what}")()
        return what

    def _ask(self) -> None:
        box = self.page.get_by_test_id("stChatInputTextArea")
        if self.page.get_by_role("button", name="Stop", exact=True).count():
            return  # a conversation has one answer at a time
        self.asked += 1
        box.fill(f"{self.name} asks {self.asked}: what is said about {self.choice.choice(SUBJECTS)}?")
        box.press("Enter")
        self.page.get_by_text(f"{self.name} asks {self.asked}:").first.wait_for()

    def _stop(self) -> None:
        stop = self.page.get_by_role("button", name="Stop", exact=True)
        with suppress(TimeoutError):  # the answer may end before the click
            stop.first.click(timeout=SOON_MS)

    def _reload(self) -> None:
        self.page.reload()
        self.page.get_by_test_id("stChatInputTextArea").wait_for()

    def _page(self) -> None:
        self.page.get_by_role("link", name="Documents").click()
        self.page.get_by_text("Drop files here").first.wait_for()
        self.page.get_by_role("link", name="Chat").click()
        self.page.get_by_test_id("stChatInputTextArea").wait_for()

    @property
    def failure(self) -> str:
        """What went wrong on the page, if anything."""
        wrong = self.page.get_by_text(re.compile("Something failed|Traceback|Connection error"))
        return wrong.first.inner_text() if wrong.count() else ""


def run(address: str, minutes: float, tabs: int, seed: int, server: psutil.Process) -> tuple[list[Tab], list[str], list[int]]:
    """Let the tabs act by turns; returns them with what failed and the server's memory over time, in bytes."""
    choice, failures, memory = random.Random(seed), list[str](), list[int]()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=chromium_flags())
        opened = [Tab(browser, address, number, choice) for number in range(tabs)]
        end, looked = time.monotonic() + 60 * minutes, 0.0
        while time.monotonic() < end and server.is_running():
            tab = choice.choice(opened)
            what = "?"
            try:
                what = tab.act()
                if tab.failure:
                    failures.append(f"{tab.name} after {what}: {tab.failure}")
            except TimeoutError as exc:
                failures.append(f"{tab.name} {what}: {str(exc).splitlines()[0]}")
            if time.monotonic() - looked > 30:
                looked = time.monotonic()
                memory.append(server.memory_info().rss)
        browser.close()
    return opened, failures, memory


def account(data: Path, tabs: list[Tab]) -> list[str]:
    """What is lost or mixed up among the conversations on disk, once nothing is being answered any more."""
    wrong: list[str] = []
    end = time.monotonic() + DRAIN_S
    while time.monotonic() < end:
        with sqlite3.connect(data / "conversations.sqlite") as database:
            turns = [(row[0], json.loads(row[1])) for row in database.execute("SELECT conversation_id, body FROM turns")]
        open_turns = [turn for _, turn in turns if turn["timings"]["finish"] is None and not turn["error"]]
        if not open_turns:
            break
        time.sleep(1)  # the server is another process: its file is all there is to look at
    else:
        wrong.append(f"{len(open_turns)} answers never ended")
    asked = {tab.name: tab.asked for tab in tabs}
    kept: dict[str, set[int]] = {name: set() for name in asked}
    for conversation in {key for key, _ in turns}:
        names = {turn["question"].split(" asks ")[0] for key, turn in turns if key == conversation}
        if len(names) > 1:
            wrong.append(f"one conversation holds questions of {sorted(names)}")
    for _, turn in turns:
        name, _, rest = turn["question"].partition(" asks ")
        kept.setdefault(name, set()).add(int(rest.split(":")[0]))
        if turn["error"]:
            wrong.append(f"{turn['question']}: {turn['error']}")
    wrong += [f"{name} asked {count}, {len(kept[name])} are kept" for name, count in asked.items() if len(kept[name]) != count]
    return wrong


def main() -> int:
    """Run it and say how it went."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--tabs", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--models-dir", type=Path, required=True)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tabs-", ignore_cleanup_errors=True) as folder:
        with serving(Path(folder), LOCALRAG_MODELS_DIR=str(args.models_dir), LOCALRAG_MAX_TOKENS="48") as app:
            tabs, failures, memory = run(app.address, args.minutes, args.tabs, args.seed, app.process)
            failures += [] if app.process.is_running() else ["the server died"]
            failures += account(Path(folder), tabs)
        tracebacks = app.tracebacks.count("Traceback")
        print(app.tracebacks[:6_000], end="")
    print(f"{sum(tab.asked for tab in tabs)} questions in {args.minutes:g} minutes from {args.tabs} tabs")
    print(f"memory of the app: {', '.join(f'{value / 1e6:.0f}' for value in memory)} MB")
    print(f"{tracebacks} tracebacks in the server's log")
    for failure in failures:
        print(failure)
    return 1 if failures or tracebacks else 0


if __name__ == "__main__":
    sys.exit(main())
