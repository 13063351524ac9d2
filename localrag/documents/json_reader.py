"""JSON and JSON Lines: every value on a line with the path of its key, so that a search finds both."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from localrag.documents.raw import RawDocument, clean_text, short_title
from localrag.errors import DocumentError
from localrag.types import Mark, ParsedDocument

TYPE = "json"
MAX_DEPTH = 100
MAX_CHARS = 50_000_000
_PROBED_LINES = 20
_KEY_CHARS = 100
# A list of short values stands on one line.
_ROW_CHARS = 500
_TOKENS = re.compile(r"""(?:[\[\]{},:\s]++|"(?:[^"\\]++|\\.)*+"|-?\d[\d.eE+-]*+|true|false|null|NaN|-?Infinity)*+""", re.DOTALL)
_TITLE_KEYS = ("title", "name", "subject")


class _Parsed(NamedTuple):
    """The values of a file: one, or one of each line. `bad`: lines that are no JSON, kept as text."""

    values: list[Any]
    is_lines: bool
    bad: int = 0
    too_deep: bool = False


_parsed: WeakKeyDictionary[RawDocument, _Parsed | None] = WeakKeyDictionary()


def recognises(raw: RawDocument) -> bool:
    """When the whole text is a JSON object or array, or the first 20 lines each are one; a lone number or word is text."""
    if raw not in _parsed:
        _parsed[raw] = _parse(raw.text)
    return _parsed[raw] is not None


def read(raw: RawDocument) -> ParsedDocument:
    """Marks are the top-level keys, or the records of an array or of JSON Lines. Title: a "title" or "name" of the object.

    Raises DocumentError when values are nested deeper than 100 levels, or the text would grow beyond 50 million characters.
    """
    parsed = _parsed.pop(raw) if raw in _parsed else _parse(raw.text)
    if parsed is None:
        raise DocumentError(f"{raw.name} is no JSON. Check the file and add it again.")
    if parsed.too_deep:
        raise _too_deep(raw)
    parts: list[str] = []
    marks: list[Mark] = []
    length = 0
    for place, lines in _sections(parsed, raw):
        section = clean_text("\n".join(lines))
        if not section:
            continue
        length += 2 if parts else 0
        marks.append(Mark(length, place, kind="section"))
        parts.append(section)
        length += len(section)
        if length > MAX_CHARS:
            raise DocumentError(f"{raw.name} has more than {MAX_CHARS:,} characters as text. Split it into smaller files.")
    note = f"{parsed.bad} lines are no JSON and were taken as text." if parsed.bad else ""
    return ParsedDocument("\n\n".join(parts), TYPE, _title(parsed) or raw.stem, marks=tuple(marks), note=note)


def _parse(text: str) -> _Parsed | None:
    head = text[:1000].lstrip()
    if not head.startswith(("{", "[")):
        return None
    try:
        value = _value(text)
    except RecursionError:
        return _Parsed([], is_lines=False, too_deep=True)
    except ValueError:
        return _parse_lines(text)
    return _Parsed([value], is_lines=False)


def _parse_lines(text: str) -> _Parsed | None:
    """JSON Lines; None when one of the first lines is no object or array."""
    values: list[Any] = []
    bad = 0
    for line in text.split("\n"):
        if not line.strip():
            continue
        try:
            values.append(_value(line))
            is_record = isinstance(values[-1], dict | list)
        except RecursionError:
            return _Parsed([], is_lines=True, too_deep=True)
        except ValueError:
            values.append(line.strip())
            is_record = False
            bad += 1
        if not is_record and len(values) <= _PROBED_LINES:
            return None
    return _Parsed(values, is_lines=True, bad=bad)


def _value(text: str) -> Any:
    """Numbers stay as they are written: no digit is lost, and one of a million digits costs nothing."""
    try:
        return json.loads(text, parse_int=str, parse_float=str, parse_constant=str)
    except RecursionError:
        # The parser gave up before it could see that all those brackets are, for example, Markdown.
        if _TOKENS.fullmatch(text) is None:
            raise ValueError("no JSON") from None
        raise


def _sections(parsed: _Parsed, raw: RawDocument) -> Iterator[tuple[str, Iterator[str]]]:
    """The place of every section and its lines."""
    if parsed.is_lines:
        yield from _records(parsed.values, "", raw)
        return
    value = parsed.values[0]
    if isinstance(value, list):
        if _holds_records(value):
            yield from _records(value, "", raw)
        else:
            yield "", _lines(value, "", raw)
        return
    for key, held in value.items():
        if _holds_records(held):
            yield from _records(held, f"{_key(key)} › ", raw)
        else:
            yield _key(key), _lines(held, _key(key), raw)


def _holds_records(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(item, dict | list) for item in value)


def _records(values: list[Any], above: str, raw: RawDocument) -> Iterator[tuple[str, Iterator[str]]]:
    for number, value in enumerate(values, start=1):
        yield f"{above}record {number}", _lines(value, "", raw)


def _lines(value: Any, path: str, raw: RawDocument, depth: int = 0) -> Iterator[str]:
    """ "path.to.key: value" for every value below; list items are numbered from 1."""
    if depth > MAX_DEPTH:
        raise _too_deep(raw)
    if isinstance(value, dict):
        for key, held in value.items():
            yield from _lines(held, f"{path}.{_key(key)}" if path else _key(key), raw, depth + 1)
    elif isinstance(value, list):
        row = ", ".join(_scalar(item) for item in value) if not any(isinstance(item, dict | list) for item in value) else ""
        if row and len(row) <= _ROW_CHARS and "\n" not in row:
            yield f"{path}: {row}" if path else row
            return
        for number, item in enumerate(value, start=1):
            yield from _lines(item, f"{path}[{number}]" if path else f"[{number}]", raw, depth + 1)
    else:
        yield f"{path}: {_scalar(value)}" if path else _scalar(value)


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        return value.replace("\r\n", "\n").replace("\r", "\n")
    return {True: "true", False: "false", None: "null"}[value]


def _key(key: str) -> str:
    return short_title(key)[:_KEY_CHARS] or '""'


def _title(parsed: _Parsed) -> str:
    value = parsed.values[0] if parsed.values and not parsed.is_lines else None
    if not isinstance(value, dict):
        return ""
    found = (value.get(key) for key in _TITLE_KEYS)
    return next((short_title(clean_text(title)) for title in found if isinstance(title, str) and title.strip()), "")


def _too_deep(raw: RawDocument) -> DocumentError:
    return DocumentError(f"{raw.name} is nested deeper than {MAX_DEPTH} levels. Flatten it or save its text as a file.")
