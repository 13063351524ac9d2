"""Two channels, one score.

Each channel's scores are divided by its best one and added up with weights: a convex combination with theoretical minimum
0, after Bruch, Gai & Ingber, "An Analysis of Fusion Functions for Hybrid Retrieval" (2023). They show that it beats fusing
ranks. Where a channel tells nothing (vectors of a language the model does not know are all alike) its share is the same for
every chunk, and the other one decides.
"""

from __future__ import annotations

from collections.abc import Mapping


def fuse(cosines: Mapping[str, float], words: Mapping[str, float], vector_weight: float) -> dict[str, float]:
    """A score from 0 to 1 for every chunk of `cosines`, of its cosine similarity and its BM25 score.

    With a weight of 1 it is the cosine similarity itself.
    """
    if vector_weight == 1:
        return dict(cosines)
    best_cosine, best_words = max(cosines.values(), default=0.0), max(words.values(), default=0.0)
    return {
        chunk_id: vector_weight * _share(cosine, best_cosine) + (1 - vector_weight) * _share(words[chunk_id], best_words)
        for chunk_id, cosine in cosines.items()
    }


def _share(score: float, best: float) -> float:
    return max(score, 0.0) / best if best > 0 else 0.0
