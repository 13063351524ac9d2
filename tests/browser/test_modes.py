"""The ways to ask, in a real browser with the real model: refused, leaning on the last question, without documents."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_whole_way import ask, finished
from tests.tools.posts import KEEPER_ANSWER, KEEPER_QUESTION

pytestmark = pytest.mark.browser

ELSEWHERE = "How many vacation days does the staff handbook of Brockmann Industries grant?"


def open_post(page: Page, address: str) -> None:
    page.goto(address)
    expect(page.get_by_text("Ask your documents")).to_be_visible()


def keep_settings(page: Page, **chosen: str) -> None:
    """Settings of this chat: switches are pressed, choices chosen."""
    page.get_by_test_id("stSidebar").or_(page.locator("body")).get_by_role("button", name="Settings", exact=True).last.click()
    for name, value in chosen.items():
        if value == "on":
            page.get_by_test_id("stPopoverBody").get_by_text(name, exact=True).click()
        else:
            page.get_by_test_id("stPopoverBody").get_by_role("combobox", name=name).click()
            page.get_by_role("option", name=value, exact=True).click()
    page.get_by_role("button", name="Keep", exact=True).click()
    expect(page.get_by_role("button", name="This chat's settings")).to_be_visible()


def test_a_question_the_documents_do_not_answer_is_refused_with_two_ways_on(page: Page, with_post: str) -> None:
    open_post(page, with_post)
    ask(page, KEEPER_QUESTION)
    finished(page)
    keep_settings(page, refuse="on")
    ask(page, ELSEWHERE)
    expect(page.get_by_text("Not answered: the documents most likely hold no answer.")).to_be_visible()
    expect(page.get_by_role("button", name="Answer from these passages")).to_be_visible()
    page.get_by_role("button", name="Answer without documents").click()
    finished(page)
    expect(page.get_by_text("Without documents: nothing in this answer is checked")).to_be_visible()


def test_a_question_that_leans_on_the_last_says_what_was_searched_for(page: Page, with_post: str) -> None:
    open_post(page, with_post)
    ask(page, KEEPER_QUESTION)
    finished(page)
    ask(page, "When did it change?")
    searched = page.get_by_text("Searched for:")
    expect(searched).to_contain_text("lamp")
    expect(page.locator("mark").filter(has_text="until 1871").last).to_be_visible()
    finished(page)


def test_the_model_puts_a_leaning_question_into_words_when_that_is_chosen(page: Page, with_post: str) -> None:
    open_post(page, with_post)
    ask(page, KEEPER_QUESTION)
    finished(page)
    keep_settings(page, rewrite="model")
    ask(page, "When did it change?")
    expect(page.get_by_text("Evidence ·")).to_have_count(2)
    finished(page)
    expect(page.get_by_text("Searched for:")).to_be_visible()
    assert page.get_by_test_id("stAlert").count() == 0


def test_without_documents_nothing_is_searched(page: Page, with_post: str) -> None:
    open_post(page, with_post)
    page.get_by_test_id("stCheckbox").get_by_text("Documents", exact=True).click()
    ask(page, "Say good morning.")
    finished(page)
    expect(page.get_by_text("Without documents: nothing in this answer is checked")).to_be_visible()
    expect(page.get_by_text("Evidence ·")).to_have_count(0)


def test_an_answer_is_copied_and_rated(page: Page, with_post: str) -> None:
    open_post(page, with_post)
    ask(page, KEEPER_QUESTION)
    finished(page)
    page.get_by_role("button", name="Copy", exact=True).click()
    expect(page.get_by_test_id("stPopoverBody").get_by_test_id("stCode")).not_to_be_empty()
    page.keyboard.press("Escape")
    page.get_by_role("radio", name="Thumbs up").click()
    page.reload()
    expect(page.get_by_role("radio", name="Thumbs up")).to_be_checked()


def test_the_prompt_is_shown_part_by_part_with_its_very_text(page: Page, with_post: str) -> None:
    open_post(page, with_post)
    ask(page, KEEPER_QUESTION)
    finished(page)
    page.get_by_text("What the model read").last.click()
    body = page.get_by_test_id("stPopoverBody")
    expect(body.get_by_text(KEEPER_ANSWER[:40]).first).to_be_visible()
    expect(body.get_by_text(KEEPER_QUESTION).first).to_be_visible()
