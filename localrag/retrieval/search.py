"""From a question to evidence: the sentences that answer as spans of their documents, or whole passages."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from localrag.documents.ledger import Ledger
from localrag.documents.places import Places
from localrag.documents.unfinished import Unfinished
from localrag.embeddings.base import Spans, Vectors
from localrag.errors import StoreError
from localrag.retrieval import lexical
from localrag.retrieval.candidates import Found, Searched, candidates
from localrag.retrieval.confidence import confidence, fit_of
from localrag.retrieval.diversity import in_order
from localrag.retrieval.focus import Focus, is_sentence
from localrag.retrieval.sentence_scores import Scores, Sentence, score_sentences, sentences_of
from localrag.retrieval.spans import UNLIMITED, Budget, choose
from localrag.types import Evidence, SearchResult

SPANNED = 40
"""Passages whose sentences are looked at."""
MOST_CHARS = 20_000
"""A longer question is none."""
EMBEDDED_CHARS = 2_000
"""So much of a question has a vector: about what an embedding model reads at once, in a tenth of a second."""
PATIENCE = 5
"""How often to search again when a document was replaced in the middle of it."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a search is to bring: `k` whole passages, or without `k` spans of sentences.

    Sentences that score `read_share` of the best one or more are given to the model, within `given`; those that score
    `least_share` or more are shown beside them, all together within `shown`. Passages below `least_share` are left out.
    """

    k: int | None = None
    least_share: float = 0.0
    read_share: float = 0.0
    given: Budget = UNLIMITED
    shown: Budget = UNLIMITED
    diversity: float = 0.0


@dataclass(frozen=True, slots=True)
class _Looked:
    """A question, and what was found for it."""

    searched: Searched
    focus: Focus
    found: list[Found]
    known: dict[str, tuple[Spans, Vectors]]


def search(question: str, searched: Searched, wanted: Wanted) -> SearchResult:
    """Find evidence for a question; best first, nothing cut to fit, no two spans with a sentence in common.

    Raises:
        StoreError: the question is empty or too long, or the collection was built with another embedding model.
    """
    started = time.perf_counter()
    if not question.strip():
        raise StoreError("The question is empty. Write what you want to know.")
    if len(question) > MOST_CHARS:
        raise StoreError(f"The question has {len(question):,} characters, {MOST_CHARS:,} are allowed. Shorten it.")
    for _ in range(PATIENCE):
        with suppress(_ChangedError):
            return replace(_search(question, searched, wanted), seconds=time.perf_counter() - started)
    raise StoreError("The documents change faster than they can be searched. Ask again in a moment.")


def _search(question: str, searched: Searched, wanted: Wanted) -> SearchResult:
    collection, ledger, model = searched.collection, searched.ledger, searched.model
    vector = model.embed_question(question[:EMBEDDED_CHARS])
    terms = lexical.weighed_terms(ledger.db, collection.id, question) if searched.vector_weight < 1 else {}
    found = candidates(searched, vector, terms, wanted.k or SPANNED)
    used = found[: wanted.k or SPANNED]
    index_name = (ledger.collection(collection.name) or collection).index_name
    known = Unfinished(ledger.db).sentences([hit.passage.chunk.id for hit in used], index_name)
    looked = _Looked(searched, Focus(vector, model, terms, searched.vector_weight), found, known)
    evidence, note = (_passages(looked, wanted), "") if wanted.k else _spans(looked, wanted)
    likely = confidence(fit_of(question, found, searched), searched.nothing) if found else 0.0
    return SearchResult(question, tuple(evidence), likely, 0.0, note)


def _passages(looked: _Looked, wanted: Wanted) -> list[Evidence]:
    """The best passages whole, each with its answering sentence marked."""
    found = [hit for hit in looked.found if hit.score >= wanted.least_share * looked.found[0].score]
    if wanted.diversity:
        vectors = looked.searched.index().vectors(
            looked.searched.collection.index_name, [hit.passage.chunk.id for hit in found]
        )
        rows = np.stack([vectors.get(hit.passage.chunk.id, np.zeros_like(looked.focus.question)) for hit in found])
        found = [found[at] for at in in_order([hit.score for hit in found], rows, wanted.diversity)]
    return [
        looked.focus.mark(_evidence(hit), hit.passage.language, looked.known.get(hit.passage.chunk.id))
        for hit in found[: wanted.k]
    ]


def _spans(looked: _Looked, wanted: Wanted) -> tuple[list[Evidence], str]:
    """The best sentences as spans: what the model is given first, then what is shown beside it; best first in each.

    With a note when the best sentence of all is left out.
    """
    focus, found = looked.focus, looked.found[:SPANNED]
    places = looked.searched.places.of(hit.passage.chunk.document_id for hit in found)
    pool, vectors = sentences_of(found, looked.known, focus.model, focus.question, places)
    if not pool:
        return [], ""
    scores = score_sentences(pool, focus.weights, focus.vector_weight)
    texts = _Texts(looked.searched.ledger)
    in_turn = in_order(scores.tolist(), vectors, wanted.diversity)
    # A heading answers nothing, and stands beside the evidence anyway; but a passage may be nothing else.
    more_than_headings = {sentence.found.passage.chunk.id for sentence in pool if not sentence.is_heading}
    order = [at for at in in_turn if not pool[at].is_heading or pool[at].found.passage.chunk.id not in more_than_headings]
    best = max(scores[at] for at in order)
    given = choose(pool, scores.tolist(), order, wanted.read_share * best, wanted.given, texts.between)
    read = frozenset(at for first, last in given for at in range(first, last + 1))
    left = wanted.shown
    if left.limit is not None:
        costs = [left.cost(texts.between(pool[first], pool[last])) for first, last in given]
        left = replace(left, limit=left.limit - sum(cost for cost in costs if left.holds(cost)))
    more = choose(pool, scores.tolist(), order, wanted.least_share * best, left, texts.between, read)
    evidence = [
        replace(span, given=is_given)
        for runs, is_given in ((given, True), (more, False))
        for span in sorted((_span(pool, scores, run, texts, places) for run in runs), key=_best_first)
    ]
    return evidence, _left_out(pool[order[0]], wanted.given)


def _left_out(best: Sentence, budget: Budget) -> str:
    """A note when a budget that is kept to the letter has no room even for the best sentence by itself."""
    cost = budget.cost(best.text)
    if budget.best_anyway or budget.limit is None or budget.holds(cost):
        return ""
    return (
        f"The sentence that fits the question best, in {best.found.passage.source}, takes {cost:,} of the {budget.limit:,}"
        " that are allowed, and is left out: nothing is cut inside a sentence. Allow more."
    )


def _best_first(span: Evidence) -> tuple[float, str, int]:
    return -round(span.score, 6), span.document, span.start


class _Texts:
    """What stands in documents from one sentence to another."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def between(self, first: Sentence, last: Sentence) -> str:
        """The text from the start of one sentence to the end of another; `_ChangedError` when the document has changed."""
        chunk, end = first.found.passage.chunk, max(first.end, last.end)
        if end <= chunk.end:
            return chunk.text[first.start - chunk.start : end - chunk.start]
        text = self._ledger.text(first.document_id, first.start, end)
        if any(text[s.start - first.start : s.end - first.start] != s.text for s in (first, last)):
            raise _ChangedError
        return text


