"""Passages and answers as safe HTML in a reading face.

What a document or a model wrote is data: its HTML is shown as text, an image becomes its description, a link its text
and address, so nothing in it makes the browser send a request.
"""

from __future__ import annotations

import functools
import html
import re
from collections.abc import Sequence

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

from localrag.types import AnswerSentence

ACCENT = "#2b9383"
"""Reaches 3:1 against both themes' backgrounds: for underlines and fills, never for small text."""
TINT = "rgba(43, 147, 131, 0.20)"
SERIF = "font-family:'Source Serif',Georgia,'Noto Serif',serif"
READING = f"{SERIF};font-size:1.08rem;line-height:1.62;overflow-wrap:anywhere"
FIGURES = "font-variant-numeric:tabular-nums;font-size:0.84rem"
CIRCLED = "①②③④⑤⑥⑦⑧⑨⑩⑪⑫⑬⑭⑮⑯⑰⑱⑲⑳"

_OPEN, _CLOSE, _FIRST = "\ue010", "\ue011", 0xE100  # private use area: markers that survive Markdown
_BLANK_LINES = re.compile(r"\n\s*\n")
_FENCE = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
_PRIVATE = re.compile("[\ue000-\uf8ff]")
_BLOCK_START = re.compile(r"^\s*(?:(?:[-*+>]|\d+[.)]|#{1,6})\s+)*")
_UNDERLINE = {
    "supported": f"text-decoration:underline solid {ACCENT} 2px;text-underline-offset:4px",
    "weak": f"text-decoration:underline dotted {ACCENT} 2px;text-underline-offset:4px",
    "unsupported": "",
}
_TAG = (
    "<span style='font-family:sans-serif;font-size:0.7rem;border:1px solid currentColor;border-radius:3px;"
    "padding:0 4px;margin-left:4px;white-space:nowrap'>not in the documents</span>"
)


def circled(number: int) -> str:
    """A number from 1 as a sign that stands in running text."""
    return CIRCLED[number - 1] if 1 <= number <= len(CIRCLED) else f"({number})"


def passage(text: str, focus: tuple[int, int] | None = None) -> str:
    """A passage of a document as HTML, the range `focus` (offsets in the text) highlighted."""
    start, end = focus or (0, 0)
    marked = f"<mark style='background:{TINT};color:inherit;border-radius:2px'>{_shown(text[start:end])}</mark>"
    inside = _shown(text[:start]) + (marked if focus else "") + _shown(text[end:])
    return f'<div style="{READING};white-space:pre-line">{inside}</div>'


def _shown(text: str) -> str:
    """Escaped, with one line break where the document leaves blank lines."""
    return html.escape(_BLANK_LINES.sub("\n", text))


def answer(text: str, sentences: Sequence[AnswerSentence] = ()) -> str:
    """An answer's Markdown as HTML; each sentence underlined by its support, with the numbers of its evidence."""
    text = _PRIVATE.sub("", text)
    rendered = str(_markdown().render(_mark(text, sentences)))
    for index, sentence in enumerate(sentences):
        sign = chr(_FIRST + index)
        numbers = "".join(circled(number + 1) for number in sentence.evidence)
        tail = f"<span style='font-size:0.85em'> {numbers}</span>" if numbers else ""
        if sentence.support == "unsupported":
            tail = _TAG
        rendered = rendered.replace(_OPEN + sign, f"<span style='{_UNDERLINE[sentence.support]}' title='{sentence.support}'>")
        rendered = rendered.replace(_CLOSE + sign, f"</span>{tail}")
    return f'<div style="{READING}">{_PRIVATE.sub("", rendered)}</div>'


def _mark(text: str, sentences: Sequence[AnswerSentence]) -> str:
    """The Markdown with a marker before and after each sentence, inside list and heading signs."""
    pieces: list[str] = []
    at = 0
    fences = [match.span() for match in _FENCE.finditer(text)]
    for index, sentence in enumerate(sentences):
        start = text.find(sentence.text, at)
        end = start + len(sentence.text)
        if start < 0 or index > _LAST_SIGN or any(start < stop and end > begin for begin, stop in fences):
            continue
        lead = _BLOCK_START.match(sentence.text)
        begin = start + (lead.end() if lead else 0)
        if begin >= end:
            continue
        sign = chr(_FIRST + index)
        pieces += [text[at:begin], _OPEN, sign, text[begin:end], _CLOSE, sign]
        at = end
    return "".join([*pieces, text[at:]])


_LAST_SIGN = 0xF8FF - _FIRST


@functools.cache
def _markdown() -> MarkdownIt:
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    markdown.add_render_rule("image", _image)
    # A model's headings are parts of an answer, not of the page.
    markdown.add_render_rule("heading_open", lambda *_: "<p><strong>")
    markdown.add_render_rule("heading_close", lambda *_: "</strong></p>")
    markdown.add_render_rule("link_open", _link_open)
    markdown.add_render_rule("link_close", _link_close)
    return markdown


def _image(_self: RendererHTML, tokens: Sequence[Token], index: int, _options: OptionsDict, _env: EnvType) -> str:
    return html.escape(f"[image: {tokens[index].content or tokens[index].attrGet('src')}]")


def _link_open(_self: RendererHTML, _tokens: Sequence[Token], _index: int, _options: OptionsDict, _env: EnvType) -> str:
    return "<span>"


def _link_close(_self: RendererHTML, tokens: Sequence[Token], index: int, _options: OptionsDict, _env: EnvType) -> str:
    depth = 1
    for token in reversed(tokens[:index]):
        depth += {"link_close": 1, "link_open": -1}.get(token.type, 0)
        if depth == 0:
            return f" <code>{html.escape(str(token.attrGet('href') or ''))}</code></span>"
    return "</span>"
