"""Many-dimensional vectors in a plane, for a map: principal component analysis.

The plane through the mean in which the points differ most: with the centred points as rows of X = U S Vᵀ, its axes are the
first two columns of V, and each holds S² / ΣS² of all variance. K. Pearson, "On lines and planes of closest fit to systems of
points in space" (1901); by singular values as in I. T. Jolliffe, "Principal Component Analysis" (2nd ed., 2002), section 3.5.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from localrag.embeddings.base import Vectors

AXES = 2
_NOTHING = 1e-6
"""Of the size of the vectors: singular values below are rounding, and their axes point anywhere."""
Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Plane:
    """A plane in the space of the vectors. `shares` (0 to 1) are each axis' part of all variance; 0 where there is none."""

    mean: Points
    axes: Points
    shares: tuple[float, float]

    def place(self, vectors: Vectors) -> Points:
        """Where vectors, one a row, lie in the plane: two columns."""
        placed: Points = (np.asarray(vectors, np.float64) - self.mean) @ self.axes.T
        return placed


def principal_plane(vectors: Vectors) -> Plane:
    """The plane in which vectors, one a row and at least one, differ most.

    An axis along which they do not differ (two points, or the same one many times) is zero. Which way an axis points is
    arbitrary: its largest entry is made positive, so the same vectors always give the same picture.
    """
    rows = np.asarray(vectors, np.float64)
    mean = rows.mean(axis=0)
    _, singular, directions = np.linalg.svd(rows - mean, full_matrices=False)
    axes, variance = np.zeros((AXES, rows.shape[1])), np.zeros(AXES)
    least = _NOTHING * max(1.0, float(np.abs(rows).max(initial=0.0)))
    for number in range(min(AXES, len(singular))):
        if singular[number] > least:
            direction = directions[number]
            axes[number] = direction * np.sign(direction[np.argmax(np.abs(direction))])
            variance[number] = singular[number] ** 2
    shares = variance / (float((singular**2).sum()) or 1.0)
    return Plane(mean, axes, (float(shares[0]), float(shares[1])))
