"""Where top-level definitions begin in source code: a few patterns per family of languages, none of them a parser."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from localrag.documents.raw import words

_NAME_CHARS = 80
_MODIFIERS = (
    "export default public private protected internal fileprivate static final abstract sealed async unsafe open data "
    "inline override partial readonly declare const extern virtual local implicit lazy case value annotation inner pub "
    "suspend operator tailrec strictfp synchronized native mutating indirect noinline comptime async"
)
_KEYWORDS = (
    "class def function func fn fun struct interface trait enum module type record object impl namespace protocol "
    "extension actor package sub union mod macro_rules contract library defmodule defp defmacro proc method mixin typealias "
    "message service resource variable data instance newtype"
)
# `class Foo`, `export default async function* run`, `pub(crate) fn go`, `func (s *Server) Start`, `impl<T> Show for Foo`.
_DEFINITION = re.compile(
    rf"(?:(?:{'|'.join(sorted(words(_MODIFIERS)))})(?:\([^()\n]{{0,40}}\))?[ \t]+){{0,5}}"
    rf"(?P<keyword>{'|'.join(sorted(words(_KEYWORDS)))})(?:[ \t]*[*!]|<[^\n>]{{0,80}}>)?[ \t]+(?:\([^()\n]{{0,80}}\)[ \t]*)?"
    r"(?P<name>[\"']?[\w.:$?!~][\w.:$?!~<>,& \-]{0,80})"
)
# `const run = async (x) =>`, `run <- function(x)`.
_ASSIGNED = re.compile(
    r"(?:export[ \t]+)?(?:(?:const|let|var)[ \t]+)?(?P<name>[\w.$]{1,80})[ \t]*(?:<-|=)[ \t]*(?:async[ \t]*)?"
    r"(?:function\b|\([^()\n]{0,200}\)[ \t]*(?::[^=\n]{0,80})?=>|[\w$]{1,40}[ \t]*=>)"
)
# `static int main(int argc, char **argv) {`, `void Foo::bar(`; a declaration ends with a semicolon.
_C_FUNCTION = re.compile(
    r"(?!(?:if|for|while|switch|return|else|do|case|goto|using|typedef|sizeof|new|delete|throw)\b)"
    r"(?:[A-Za-z_][\w:<>,]{0,80}[ \t*&]+){1,6}(?P<name>[A-Za-z_~][\w:~]{0,80})[ \t]*\((?![^\n]{0,400};[ \t]*$)"
)
_C_TYPE = re.compile(
    r"(?:typedef[ \t]+)?(?P<keyword>struct|class|enum|union|namespace)[ \t]+(?P<name>\w{1,80})(?![^\n]{0,200};[ \t]*$)"
)
_SHELL = re.compile(r"(?:function[ \t]+(?P<name>[\w:.\-]{1,80})|(?P<other>[\w:.\-]{1,80})[ \t]*\([ \t]*\))[ \t]*(?:\{|\(|$)")
_SQL = re.compile(
    r"(?P<keyword>create)[ \t]+(?:or[ \t]+(?:replace|alter)[ \t]+)?(?:\w{1,20}[ \t]+){0,2}?"
    r"(?:table|view|function|procedure|trigger|index|type|schema|package|database)[ \t]+(?:if[ \t]+not[ \t]+exists[ \t]+)?"
    r"(?P<name>[\w.\"`\[\]]{1,100})",
    re.IGNORECASE,
)
_TEX = re.compile(
    r"\\(?P<keyword>part|chapter|section|subsection|subsubsection)\*?(?:\[[^\]\n]{0,80}\])?\{(?P<name>[^}\n]{1,200})\}"
)
_BRACKETED = re.compile(r"\[{1,2}(?P<name>[^\[\]\n]{1,80})\]{1,2}[ \t]*(?:[#;]|$)")
_LISP = re.compile(r"\((?P<keyword>def\w{0,20}(?:-\w{1,20})?|define)[ \t]+\(?(?P<name>[^\s()]{1,80})")

_PATTERNS: tuple[tuple[frozenset[str], tuple[re.Pattern[str], ...]], ...] = (
    (words("c h cc cpp cxx hh hpp hxx ino cu m mm"), (_C_TYPE, _C_FUNCTION)),
    (words("js mjs cjs jsx ts mts cts tsx vue svelte r"), (_DEFINITION, _ASSIGNED)),
    (words("sh bash zsh ksh fish"), (_SHELL,)),
    (words("sql"), (_SQL,)),
    (words("tex sty cls"), (_TEX,)),
    (words("toml ini cfg conf properties editorconfig"), (_BRACKETED,)),
    (words("lisp el clj cljs scm rkt"), (_LISP,)),
    (words("css scss less yaml yml xml"), ()),
)
# A definition begins with the comments and decorators right above it.
_LEADING = re.compile(
    r"(?:@|#\[|//|/\*|[ \t]*\*|--|;;|%|#(?![ \t]*(?:include|define|if|ifdef|ifndef|else|endif|pragma|undef|import)\b))"
)


class Definition(NamedTuple):
    """Something defined at the top level. `line`: index of its first line; `label`: such as "class Foo" or "main()"."""

    line: int
    label: str


def definitions(lines: Sequence[str], language: str) -> Iterator[Definition]:
    """Top-level definitions in order; `language` is the usual extension without its dot."""
    patterns = next((patterns for names, patterns in _PATTERNS if language in names), (_DEFINITION,))
    after_last = 0
    for index, line in enumerate(lines):
        # An indented line is inside something, except in SQL scripts, where it is rare enough not to matter.
        if not line or line[0] in " \t" or not patterns:
            continue
        match = next((match for pattern in patterns if (match := pattern.match(line[:500]))), None)
        if match:
            first = index
            while first > after_last and _LEADING.match(lines[first - 1]):
                first -= 1
            after_last = index + 1
            yield Definition(first, _label(match))


def _label(match: re.Match[str]) -> str:
    found = match.groupdict()
    name = " ".join((found.get("name") or found.get("other") or "").split()).rstrip(" :,<-")[:_NAME_CHARS]
    keyword = " ".join((found.get("keyword") or "").lower().split())
    if keyword == "create":
        return " ".join(match[0].split())[:_NAME_CHARS]
    if keyword:
        return f"{keyword} {name}"
    return name if match.re is _BRACKETED else f"{name}()"
