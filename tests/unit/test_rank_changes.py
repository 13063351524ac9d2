"""Which span of one list is which of another."""

from __future__ import annotations

from localrag.evaluation.rank_changes import rank_changes
from localrag.types import Evidence


def span(start: int, end: int, document: str = "a") -> Evidence:
    return Evidence(document, f"/{document}.txt", document, start, end, "x" * (end - start), 1.0)


def test_spans_that_change_places_are_found_again() -> None:
    first, second = [span(0, 10), span(50, 60), span(90, 99)], [span(50, 60), span(0, 10), span(90, 99)]
    changes = rank_changes(first, second)
    assert changes.of_first == (1, 0, 2)
    assert changes.of_second == (1, 0, 2)
    assert changes.lines == [(0, 1), (1, 0), (2, 2)]


def test_what_only_one_list_has_is_new_or_gone() -> None:
    changes = rank_changes([span(0, 10), span(20, 30)], [span(40, 50), span(0, 10)])
    assert changes.of_first == (1, None)
    assert changes.of_second == (None, 0)


def test_the_counterpart_is_what_shares_most_characters() -> None:
    changes = rank_changes([span(0, 100)], [span(90, 130), span(0, 60)])
    assert changes.of_first == (1,)
    assert changes.of_second == (0, 0)
    assert changes.lines == [(0, 0), (0, 1)]


def test_of_equal_ones_the_better_placed_is_taken() -> None:
    assert rank_changes([span(10, 30)], [span(0, 20), span(20, 40)]).of_first == (0,)


def test_the_same_range_of_another_document_and_ranges_that_only_touch_are_nothing() -> None:
    changes = rank_changes([span(0, 10)], [span(0, 10, "b"), span(10, 20)])
    assert changes.of_first == (None,)
    assert changes.of_second == (None, None)


def test_empty_lists_are_no_error() -> None:
    assert rank_changes([], [span(0, 5)]).of_second == (None,)
    assert rank_changes([], []).lines == []
