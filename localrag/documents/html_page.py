"""An HTML page as a flat list of events, and which of them are its main text.

No tree is built: a page nested 50,000 deep is a list like any other, and nothing recurses. (A BeautifulSoup tree of the
same pages, with the same parser, took 7 to 9 times as long when measured.)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import NamedTuple

from lxml import etree

from localrag.documents.raw import words
from localrag.errors import DocumentError

# Stray end tags cost libxml2 a search of all open elements: quadratic on a hostile page. Others took up to 0.5 s/MB.
PARSE_LIMIT_S = 10.0
_PIECE_BYTES = 16 * 1024

_NEVER = words(
    "head script style noscript template svg canvas iframe frame object embed audio video map select datalist button "
    "input textarea progress meter dialog annotation annotation-xml rt rp"
)
_CHROME_ROLES = frozenset({"navigation", "banner", "contentinfo", "search", "menu", "menubar", "dialog", "alertdialog"})
_CONTENTS = frozenset({"toc", "table-of-contents", "tableofcontents"})
_MENUS = words(
    "nav navbar navigation menu sidebar header footer breadcrumb breadcrumbs pagination pager share share-buttons "
    "social related tags post-tags"
)
_BOXES = words("nav form footer header aside div section ul ol table td span p details")
_ROOTS = frozenset({"html", "body", "main", "article"})


class Event(NamedTuple):
    """A start tag (`end`: index of its end tag), an end tag, or text (`tag` "")."""

    tag: str
    text: str = ""
    opens: bool = False
    attributes: dict[str, str] = {}
    end: int = 0


class _Target:
    """What libxml2 calls while it reads the page."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._open: list[int] = []

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._open.append(len(self.events))
        self.events.append(Event(tag, "", True, dict(attributes) if len(attributes) else {}))

    def end(self, tag: str) -> None:
        index = self._open.pop()
        self.events[index] = self.events[index]._replace(end=len(self.events))
        self.events.append(Event(tag))

    def data(self, text: str) -> None:
        self.events.append(Event("", text))

    def close(self) -> list[Event]:
        while self._open:
            self.end(self.events[self._open[-1]].tag)
        return self.events


def parse_page(markup: str, name: str) -> list[Event]:
    """All events of a page, balanced, however malformed it is.

    Raises:
        DocumentError: the page is built to take forever.
    """
    target = _Target()
    parser = etree.HTMLParser(target=target, encoding="utf-8", huge_tree=True, recover=True)
    data = markup.encode("utf-8", "replace")
    give_up = time.monotonic() + PARSE_LIMIT_S
    try:
        for start in range(0, len(data), _PIECE_BYTES):
            parser.feed(data[start : start + _PIECE_BYTES])
            if time.monotonic() > give_up:
                raise DocumentError(
                    f"The HTML of {name} is too tangled to be read in {PARSE_LIMIT_S:.0f} s. Add its text as a file."
                )
        parser.close()
    except etree.XMLSyntaxError:
        # Raised for a page without a single element; whatever came before it has been read.
        target.close()
    return target.events


def main_text(events: Sequence[Event]) -> list[Event]:
    """The events of the main text: no scripts, menus, page header and footer, forms or hidden elements.

    When next to nothing would be left (a page inside one form), only what is never shown is dropped.
    """
    shown = _without(events, _is_never_shown)
    kept = _without_chrome(shown)
    if 10 * _chars(kept) < _chars(shown):
        kept = shown
    return _main_part(kept)


def _without(events: Sequence[Event], drops: Callable[[int, Event], bool]) -> list[Event]:
    """The events outside dropped elements, with `end` set for the new list."""
    kept: list[Event] = []
    opened: list[int] = []
    index = 0
    while index < len(events):
        event = events[index]
        if event.opens and drops(index, event):
            index = event.end + 1
            continue
        if event.opens:
            opened.append(len(kept))
        elif event.tag:
            start = opened.pop()
            kept[start] = kept[start]._replace(end=len(kept))
        kept.append(event)
        index += 1
    return kept


def _is_never_shown(_: int, event: Event) -> bool:
    given = event.attributes
    if event.tag in _NEVER:
        return True
    if not given or event.tag in _ROOTS:
        return False
    style = given.get("style", "")[:500].replace(" ", "").lower()
    hidden = "hidden" in given or given.get("aria-hidden", "").lower() == "true"
    return hidden or "display:none" in style or "visibility:hidden" in style


def _without_chrome(events: Sequence[Event]) -> list[Event]:
    chars = counts(events, lambda event: len(event.text.strip()))
    navs = counts(events, lambda event: event.opens and event.tag == "nav")
    links = _link_chars(events)
    inside = counts(
        events, lambda event: (event.tag in {"article", "main", "blockquote"}) * (1 if event.opens else -1 if event.tag else 0)
    )

    def is_chrome(index: int, event: Event) -> bool:
        tag, given, end = event.tag, event.attributes, event.end
        if tag in _ROOTS or tag not in _BOXES:
            return False
        role = given.get("role", "").lower()
        names = {*given.get("class", "")[:500].lower().split(), given.get("id", "").lower()} if given else set()
        is_menu = 2 * (links[end] - links[index]) >= chars[end] - chars[index]
        if tag in {"nav", "form"} or role in _CHROME_ROLES or names & _CONTENTS:
            return True
        if tag == "footer":
            return not inside[index] or is_menu
        if tag == "header":
            return not inside[index] and (is_menu or navs[end] > navs[index])
        return is_menu and (tag == "aside" or bool(names & _MENUS))

    return _without(events, is_chrome)


def _main_part(events: list[Event]) -> list[Event]:
    """The smallest <main> with half of the text, or <article> with four fifths of it; else everything."""
    chars = counts(events, lambda event: len(event.text.strip()))
    best, size = (0, len(events)), chars[-1] if chars else 0
    total = size
    for index, event in enumerate(events):
        if event.opens and (event.tag in {"main", "article"} or event.attributes.get("role") == "main"):
            share = 0.8 if event.tag == "article" else 0.5
            held = chars[event.end] - chars[index]
            if total * share <= held <= size:
                best, size = (index, event.end + 1), held
    first = best[0]
    return [event._replace(end=event.end - first) if event.opens else event for event in events[first : best[1]]]


def counts(events: Sequence[Event], weigh: Callable[[Event], int]) -> list[int]:
    """Running totals: `result[j] - result[i]` is the weight of events i up to, not including, j."""
    return list(accumulate((weigh(event) for event in events), initial=0))


def _link_chars(events: Sequence[Event]) -> list[int]:
    depth, total, totals = 0, 0, [0]
    for event in events:
        if event.tag == "a":
            depth += 1 if event.opens else -1
        elif depth and not event.tag:
            total += len(event.text.strip())
        totals.append(total)
    return totals


def _chars(events: Sequence[Event]) -> int:
    return sum(len(event.text.strip()) for event in events)
