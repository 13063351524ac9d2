"""Vectors from word hashes: for tests of pages and plumbing, never where answers are judged."""

from __future__ import annotations

import re
import zlib

import numpy as np

from localrag.embeddings.base import EmbeddingModel, Vectors, unit


class FakeEmbeddings(EmbeddingModel):
    """Texts that share words are near each other; no model file is needed."""

    name = "fake"
    identity = "fake:word-hashes-256"
    dimension = 256

    def embed_texts(self, texts: list[str]) -> Vectors:
        rows = np.zeros((len(texts), self.dimension), np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in re.findall(r"\w+", text.lower()):
                row[zlib.crc32(word.encode()) % self.dimension] += 1
        return unit(rows)

    def embed_question(self, text: str) -> Vectors:
        row: Vectors = self.embed_texts([text])[0]
        return row
