"""Stop texts in a stream, however it is cut into pieces."""

from __future__ import annotations

import random

import pytest

from localrag.llms.stop_text import StopText


def shown(stops: list[str], pieces: list[str]) -> tuple[str, bool]:
    stop = StopText(stops)
    text = "".join(stop.feed(piece) for piece in pieces)
    return text + stop.rest(), stop.hit


@pytest.mark.parametrize(
    "pieces", [["Paris.\nQuestion: more"], ["Paris.", "\n", "Question", ":", " more"], list("Paris.\nQuestion: more")]
)
def test_the_stop_text_and_all_after_it_is_dropped(pieces: list[str]) -> None:
    assert shown(["\nQuestion:"], pieces) == ("Paris.", True)


def test_half_a_stop_text_is_never_shown_until_it_turns_out_to_be_none() -> None:
    stop = StopText(["\nQuestion:"])
    assert stop.feed("Paris\nQuest") == "Paris"
    assert stop.feed("s abound") == "\nQuests abound"
    assert not stop.hit


def test_what_is_held_back_comes_out_at_the_end() -> None:
    assert shown(["\nQuestion:"], ["Paris\nQuestion"]) == ("Paris\nQuestion", False)


def test_the_first_of_several_stop_texts_counts() -> None:
    assert shown(["END", "STOP", ""], ["a STOP b END"]) == ("a ", True)


def test_nothing_is_shown_after_a_hit() -> None:
    stop = StopText(["x"])
    assert [stop.feed("ax"), stop.feed("b"), stop.rest()] == ["a", "", ""]


def test_without_stop_texts_everything_is_shown_at_once() -> None:
    stop = StopText([])
    assert stop.feed("all of it\nQuestion:") == "all of it\nQuestion:"


def test_any_cutting_of_any_text_shows_the_same() -> None:
    chance = random.Random(7)
    for _ in range(3000):
        text = "".join(chance.choices("ab\n", k=chance.randint(0, 14)))
        stops = ["".join(chance.choices("ab\n", k=chance.randint(1, 4))) for _ in range(chance.randint(0, 3))]
        at = min((found for found in (text.find(stop) for stop in stops) if found >= 0), default=-1)
        # A stop text that ends earlier is met earlier, even when a longer one began before it.
        ends = min((text.find(stop) + len(stop) for stop in stops if stop in text), default=0)
        cuts = sorted(chance.choices(range(len(text) + 1), k=chance.randint(0, 6)))
        pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
        result, hit = shown(stops, pieces)
        assert hit == (at >= 0)
        if not hit:
            assert result == text
        else:
            assert text.startswith(result)
            assert at <= len(result) < ends
            assert not any(stop in result for stop in stops)
