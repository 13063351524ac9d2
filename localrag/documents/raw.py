"""What a reader is given: the bytes of a document, with what its carrier says about them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from urllib.parse import unquote

from localrag.documents.decode import decode
from localrag.types import ParsedDocument

_TITLE_CHARS = 200
_CONTROL = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f]")
_LONE = re.compile("[\ud800-\udfff]")
_CHARSET = re.compile(r"""charset\s*=\s*["']?([^\s;"']+)""", re.IGNORECASE)


@dataclass(frozen=True)
class RawDocument:
    """Bytes, the name of the file or page, and a declared type such as "text/html; charset=euc-kr" ("" when none)."""

    data: bytes
    name: str
    declared_type: str = ""

    @cached_property
    def text(self) -> str:
        """The bytes as text; DocumentError when they are none."""
        charset = _CHARSET.search(self.declared_type)
        return decode(self.data, self.name, charset[1] if charset else "")

    @property
    def media_type(self) -> str:
        """The declared type without parameters, lower case."""
        return self.declared_type.partition(";")[0].strip().lower()

    @property
    def suffix(self) -> str:
        """The name's extension in lower case with its dot, or ""."""
        return PurePosixPath(self._base).suffix.lower()

    @property
    def stem(self) -> str:
        """The name without folders and extension: a title when there is no better."""
        return short_title(PurePosixPath(self._base).stem) or self.name

    @property
    def _base(self) -> str:
        if "://" in self.name:
            path = re.split(r"[?#]", self.name, maxsplit=1)[0].partition("://")[2]
            return unquote(path.rstrip("/").rsplit("/", 1)[-1]) if "/" in path.rstrip("/") else ""
        return re.split(r"[/\\]", self.name)[-1]


def words(text: str) -> frozenset[str]:
    """A set of names, written as one string to keep tables of tags readable."""
    return frozenset(text.split())


def short_title(text: str) -> str:
    """White space folded; cut with "…" after 200 characters, so that a hostile heading stays a label."""
    folded = " ".join(text[: 20 * _TITLE_CHARS].split())
    return folded if len(folded) <= _TITLE_CHARS else folded[: _TITLE_CHARS - 1].rstrip() + "…"


class HeadingPath:
    """The headings above a place in a document: a deeper one is added, an equal or higher one replaces."""

    def __init__(self) -> None:
        self._stack: list[tuple[int, str]] = []

    def enter(self, level: int, title: str) -> str:
        """Go under a heading; the new path, such as "Guide › Chat"."""
        while self._stack and self._stack[-1][0] >= level:
            self._stack.pop()
        self._stack.append((level, short_title(title)))
        return " › ".join(title for _, title in self._stack if title)


def clean_text(text: str) -> str:
    """Without control characters and halves of surrogate pairs, which no later step can store or show."""
    return _LONE.sub("\ufffd", _CONTROL.sub("", text))


def has_text(document: ParsedDocument) -> bool:
    """Whether there is anything to index: one character that is neither white space nor invisible."""
    return bool(re.search(r"[^\s\u00ad\u200b-\u200f\u2060\ufeff]", document.text))
