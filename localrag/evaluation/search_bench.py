"""How long a search takes, as a collection grows: made-up documents, the product's own ledger, vectors and search.

Texts are sentences of words that are as rare as words are (Zipf's law: the n-th most frequent is met 1/n as often as the
first); vectors are points around as many topics as documents of a public archive would have. Only the embedding model's
work is not done: a question is embedded by the real one, so its time counts, and then gets a made-up vector.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from localrag.documents.ledger import CollectionRecord, Ledger, now
from localrag.documents.places import PlaceBook
from localrag.documents.unfinished import Unfinished
from localrag.embeddings.base import EmbeddingModel, Vectors, unit
from localrag.retrieval.candidates import Searched
from localrag.retrieval.search import Wanted, search
from localrag.retrieval.spans import Budget
from localrag.retrieval.vectors import VectorIndex
from localrag.settings import RetrievalSettings
from localrag.types import Chunk, DocumentRecord, SourceRecord

CHUNKS_A_DOCUMENT = 1_000
SENTENCES, WORDS, ASKED = 3, 12, 8
"""Sentences of a chunk, words of a sentence, words of a question."""
VOCABULARY, TOPICS = 200_000, 2_000
NOISE = 0.6
"""Of a sentence's vector around its topic's, beside a topic's own length of 1."""
QUESTIONS, WARM = 40, 8
LIMIT_MS = 150.0
"""What a search may take: the evidence is there before a person looks for it."""
DIMENSION = 384


class _Asked(EmbeddingModel):
    """The real model's time for a question, and a made-up vector for it."""

    name = identity = "made-up-384"
    dimension = DIMENSION

    def __init__(self, real: EmbeddingModel) -> None:
        self._real, self.vectors = real, dict[str, Vectors]()

    def embed_texts(self, texts: list[str]) -> Vectors:
        raise NotImplementedError("every vector of a document is made up")

    def embed_question(self, text: str) -> Vectors:
        self._real.embed_question(text)
        return self.vectors[text]


@dataclass(frozen=True, slots=True)
class Grown:
    """Seconds of each search in a collection of so many chunks, and the seconds it took to grow to them."""

    chunks: int
    seconds: tuple[float, ...]
    grown_s: float

    @property
    def median_ms(self) -> float:
        return 1000 * statistics.median(self.seconds)

    def as_json(self) -> dict[str, Any]:
        slowest = 1000 * max(self.seconds)
        return {
            "chunks": self.chunks,
            "median_ms": round(self.median_ms, 1),
            "slowest_ms": round(slowest, 1),
            "searches": len(self.seconds),
            "grown_s": round(self.grown_s, 1),
        }


class MadeUp:
    """Documents and questions about them; the same for the same seed."""

    def __init__(self, seed: int = 0) -> None:
        self._chance, self._numbers = random.Random(seed), np.random.default_rng(seed)
        self._words = [_word(rank) for rank in range(VOCABULARY)]
        self._weights = list(accumulate(1 / (rank + 1) for rank in range(VOCABULARY)))
        self._topics = unit(self._numbers.standard_normal((TOPICS, DIMENSION), np.float32))

    def passage(self) -> tuple[str, list[tuple[int, int]], Vectors]:
        """A text, the ranges of its sentences, and their vectors around a topic."""
        text, spans = "", []
        for _ in range(SENTENCES):
            words = self._chance.choices(self._words, cum_weights=self._weights, k=WORDS)
            start = len(text)
            text += " ".join(words).capitalize() + ". "
            spans.append((start, len(text) - 1))
        return text.rstrip(), spans, self.near(self._chance.randrange(TOPICS), SENTENCES)

    def near(self, topic: int, count: int) -> Vectors:
        """Unit vectors around a topic's."""
        noise = unit(self._numbers.standard_normal((count, DIMENSION), np.float32))
        return unit(self._topics[topic] + NOISE * noise)

    def question(self, text: str, vectors: Vectors) -> tuple[str, Vectors]:
        """Words of a passage in another order, and a vector near its own."""
        words = text.replace(".", "").casefold().split()
        asked = " ".join(self._chance.sample(words, ASKED))
        noise = unit(self._numbers.standard_normal((1, DIMENSION), np.float32))[0]
        return asked, unit((vectors.mean(axis=0) + NOISE * noise)[None])[0]


