"""Which evidence carries an answer's sentence, computed without the model that wrote it.

A sentence is compared with every evidence sentence, and with two that stand together: the share of its words found
there, and the cosine of their embeddings. Numbers, names, negations and roles are
taken literally. This checks support by the evidence, not truth. docs/attribution.md has the method and its errors.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import combinations

from localrag.chat.alignment import holds
from localrag.chat.claims import Claim, bare, guess_language, parse
from localrag.chat.contradictions import contradiction
from localrag.chat.modality import hedged
from localrag.documents.delimited import row_spans
from localrag.documents.sentences import split_sentences
from localrag.documents.splitter import cut_span
from localrag.embeddings.base import EmbeddingModel
from localrag.types import AnswerSentence, Evidence, Support

SUPPORTED, WEAK = 0.62, 0.42
WORD_SHARE_WEIGHT = 0.6
LITTLE_SHARED = 0.4
UNSPACED_SHARE = 0.6
"""Least share of pairs of characters where there are no words and the embedding model may not know the language."""
NEIGHBOUR_WEIGHT = 0.9
"""Of the words that only a second evidence sentence brings."""
CITED_WITHIN = 0.08
"""Further evidence is cited when its score is this close to the best."""
MAX_CITED = 2
MOST_COMPARED = 36
"""Sentences of evidence whose meaning is compared with an answer: a whole document has thousands, and embedding them would
hold up the answers that wait. Those that share most words are taken. One that shares none scores less than WEAK however close
its meaning is, so what is passed over could at best have been a further weak passage."""
LEAST_A_SENTENCE = 3
LONGEST_COMPARED = 1_000
"""Characters."""
MUCH_LESS = 0.2
"""What scores this much less than sentences that contradict does not outweigh them."""
LIKELIEST = 4
"""Sentences of a span that are compared closely."""

_WORD = re.compile(r"\w+")
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
    """The sentences or table rows of a text; what runs on without an end is cut, for a long text says too much at once."""
    spans = row_spans(text) or split_sentences(text)
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
    plain = bare(text)
    language = guess_language(" ".join([plain, *(piece for _, piece in pieces)])[:LONGEST_COMPARED])
    said = parse(plain, language)
    there = [(number, parse(bare(piece), language), cosine) for (number, piece), cosine in zip(pieces, cosines, strict=True)]
    best: dict[int, float] = {}
    for number in dict.fromkeys(number for number, _, _ in there):
        own = [(claim, cosine) for at, claim, cosine in there if at == number]
        best[number] = _best(said, own)
    ranked = sorted(best.items(), key=lambda item: -item[1])
    top = ranked[0][1]
    cited = tuple(number for number, score in ranked[:MAX_CITED] if score >= max(WEAK, top - CITED_WITHIN))
    return AnswerSentence(text, support(top), cited, round(top, 4))


def _best(said: Claim, own: Sequence[tuple[Claim, float]]) -> float:
    """The best score of one or two sentences of a span; those that contradict stay below WEAK."""
    everywhere = [claim for claim, _ in own]
    ranked = sorted(own, key=lambda item: -_score(said, [item[0]], item[1]))[:LIKELIEST]
    windows = [([claim], cosine) for claim, cosine in ranked]
    for (claim, cosine), (other, near) in combinations(ranked, 2):
        if _adds(said, claim, other):
            windows.append(([claim, other], max(cosine, near)))
    scored = sorted(((_score(said, window, near), window) for window, near in windows), key=lambda item: -item[0])
    highest = scored[0][0]
    for score, window in scored:
        if score < WEAK or not contradiction(said, window, everywhere):
            if score < highest - MUCH_LESS:
                return min(score, WEAK - 0.01)
            return min(score, SUPPORTED - 0.01) if hedged(said, window) else score
    return WEAK - 0.01


def _adds(said: Claim, claim: Claim, other: Claim) -> bool:
    """Whether a second sentence holds words of what is said that the first does not."""
    return any(not holds(claim.keys, key) and holds(other.keys, key) for key in said.keys)


def _score(said: Claim, window: Sequence[Claim], cosine: float) -> float:
    share = _word_share(said, window)
    if said.language in ("zh", "ko", "ja"):
        signs = [sign for sign in said.text if sign.isalnum()]
        held = "".join(claim.text for claim in window)
        share = (share + sum(sign in held for sign in signs) / max(1, len(signs))) / 2
        return share if share >= UNSPACED_SHARE else min(share, WEAK - 0.01)
    score = WORD_SHARE_WEIGHT * share + (1 - WORD_SHARE_WEIGHT) * max(0.0, cosine)
    return score if share >= LITTLE_SHARED else min(score, WEAK - 0.01)


def _word_share(said: Claim, window: Sequence[Claim]) -> float:
    first, rest = window[0].keys, frozenset(key for claim in window[1:] for key in claim.keys)
    total = found = 0.0
    for key in said.keys:
        total += 1
        found += 1.0 if holds(first, key) else NEIGHBOUR_WEIGHT if holds(rest, key) else 0.0
    return found / total if total else 0.0


def _content_words(text: str) -> set[str]:
    return {word for word in _WORD.findall(text.casefold()) if word not in _FUNCTION_WORDS}
