"""Questions made from the sentences of the documents themselves, without a model: the same ones for the same seed.

The rarest of a sentence's words that other sentences have too, all but the very rarest, make a question of keywords; the
sentence is what a search should find. They share their words with the answer, so they are easier than what people ask: good to
compare settings, not to promise anything.
"""

from __future__ import annotations

import math
import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, zip_longest
from typing import NamedTuple

from localrag.documents.sentences import split_sentences
from localrag.documents.words import UNSPACED, terms
from localrag.errors import QuestionSetError
from localrag.evaluation.gold import TextOf
from localrag.evaluation.question_sets import Expected, Question, QuestionSet
from localrag.types import DocumentRecord
from localrag.wording import counted

SHORTEST, LONGEST = 40, 300
"""Characters of a sentence that says enough; where words are not set apart a sign counts twice."""
KEYWORDS, PAIRS = 3, 5
"""Words of a question; pairs of characters where words are not set apart."""
COMMON_SHARE = 0.05
"""A term in more sentences than this tells none of them from the others."""
LETTER_SHARE = 0.7
WINDOW_CHARS = 200_000
"""Read of one document, somewhere in it: enough sentences to choose from."""
ENOUGH_CHARS = 2_000_000
PASSAGE_CHARS = 400
_MARKS = (
    "\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed\u0900-\u0963\u0966-\u0dff"  # no letters to `re`
)
_LETTERS = rf"(?:(?![{UNSPACED}])[^\W_]|[{_MARKS}])+"
_WORD = re.compile(rf"[{UNSPACED}]+|{_LETTERS}(?:['’-]{_LETTERS})*")
_LETTER = re.compile(rf"[^\W\d_]|[{_MARKS}{UNSPACED}]")
_KOREAN_WORD = re.compile("[\u1100-\u11ff\uac00-\ud7af]{2,8}")  # it is spaced, though searched by pairs
_UNSPACED = re.compile(f"[{UNSPACED}]")
_ENDS = tuple(".!…。！।॥۔።។")


class _Term(NamedTuple):
    """A term of a sentence, at its place in the document."""

    start: int
    end: int
    term: str


class _Sentence(NamedTuple):
    start: int
    end: int
    text: str
    passage: str
    terms: tuple[_Term, ...]


@dataclass(frozen=True, slots=True)
class Chosen:
    """An informative sentence of a document, a question of keywords for it, and the passage that begins with it."""

    source: str
    start: int
    end: int
    sentence: str
    keywords: str
    passage: str


def make_questions(documents: Sequence[DocumentRecord], text_of: TextOf, count: int, seed: int = 0) -> QuestionSet:
    """At most `count` questions, spread over the documents.

    Raises:
        QuestionSetError: no document has a sentence to make one from.
    """
    chosen = choose_sentences(documents, text_of, count, seed)
    questions = tuple(
        Question(one.keywords, (Expected((one.source,), one.sentence, one.start, one.end),), made_by="sentences")
        for one in chosen
    )
    return QuestionSet(f"{len(chosen)} made from the documents, seed {seed}", questions)


def choose_sentences(documents: Sequence[DocumentRecord], text_of: TextOf, count: int, seed: int = 0) -> list[Chosen]:
    """At most `count` informative sentences, from as many documents as possible, in an order that only the seed decides."""
    chance = random.Random(seed)
    order = sorted((record for record in documents if record.characters), key=lambda record: record.source)
    chance.shuffle(order)
    read: list[tuple[DocumentRecord, list[_Sentence]]] = []
    characters = 0
    for record in order:
        text = text_of(record.id)
        read.append((record, list(_sentences(text, record.language, chance))))
        characters += min(len(text), WINDOW_CHARS)
        if characters >= ENOUGH_CHARS and len(read) >= 2 * count:
            break
    everything = [sentence for _, sentences in read for sentence in sentences]
    known = Counter(term for sentence in everything for term in {one.term for one in sentence.terms})
    same = Counter(_folded(sentence.text) for sentence in everything)
    lists = [_best(record, sentences, known, same, len(everything), chance) for record, sentences in read]
    found: dict[str, Chosen] = {}
    for round_of_all in zip_longest(*lists):
        for one in round_of_all:
            if one is not None and len(found) < count:
                found.setdefault(one.keywords, one)
    if not found:
        raise QuestionSetError(
            f"No question can be made from {counted(len(order), 'document')} with text: there is no sentence of {SHORTEST} to"
            f" {LONGEST} characters with rare words. Add documents with running text, or write questions yourself."
        )
    return list(found.values())


