"""Labelled follow-ups: a history, a question, and words the search must and must not hold.

`find` is a text the search is to bring from the post beside the integration tests, `same` marks questions of their own.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from localrag.types import AnswerSentence, Turn

PATH = Path(__file__).parents[1] / "data" / "follow_ups.jsonl"


def rows() -> list[dict[str, Any]]:
    """All of them, in order."""
    return [json.loads(line) for line in PATH.read_text("utf-8").splitlines()]


def answered(question: str, answer: str, support: Any = "supported") -> Turn:
    """A turn whose whole answer has this support."""
    return Turn(question, question, answer, sentences=(AnswerSentence(answer, support, (), 0.9),))


def history(row: dict[str, Any]) -> list[Turn]:
    """The turns before a question."""
    return [answered(turn["question"], turn["answer"]) for turn in row["history"]]
