"""Two lists of spans as HTML: the ranks joined by lines, and the spans with their figures. Draws nothing."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence

from localrag.chat.prose import ACCENT, FIGURES, passage
from localrag.evaluation.rank_changes import RankChanges
from localrag.types import Evidence

SHOWN_RANKS = 12
ROW_PX = 30
LABEL_CHARS = 160
GREY = "#808080"
"""Reaches 3:1 against both themes' backgrounds."""
_GRID = "display:grid;grid-template-columns:minmax(0,1fr) clamp(3rem,14%,10rem) minmax(0,1fr);font-size:0.9rem"
_CELL = f"height:{ROW_PX}px;display:flex;align-items:center;gap:0.5rem"
_TEXT = "flex:1;min-width:0;overflow:hidden;text-overflow:ellipsis;white-space:nowrap"
_RANK = f"{FIGURES};flex:none;min-width:1.4rem;text-align:center;border-radius:3px;padding:0 0.25rem"


def rank_lines(first: Sequence[Evidence], second: Sequence[Evidence], changes: RankChanges) -> str:
    """The best of two lists side by side, each span joined with its counterpart: solid where it moved, dashed where not."""
    left, right = first[:SHOWN_RANKS], second[:SHOWN_RANKS]
    height = max(len(left), len(right)) * ROW_PX
    lines = [(a, b) for a, b in changes.lines if a < len(left) and b < len(right)]
    told = ", ".join(f"{a + 1} to {b + 1}" for a, b in lines) or "none"
    middle = (
        f"<img src='{_picture(lines, height)}' alt='Places in A and in B: {told}'"
        f" style='width:100%;height:{height}px;display:block'>"
    )
    columns = (
        "".join(_cell(one, at, changes.of_first[at], "A") for at, one in enumerate(left)),
        middle,
        "".join(_cell(one, at, changes.of_second[at], "B") for at, one in enumerate(right)),
    )
    return f'<div style="{_GRID}">' + "".join(f"<div style='min-width:0'>{column}</div>" for column in columns) + "</div>"


def _cell(span: Evidence, at: int, other: int | None, side: str) -> str:
    words = html.escape(_label(span))
    lone = "opacity:0.65;font-style:italic" if other is None else ""
    text = f"<span style='{_TEXT};{lone};text-align:{'right' if side == 'A' else 'left'}' title=\"{words}\">{words}</span>"
    edge = f"1px solid {ACCENT}" if span.given else f"1px dotted {GREY}"
    rank = f"<span style='{_RANK};border:{edge}'>{at + 1}</span>"
    return f"<div style='{_CELL}'>{text + rank if side == 'A' else rank + text}</div>"


def _label(span: Evidence) -> str:
    """The answering sentence, or the beginning."""
    start, end = span.focus or (span.start, span.end)
    words = " ".join(span.text[start - span.start : end - span.start].split())
    return words if len(words) <= LABEL_CHARS else f"{words[:LABEL_CHARS].rstrip()} …"


def _picture(lines: Sequence[tuple[int, int]], height: int) -> str:
    """The lines as a picture that stretches to any width; an address that holds it, so nothing is fetched."""
    moved, stayed = f"stroke='{ACCENT}' stroke-width='2'", f"stroke='{GREY}' stroke-width='1.5' stroke-dasharray='4 4'"
    drawn = "".join(
        f"<line x1='2' y1='{(a + 0.5) * ROW_PX}' x2='98' y2='{(b + 0.5) * ROW_PX}' vector-effect='non-scaling-stroke'"
        f" {stayed if a == b else moved}/>"
        for a, b in lines
    )
    size = f"width='100' height='{height}' viewBox='0 0 100 {height}' preserveAspectRatio='none'"
    svg = f"<svg xmlns='http://www.w3.org/2000/svg' {size}>{drawn}</svg>"
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def change(at: int, other: int | None, side: str) -> str:
    """What became of a span from A to B, seen from one `side`; places count from 0."""
    if other is None:
        return "gone, not in B" if side == "A" else "new, not in A"
    if at == other:
        return f"= {other + 1} in {'B' if side == 'A' else 'A'}"
    if side == "A":
        return f"{'↑' if other < at else '↓'} to {other + 1} in B"
    return f"{'↑' if at < other else '↓'} from {other + 1} in A"


def span_list(spans: Sequence[Evidence], tokens: Sequence[int] | None, others: Sequence[int | None], side: str) -> str:
    """Spans best first, each with its place in the other list, its text, where it stands and how it was scored."""
    return "".join(_span(span, at, tokens[at] if tokens else None, others[at], side) for at, span in enumerate(spans))


def _span(span: Evidence, at: int, tokens: int | None, other: int | None, side: str) -> str:
    given = "for the model" if span.given else "for you alone"
    size = f"{len(span.text):,} characters" + (f" · {tokens:,} tokens" if tokens is not None else "")
    focus = (span.focus[0] - span.start, span.focus[1] - span.start) if span.focus else None
    place = html.escape(" › ".join(part for part in (span.name, span.location) if part))
    scores = f"score {span.score:.3f} · cosine {span.cosine:.3f} · BM25 {span.bm25:.2f}"
    by = f" · found by {' and '.join(span.channels)}" if span.channels else ""
    edge = f"2px solid {ACCENT}" if span.given else "2px dotted currentColor"
    small = f"{FIGURES};overflow-wrap:anywhere"
    return (
        f'<div style="border-left:{edge};padding-left:0.8rem;margin-bottom:1.1rem">'
        f'<div style="{small}"><b>{at + 1}</b> &nbsp;{change(at, other, side)} · {given} · {size}</div>'
        f"{passage(span.text, focus)}"
        f'<div style="{small};opacity:0.8">{place}</div><div style="{small};opacity:0.8">{scores}{html.escape(by)}</div></div>'
    )
