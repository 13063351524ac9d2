"""The whole way through the house, in a real browser with the real model."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.tools.posts import KEEPER_ANSWER, KEEPER_QUESTION

pytestmark = pytest.mark.browser

ANSWER = "[data-testid=stHtml]"
LONG = "Write a very long story about a lighthouse keeper and the sea, in many chapters."


def ask(page: Page, question: str) -> None:
    box = page.get_by_test_id("stChatInputTextArea")
    box.fill(question)
    box.press("Enter")


def ask_for_a_long_answer(page: Page) -> None:
    """Without documents the starter model goes on until its longest answer."""
    expect(page.get_by_text("Ask your documents")).to_be_visible()
    page.get_by_test_id("stCheckbox").get_by_text("Documents", exact=True).click()
    expect(page.get_by_text("Without documents")).to_be_visible()
    ask(page, LONG)
    expect(page.get_by_role("button", name="Stop", exact=True)).to_be_visible()


def finished(page: Page) -> None:
    expect(page.get_by_text("What the model read").last).to_be_visible()
    expect(page.get_by_role("button", name="Stop", exact=True)).to_have_count(0)


def last_answer(page: Page) -> str:
    return page.get_by_test_id("stChatMessage").last.inner_text()


def test_an_uploaded_post_is_listed_and_its_text_can_be_read(page: Page, with_post: str) -> None:
    page.goto(f"{with_post}/documents")
    table = page.get_by_test_id("stDataFrame")
    expect(table).to_be_visible()
    table.scroll_into_view_if_needed()
    box = table.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 20, box["y"] + 52)  # the first row's tick box: the table is drawn on a canvas
    expect(page.get_by_role("heading", name="The lighthouse at Farrow Point")).to_be_visible()
    expect(page.get_by_text(re.compile(r"\d+ chunks · [\d,]+ characters")).first).to_be_visible()


def test_a_question_shows_its_evidence_then_a_streamed_answer_with_sources(page: Page, with_post: str) -> None:
    page.goto(with_post)
    expect(page.get_by_text("Ask your documents")).to_be_visible()
    ask(page, KEEPER_QUESTION)
    expect(page.get_by_text("Evidence ·").first).to_be_visible()
    expect(page.locator("mark").filter(has_text="rapeseed oil").first).to_have_text(KEEPER_ANSWER)
    expect(page.get_by_text("The lighthouse at Farrow Point › The lamp").first).to_be_visible()
    lengths = set()
    while page.get_by_role("button", name="Stop", exact=True).count():
        lengths.add(len(last_answer(page)))
        time.sleep(0.05)
    finished(page)
    assert len(lengths) > 2, "the answer did not grow in steps"
    expect(page.get_by_text("Sources").last).to_be_visible()
    expect(page.get_by_text(re.compile(r"evaluated, \d+ reused · first word")).first).to_be_visible()


def test_the_passage_opens_in_its_document(page: Page, with_post: str) -> None:
    page.goto(with_post)
    ask(page, KEEPER_QUESTION)
    finished(page)
    page.get_by_text("open", exact=True).first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("characters").first).to_be_visible()
    expect(dialog.locator("mark").first).to_contain_text("rapeseed oil")


def test_a_follow_up_reuses_what_was_evaluated(page: Page, with_post: str) -> None:
    page.goto(with_post)
    ask(page, KEEPER_QUESTION)
    finished(page)
    ask(page, "And when did paraffin take its place?")
    expect(page.get_by_text(re.compile(r"evaluated, [1-9][\d,]* reused")).first).to_be_visible()


def test_stop_ends_an_answer_and_keeps_what_was_written(page: Page, with_post: str) -> None:
    page.goto(with_post)
    ask_for_a_long_answer(page)
    answer = page.get_by_test_id("stChatMessage").last
    expect(answer.locator(ANSWER).last).to_be_visible()
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.get_by_text(re.compile("stopped|Stopped before")).first).to_be_visible()
    finished(page)


def test_a_reload_in_mid_answer_loses_nothing(page: Page, with_post: str) -> None:
    page.goto(with_post)
    ask_for_a_long_answer(page)
    page.wait_for_url(re.compile(r"\?c="))
    page.reload()
    expect(page.get_by_text(LONG).last).to_be_visible()
    finished(page)
    assert len(last_answer(page)) > 40


def test_a_change_of_page_in_mid_answer_loses_nothing(page: Page, with_post: str) -> None:
    page.goto(with_post)
    ask_for_a_long_answer(page)
    page.get_by_test_id("stSidebar").get_by_text("Documents").click()
    expect(page.get_by_role("heading", name="Documents")).to_be_visible()
    page.get_by_test_id("stSidebar").get_by_text("Chat", exact=True).click()
    expect(page.get_by_text(LONG).last).to_be_visible()
    finished(page)


def test_two_tabs_asking_at_once_both_get_their_answers(browser: Browser, page: Page, with_post: str) -> None:
    other = browser.new_page()
    page.goto(with_post)
    other.goto(with_post)
    ask(page, KEEPER_QUESTION)
    ask(other, "Who kept the fog bells?")
    finished(page)
    finished(other)
    assert KEEPER_QUESTION in page.locator("section").last.inner_text()
    assert "Who kept the fog bells?" in other.locator("section").last.inner_text()
    assert KEEPER_QUESTION not in other.get_by_test_id("stChatMessage").first.inner_text()
    other.close()


def test_a_slider_is_moved_and_applied(page: Page, with_post: str) -> None:
    page.goto(f"{with_post}/model")
    slider = page.get_by_role("slider", name="n_ctx")
    expect(slider).to_be_visible()
    slider.focus()
    for _ in range(2):
        slider.press("ArrowLeft")
    expect(page.get_by_text(re.compile("Apply changes n_ctx"))).to_be_visible()
    expect(page.get_by_text(re.compile("in use, with n_ctx 4,096"))).to_be_visible()
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_text(re.compile("in use, with n_ctx 3,584"))).to_be_visible()


def test_a_model_that_cannot_load_says_why_and_the_old_one_stays(page: Page, with_post: str, tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + b"\x03\0\0\0" + b"\xff" * 64)
    page.goto(f"{with_post}/model")
    box = page.get_by_label("or the path of another .gguf file")
    box.fill(str(broken))
    box.press("Enter")
    expect(page.get_by_text(re.compile("broken.gguf")).last).to_be_visible()
    expect(page.get_by_text(re.compile("in use, with n_ctx"))).to_be_visible()


def test_files_that_cannot_be_read_are_said_and_the_rest_goes_in(page: Page, with_post: str, tmp_path: Path) -> None:
    good, empty, binary = tmp_path / "notes.md", tmp_path / "empty.txt", tmp_path / "data.bin"
    good.write_text("# Notes\n\nThe kettle boils at 100 degrees.", "utf-8")
    empty.write_bytes(b"")
    binary.write_bytes(bytes(range(256)) * 40)
    page.goto(f"{with_post}/documents")
    page.get_by_test_id("stFileUploaderDropzoneInput").set_input_files([good, empty, binary])
    expect(page.get_by_text(re.compile("1 of 3 documents in"))).to_be_visible()
    lines = page.get_by_test_id("stMarkdown")
    expect(lines.filter(has_text="empty.txt holds no text")).to_be_visible()
    expect(lines.filter(has_text="data.bin")).to_be_visible()


def test_an_address_on_this_machine_is_refused(page: Page, with_post: str) -> None:
    page.goto(f"{with_post}/documents")
    box = page.get_by_role("textbox", name="A web address")
    box.fill(with_post)
    box.press("Enter")
    expect(page.get_by_test_id("stMarkdown").filter(has_text="127.0.0.1").first).to_be_visible()
    expect(page.get_by_text(re.compile("allow_private_addresses|private|not fetched|refused")).first).to_be_visible()


def test_markdown_in_questions_addresses_and_names_fetches_nothing(page: Page, with_post: str) -> None:
    image = "![x](http://198.51.100.9/q.png)"
    page.goto(with_post)
    ask(page, f"{image} What is the lamp?")
    finished(page)
    page.goto(f"{with_post}/documents")
    expect(page.get_by_test_id("stSidebar").get_by_text("198.51.100.9").first).to_be_visible()
    box = page.get_by_role("textbox", name="A web address")
    box.fill(image)
    box.press("Enter")
    expect(page.get_by_test_id("stAlert").filter(has_text="198.51.100.9")).to_be_visible()
    page.get_by_role("button", name="New", exact=False).last.click()
    name = page.get_by_label("Name of the new collection")
    name.fill(f"c {image}")
    name.press("Enter")
    expect(page.get_by_text("is empty").filter(has_text="198.51.100.9").first).to_be_visible()


def test_a_sample_question_is_asked_by_a_click_while_the_page_still_shows_what_went_in(page: Page, with_post: str) -> None:
    """The welcome page refreshes a part of itself then; that part must not be missed when the answer takes its place."""
    page.goto(with_post)
    expect(page.get_by_text("Ask your documents")).to_be_visible()
    page.get_by_role("combobox").first.click()
    page.get_by_role("option", name="LocalRAG guide", exact=True).click()
    page.get_by_role("button", name="How do I stop an answer?").click()
    expect(page.get_by_text("Evidence ·").first).to_be_visible()
    finished(page)
    expect(page.get_by_text("Ask your documents")).to_have_count(0)
