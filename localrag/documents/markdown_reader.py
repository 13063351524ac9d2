"""Markdown: the text unchanged, with the heading path at every heading."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from localrag.documents.lines import Line, marked_lines
from localrag.documents.raw import HeadingPath, RawDocument, short_title
from localrag.types import Mark, ParsedDocument

TYPE = "md"
_SUFFIXES = frozenset({".md", ".markdown", ".mdown", ".mkd", ".mdx", ".qmd", ".rmd"})
_ATX = re.compile(r"[ ]{0,3}(#{1,6})(?:[ \t]+(.*))?\Z")
_SETEXT = re.compile(r"[ ]{0,3}(={2,}+|-{3,}+)[ \t]*\Z")
# What cannot be the text line of a setext heading: lists, quotes, tables, code, headings, thematic breaks.
_NO_PARAGRAPH = re.compile(r"(?:[ ]{4}|\t|\s*(?:[>|#]|[-*+][ \t]|\d{1,9}[.)][ \t]|[-*_=]{3,}+\s*\Z|<))")
_LINK = re.compile(r"!?\[([^\[\]]{0,300})\](?:\([^()]{0,2000}\)|\[[^\[\]]{0,300}\])?")
_MARKUP = re.compile(r"[*`]+|(?<!\w)_+|_+(?!\w)|\s*\{#[^}]{0,200}\}\s*\Z")
_FRONT_TITLE = re.compile(r"title\s*[:=]\s*(.+)", re.IGNORECASE)
_OTHER_SIGN = re.compile(r"^(?:```|[-*+] \S|> \S)|\[[^\[\]\n]{1,200}\]\([^()\s]{1,500}\)|\*\*[^*\n]{1,200}\*\*", re.MULTILINE)


def recognises(raw: RawDocument) -> bool:
    """By its extension or declared type; without either, by a heading and one more sign of Markdown."""
    if raw.suffix in _SUFFIXES or raw.media_type in {"text/markdown", "text/x-markdown"}:
        return True
    if raw.suffix:
        return False
    head = raw.text[:65_536]
    return _OTHER_SIGN.search(head) is not None and next(_headings(marked_lines(head)), None) is not None


def read(raw: RawDocument) -> ParsedDocument:
    """Title: of the front matter, else the first level-1 heading, else the first heading, else the file's name."""
    lines = marked_lines(raw.text)
    front = _front_matter(lines)
    path = HeadingPath()
    marks: list[Mark] = []
    found: list[tuple[int, str]] = []
    for start, level, title in _headings(lines[front:]):
        marks.append(Mark(start, path.enter(level, title)))
        found.append((level, title))
    top = next((title for level, title in found if level == 1 and title), "")
    first = next((title for _, title in found if title), "")
    title = _front_title(lines[:front]) or top or first or raw.stem
    return ParsedDocument(raw.text, TYPE, title=short_title(title), marks=tuple(marks))


def _headings(lines: Sequence[Line]) -> Iterator[tuple[int, int, str]]:
    """Offset, level and plain title of every ATX and setext heading outside fenced code."""
    before: Line | None = None
    for line in lines:
        atx = None if line.code else _ATX.match(line.text)
        if atx:
            yield _first_letter(line), len(atx[1]), _plain(re.sub(r"(?:^|[ \t]+)#+[ \t]*\Z", "", (atx[2] or "")[:2000]))
        elif before is not None and not line.code and (underline := _SETEXT.match(line.text)):
            yield _first_letter(before), 1 if underline[1][0] == "=" else 2, _plain(before.text[:2000])
        is_text = not line.code and line.text.strip() and not _NO_PARAGRAPH.match(line.text)
        before = line if is_text else None


def _first_letter(line: Line) -> int:
    """Where the text of a line begins behind its indentation, as sentences do."""
    return line.end - len(line.text.lstrip())


def _plain(title: str) -> str:
    """A heading without links, emphasis and back-ticks."""
    return short_title(_MARKUP.sub("", _LINK.sub(r"\1", title)))


def _front_matter(lines: Sequence[Line]) -> int:
    """How many lines the YAML or TOML front matter takes, its two fences included; 0 when there is none."""
    fence = lines[0].text.rstrip() if lines else ""
    if fence not in {"---", "+++"}:
        return 0
    ends = {fence, "..."} if fence == "---" else {fence}
    for index, line in enumerate(lines[1:200], start=1):
        if line.text.rstrip() in ends:
            return index + 1
    return 0


def _front_title(lines: Sequence[Line]) -> str:
    for line in lines:
        if match := _FRONT_TITLE.match(line.text):
            return match[1].strip().strip("\"'").strip()
    return ""
