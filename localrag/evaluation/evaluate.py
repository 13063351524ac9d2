"""Searching for every question of a set, and what came of it: a row a question, figures with their intervals."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from localrag.evaluation.gold import Gold, Place, TextOf, look_up
from localrag.evaluation.metrics import (
    Characters,
    Estimate,
    Ranking,
    Ranks,
    characters,
    estimate,
    rank_documents,
    rank_passages,
    ranks,
    separation,
)
from localrag.evaluation.question_sets import QuestionSet
from localrag.settings import Settings
from localrag.types import DocumentRecord, Evidence, SearchResult

DEFAULT_K = 10
"""Where a budget decides how many passages there are."""
Find = Callable[[str], SearchResult]
CountTokens = Callable[[str], int]


@dataclass(frozen=True, slots=True)
class QuestionRow:
    """A question and what the search gave for it, best first. What does not apply to the question is None.

    `found` says of each passage whether it is relevant: overlaps an expected range, or is of an expected document where no
    range is known. `characters` and `tokens` count all passages.
    """

    gold: Gold
    evidence: tuple[Evidence, ...]
    found: tuple[bool, ...]
    confidence: float
    seconds: float
    characters: int
    tokens: int | None = None
    by_documents: Ranks | None = None
    by_passages: Ranks | None = None
    by_characters: Characters | None = None

    @property
    def missed(self) -> bool:
        """Whether the question can be answered and nothing of the answer was found."""
        return self.gold.question.answerable and not any(self.found)


@dataclass(frozen=True, slots=True)
class Report:
    """How a set of questions went. `figures` are by group ("documents", "passages", "characters", "unanswerable", "cost").

    A group without a question it applies to is left out. `k` is that of hit@k and recall@k.
    """

    name: str
    label: str
    settings: Mapping[str, Any]
    k: int
    rows: tuple[QuestionRow, ...]
    figures: Mapping[str, Mapping[str, Estimate]]

    @property
    def answerable(self) -> int:
        return sum(row.gold.question.answerable for row in self.rows)


@dataclass(frozen=True, slots=True)
class Evaluated:
    """Questions searched for, of all; the last event has the report."""

    done: int
    total: int
    report: Report | None = None


@dataclass(frozen=True, slots=True)
class Searching:
    """What is evaluated: a search, and the documents it looks in. `settings` are told in the report.

    Without `count_tokens`, characters alone are counted.
    """

    find: Find
    documents: Sequence[DocumentRecord]
    text_of: TextOf
    k: int = DEFAULT_K
    settings: Mapping[str, Any] = field(default_factory=dict)
    count_tokens: CountTokens | None = None


def searching_settings(settings: Settings, k: int | None, budget_chars: int | None) -> dict[str, Any]:
    """The settings a search goes by, as a report tells them, when called with this `k` and this budget."""
    chosen = settings.retrieval.model_dump()
    if k is not None or budget_chars is not None:
        chosen |= {"k": k, "least_share": 0.0}  # as `Library.search` has it
    return chosen | {"budget_chars": budget_chars}


def evaluate(questions: QuestionSet, searching: Searching, seed: int = 0) -> Iterator[Evaluated]:
    """Search for every question, an event after each; the same seed gives the same intervals.

    Raises:
        QuestionSetError: a question expects what is not in the documents. What the search raises goes through.
    """
    golds = look_up(questions, searching.documents, searching.text_of)
    yield Evaluated(0, len(golds))
    rows: list[QuestionRow] = []
    for gold in golds:
        rows.append(_row(gold, searching.find(gold.question.text), searching.count_tokens))
        if len(rows) < len(golds):
            yield Evaluated(len(rows), len(golds))
    judged = _judged(rows, searching.k)
    figures = _figures(judged, searching.k, seed)
    report = Report(questions.name, questions.label, dict(searching.settings), searching.k, judged, figures)
    yield Evaluated(len(rows), len(golds), report)


def _row(gold: Gold, result: SearchResult, count_tokens: CountTokens | None) -> QuestionRow:
    places = _places(result.evidence)
    if gold.ranges:
        found = tuple(bool(reached) for reached in rank_passages(places, gold.ranges).reached)
    else:
        found = tuple(any(place.document_id in item for item in gold.documents) for place in places)
    return QuestionRow(
        gold,
        result.evidence,
        found,
        result.confidence,
        result.seconds,
        characters=sum(len(one.text) for one in result.evidence),
        tokens=sum(count_tokens(one.text) for one in result.evidence) if count_tokens else None,
        by_characters=characters(places, gold.ranges) if gold.ranges else None,
    )


def _places(evidence: Sequence[Evidence]) -> list[Place]:
    return [Place(one.document_id, one.start, one.end) for one in evidence]


def _judged(rows: Sequence[QuestionRow], k: int) -> tuple[QuestionRow, ...]:
    """The rows with their metrics on ranks: all at once, which is how trec_eval is fast."""
    by_documents = _ranks(
        [rank_documents(_places(r.evidence), r.gold.documents) if r.gold.documents else None for r in rows], k
    )
    by_passages = _ranks([rank_passages(_places(r.evidence), r.gold.ranges) if r.gold.ranges else None for r in rows], k)
    return tuple(
        replace(row, by_documents=documents, by_passages=passages)
        for row, documents, passages in zip(rows, by_documents, by_passages, strict=True)
    )


def _ranks(rankings: Sequence[Ranking | None], k: int) -> list[Ranks | None]:
    found = iter(ranks([ranking for ranking in rankings if ranking is not None], k))
    return [None if ranking is None else next(found) for ranking in rankings]


def _figures(rows: Sequence[QuestionRow], k: int, seed: int) -> dict[str, dict[str, Estimate]]:
    names = (f"hit@{k}", "mrr", "ndcg@10", f"recall@{k}")
    figures = {
        "documents": _group(names, [row.by_documents for row in rows], seed),
        "passages": _group(names, [row.by_passages for row in rows], seed),
        "characters": _group(("recall", "precision", "iou"), [row.by_characters for row in rows], seed),
        "unanswerable": _unanswerable(rows, seed),
        "cost": _cost(rows, seed),
    }
    return {name: group for name, group in figures.items() if group}


def _group(names: Sequence[str], values: Sequence[Sequence[float] | None], seed: int) -> dict[str, Estimate]:
    known = [value for value in values if value is not None]
    return {name: estimate(column, seed) for name, column in zip(names, zip(*known, strict=True), strict=False)}


def _unanswerable(rows: Sequence[QuestionRow], seed: int) -> dict[str, Estimate]:
    without = [row for row in rows if not row.gold.question.answerable]
    if not without:
        return {}
    figures = {"nothing_given": estimate([float(not row.evidence) for row in without], seed)}
    others = [row.confidence for row in rows if row.gold.question.answerable]
    if others:
        figures["confidence_auc"] = separation(others, [row.confidence for row in without], seed)
    return figures


def _cost(rows: Sequence[QuestionRow], seed: int) -> dict[str, Estimate]:
    figures = {
        "seconds": estimate([row.seconds for row in rows], seed, np.median),
        "passages": estimate([float(len(row.evidence)) for row in rows], seed),
        "characters": estimate([float(row.characters) for row in rows], seed),
    }
    tokens = [float(row.tokens) for row in rows if row.tokens is not None]
    return figures | ({"tokens": estimate(tokens, seed)} if tokens else {})
