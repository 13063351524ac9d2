"""An answer that says the same over and over."""

from __future__ import annotations

import pytest

from localrag.chat.writing import LOOP_CHARS, is_loop


@pytest.mark.parametrize(
    "piece", ["The answer is: ", "no ", " ", "x", "One line.\nAnother line of some length, and a third.\n"]
)
def test_the_same_words_over_and_over_are_a_loop(piece: str) -> None:
    start = "It began well, with a sentence of its own. "
    assert is_loop(start + piece * (LOOP_CHARS // len(piece) + 1))
    assert not is_loop(start + piece * (LOOP_CHARS // len(piece) // 2))


def test_what_changes_as_it_goes_is_none() -> None:
    assert not is_loop("".join(f"{number}. The step of number {number}.\n" for number in range(200)))
    assert not is_loop("".join(f"| {number} | {number * number} |\n" for number in range(200)))
    verse = "Row, row, row your boat, gently down the stream. Merrily, merrily, merrily, merrily, life is but a dream. "
    assert not is_loop(verse * 3)
