"""How good a search was, in numbers from 0 to 1: what it found of what was expected, and how much else.

Characters, for a question, as in Smith and Troynikov, "Evaluating Chunking Strategies for Retrieval" (Chroma, 2024):
with E the length of the expected ranges (of their union), T the length of all passages together (what two passages share
counts twice), H the length of what is in both, and U = E - H what was missed,

    recall = H / E        precision = H / T        IoU = H / (T + U)

Where an expected text stands several times in the documents, its place that was found best counts.

Ranks: a retrieved unit (a passage, or a document at the place of its first passage) is relevant when it overlaps an expected
range or is an expected document. hit@k is 1 when one of the first k is; MRR is 1 / the place of the first one; nDCG@10 has gain
1 for each, in an ideal order of those retrieved and of the expected ones that were missed; recall@k is the share of expected
items that the first k reach. trec_eval counts, through ir-measures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import ir_measures
import numpy as np
from ir_measures import RR, R, Success, nDCG
from numpy.typing import NDArray

from localrag.evaluation.gold import Place

RESAMPLES = 2000
CUT = 10
"""Of nDCG."""
Statistic = Callable[[NDArray[np.float64]], float]


class Characters(NamedTuple):
    """The metrics on characters of one question."""

    recall: float
    precision: float
    iou: float


class Ranks(NamedTuple):
    """The metrics on ranks of one question."""

    hit: float
    mrr: float
    ndcg: float
    recall: float


@dataclass(frozen=True, slots=True)
class Ranking:
    """Retrieved units, best first, each with the numbers of the expected items it reaches, of `items` in all."""

    reached: tuple[frozenset[int], ...]
    items: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure over questions with its 95 % confidence interval."""

    value: float
    low: float
    high: float
    questions: int


def characters(retrieved: Sequence[Place], expected: Sequence[Sequence[Place]]) -> Characters:
    """Recall, precision and IoU of the passages for one question; `expected` are items with their alternatives, not empty."""
    found = _union(retrieved)
    gold = _union(max(item, key=lambda place: _length(_common(found, _union([place])))) for item in expected)
    total = sum(place.end - place.start for place in retrieved)
    wanted, hit = _length(gold), _length(_common(found, gold))
    return Characters(hit / wanted, hit / total if total else 0.0, hit / (total + wanted - hit))


_Spans = dict[str, list[tuple[int, int]]]


def _union(places: Iterable[Place]) -> _Spans:
    """The ranges of each document, in order, without overlaps."""
    spans: _Spans = {}
    for place in sorted(places, key=lambda place: (place.document_id, place.start, place.end)):
        own = spans.setdefault(place.document_id, [])
        if own and place.start <= own[-1][1]:
            own[-1] = (own[-1][0], max(own[-1][1], place.end))
        else:
            own.append((place.start, place.end))
    return spans


def _common(first: _Spans, second: _Spans) -> _Spans:
    """What is in both of two unions."""
    common: _Spans = {}
    for document_id in first.keys() & second.keys():
        pairs = ((max(a, c), min(b, d)) for a, b in first[document_id] for c, d in second[document_id])
        common[document_id] = [(start, end) for start, end in pairs if start < end]
    return common


def _length(spans: _Spans) -> int:
    return sum(end - start for own in spans.values() for start, end in own)


def rank_passages(retrieved: Sequence[Place], expected: Sequence[Sequence[Place]]) -> Ranking:
    """The passages as retrieved; one reaches an item whose range it overlaps, by one character at least."""
    reached = tuple(
        frozenset(number for number, item in enumerate(expected) if any(_overlap(one, place) for place in item))
        for one in retrieved
    )
    return Ranking(reached, len(expected))


def _overlap(one: Place, other: Place) -> bool:
    return one.document_id == other.document_id and one.start < other.end and other.start < one.end


def rank_documents(retrieved: Sequence[Place], expected: Sequence[frozenset[str]]) -> Ranking:
    """The documents of the passages, each at the place of its first."""
    order = dict.fromkeys(place.document_id for place in retrieved)
    reached = tuple(frozenset(number for number, item in enumerate(expected) if one in item) for one in order)
    return Ranking(reached, len(expected))


def ranks(rankings: Sequence[Ranking], k: int) -> list[Ranks]:
    """hit@k, MRR, nDCG@10 and recall@k of each ranking."""
    if not rankings:
        return []
    values: list[dict[ir_measures.Measure, float]] = [{} for _ in rankings]
    relevant, run, items, first = {}, {}, {}, {}
    for number, ranking in enumerate(rankings):
        name = str(number)
        missed = set(range(ranking.items)).difference(*ranking.reached)
        relevant[name] = {f"at {at}": 1 for at, one in enumerate(ranking.reached) if one} | {f"missed {at}": 1 for at in missed}
        run[name] = {f"at {at}": -float(at) for at in range(len(ranking.reached))}  # trec_eval goes by the scores
        items[name] = {str(item): 1 for item in range(ranking.items)}
        first[name] = {str(item): 1.0 for one in ranking.reached[:k] for item in one}
    all_items = R @ max(ranking.items for ranking in rankings)
    for measures, expected, retrieved in (([Success @ k, RR, nDCG @ CUT], relevant, run), ([all_items], items, first)):
        for metric in ir_measures.iter_calc(measures, expected, retrieved):
            values[int(metric.query_id)][metric.measure] = float(metric.value)
    return [Ranks(*(one.get(measure, 0.0) for measure in (Success @ k, RR, nDCG @ CUT, all_items))) for one in values]


def estimate(values: Sequence[float], seed: int = 0, statistic: Statistic = np.mean) -> Estimate:
    """A statistic over questions, at least one, with the percentile bootstrap's 95 % interval over questions.

    B. Efron and R. Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13; 2,000 resamples. It says how far the
    figure would move with other questions of the same kind, and nothing of questions of another kind.
    """
    taken, random = np.asarray(values, dtype=np.float64), np.random.default_rng(seed)
    resampled = [statistic(taken[random.integers(0, len(taken), len(taken))]) for _ in range(RESAMPLES)]
    low, high = np.percentile(resampled, (2.5, 97.5))
    return Estimate(float(statistic(taken)), float(low), float(high), len(taken))


def separation(answerable: Sequence[float], unanswerable: Sequence[float], seed: int = 0) -> Estimate:
    """How well confidence tells questions that can be answered from others: the area under the ROC curve, 0.5 is chance.

    It is the share of pairs in which the answerable one has the higher confidence, ties for a half (Hanley and McNeil, 1982).
    """
    high, low = np.asarray(answerable, dtype=np.float64), np.sort(np.asarray(unanswerable, dtype=np.float64))
    random = np.random.default_rng(seed)

    def area(above: NDArray[np.float64], below: NDArray[np.float64]) -> float:
        places = np.searchsorted(below, above, "left") + np.searchsorted(below, above, "right")
        return float(np.mean(places) / (2 * len(below)))

    resampled = [
        area(high[random.integers(0, len(high), len(high))], np.sort(low[random.integers(0, len(low), len(low))]))
        for _ in range(RESAMPLES)
    ]
    bounds = np.percentile(resampled, (2.5, 97.5))
    return Estimate(area(high, low), float(bounds[0]), float(bounds[1]), len(high) + len(low))
