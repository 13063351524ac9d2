"""The sentence of a passage that answers: what a reader's eye should fall on first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from localrag.documents.sentences import split_sentences
from localrag.documents.words import terms
from localrag.embeddings.base import EmbeddingModel, Spans, Vectors
from localrag.retrieval.fusion import fuse
from localrag.types import Evidence

LEAST_WORDS = 4
"""A heading is often nearest to the question, but it answers nothing."""


@dataclass(frozen=True, slots=True)
class Focus:
    """A question, as sentences are compared with it: its vector, and its terms with their weights."""

    question: Vectors
    model: EmbeddingModel
    weights: Mapping[str, float]
    vector_weight: float

    def mark(self, passage: Evidence, language: str, known: tuple[Spans, Vectors] | None) -> Evidence:
        """Mark in a passage the sentence that is nearest to the question, by its vector and by the terms in it.

        `known` are the passage's sentences as they were embedded with it, in its context; without them they are embedded
        now. A passage without a sentence of some words is left as it is.
        """
        spans = known[0] if known else split_sentences(passage.text)
        wanted = [at for at, (start, end) in enumerate(spans) if is_sentence(passage.text[start:end])]
        if not wanted:
            return passage
        texts = [passage.text[slice(*spans[at])] for at in wanted]
        vectors = known[1][wanted] if known else self.model.embed_sentences(texts)
        cosines = {at: float(cosine) for at, cosine in zip(wanted, vectors @ self.question, strict=True)}
        words = {at: self._weight(text, language) for at, text in zip(wanted, texts, strict=True)}
        scores = fuse(cosines, words, self.vector_weight)
        start, end = spans[max(wanted, key=scores.__getitem__)]
        return replace(passage, focus=(passage.start + start, passage.start + end))

    def _weight(self, text: str, language: str) -> float:
        """The weights of the question's terms in a sentence, each counted once."""
        return sum(self.weights.get(term, 0.0) for term in set(terms(text, language))) if self.weights else 0.0


def is_sentence(text: str) -> bool:
    """Whether a text can answer anything: headings and short fragments cannot."""
    words = len(text.split())
    ended = text.rstrip().endswith((".", "。")) and words > 2  # a question would be near to itself, and answers nothing
    return words > LEAST_WORDS or ended or (len(text) > 2 * LEAST_WORDS and " " not in text)
