"""How likely a collection holds an answer at all, from how well its best passages fit the question.

Two channels: the share of the question's terms, weighed by their rarity, that a passage holds (terms the ledger does not
know count half), and its cosine similarity. How high these come although there is nothing to find differs from
collection to collection: papers of one field resemble each other, and pairs of Chinese characters meet seldom. So made-up
questions without an answer are asked of each one: a sentence of it, with what stands around it in its document left out. What
these reach (the median) is 0, full agreement is 1, and the better channel decides. A logistic curve makes a probability of it.
docs/retrieval.md has how it was fitted and how often it errs.
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace

from localrag.documents.ledger import Passage
from localrag.documents.sentences import split_sentences
from localrag.documents.unfinished import Unfinished
from localrag.documents.words import terms
from localrag.embeddings.base import Vectors
from localrag.retrieval import lexical
from localrag.retrieval.candidates import TYPICAL, Fit, Found, Searched, candidates
from localrag.retrieval.focus import is_sentence
from localrag.types import EVERYWHERE

SLOPE, OFFSET = 3.5, -0.45
"""Of the logistic curve; fitted on five public sets, see docs/retrieval.md."""
NARROWEST = 0.05
"""A collection of nearly the same texts leaves little room above what means nothing; less than this would be noise."""
LEAST_WEIGHT = 2.0
"""Of a question's terms together; one that is met in every seventh passage weighs as much. Less asks for nothing."""
BEST = 3
"""The best of so many passages counts."""
MADE_UP = 24
"""Questions asked of a collection to calibrate it."""
LEAST_CHUNKS = 40
"""A smaller collection has too little beside a sentence's own surroundings to ask it of."""
SURROUNDINGS = 5
"""Passages before and after the sentence's own that are left out."""


def confidence(fit: Fit, nothing: Fit = TYPICAL) -> float:
    """The probability (0 to 1) that there is an answer; `nothing` is the fit of questions without one."""
    lift = max(_lift(fit.words, nothing.words), _lift(fit.cosine, nothing.cosine))
    return 1 / (1 + math.exp(-(SLOPE * lift + OFFSET)))


def _lift(value: float, nothing: float) -> float:
    """How far above what means nothing, as a share of what is left up to 1; no lower than -1."""
    return max(-1.0, (value - nothing) / max(1 - nothing, NARROWEST))


def fit_of(question: str, found: Sequence[Found], searched: Searched) -> Fit:
    """How well the best of what was found, best first, fits a question."""
    best = found[:BEST]
    if not best:
        return Fit(0.0, 0.0)
    asked = {language: terms(question, language) for language in {hit.passage.language for hit in best}}
    weights = {language: lexical.rarity(searched.ledger.db, found) for language, found in asked.items()}
    words = max(_share(weights[hit.passage.language], hit.passage) for hit in best)
    return Fit(words, max(0.0, min(1.0, max(hit.cosine for hit in best))))


def _share(weights: Mapping[str, float], passage: Passage) -> float:
    """The share of the weights of a question's terms that belongs to terms a passage holds."""
    held = set(terms(passage.chunk.text, passage.language))
    return sum(weight for term, weight in weights.items() if term in held) / max(sum(weights.values()), LEAST_WEIGHT)


def calibrate(searched: Searched) -> Fit | None:
    """Ask a collection made-up questions it holds no answer to: the median fit; None when it is too small for that.

    The same collection gives the same: which sentences are taken follows from their passages' ids.
    """
    ids = sorted(searched.ledger.chunk_ids(searched.collection.id))
    if len(ids) < LEAST_CHUNKS:
        return None
    chosen = random.Random(0).sample(ids, min(MADE_UP, len(ids)))
    passages = searched.ledger.passages(chosen)
    vectors = searched.index().vectors(searched.collection.index_name, list(passages))
    known = Unfinished(searched.ledger.db).sentences(list(passages), searched.collection.index_name)
    unfiltered = replace(searched, filters=EVERYWHERE)
    fits = []
    for chunk_id, passage in sorted(passages.items()):
        spans, rows = known.get(chunk_id, (split_sentences(passage.chunk.text), None))
        whole = [at for at, (start, end) in enumerate(spans) if is_sentence(passage.chunk.text[start:end])]
        if not whole or (rows is None and chunk_id not in vectors):
            continue
        at = max(whole, key=lambda at: spans[at][1] - spans[at][0])
        text = passage.chunk.text[slice(*spans[at])]
        vector: Vectors = vectors[chunk_id] if rows is None else rows[at]
        fits.append(_fit_elsewhere(text, vector, passage, unfiltered))
    if not fits:
        return None
    return Fit(statistics.median(fit.words for fit in fits), statistics.median(fit.cosine for fit in fits))


def _fit_elsewhere(text: str, vector: Vectors, passage: Passage, searched: Searched) -> Fit:
    """How well a sentence of a passage fits what stands elsewhere."""
    weights: Mapping[str, float] = {}
    if searched.vector_weight < 1:
        weights = lexical.weighed_terms(searched.ledger.db, searched.collection.id, text)
    found = candidates(searched, vector, weights, 4 * SURROUNDINGS)
    home = passage.chunk
    elsewhere = [
        hit
        for hit in found
        if hit.passage.chunk.document_id != home.document_id or abs(hit.passage.chunk.index - home.index) > SURROUNDINGS
    ]
    return fit_of(text, elsewhere, searched)
