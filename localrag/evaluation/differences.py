"""What changes from one report to another on the same questions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from localrag.evaluation.evaluate import QuestionRow, Report
from localrag.evaluation.metrics import Estimate, estimate

Values = Callable[[QuestionRow], Sequence[float] | None]
_COSTS = ("seconds", "passages", "characters", "tokens")
_GROUPS: dict[str, Values] = {
    "documents": lambda row: row.by_documents,
    "passages": lambda row: row.by_passages,
    "characters": lambda row: row.by_characters,
}


def differences(first: Report, second: Report, seed: int = 0) -> Mapping[str, Mapping[str, Estimate]]:
    """Second minus first, question by question, with the 95 % interval of that difference; by group and figure.

    Paired: hard questions are hard for both, so this tells far smaller differences from chance than two intervals side by
    side do (Efron and Tibshirani, as in `metrics`). Figures that are not of single questions are left out.
    """
    found: dict[str, Mapping[str, Estimate]] = {}
    for group, figures in first.figures.items():
        if group in _GROUPS:
            pairs = [(_GROUPS[group](a), _GROUPS[group](b)) for a, b in zip(first.rows, second.rows, strict=True)]
            changes = [np.subtract(b, a) for a, b in pairs if a is not None and b is not None]
            found[group] = {
                name: estimate([float(change[at]) for change in changes], seed) for at, name in enumerate(figures) if changes
            }
        elif group == "cost":
            found[group] = {name: _cost(first, second, name, seed) for name in figures if name in second.figures[group]}
    return found


def _cost(first: Report, second: Report, name: str, seed: int) -> Estimate:
    changes = [_costs(b)[name] - _costs(a)[name] for a, b in zip(first.rows, second.rows, strict=True)]
    return estimate(changes, seed, np.median if name == "seconds" else np.mean)


def _costs(row: QuestionRow) -> dict[str, float]:
    return dict(
        zip(_COSTS, (row.seconds, float(len(row.evidence)), float(row.characters), float(row.tokens or 0)), strict=True)
    )
