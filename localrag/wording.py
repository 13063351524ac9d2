"""Words that depend on a number."""

from __future__ import annotations


def counted(count: int, word: str) -> str:
    """A number with its word: 1 chunk, 2,000 chunks."""
    return f"{count:,} {word}{'s' * (count != 1)}"
