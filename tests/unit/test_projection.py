"""Vectors in a plane: the same as numpy's own decomposition of the covariance, and nothing odd with few or equal points."""

from __future__ import annotations

import numpy as np
import pytest

from localrag.evaluation.projection import principal_plane


def stretched(seed: int, count: int = 200, dimension: int = 24) -> np.ndarray:
    """Points whose spread differs from direction to direction, away from the origin."""
    random = np.random.default_rng(seed)
    rotation = np.linalg.qr(random.normal(size=(dimension, dimension)))[0]
    return ((random.normal(size=(count, dimension)) * np.linspace(3, 0.1, dimension)) @ rotation + 5).astype(np.float32)


@pytest.mark.parametrize("seed", range(4))
def test_the_plane_is_that_of_numpys_svd_and_of_the_covariance(seed: int) -> None:
    points = stretched(seed)
    plane = principal_plane(points)
    centred = points.astype(np.float64) - points.astype(np.float64).mean(axis=0)
    left, singular, _ = np.linalg.svd(centred, full_matrices=False)
    placed = plane.place(points)
    for axis in (0, 1):
        expected = left[:, axis] * singular[axis]
        assert np.allclose(placed[:, axis], expected) or np.allclose(placed[:, axis], -expected)
    variances = np.linalg.eigvalsh(np.cov(centred.T))[::-1]
    assert np.allclose(plane.shares, variances[:2] / variances.sum())
    assert plane.axes @ plane.axes.T == pytest.approx(np.eye(2))


def test_the_same_points_in_another_order_give_the_same_picture() -> None:
    points = stretched(1)
    assert np.allclose(principal_plane(points).axes, principal_plane(points[::-1]).axes)


def test_another_point_is_placed_in_the_same_plane() -> None:
    points = stretched(2)
    plane = principal_plane(points)
    assert np.allclose(plane.place(points[7:8])[0], plane.place(points)[7])
    assert np.allclose(plane.place(points.mean(axis=0, keepdims=True)), 0, atol=1e-4)


def test_one_point_lies_in_the_middle() -> None:
    plane = principal_plane(np.ones((1, 8), np.float32))
    assert plane.place(np.ones((1, 8), np.float32)).tolist() == [[0.0, 0.0]]
    assert plane.shares == (0.0, 0.0)


def test_two_points_lie_on_one_axis_at_their_distance() -> None:
    points = np.zeros((2, 8), np.float32)
    points[0, 3], points[1, 3] = 1.0, -1.0
    plane = principal_plane(points)
    placed = plane.place(points)
    assert np.allclose(placed[:, 1], 0)
    assert abs(placed[0, 0] - placed[1, 0]) == pytest.approx(2.0)
    assert plane.shares == (pytest.approx(1.0), 0.0)


def test_identical_points_lie_on_one_another_and_share_nothing() -> None:
    points = np.full((50, 16), 0.25, np.float32)
    plane = principal_plane(points)
    assert np.isfinite(plane.place(points)).all()
    assert np.allclose(plane.place(points), 0)
    assert plane.shares == (0.0, 0.0)


def test_vectors_of_one_number_are_placed_too() -> None:
    placed = principal_plane(np.array([[1.0], [2.0], [4.0]], np.float32)).place(np.array([[4.0]], np.float32))
    assert placed.shape == (1, 2)
    assert placed[0, 1] == 0.0