def _word(rank: int) -> str:
    """A pronounceable word for a rank, another one for each."""
    consonants, vowels, word = "bdfghklmnprstvz", "aeiou", ""
    while True:
        rank, syllable = divmod(rank, len(consonants) * len(vowels))
        word += consonants[syllable // len(vowels)] + vowels[syllable % len(vowels)]
        if not rank:
            return word
        rank -= 1


def measure_search(sizes: Sequence[int], folder: Path, real: EmbeddingModel, report: Callable[[str], None]) -> Iterator[Grown]:
    """Grow a collection to each of these sizes (chunks) in a folder, and search it there as Chat does."""
    made, model = MadeUp(), _Asked(real)
    ledger, index = Ledger(folder / "ledger.sqlite"), VectorIndex(folder / "chroma")
    try:
        home = ledger.add_collection("made up", model.identity, model.name, model.dimension)
        index.collection(home.index_name, model)
        questions: list[str] = []
        size = 0
        for wanted in sizes:
            started = time.perf_counter()
            while size < wanted:
                count = min(CHUNKS_A_DOCUMENT, wanted - size)
                questions += _add(made, home, ledger, index, model, size, count)
                size += count
                if size % 50_000 == 0:
                    report(f"{size:,} chunks made, {time.perf_counter() - started:.0f} s")
            grown_s = time.perf_counter() - started
            yield Grown(size, _timed(_sample(questions), ledger.collection(home.name) or home, ledger, index, model), grown_s)
    finally:
        index.close()
        ledger.close()


def _add(
    made: MadeUp, home: CollectionRecord, ledger: Ledger, index: VectorIndex, model: _Asked, first: int, count: int
) -> list[str]:
    """Put one document of `count` chunks in; returns a few questions about it."""
    document, at, chunks, known = f"made-{first}", 0, list[Chunk](), list[tuple[list[tuple[int, int]], Vectors]]()
    asked = []
    for number in range(count):
        text, spans, vectors = made.passage()
        chunks.append(Chunk(f"{document}-{number:06}", document, number, at, at + len(text), text))
        known.append((spans, vectors))
        at += len(text) + 1
        if number % (CHUNKS_A_DOCUMENT // 2) == 0:
            question, vector = made.question(text, vectors)
            model.vectors[question] = vector
            asked.append(question)
    whole = "\n".join(chunk.text for chunk in chunks)
    record = DocumentRecord(
        document, home.name, document, document, "text", language="en", characters=len(whole), chunks=count, added=now()
    )
    ids = [chunk.id for chunk in chunks]
    ledger.put(home.id, record, SourceRecord(document, document, added=now()), whole, chunks)
    Unfinished(ledger.db).keep_sentences(ids, home.index_name, known)
    index.put(home.index_name, model, ids, unit(np.stack([vectors.mean(axis=0) for _, vectors in known])))
    return asked


def _sample(questions: Sequence[str]) -> list[str]:
    wanted = QUESTIONS + WARM
    return random.Random(1).sample(list(questions), wanted) if len(questions) > wanted else [*questions] * wanted


def _timed(
    questions: Sequence[str], home: CollectionRecord, ledger: Ledger, index: VectorIndex, model: _Asked
) -> tuple[float, ...]:
    settings = RetrievalSettings()
    budget = Budget(settings.evidence_chars)
    wanted = Wanted(None, settings.least_share, settings.read_share, budget, budget)
    searched = Searched(home, ledger, lambda: index, model, PlaceBook(ledger.db), settings.vector_weight)
    seconds = [search(question, searched, wanted).seconds for question in questions[: QUESTIONS + WARM]]
    return tuple(seconds[WARM:])
