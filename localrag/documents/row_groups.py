"""Rows of a table in groups small enough to be found and cited one by one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

# What a person takes in at a glance, and a few chunks at most.
GROUP_ROWS = 20
GROUP_CHARS = 1_500


def grouped(sizes: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Ranges (first, after the last) of rows with these sizes in characters: GROUP_ROWS rows or about GROUP_CHARS each."""
    first, chars, count = 0, 0, 0
    for size in sizes:
        if count > first and (count - first == GROUP_ROWS or chars + size > GROUP_CHARS):
            yield first, count
            first, chars = count, 0
        chars += size
        count += 1
    if count > first:
        yield first, count


def range_label(first: int, last: int, noun: str) -> str:
    """ "row 7", or "rows 2 to 31" with the plural of a noun that takes an s."""
    return f"{noun} {first}" if first == last else f"{noun}s {first} to {last}"
