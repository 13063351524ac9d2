"""Questions with what is expected of a search: as they stand in a file, before any document is looked at."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from localrag.errors import QuestionSetError

MadeBy = Literal["", "sentences", "model"]
LABELS: dict[MadeBy, str] = {
    "": "questions of your own",
    "sentences": "made from sentences, without a model: easier than real questions",
    "model": "written by the chat model: closer to real questions, but not checked by a person",
}


@dataclass(frozen=True, slots=True)
class Expected:
    """One thing a search should find, as a line says it.

    `documents` are sources, names or ids, any of which will do; `text` stands in one of them, or anywhere when there are
    none. `start` and `end` count code points of the one document's text; with `text` too, they only say which occurrence.
    """

    documents: tuple[str, ...] = ()
    text: str = ""
    start: int | None = None
    end: int | None = None
    line: int = 0


@dataclass(frozen=True, slots=True)
class Question:
    """A question and all that is expected; nothing is when the collection does not hold the answer."""

    text: str
    expected: tuple[Expected, ...] = ()
    answerable: bool = True
    made_by: MadeBy = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class QuestionSet:
    """Questions in order, each text once. `name` says where they come from: a file's name, or how they were made."""

    name: str
    questions: tuple[Question, ...]

    @property
    def label(self) -> str:
        """What kind of questions these are: results on made-up ones are not those of real ones."""
        kinds = sorted({question.made_by for question in self.questions})
        if len(kinds) == 1:
            return LABELS[kinds[0]]
        counts = [sum(question.made_by == kind for question in self.questions) for kind in kinds]
        return "; ".join(f"{count} {LABELS[kind]}" for count, kind in zip(counts, kinds, strict=True))


def merged(questions: Iterable[Question], where: str) -> tuple[Question, ...]:
    """Each question once, with all that its lines expect.

    Raises:
        QuestionSetError: there is none, or one is both answerable and not; `where` is what is read.
    """
    found: dict[str, Question] = {}
    for question in questions:
        first = found.setdefault(question.text, question)
        if first is question:
            continue
        if not (first.answerable and question.answerable):
            raise QuestionSetError(
                f"Line {question.line} of {where} says again whether “{question.text:.60}” can be answered (first in line"
                f" {first.line}). Keep one of the two lines."
            )
        new = tuple(
            one for one in question.expected if replace(one, line=0) not in [replace(e, line=0) for e in first.expected]
        )
        found[question.text] = replace(first, expected=first.expected + new)
    if not found:
        raise QuestionSetError(f"{where} holds no question. Write one a line, with the document or text that answers it.")
    return tuple(found.values())


def write_question_set(questions: QuestionSet, path: Path) -> None:
    """Write a set as JSONL, to be edited and read again.

    Raises:
        QuestionSetError: the file cannot be written.
    """
    try:
        path.write_text(as_jsonl(questions), "utf-8", newline="\n")
    except OSError as exc:
        raise QuestionSetError(f"The questions cannot be written to {path} ({exc.strerror}). Choose another file.") from exc


def as_jsonl(questions: QuestionSet) -> str:
    """A set as lines of JSON, as `read_question_set` takes them."""
    return "".join(json.dumps(_as_json(question), ensure_ascii=False) + "\n" for question in questions.questions)


def _as_json(question: Question) -> dict[str, Any]:
    line: dict[str, Any] = {"question": question.text}
    if not question.answerable:
        line["answerable"] = False
    if len(question.expected) == 1 and len(question.expected[0].documents) < 2:
        line |= _expected_as_json(question.expected[0])
    elif question.expected:
        line["references"] = [_expected_as_json(one) for one in question.expected]
    if question.made_by:
        line["made_by"] = question.made_by
    return line


def _expected_as_json(expected: Expected) -> dict[str, Any]:
    line: dict[str, Any] = {}
    documents: Sequence[str] = expected.documents
    if documents:
        line |= {"document": documents[0]} if len(documents) == 1 else {"documents": list(documents)}
    if expected.start is not None:
        line |= {"start": expected.start, "end": expected.end}
    if expected.text:
        line["text"] = expected.text
    return line
