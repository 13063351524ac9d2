"""Text of the parts beside the main one: charts, diagrams, notes and comments."""

from __future__ import annotations

from localrag.documents.office_text import Block, OfficeText
from localrag.documents.ooxml import Attributes, value

# A series of measurements is no text; its beginning says what it is about.
_MAX_POINTS = 100
_SERIES = {"tx": "tx", "cat": "cat", "val": "val", "xVal": "cat", "yVal": "val"}
_SEPARATORS = frozenset({"separator", "continuationSeparator", "continuationNotice"})


class DiagramText(OfficeText):
    """The data part of a diagram (SmartArt): a line for each node."""

    def paragraph(self, text: str) -> Block:
        return Block(" ".join(text.split()), "line")


class ChartText(DiagramText):
    """A chart: its titles, and a line for each series with its name, categories and values, which are `v` elements."""

    def __init__(self) -> None:
        super().__init__()
        self._role = ""
        self._series: dict[str, list[str]] = {}
        self._value: list[str] | None = None

    def begin(self, name: str, attributes: Attributes) -> None:
        if name == "ser":
            self._series = {"tx": [], "cat": [], "val": []}
        elif name in _SERIES and self._series:
            self._role = name
        elif name == "v" and self._role and self._series:
            self._value = []

    def data(self, text: str) -> None:
        super().data(text)
        if self._value is not None:
            self._value.append(text)

    def finish(self, name: str) -> None:
        if name == "v" and self._value is not None:
            held = self._series[_SERIES[self._role]]
            if len(held) <= _MAX_POINTS:
                held.append(" ".join("".join(self._value).split()))
            self._value = None
        elif name == self._role:
            self._role = ""
        elif name == "ser" and self._series:
            self._end_series()

    def _end_series(self) -> None:
        names, values = self._series["cat"], self._series["val"]
        points = [f"{name} {number}".strip() for name, number in zip(names or [""] * len(values), values, strict=False)]
        if len(points) > _MAX_POINTS:
            points[_MAX_POINTS:] = ["…"]
        line = ": ".join(part for part in (" ".join(self._series["tx"]), ", ".join(points)) if part)
        self._series = {}
        if line:
            self.blocks.append(Block(line, "line"))


class NoteText(OfficeText):
    """Footnotes, endnotes or comments; a comment is led by its author. Word's separators between notes are left out."""

    def __init__(self) -> None:
        super().__init__()
        self._lead = ""
        self._is_separator = False

    def begin(self, name: str, attributes: Attributes) -> None:
        if name in {"footnote", "endnote", "comment"}:
            author = " ".join(value(attributes, "author").split())[:100]
            self._lead = "" if name != "comment" else f"Comment by {author}: " if author else "Comment: "
            self._is_separator = value(attributes, "type") in _SEPARATORS

    def paragraph(self, text: str) -> Block | None:
        if self._is_separator:
            return None
        lead, self._lead = self._lead, ""
        return Block(lead + text)
