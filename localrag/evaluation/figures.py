"""A measured quantity: some runs, and their median as the figure to quote."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Figure:
    """The values of several runs, in the order they were taken; at least one."""

    runs: tuple[float, ...]

    @classmethod
    def of(cls, values: list[float]) -> Figure:
        """The figure of these runs. Raises ValueError when there are none."""
        if not values:
            raise ValueError("a figure needs at least one run")
        return cls(tuple(values))

    @property
    def median(self) -> float:
        return statistics.median(self.runs)

    @property
    def low(self) -> float:
        return min(self.runs)

    @property
    def high(self) -> float:
        return max(self.runs)

    def as_json(self) -> dict[str, Any]:
        """Median, least, greatest and every run, to four digits."""
        return {
            "median": digits(self.median),
            "min": digits(self.low),
            "max": digits(self.high),
            "runs": [digits(value) for value in self.runs],
        }


def ratio(above: Figure, below: Figure) -> float:
    """Median over median; 0.0 when nothing can be said."""
    return digits(above.median / below.median) if below.median else 0.0


def digits(value: float) -> float:
    """Four significant digits: more would claim a precision no timing has."""
    return float(f"{value:.4g}")
