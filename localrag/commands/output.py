"""What commands print: JSON lines for programs, plain lines for people, one sentence for an error."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from typing import Any

DONE, FAILED, WRONG_USAGE = 0, 1, 2

# What moves the cursor, colours the screen or turns the order of letters round, wherever it came from: a file's name, its
# text, a model. A carriage return that ends a line is none of these.
_HARMFUL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]|\r(?!\n)")


def say(text: str) -> None:
    """A line for people: one row, whatever the names in it hold."""
    print(_one_row(text), flush=True)


def say_text(text: str) -> None:
    """A text with lines of its own for people."""
    print(_harmless(text), flush=True)


def say_json(value: Mapping[str, Any]) -> None:
    """One JSON object on a line of its own."""
    print(json.dumps(value, ensure_ascii=False, default=str), flush=True)


def complain(text: str) -> None:
    """A sentence on standard error."""
    print(_one_row(text), file=sys.stderr, flush=True)


def _one_row(text: str) -> str:
    return _harmless(text).replace("\r", "\\r").replace("\n", "\\n")


def _harmless(text: str) -> str:
    """A text with escapes such as \\x1b in place of what a terminal would obey."""
    return _HARMFUL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def first_line(text: str, width: int = 100) -> str:
    """A text folded into one line of at most `width` characters."""
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 1] + "…"
