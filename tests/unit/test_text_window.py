"""A long text part by part: nothing is lost, every chunk is marked, nothing in it is markup."""

from __future__ import annotations

import re

from localrag.types import Chunk, Mark
from localrag.ui.text_window import WINDOW_CHARS, headings, marked, page_starts, place, start_before, window

LONG = " ".join(f"word{number}" for number in range(9_000))


def chunk(index: int, start: int, end: int, text: str, location: str = "", page: int | None = None) -> Chunk:
    return Chunk(f"c{index}", "d", index, start, end, text[start:end], location, page)


def visible(markup: str) -> str:
    return re.sub(r"<[^>]+>", "", markup)


def test_going_on_from_part_to_part_shows_every_character_once() -> None:
    at, parts = 0, []
    while at < len(LONG):
        start, end = window(LONG, at)
        assert start == at
        assert end - start <= WINDOW_CHARS
        parts.append(LONG[start:end])
        at = end
    assert "".join(parts) == LONG
    assert all(part.endswith(" ") for part in parts[:-1]), "a word was cut"


def test_a_text_without_white_space_goes_on_all_the_same() -> None:
    text = "x" * (WINDOW_CHARS * 2 + 5)
    assert window(text, 0) == (0, WINDOW_CHARS)
    assert window(text, WINDOW_CHARS * 2) == (WINDOW_CHARS * 2, len(text))


def test_going_back_reaches_the_beginning_and_skips_nothing() -> None:
    at = window(LONG, 0)[1] * 3
    while at:
        before = start_before(LONG, at)
        assert before < at
        assert window(LONG, before)[1] >= at - WINDOW_CHARS // 5
        at = before


def test_a_place_outside_the_text_is_brought_into_it() -> None:
    assert window("short", 99)[1] == 5
    assert window("short", -3) == (0, 5)
    assert window("", 0) == (0, 0)


def test_chunks_are_marked_with_number_and_place_and_the_text_is_whole() -> None:
    text = "First part. Second part. Third part."
    chunks = [chunk(0, 0, 11, text, "Guide", 2), chunk(1, 12, 24, text)]
    shown = marked(text, chunks, 0, len(text))
    assert "<b>1</b>" in shown
    assert "page 2 › Guide" in shown
    assert "in no chunk" in shown
    assert all(part in visible(shown) for part in ("First part.", "Second part.", "Third part."))


def test_a_chunk_that_is_cut_by_the_part_says_so() -> None:
    text = "abcdefghij"
    shown = marked(text, [chunk(0, 0, 10, text)], 2, 6)
    assert "(from before)" in shown
    assert "(goes on)" in shown
    assert "cdef" in visible(shown)
    assert "abc" not in visible(shown)


def test_what_chunks_repeat_is_shown_once() -> None:
    text = "one two three four"
    shown = visible(marked(text, [chunk(0, 0, 13, text), chunk(1, 8, 18, text)], 0, 18))
    assert shown.count("three") == 1
    assert "four" in shown


def test_markup_in_text_and_location_is_shown_as_text() -> None:
    text = "<script>alert(1)</script>"
    shown = marked(text, [chunk(0, 0, len(text), text, '"><img src=x>')], 0, len(text))
    assert "<script" not in shown
    assert "<img" not in shown
    assert "&lt;script&gt;" in shown


def test_a_page_is_named_once() -> None:
    assert place(chunk(0, 0, 1, "x", "slide 3 › Plans", 3)) == "slide 3 › Plans"
    assert place(chunk(0, 0, 1, "x", "Chapter 3", 7)) == "page 7 › Chapter 3"
    assert place(chunk(0, 0, 1, "x", "", 7)) == "page 7"
    assert place(chunk(0, 0, 1, "x")) == ""


def test_pages_and_headings_are_found_in_the_marks() -> None:
    marks = (
        Mark(0, "page 1", 1, "page"),
        Mark(5, "Tea", 1),
        Mark(9, "Tea", 2, "page"),
        Mark(12, "Tea", 2),
        Mark(20, "Coffee", 2),
    )
    assert page_starts(marks) == {1: 0, 2: 9}
    assert [(mark.start, mark.location) for mark in headings(marks)] == [(5, "Tea"), (20, "Coffee")]
