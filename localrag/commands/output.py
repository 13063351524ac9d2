"""What commands print: JSON lines for programs, plain lines for people, one sentence for an error."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

DONE, FAILED, WRONG_USAGE = 0, 1, 2


def say(text: str) -> None:
    """A line for people."""
    print(text, flush=True)


def say_json(value: Mapping[str, Any]) -> None:
    """One JSON object on a line of its own."""
    print(json.dumps(value, ensure_ascii=False, default=str), flush=True)


def complain(text: str) -> None:
    """A sentence on standard error."""
    print(text, file=sys.stderr, flush=True)


def first_line(text: str, width: int = 100) -> str:
    """A text folded into one line of at most `width` characters."""
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 1] + "…"