class _ChangedError(Exception):
    """A document was replaced between two looks at it."""


def _span(
    pool: Sequence[Sentence], scores: Scores, run: tuple[int, int], texts: _Texts, places: Mapping[str, Places]
) -> Evidence:
    """A run of sentences as evidence, with its best sentence marked; location and channels are that sentence's."""
    inside = sorted(range(run[0], run[1] + 1), key=lambda at: (pool[at].is_heading, -scores[at]))
    first, last = pool[run[0]], max(pool[run[0] : run[1] + 1], key=lambda sentence: sentence.end)
    best = pool[next((at for at in inside if is_sentence(pool[at].text)), inside[0])]
    text = texts.between(first, last)
    location, page = places[best.document_id].at(best.start)
    return replace(
        _evidence(best.found),
        location=location,
        page=page,
        start=first.start,
        end=first.start + len(text),
        text=text,
        score=float(scores[inside[0]]),
        focus=(best.start, best.end) if is_sentence(best.text) else None,
    )


def _evidence(found: Found) -> Evidence:
    passage, chunk = found.passage, found.passage.chunk
    return Evidence(
        document_id=chunk.document_id,
        document=passage.source,
        name=passage.title,
        start=chunk.start,
        end=chunk.end,
        text=chunk.text,
        score=found.score,
        location=chunk.location,
        page=chunk.page,
        channels=found.channels,
        cosine=found.cosine,
        bm25=found.bm25,
    )
