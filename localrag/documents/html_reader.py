"""HTML: the main text with its headings, and the title, description and language the page states."""

from __future__ import annotations

import re
from collections.abc import Sequence

from localrag.documents.html_page import Event, main_text, parse_page
from localrag.documents.html_text import compose
from localrag.documents.raw import RawDocument, short_title
from localrag.types import ParsedDocument

TYPE = "html"
_SUFFIXES = frozenset({".html", ".htm", ".xhtml", ".xht"})
_MEDIA_TYPES = frozenset({"text/html", "application/xhtml+xml"})
_HEAD_CHARS = 16_384
_DESCRIPTION_CHARS = 5_000
# What may stand in front of the first tag: white space, an XML declaration, comments (WHATWG MIME Sniffing, §7.1).
_PREFIX = re.compile(r"(?:\s++|<\?xml[^>]{0,500}\?>|<!--(?:[^-]|-(?!->))*+-->)*+")
_ROOT = re.compile(r"<!doctype\s+html|<(?:html|head|body|title|meta|frameset)[\s>/]", re.IGNORECASE)
_ANY_TAG = re.compile(
    r"</?(?:html|head|body|p|div|span|table|tr|td|ul|ol|li|h[1-6]|br|hr|a|b|i|em|strong|article|section|main|pre|script|style|form)"
    r"(?:\s[^<>]{0,500})?/?>",
    re.IGNORECASE,
)


def recognises(raw: RawDocument) -> bool:
    """By a root or head element at the beginning; a fragment counts when its extension or declared type says HTML too.

    Markdown files often begin with <p> or <div>, so a fragment alone is no sign.
    """
    head = raw.text[:_HEAD_CHARS]
    prefix = _PREFIX.match(head)
    if _ROOT.match(head, prefix.end() if prefix else 0):
        return True
    stated = raw.suffix in _SUFFIXES or raw.media_type in _MEDIA_TYPES
    return stated and _ANY_TAG.search(raw.text[: 4 * _HEAD_CHARS]) is not None


def read(raw: RawDocument) -> ParsedDocument:
    """Title: of the page, else its first heading, else the file's name. Raises DocumentError on hostile markup."""
    events = parse_page(raw.text, raw.name)
    text, marks = compose(main_text(events))
    first = marks[0].location.rsplit(" › ", 1)[-1] if marks else ""
    title, description, language = _metadata(events)
    return ParsedDocument(text, TYPE, short_title(title) or first or raw.stem, description, language, marks)


def _metadata(events: Sequence[Event]) -> tuple[str, str, str]:
    """Title, description and language. A <title> inside a drawing is a caption, so only the first one counts."""
    title = language = ""
    described: dict[str, str] = {}
    for index, event in enumerate(events):
        if not event.opens:
            continue
        given = event.attributes
        if event.tag == "html" and not language:
            language = (given.get("lang") or given.get("xml:lang") or "").strip()[:35]
        elif event.tag == "title" and not title:
            title = "".join(inner.text for inner in events[index : min(event.end, index + 100)])
        elif event.tag == "meta":
            key = (given.get("name") or given.get("property") or "").strip().lower()
            described.setdefault(key, " ".join(given.get("content", "")[: 2 * _DESCRIPTION_CHARS].split())[:_DESCRIPTION_CHARS])
    description = described.get("description") or described.get("og:description") or ""
    return title or described.get("og:title", ""), description, language
