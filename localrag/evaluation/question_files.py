"""Reading a set of questions: JSONL, or CSV with a header, in UTF-8. Every complaint names the line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from localrag.documents.delimited import rows
from localrag.documents.sources import read_file
from localrag.errors import DocumentError, QuestionSetError
from localrag.evaluation.question_sets import Expected, MadeBy, Question, QuestionSet, merged

MAX_FILE_MB = 100
DELIMITERS = (",", ";", "\t")
COLUMNS = ("question", "document", "text", "start", "end", "answerable")
_ALIASES = {"corpus": "document", "content": "text", "start_index": "start", "end_index": "end"}
_YES, _NO = {"", "true", "yes", "1"}, {"false", "no", "0"}
_NOTHING_EXPECTED = "expects nothing. Give the document, the text or both, or say that answerable is false"


def read_question_set(path: Path) -> QuestionSet:
    """The questions of a file.

    Raises:
        QuestionSetError: the file cannot be read, or as `parse_question_set`.
    """
    try:
        return parse_question_set(read_file(path, MAX_FILE_MB), path.name)
    except DocumentError as exc:
        raise QuestionSetError(f"The questions cannot be read: {exc}") from exc


def parse_question_set(data: bytes, name: str) -> QuestionSet:
    """The questions of a file's bytes; lines with the same question are one. What begins with { is JSONL, all other is CSV.

    Raises:
        QuestionSetError: one of the lines is wrong, or there are none.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = data.count(b"\n", 0, exc.start) + 1
        raise QuestionSetError(f"Line {line} of {name} is not UTF-8. Save the file as UTF-8 and try again.") from exc
    if not text.strip():
        raise QuestionSetError(f"{name} is empty. Write a question a line, with the document or text that answers it.")
    if text.lstrip().startswith("["):
        raise QuestionSetError(f"{name} is one JSON list. Write an object a line (JSONL), without brackets and commas around.")
    lines = _json_lines(text, name) if text.lstrip().startswith("{") else _csv_lines(text, name)
    return QuestionSet(name, merged((_question(line, f"Line {number} of {name}", number) for number, line in lines), name))


