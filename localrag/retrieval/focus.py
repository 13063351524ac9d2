"""The sentence of a passage that answers: what a reader's eye should fall on first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from localrag.documents.sentences import split_sentences
from localrag.embeddings.base import EmbeddingModel, Spans, Vectors
from localrag.types import Evidence

LEAST_WORDS = 4
"""A heading is often nearest to the question, but it answers nothing."""


def focus(
    question: Vectors, evidence: Sequence[Evidence], sentences: Sequence[tuple[Spans, Vectors] | None], model: EmbeddingModel
) -> tuple[Evidence, ...]:
    """Mark in each passage the sentence whose vector is nearest to the question's.

    `sentences` are each passage's sentences as they were embedded with it, in its context; where there are none they are
    embedded now. A passage without a sentence of some words is left as it is.
    """
    return tuple(_focused(question, e, known, model) for e, known in zip(evidence, sentences, strict=True))


def _focused(question: Vectors, passage: Evidence, known: tuple[Spans, Vectors] | None, model: EmbeddingModel) -> Evidence:
    spans = known[0] if known else split_sentences(passage.text)
    wanted = [at for at, (start, end) in enumerate(spans) if _is_sentence(passage.text[start:end])]
    if not wanted:
        return passage
    if known:
        vectors = known[1][wanted]
    else:
        vectors = model.embed_sentences([passage.text[slice(*spans[at])] for at in wanted])
    start, end = spans[wanted[int((vectors @ question).argmax())]]
    return replace(passage, focus=(passage.start + start, passage.start + end))


def _is_sentence(text: str) -> bool:
    return len(text.split()) > LEAST_WORDS or (len(text) > 2 * LEAST_WORDS and " " not in text)
