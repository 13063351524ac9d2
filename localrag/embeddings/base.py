"""What an embedding model is to the rest of the house. One file beside this one per backend."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np
from langchain_core.embeddings import Embeddings
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
Spans = Sequence[tuple[int, int]]
"""Ranges of characters in a text, each (start, end)."""


class EmbeddingModel(Embeddings):
    """Texts to unit vectors. Also a LangChain `Embeddings`; every method may be called from any thread."""

    name: str
    identity: str
    """Names the weights, not the file: vectors of models with different identities are never mixed."""
    dimension: int
    languages: frozenset[str] | None = None
    """ISO 639-1 codes of the only languages the model was trained on; None for many, or not known."""

    @abstractmethod
    def embed_texts(self, texts: list[str]) -> Vectors:
        """Document texts as rows of shape (len(texts), dimension), each of length 1.

        Nothing is truncated: what is longer than the model's window is embedded in pieces and averaged by tokens.
        Raises:
            EmbeddingError: the model failed.
        """

    @abstractmethod
    def embed_question(self, text: str) -> Vectors:
        """A question as one vector of shape (dimension,), of length 1; never waits for documents being embedded."""

    def embed_passages(self, texts: list[str], spans: Sequence[Spans]) -> tuple[Vectors, list[Vectors]]:
        """Document texts, and the sentences at `spans` in each, read in their context at no further cost.

        One array of shape (len(spans of it), dimension) a text; none at all when the model cannot tell sentences apart.
        """
        return self.embed_texts(texts), []

    def embed_sentences(self, texts: list[str]) -> Vectors:
        """A few short texts as rows of shape (len(texts), dimension); like a question, it waits for no documents."""
        return self.embed_texts(texts)

    def close(self) -> None:
        """Free the memory."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [row.tolist() for row in self.embed_texts(texts)]

    def embed_query(self, text: str) -> list[float]:
        return [float(value) for value in self.embed_question(text)]


def unit(rows: Vectors) -> Vectors:
    """Rows scaled to length 1; a zero row stays zero."""
    length = np.linalg.norm(rows, axis=-1, keepdims=True)
    return np.asarray(rows / np.where(length == 0, 1, length), dtype=np.float32)
