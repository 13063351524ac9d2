"""The sentence of a passage that answers: what a reader's eye should fall on first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from localrag.documents.sentences import split_sentences
from localrag.embeddings.base import EmbeddingModel
from localrag.types import Evidence

LEAST_WORDS = 4
"""A heading is often nearest to the question, but it answers nothing."""


def focus(question: str, evidence: Sequence[Evidence], model: EmbeddingModel) -> tuple[Evidence, ...]:
    """Mark in each passage the sentence whose embedding is nearest to the question's.

    A passage without a sentence of some words is left as it is.
    """
    spans = [[span for span in split_sentences(e.text) if _is_sentence(e.text[span[0] : span[1]])] for e in evidence]
    texts = [passage.text[start:end] for passage, inside in zip(evidence, spans, strict=True) for start, end in inside]
    if not texts:
        return tuple(evidence)
    nearness = model.embed_sentences(texts) @ model.embed_question(question)
    marked, at = [], 0
    for passage, inside in zip(evidence, spans, strict=True):
        if inside:
            best = max(range(len(inside)), key=lambda n, at=at: float(nearness[at + n]))  # type: ignore[misc]
            start, end = inside[best]
            passage = replace(passage, focus=(passage.start + start, passage.start + end))
        marked.append(passage)
        at += len(inside)
    return tuple(marked)


def _is_sentence(text: str) -> bool:
    return len(text.split()) > LEAST_WORDS or (len(text) > 2 * LEAST_WORDS and " " not in text)
