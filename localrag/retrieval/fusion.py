"""Two channels, one score.

Each channel's scores are divided by its best one and added up with weights: a convex combination with theoretical minimum
0, after Bruch, Gai & Ingber, "An Analysis of Fusion Functions for Hybrid Retrieval" (2023). They show that it beats fusing
ranks. Where a channel tells nothing (vectors of a language the model does not know are all alike) its share is the same for
every chunk, and the other one decides.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TypeVar

Key = TypeVar("Key", bound=Hashable)


def fuse(cosines: Mapping[Key, float], words: Mapping[Key, float], vector_weight: float) -> dict[Key, float]:
    """A score from 0 to 1 for every key (a chunk, a sentence) of `cosines`, of its cosine similarity and its BM25 score.

    With a weight of 1 it is the cosine similarity itself.
    """
    if vector_weight == 1:
        return dict(cosines)
    best_cosine, best_words = max(cosines.values(), default=0.0), max(words.values(), default=0.0)
    return {
        key: vector_weight * _share(cosine, best_cosine) + (1 - vector_weight) * _share(words[key], best_words)
        for key, cosine in cosines.items()
    }


def _share(score: float, best: float) -> float:
    return max(score, 0.0) / best if best > 0 else 0.0
