"""Maximal marginal relevance."""

from __future__ import annotations

import numpy as np
import pytest

from localrag.retrieval.diversity import MOST, in_order

VECTORS = np.asarray([[1, 0], [1, 0], [0, 1]], np.float32)


def test_without_diversity_the_best_comes_first_and_equals_keep_their_order() -> None:
    assert in_order([0.2, 0.9, 0.9, 0.5]) == [1, 2, 3, 0]
    assert in_order([0.9, 0.8, 0.5], VECTORS, 0.0) == [0, 1, 2]
    assert in_order([]) == []


def test_what_is_new_comes_before_what_repeats() -> None:
    assert in_order([0.9, 0.8, 0.5], VECTORS, 0.5) == [0, 2, 1]


def test_what_is_like_nothing_is_judged_by_its_score_alone() -> None:
    assert in_order([0.9, 0.8, 0.5], np.zeros((3, 2), np.float32), 0.5) == [0, 1, 2]


@pytest.mark.parametrize("count", [1, 7, MOST + 5])
def test_everything_comes_once(count: int) -> None:
    numbers = np.random.default_rng(count)
    rows = numbers.standard_normal((count, 5)).astype(np.float32)
    order = in_order(numbers.random(count).tolist(), rows / np.linalg.norm(rows, axis=1, keepdims=True), 0.3)
    assert sorted(order) == list(range(count))