def _json_lines(text: str, name: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(text.split("\n"), 1):  # splitlines() would split at U+2028 inside a JSON text
        if not line.strip():
            continue
        try:
            value = json.loads(line)
            json.dumps(value, ensure_ascii=False).encode()  # "\\ud800" is half a character: it could not be searched for
        except (ValueError, RecursionError) as exc:
            raise QuestionSetError(f"Line {number} of {name} is no JSON object ({exc}). Correct it and try again.") from exc
        if not isinstance(value, dict):
            raise QuestionSetError(f"Line {number} of {name} is no JSON object: {line:.40}. Correct it and try again.")
        yield number, _renamed(value)


def _csv_lines(text: str, name: str) -> Iterator[tuple[int, dict[str, Any]]]:
    delimiter, names = _header(text, name)
    number, at = 1, 0
    for index, row in enumerate(rows(text, delimiter)):
        number, at = number + text.count("\n", at, row.start), row.start
        if index == 0 or not any(field.strip() for field in row.fields):
            continue
        if any(field.strip() for field in row.fields[len(names) :]):
            raise QuestionSetError(
                f"Line {number} of {name} has {len(row.fields)} fields, the header {len(names)}. Put a text that holds"
                f" {delimiter!r} in double quotes."
            )
        values = {name: field.strip() for name, field in zip(names, row.fields, strict=False) if field.strip()}
        yield number, _renamed(values)


def _header(text: str, name: str) -> tuple[str, list[str]]:
    """The delimiter and the names of the columns: those of the first row that names a question and most of the others."""
    found = []
    for delimiter in DELIMITERS:
        first = next(iter(rows(text.split("\n", 1)[0], delimiter)), None)
        names = [field.strip().lower() for field in first.fields] if first else []
        found.append((sum(_ALIASES.get(one, one) in COLUMNS for one in names), delimiter, names))
    known, delimiter, names = max(found, key=lambda one: one[0])
    if "question" not in names or known < 2:
        raise QuestionSetError(
            f"Line 1 of {name} names no columns that are known. A CSV file begins with a line such as question,document,text"
            f" (known: {', '.join(COLUMNS)}); a JSONL file with {{."
        )
    return delimiter, names


def _renamed(value: Mapping[str, Any]) -> dict[str, Any]:
    """A line or reference with one name for each thing."""
    return {_ALIASES.get(key, key): field for key, field in value.items() if field is not None}


def _question(line: Mapping[str, Any], where: str, number: int) -> Question:
    text = line.get("question")
    if not isinstance(text, str) or not text.strip():
        raise QuestionSetError(f"{where} has no question. Write one, or take the line out.")
    answerable = _answerable(line.get("answerable", ""), where)
    expected = tuple(_expected(line, where, number))
    if answerable and not expected:
        raise QuestionSetError(f"{where} {_NOTHING_EXPECTED}.")
    if expected and not answerable:
        raise QuestionSetError(f"{where} expects something of a question that is not answerable. Take one of the two out.")
    made_by = line.get("made_by", "")
    return Question(" ".join(text.split()), expected, answerable, made_by if made_by in get_args(MadeBy) else "", number)


def _answerable(value: object, where: str) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if word not in _YES | _NO:
        raise QuestionSetError(f"{where} says answerable is {value!r:.40}. Write true or false.")
    return word in _YES


def _expected(line: Mapping[str, Any], where: str, number: int) -> Iterator[Expected]:
    """What a line expects: each of its references; else the document or text it names; else each of its documents."""
    documents = _documents(line, where)
    references = line.get("references", line.get("ranges"))
    if references is None:
        one = _one(line, documents, where, number)
        if one.text or one.start is not None or len(documents) < 2:
            yield from (one,) if one.text or documents else ()
        else:
            yield from (Expected((document,), line=number) for document in documents)
        return
    if not isinstance(references, list) or not references or not all(isinstance(one, dict) for one in references):
        raise QuestionSetError(f"{where} has references that are no list of objects. Write [{{…}}, …], or leave them out.")
    for reference in map(_renamed, references):
        one = _one(reference, _documents(reference, where) or documents, where, number)
        if not (one.text or one.documents):
            raise QuestionSetError(f"{where} has a reference that {_NOTHING_EXPECTED}.")
        yield one


def _documents(line: Mapping[str, Any], where: str) -> tuple[str, ...]:
    value = line.get("documents", line.get("document", ()))
    named: Sequence[object] = value if isinstance(value, list | tuple) else (value,)
    if not all(isinstance(one, str) and one.strip() for one in named):
        raise QuestionSetError(f"{where} names a document that is no text: {value!r:.40}. Write its path, name or id.")
    return tuple(dict.fromkeys(str(one).strip() for one in named))


def _one(line: Mapping[str, Any], documents: tuple[str, ...], where: str, number: int) -> Expected:
    text = line.get("text", "")
    if not isinstance(text, str):
        raise QuestionSetError(f"{where} expects a text that is none: {text!r:.40}. Write it in quotes.")
    start, end = (_offset(line.get(name), name, where) for name in ("start", "end"))
    if (start is None) != (end is None):
        raise QuestionSetError(f"{where} has only one of start and end. Give both, or neither.")
    if start is not None and end is not None:
        if start >= end:
            raise QuestionSetError(f"{where} has the range {start} to {end}, which is empty. The end lies behind the start.")
        if len(documents) != 1:
            raise QuestionSetError(f"{where} has a range in {len(documents)} documents. Name the one document it lies in.")
    return Expected(documents, text.strip(), start, end, number)


def _offset(value: object, name: str, where: str) -> int | None:
    if value is None:
        return None
    try:
        offset = int(value) if isinstance(value, str | int) and not isinstance(value, bool) else -1
    except ValueError:
        offset = -1
    if offset < 0:
        raise QuestionSetError(f"{where} has {value!r:.40} for {name}. Write a number of characters, 0 or more.")
    return offset
