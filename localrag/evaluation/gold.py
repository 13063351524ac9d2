"""What a question expects, looked up in a collection: which documents, and which ranges of their texts."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from localrag.errors import QuestionSetError
from localrag.evaluation.folded_text import FoldedText
from localrag.evaluation.question_sets import Expected, Question, QuestionSet
from localrag.types import DocumentRecord

TextOf = Callable[[str], str]
"""The text of a document by its id."""


@dataclass(frozen=True, slots=True)
class Place:
    """A range of a document's text."""

    document_id: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Gold:
    """What a search for a question should find: every item, of which any alternative will do.

    `ranges` are empty where only documents are known; both are when the question is not answerable.
    """

    question: Question
    documents: tuple[frozenset[str], ...] = ()
    ranges: tuple[tuple[Place, ...], ...] = ()


def look_up(questions: QuestionSet, records: Sequence[DocumentRecord], text_of: TextOf) -> tuple[Gold, ...]:
    """What each question of a set expects in a collection of these documents. Every document is read once at most.

    Raises:
        QuestionSetError: a document or text is not in the collection, or a range not in its document.
    """
    shelf = _Shelf(records)
    ids = {id(one): shelf.ids(one, questions.name) for question in questions.questions for one in question.expected}
    places = _places(questions, ids, records, text_of)
    return tuple(_gold(question, ids, places) for question in questions.questions)


class _Shelf:
    """Documents by whatever a question calls them."""

    def __init__(self, records: Iterable[DocumentRecord]) -> None:
        self._exact: dict[str, list[str]] = {}
        self._names: dict[str, list[str]] = {}
        self._stems: dict[str, list[str]] = {}
        for record in records:
            for key in {record.id, record.source, *record.also}:
                self._exact.setdefault(_folded(key), []).append(record.id)
            for name in {record.name, *(PurePath(source).name for source in record.also)}:
                self._names.setdefault(_folded(name), []).append(record.id)
            self._stems.setdefault(_folded(PurePath(record.name).stem), []).append(record.id)

    def ids(self, expected: Expected, where: str) -> tuple[str, ...]:
        return tuple(self._id(document, f"Line {expected.line} of {where}") for document in expected.documents)

    def _id(self, document: str, where: str) -> str:
        name = _folded(document)
        found = (
            self._exact.get(name)
            or self._exact.get(_folded(os.path.abspath(document)))
            or self._names.get(name)
            or self._stems.get(name)
        )
        if not found:
            raise QuestionSetError(
                f"{where} expects the document {document:.200}, which is not in the collection. Add it, or correct the line."
            )
        if len(found) > 1:
            raise QuestionSetError(
                f"{where} expects the document {document:.200}, and {len(found)} are named so. Write its whole path."
            )
        return found[0]


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name)  # some systems part accents from their letters in names of files


def _places(
    questions: QuestionSet, ids: Mapping[int, tuple[str, ...]], records: Sequence[DocumentRecord], text_of: TextOf
) -> dict[int, list[Place]]:
    """Where each expected text or range stands, by the `id` of what is expected."""
    wanted = [one for question in questions.questions for one in question.expected if one.text or one.start is not None]
    everywhere = [one for one in wanted if not one.documents]
    by_document: dict[str, list[Expected]] = {}
    for one in wanted:
        for document_id in ids[id(one)]:
            by_document.setdefault(document_id, []).append(one)
    places: dict[int, list[Place]] = {id(one): [] for one in wanted}
    for record in records:
        here = by_document.get(record.id, []) + (everywhere if record.characters else [])
        if not here:
            continue
        text = text_of(record.id)
        folded = FoldedText(text) if any(one.text for one in here) else None
        for one in here:
            ranges = _ranges(one, text, folded, f"Line {one.line} of {questions.name}")
            places[id(one)] += [Place(record.id, start, end) for start, end in ranges]
    for one in wanted:
        if not places[id(one)]:
            where = " or ".join(one.documents) or "any document"
            raise QuestionSetError(
                f"Line {one.line} of {questions.name} expects a text that is not in {where:.200}: “{one.text:.60}”."
                " Copy it from the document as the Documents page shows it."
            )
    return places


def _ranges(expected: Expected, text: str, folded: FoldedText | None, where: str) -> list[tuple[int, int]]:
    start, end = expected.start, expected.end
    if start is None or end is None:
        return folded.find(expected.text) if folded else []
    if folded and expected.text:
        found = folded.find(expected.text)  # the document may have been read anew since: the text leads
        return [min(found, key=lambda one: abs(one[0] - start))] if found else []
    if end > len(text):
        raise QuestionSetError(
            f"{where} expects the range {start} to {end}, and {expected.documents[0]:.200} has {len(text):,} characters."
            " Correct the range, or write the text itself."
        )
    return [(start, end)]


def _gold(question: Question, ids: Mapping[int, tuple[str, ...]], places: Mapping[int, list[Place]]) -> Gold:
    documents: dict[frozenset[str], None] = {}
    ranges: dict[tuple[Place, ...], None] = {}
    for one in question.expected:
        found = places.get(id(one), [])
        documents[frozenset(place.document_id for place in found) or frozenset(ids[id(one)])] = None
        if found:
            ranges[tuple(found)] = None
    return Gold(question, tuple(documents), tuple(ranges))
