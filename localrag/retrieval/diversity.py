"""Maximal marginal relevance: Carbonell & Goldstein, "The Use of MMR, Diversity-Based Reranking" (1998)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from localrag.embeddings.base import Vectors

MOST = 200
"""So many are put in order; what comes after them is in the order of its scores."""


def in_order(scores: Sequence[float], vectors: Vectors | None = None, diversity: float = 0.0) -> list[int]:
    """Indices in the order to take them: best first, and with some `diversity` what is new before what was said.

    Each next one has the highest (1 − diversity) × score − diversity × similarity to the nearest one taken before.
    `vectors` has a unit row for each score; a row of zeros is like nothing. Equal scores keep their order.
    """
    by_score = sorted(range(len(scores)), key=lambda at: -scores[at])
    if vectors is None or diversity <= 0 or not by_score:
        return by_score
    first, rest = by_score[:MOST], by_score[MOST:]
    worth = (1 - diversity) * np.asarray([scores[at] for at in first])
    rows, nearest = vectors[first], np.zeros(len(first))
    order: list[int] = []
    for _ in first:
        best = int(np.argmax(worth - diversity * nearest))
        order.append(first[best])
        worth[best] = -np.inf
        nearest = np.maximum(nearest, rows @ rows[best])
    return [*order, *rest]
