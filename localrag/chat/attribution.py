"""Which evidence carries an answer's sentence, computed without the model that wrote it.

A sentence is compared with every evidence sentence: the share of its content words found there, and the cosine of
their embeddings. Numbers must stand there literally. This checks support by the evidence, not truth. The thresholds
are first values, set by hand on answers of the starter model; their error rates are not measured yet.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from localrag.documents.sentences import split_sentences
from localrag.documents.splitter import cut_span
from localrag.embeddings.base import EmbeddingModel
from localrag.types import AnswerSentence, Evidence, Support

SUPPORTED, WEAK = 0.62, 0.42
WORD_SHARE_WEIGHT = 0.6
CITED_WITHIN = 0.08
"""Further evidence is cited when its score is this close to the best."""
MAX_CITED = 2
MOST_COMPARED = 60
"""Sentences of evidence whose meaning is compared with an answer: a whole document has thousands, and embedding them would
hold up the answers that wait. Those that share most words are taken. One that shares none scores less than WEAK however close
its meaning is, so what is passed over could at best have been a further weak passage."""
LEAST_A_SENTENCE = 4
LONGEST_COMPARED = 1_000
"""Characters."""

_WORD = re.compile(r"\w+")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_LIST_MARK = re.compile(r"^\s*(?:\d+[.)]|[-*•])\s+")
_FUNCTION_WORDS = frozenset(
    "a an and are as at be been but by can could did do does for from had has have he her his how i if in into is it its"
    " may might must no not of on or our she should so such than that the their them then there these they this those to"
    " was we were what when where which while who will with would you your".split()
)


def attribute(answer: str, evidence: Sequence[Evidence], model: EmbeddingModel) -> tuple[AnswerSentence, ...]:
    """Every sentence of the answer with its support and the evidence (indices) that carries it, best first."""
    spans = split_sentences(answer)
    sentences = [answer[start:end] for start, end in spans]
    pieces = [(number, text) for number, e in enumerate(evidence) for text in _pieces(e.text)]
    if not sentences or not pieces:
        return tuple(AnswerSentence(text, "unsupported") for text in sentences)
    if len(pieces) > MOST_COMPARED:
        pieces = _likely(sentences, pieces)
    vectors = model.embed_sentences(sentences + [text for _, text in pieces])
    cosines = vectors[: len(sentences)] @ vectors[len(sentences) :].T
    return tuple(_sentence(text, pieces, [float(value) for value in row]) for text, row in zip(sentences, cosines, strict=True))


def _pieces(text: str) -> list[str]:
    """The sentences of a text; what runs on without an end is cut, for a long text says too much at once."""
    spans = split_sentences(text)
    return [text[a:b] for start, end in spans for a, b in cut_span(text, start, end, LONGEST_COMPARED)]


def _likely(sentences: Sequence[str], pieces: Sequence[tuple[int, str]]) -> list[tuple[int, str]]:
    """For each sentence the pieces that share most of its words, MOST_COMPARED in all, in the order they stand in."""
    words = [_content_words(piece) for _, piece in pieces]
    holders: dict[str, list[int]] = {}
    for at, held in enumerate(words):
        for word in held:
            holders.setdefault(word, []).append(at)
    most = max(LEAST_A_SENTENCE, MOST_COMPARED // len(sentences))
    chosen: set[int] = set()
    for sentence in sentences:
        shared = Counter(at for word in _content_words(_LIST_MARK.sub("", sentence)) for at in holders.get(word, ()))
        chosen.update(sorted(shared, key=lambda at: (-shared[at], at))[:most])
    return [pieces[at] for at in sorted(chosen)] or list(pieces[:1])


def support(score: float) -> Support:
    """What a score from 0 to 1 means."""
    return "supported" if score >= SUPPORTED else "weak" if score >= WEAK else "unsupported"


def _sentence(text: str, pieces: Sequence[tuple[int, str]], cosines: Sequence[float]) -> AnswerSentence:
    best: dict[int, float] = {}
    for (number, piece), cosine in zip(pieces, cosines, strict=True):
        score = _score(text, piece, cosine)
        best[number] = max(score, best.get(number, 0.0))
    ranked = sorted(best.items(), key=lambda item: -item[1])
    top = ranked[0][1]
    cited = tuple(number for number, score in ranked[:MAX_CITED] if score >= max(WEAK, top - CITED_WITHIN))
    return AnswerSentence(text, support(top), cited, round(top, 4))


def _score(sentence: str, piece: str, cosine: float) -> float:
    bare = _LIST_MARK.sub("", sentence)
    said, there = _content_words(bare), _content_words(piece)
    share = len(said & there) / len(said) if said else 0.0
    score = WORD_SHARE_WEIGHT * share + (1 - WORD_SHARE_WEIGHT) * max(0.0, cosine)
    if set(_NUMBER.findall(bare)) - set(_NUMBER.findall(piece)):
        score = min(score, WEAK - 0.01)  # a number that does not stand there is never supported
    return score


def _content_words(text: str) -> set[str]:
    return {word for word in _WORD.findall(text.casefold()) if word not in _FUNCTION_WORDS}
