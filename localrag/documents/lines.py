"""Lines of a text and what each of them is in Markdown. Used for headings and for sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

# The characters after which Unicode requires a line break (UAX #14: BK, CR, LF, NL).
_BREAK = "\r\n\x0b\x0c\x85\u2028\u2029"
_LINE = re.compile(f"(?:[ \t]*+[{_BREAK}])++|([^{_BREAK}]*+)(?:\r\n|[{_BREAK}]|\\Z)")
# CommonMark 0.31 §4.5: at least three back-ticks or tildes, indented by at most three spaces.
_FENCE = re.compile(r"[ ]{0,3}(`{3,}+|~{3,}+)([^`]*+)\Z")


class Line(NamedTuple):
    """A line without its line break: `text == document_text[start:start + len(text)]`. `code`: a fence, or between two."""

    start: int
    text: str
    code: bool = False

    @property
    def end(self) -> int:
        return self.start + len(self.text)


def split_lines(text: str) -> Iterator[Line]:
    """All lines of a text; "a\\n" is one line, "" none, and a run of blank lines is one empty line."""
    for match in _LINE.finditer(text):
        if match.end() > match.start():
            yield Line(match.start(), match[1] or "")


def marked_lines(text: str) -> list[Line]:
    """All lines, with those of fenced code marked. A fence that is never closed is plain text, not code to the end."""
    lines = list(split_lines(text))
    if "```" not in text and "~~~" not in text:
        return lines
    opened: tuple[int, str] | None = None
    for index, line in enumerate(lines):
        fence = _FENCE.match(line.text)
        if fence is None:
            continue
        if opened is None:
            opened = (index, fence[1])
        elif fence[1].startswith(opened[1]) and not fence[2].strip():
            for inside in range(opened[0], index + 1):
                lines[inside] = lines[inside]._replace(code=True)
            opened = None
    return lines
