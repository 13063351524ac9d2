"""Two reports on the same questions as one table in HTML. Draws nothing."""

from __future__ import annotations

import html
from collections.abc import Mapping

from localrag.chat.prose import FIGURES
from localrag.evaluation.evaluate import Report
from localrag.evaluation.metrics import Estimate
from localrag.evaluation.report_table import GROUPS, METRICS, figure_text

_CELL = "padding:0.2rem 0.8rem 0.2rem 0;text-align:{};vertical-align:top;font-weight:{};border:0;white-space:{}"


def figures_table(first: Report, second: Report, changes: Mapping[str, Mapping[str, Estimate]]) -> str:
    """A row for each figure: A, B, the difference, each with its interval, and whether that difference is clear."""
    rows = [_row(("", "A", "B", "B − A", ""), "th")]
    for group, figures in first.figures.items():
        others = second.figures.get(group, {})
        rows.append(f"<tr><th colspan='5' style='{_CELL.format('left', 600, 'normal')}'>{html.escape(GROUPS[group])}</th></tr>")
        for name, one in figures.items():
            other, change = others.get(name), changes.get(group, {}).get(name)
            cells = [_figure(group, name, one), _figure(group, name, other), _figure(group, name, change, signed=True)]
            rows.append(_row((METRICS.get(name, name), *cells, clear(change)), "td"))
    frame = "<div style='overflow-x:auto' tabindex='0' role='region' aria-label='Figures of A and B'>"
    return f"{frame}<table style='{FIGURES};border-collapse:collapse'>{''.join(rows)}</table></div>"


def clear(change: Estimate | None) -> str:
    """Whether a difference is more than chance: its interval lies on one side of 0."""
    if change is None or change.low == change.high == 0:
        return "" if change is None else "no difference"
    return "clear" if change.low > 0 or change.high < 0 else "not clear"


def _figure(group: str, name: str, figure: Estimate | None, signed: bool = False) -> str:
    if figure is None:
        return "–"
    value, low, high = (_text(group, name, one, signed) for one in (figure.value, figure.low, figure.high))
    return f"{value} ({low} to {high})"


def _text(group: str, name: str, value: float, signed: bool) -> str:
    text = figure_text(group, name, value).replace("-", "−")
    return f"+{text}" if signed and value > 0 else text


def _row(cells: tuple[str, ...], tag: str) -> str:
    label, *rest = cells
    head = f"<th scope='row' style='{_CELL.format('left', 400, 'normal')}'>{html.escape(label)}</th>"
    weight = 600 if tag == "th" else 400
    return (
        f"<tr>{head}"
        + "".join(f"<{tag} style='{_CELL.format('left', weight, 'nowrap')}'>{html.escape(cell)}</{tag}>" for cell in rest)
        + "</tr>"
    )