def _sentences(text: str, language: str, chance: random.Random) -> Iterator[_Sentence]:
    """The sentences of a document, or of a window of it, of a length that says something, with their passages."""
    offset = chance.randrange(len(text) - WINDOW_CHARS) if len(text) > WINDOW_CHARS else 0
    window = text[offset : offset + WINDOW_CHARS]
    spans = [(start + offset, end + offset) for start, end in split_sentences(window)]
    if offset:
        spans = spans[1:]  # it began in the middle
    if offset + WINDOW_CHARS < len(text):
        spans = spans[:-1]
    for number, (start, end) in enumerate(spans):
        sentence = text[start:end]
        length = len(sentence) + len(_UNSPACED.findall(sentence))
        letters = len(_LETTER.findall(sentence)) / max(1, sum(not sign.isspace() for sign in sentence))
        if (
            SHORTEST <= length <= LONGEST
            and letters >= LETTER_SHARE
            and not sentence.rstrip("\"'”’»)").endswith(("?", "？", "؟"))
        ):
            passage = text[start : _passage_end(text, spans, number)]
            yield _Sentence(start, end, sentence, passage, tuple(_terms(sentence, start, language)))


def _passage_end(text: str, spans: Sequence[tuple[int, int]], number: int) -> int:
    """The end of the sentences that follow one in its paragraph, as far as they fit."""
    start, end = spans[number]
    for (_, before), (after, following) in pairwise(spans[number : number + 10]):
        if following - start > PASSAGE_CHARS or text.count("\n", before, after) > 1:
            break
        end = following
    return end


def _terms(sentence: str, offset: int, language: str) -> Iterator[_Term]:
    for word in _WORD.finditer(sentence):
        start, piece = offset + word.start(), word[0]
        if _KOREAN_WORD.fullmatch(piece):
            yield _Term(start, start + len(piece), piece)
        elif _UNSPACED.match(piece):
            yield from (_Term(start + at, start + at + 2, piece[at : at + 2]) for at in range(len(piece) - 1))
        elif len(piece) > 1 and not piece.isdigit():
            yield _Term(start, start + len(piece), " ".join(terms(piece, language)))


def _best(
    record: DocumentRecord,
    sentences: Sequence[_Sentence],
    known: Counter[str],
    same: Counter[str],
    total: int,
    chance: random.Random,
) -> list[Chosen]:
    """The more informative half of a document's sentences, in any order: prose where there is some."""
    most = max(2.0, COMMON_SHARE * total)
    scored: list[tuple[float, Chosen]] = []
    prose = [one for one in sentences if one.text.rstrip("\"'”’»)]*_`」』）").endswith(_ENDS)]
    for one in prose or sentences:
        rare = {term.term: term for term in one.terms if known[term.term] <= most}
        # What stands in no other sentence finds its own by itself: it makes a question only where there is nothing else.
        rarest = sorted(
            rare.values(), key=lambda term: (known[term.term] < 2, known[term.term], term.start - term.end, term.start)
        )
        keywords = _keywords(one, rarest)
        if keywords and same[_folded(one.text)] == 1:
            score = sum(math.log(total / known[term.term]) for term in rarest) / len(rarest)
            scored.append((score, Chosen(record.source, one.start, one.end, one.text, keywords, one.passage)))
    scored.sort(key=lambda pair: (-pair[0], pair[1].start))
    best = [chosen for _, chosen in scored[: (len(scored) + 1) // 2]]
    chance.shuffle(best)
    return best


def _keywords(sentence: _Sentence, rarest: Sequence[_Term]) -> str:
    """The rarest words as they stand, in their order, but for the very rarest: it is what is asked for. Empty: too few."""
    if not rarest:
        return ""
    asked = rarest[0]
    others = [term for term in rarest[1:] if term.end <= asked.start or asked.end <= term.start]
    is_pair = _UNSPACED.match(sentence.text, asked.start - sentence.start) and asked.end - asked.start == 2
    wanted = PAIRS if is_pair else KEYWORDS
    if len(others) < wanted:
        return ""
    spans: list[tuple[int, int]] = []
    for term in sorted(others[:wanted]):
        if spans and term.start <= spans[-1][1]:  # pairs of characters that make one word
            spans[-1] = (spans[-1][0], max(spans[-1][1], term.end))
        else:
            spans.append((term.start, term.end))
    return " ".join(sentence.text[start - sentence.start : end - sentence.start] for start, end in spans)


def _folded(text: str) -> str:
    return " ".join(text.split()).casefold()
