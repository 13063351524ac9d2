"""Mustache templates of plain variables, written as f-strings. Grammar: mustache.github.io/mustache.5.html."""

from __future__ import annotations

import re

_TAG = re.compile(r"\{\{\{\s*(?P<triple>[^{}]*?)\s*\}\}\}|\{\{(?P<sign>[#^/>!=&]?)\s*(?P<name>[^{}]*?)\s*\}\}")
_WORD = re.compile(r"[A-Za-z_]\w*")


def as_f_string(template: str) -> str:
    """The same template as an f-string.

    Raises:
        ValueError: it uses more of mustache than variables and comments.
    """
    written, at = [], 0
    for tag in _TAG.finditer(template):
        written.append(_literal(template[at : tag.start()]))
        at = tag.end()
        if tag["sign"] == "!":
            continue
        name = tag["triple"] if tag["triple"] is not None else tag["name"]
        if tag["sign"] not in (None, "", "&") or not _WORD.fullmatch(name):
            raise ValueError(f"its mustache template uses {tag[0]:.60}; only variables can be used here")
        written.append(f"{{{name}}}")
    written.append(_literal(template[at:]))
    return "".join(written)


def _literal(text: str) -> str:
    if "{{" in text or "}}" in text:
        raise ValueError("its mustache template has a tag that is not closed")
    return text.replace("{", "{{").replace("}", "}}")
