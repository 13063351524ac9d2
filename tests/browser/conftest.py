"""A real server with the real starter models, and a real Chromium."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Playwright, expect, sync_playwright

from tests.tools.app_server import chromium_flags, serving
from tests.tools.chat_server import Served, chat_server
from tests.tools.posts import lighthouse_post
from tests.tools.prepare import chromium

WAIT_MS = 90_000

expect.set_options(timeout=WAIT_MS)


@contextmanager
def app(data: Path, **settings: str) -> Iterator[str]:
    """Where an app on this data directory answers; its log may hold no traceback."""
    with serving(data, LOCALRAG_SEED="1", **settings) as running:
        yield running.address
    assert not running.tracebacks, running.tracebacks


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory, models_dir: Path) -> Iterator[str]:
    """Where the app answers; one server for nearly all browser tests."""
    with app(tmp_path_factory.mktemp("browser"), LOCALRAG_MODELS_DIR=str(models_dir)) as where:
        yield where


@pytest.fixture(scope="session")
def served() -> Iterator[Served]:
    with chat_server() as running:
        yield running


@pytest.fixture(scope="session")
def talks_to(served: Served, tmp_path_factory: pytest.TempPathFactory, models_dir: Path) -> Iterator[str]:
    """Where an app answers whose model is the server."""
    settings = {"LOCALRAG_LLM": "server", "LOCALRAG_CHAT_SERVER": served.address, "LOCALRAG_MODELS_DIR": str(models_dir)}
    with app(tmp_path_factory.mktemp("hostile"), **settings) as where:
        yield where


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    launched = playwright.chromium.launch(executable_path=chromium(), args=chromium_flags())
    yield launched
    launched.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A new window; a request that would leave the machine, or an error in the page, fails the test."""
    opened = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme="light").new_page()
    opened.set_default_timeout(WAIT_MS)
    foreign: list[str] = []
    opened.context.on("request", lambda request: foreign.append(request.url) if not _local(request.url) else None)
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    yield opened
    opened.context.close()
    assert not foreign, f"requests that leave the machine: {foreign}"
    assert not errors, errors


def _local(url: str) -> bool:
    return url.startswith(("data:", "blob:", "http://127.0.0.1", "ws://127.0.0.1"))


@pytest.fixture(scope="session")
def post(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A web page of 40 kB with an answer inside."""
    path = tmp_path_factory.mktemp("posts") / "farrow-point.html"
    path.write_text(lighthouse_post(), "utf-8")
    return path


@pytest.fixture(scope="session")
def with_post(address: str, browser: Browser, post: Path) -> str:
    """The server's address once the post was uploaded through the Documents page."""
    page = browser.new_page()
    page.set_default_timeout(WAIT_MS)
    page.goto(f"{address}/documents")
    page.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(post)
    expect(page.get_by_text("1 of 1 documents in")).to_be_visible()
    page.close()
    return address


@pytest.fixture(scope="session")
def screenshots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where screenshots go: `make screenshots` points this at docs/screenshots."""
    given = os.environ.get("LOCALRAG_TEST_SCREENSHOTS")
    folder = Path(given) if given else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
