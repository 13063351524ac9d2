"""Every sentence of the candidate passages, scored in its context.

A sentence is judged by its own vector and its passage's, and by the words in it, in the sentences around it, and in its
passage. What answers a question seldom repeats all its words: "It weighs 3 kg" answers where the sentence before names the
drill. A heading counts for every sentence of its section alike, and for none of the section before it. Vectors of sentences
were made with their passage (late chunking: Günther et al. 2024); words are scored by BM25 (Robertson & Zaragoza 2009). Each
share is divided by its best, as in `fusion`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from localrag.documents.places import Places
from localrag.documents.sentences import split_sentences
from localrag.documents.words import terms
from localrag.embeddings.base import EmbeddingModel, Spans, Vectors
from localrag.retrieval.candidates import Found

K1, B = 1.2, 0.75
"""Those of FTS5, which scores the passages."""
AROUND = (1, 2)
"""Windows of so many sentences to each side are scored by their words too."""
NEIGHBOUR_CHARS = 40
"""Sentences of a document that are no further apart are neighbours."""
EMBEDDED_NOW = 4
"""Passages whose sentences are embedded with the question where their vectors are not stored."""
Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of the passage `found`: its range in the document, its text, and the `headings` it stands under.

    `is_heading`: it is one itself.
    """

    found: Found
    start: int
    end: int
    text: str
    cosine: float
    headings: str = ""
    is_heading: bool = False

    @property
    def document_id(self) -> str:
        return self.found.passage.chunk.document_id

    def adjoins(self, following: Sentence) -> bool:
        """Whether nothing but a little white space or markup lies between this one and one that comes later."""
        return self.document_id == following.document_id and following.start - self.end <= NEIGHBOUR_CHARS


def sentences_of(
    found: Sequence[Found],
    known: Mapping[str, tuple[Spans, Vectors]],
    model: EmbeddingModel,
    question: Vectors,
    places: Mapping[str, Places],
) -> tuple[list[Sentence], Vectors]:
    """The sentences of passages in the order of their documents, no two overlapping, and their vectors in rows.

    `known` are ranges in the passage with their vectors, by chunk id. Without them the first few passages' sentences are
    embedded now, and those of the others have their passage's similarity and a row of zeros. `places` are by document id.
    """
    pool: dict[tuple[str, int, int], tuple[Sentence, Vectors]] = {}
    now = EMBEDDED_NOW
    for hit in found:
        chunk = hit.passage.chunk
        spans, vectors = known.get(chunk.id, (None, None))
        if spans is None:
            spans = split_sentences(chunk.text)
            if now > 0 and spans:
                vectors = model.embed_sentences([chunk.text[start:end] for start, end in spans])
                now -= 1
        cosines = [hit.cosine] * len(spans) if vectors is None else (vectors @ question).tolist()
        rows = np.zeros((len(spans), len(question)), np.float32) if vectors is None else vectors
        for (start, end), cosine, row in zip(spans, cosines, rows, strict=True):
            at, place = chunk.start + start, places[chunk.document_id]
            text, over = chunk.text[start:end], place.headings_over(at)
            sentence = Sentence(hit, at, chunk.start + end, text, cosine, over, at in place.headings)
            pool.setdefault((chunk.document_id, sentence.start, sentence.end), (sentence, row))  # passages may overlap
    ordered: list[tuple[Sentence, Vectors]] = []
    for key in sorted(pool):
        ordered.append(pool[key])
        if len(ordered) > 1 and _overlap(ordered[-2][0], ordered[-1][0]):
            del ordered[-1 if len(ordered[-2][0].text) >= len(ordered[-1][0].text) else -2]
    return [sentence for sentence, _ in ordered], np.asarray([row for _, row in ordered], np.float32)


def _overlap(one: Sentence, following: Sentence) -> bool:
    """Whether two have text in common: one is then the end or the beginning of the other, where a passage was cut."""
    return one.document_id == following.document_id and following.start < one.end


def score_sentences(pool: Sequence[Sentence], weights: Mapping[str, float], vector_weight: float) -> Scores:
    """A score from 0 to 1 for each sentence of a pool, which is in document order; `weights` are the question's terms."""
    meaning = _mean_share([[s.cosine for s in pool], [s.found.cosine for s in pool]])
    if vector_weight == 1 or not weights:
        return meaning
    own = [_Words.of(s.text, s, weights) for s in pool]
    sections = {_section(s): s for s in pool}
    above = {section: _Words.of(s.headings, s, weights) for section, s in sections.items()}
    bm25 = [_bm25(own, weights)]
    for reach in AROUND:
        near = [[own[i] for i in _near(pool, at, reach)] for at in range(len(pool))]
        windows = [_Words.sum([above[_section(s)], *held]) for s, held in zip(pool, near, strict=True)]
        bm25.append(_bm25(windows, weights))
    bm25.append([s.found.bm25 for s in pool])
    return vector_weight * meaning + (1 - vector_weight) * _mean_share(bm25)


@dataclass(frozen=True, slots=True)
class _Words:
    """How often a text holds each of the question's terms, and how many terms it has in all."""

    counts: Counter[str]
    length: int

    @classmethod
    def of(cls, text: str, sentence: Sentence, weights: Mapping[str, float]) -> _Words:
        held = terms(text, sentence.found.passage.language) if text else []
        return cls(Counter(term for term in held if term in weights), len(held))

    @classmethod
    def sum(cls, parts: Sequence[_Words]) -> _Words:
        return cls(sum((part.counts for part in parts), Counter()), sum(part.length for part in parts))


def _section(sentence: Sentence) -> tuple[str, str]:
    return sentence.headings, sentence.found.passage.language


def _near(pool: Sequence[Sentence], at: int, reach: int) -> range:
    """A sentence with its neighbours up to so many to each side, within its section and without the heading."""
    first = last = at
    while first > 0 and at - first < reach and _goes_on(pool[first - 1], pool[first]):
        first -= 1
    while last + 1 < len(pool) and last - at < reach and _goes_on(pool[last], pool[last + 1]):
        last += 1
    return range(first, last + 1)


def _goes_on(one: Sentence, following: Sentence) -> bool:
    return one.adjoins(following) and not (one.is_heading or following.is_heading)


def _bm25(held: Sequence[_Words], weights: Mapping[str, float]) -> list[float]:
    mean = max(1.0, sum(words.length for words in held) / max(1, len(held)))
    norms = [K1 * (1 - B + B * words.length / mean) for words in held]
    return [
        sum(weights[term] * count * (K1 + 1) / (count + norm) for term, count in words.counts.items())
        for words, norm in zip(held, norms, strict=True)
    ]


def _mean_share(scores: Sequence[Sequence[float]]) -> Scores:
    """The mean of several kinds of scores, each divided by its best; what is below 0 counts as 0."""
    rows = np.maximum(np.asarray(scores, np.float64).reshape(len(scores), -1), 0.0)
    best = rows.max(axis=1, keepdims=True, initial=0.0)
    shares: Scores = (rows / np.where(best == 0, 1, best)).mean(axis=0)
    return shares
