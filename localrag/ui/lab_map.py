"""The map of a collection in the Lab: its passages as points, the question, and what both settings found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from localrag.chat.prose import ACCENT
from localrag.collection_map import CollectionMap, MapPoint, collection_map, evidence_points, question_place
from localrag.documents.collection_ledger import CollectionRecord
from localrag.engine import Engine
from localrag.types import Evidence
from localrag.wording import counted

HEIGHT_PX = 460
OTHER, IN_A, IN_B, IN_BOTH, QUESTION = "another passage", "found by A", "found by B", "found by both", "the question"
SHAPES = {
    OTHER: ("circle", "#808080", 22, 0.4),
    IN_A: ("triangle-up", ACCENT, 170, 0.95),
    IN_B: ("triangle-down", ACCENT, 170, 0.95),
    IN_BOTH: ("diamond", ACCENT, 200, 0.95),
    QUESTION: ("cross", "#b8742a", 300, 1.0),
}
"""Shape, colour, size and opacity of each kind: told apart without colour; 3:1 against both themes' backgrounds."""


def lab_map(engine: Engine, record: CollectionRecord, question: str, found: Sequence[Sequence[Evidence]]) -> None:
    """Draw the map where it is opened; closed, nothing of it is computed."""
    folded = st.expander("Map of the collection", icon=":material/scatter_plot:", key="lab_map", on_change="rerun")
    if not folded.open:
        return
    with folded:
        known = _map(engine, record, record.id, record.index_name, record.chunks, engine.library.ledger.changes())
        rows = _rows(engine, record, question, found, known)
        st.vega_lite_chart(rows, _spec(), height=HEIGHT_PX, alt=_told(rows["kind"]))
        shown, share = len(known.points), 100 * sum(known.plane.shares)
        of_all = "" if shown == known.chunks else f" {shown:,} of them, chosen by chance, and those that were found are drawn."
        st.caption(
            f"{counted(known.chunks, 'passage')}, those of similar meaning near each other as far as a plane can show it: its"
            f" two axes (principal components) hold {share:.0f} % of how the vectors differ.{of_all} Point at one to read its"
            " beginning."
        )


@st.cache_data(max_entries=4, show_spinner="Drawing the map")
def _map(
    _engine: Engine, _record: CollectionRecord, record_id: str, index_name: str, chunks: int, changes: tuple[int, int]
) -> CollectionMap:
    return collection_map(_engine.library, _record)


def _rows(
    engine: Engine, record: CollectionRecord, question: str, found: Sequence[Sequence[Evidence]], known: CollectionMap
) -> dict[str, list[Any]]:
    """The points as columns, those that matter last: they are drawn over the others."""
    of_a, of_b = ({p.chunk_id: p for at in evidence_points(engine.library, record, known.plane, f) for p in at} for f in found)
    placed: list[tuple[str, MapPoint]] = [(OTHER, p) for p in known.points if p.chunk_id not in of_a | of_b]
    for chunk_id, point in (of_a | of_b).items():
        kind = IN_BOTH if chunk_id in of_a and chunk_id in of_b else IN_A if chunk_id in of_a else IN_B
        placed.append((kind, point))
    placed.append((QUESTION, MapPoint("", *question_place(engine.library, known.plane, question), "", question)))
    return {
        "kind": [kind for kind, _ in placed],
        "x": [point.x for _, point in placed],
        "y": [point.y for _, point in placed],
        "size": [SHAPES[kind][2] for kind, _ in placed],
        "opacity": [SHAPES[kind][3] for kind, _ in placed],
        "document": [point.document for _, point in placed],
        "text": [point.beginning for _, point in placed],
    }


def _told(kinds: Sequence[str]) -> str:
    counts = [f"{counted(kinds.count(kind), 'passage')} {kind}" for kind in (IN_A, IN_B, IN_BOTH)]
    return f"The question among {counted(len(kinds) - 1, 'passage')}: {', '.join(counts)}"


def _spec() -> dict[str, Any]:
    """The chart in Vega-Lite; places mean nothing by themselves, so there are no axes."""
    kinds = list(SHAPES)

    def scale(part: int) -> dict[str, Any]:
        return {"domain": kinds, "range": [SHAPES[kind][part] for kind in kinds]}

    legend = {"title": None, "orient": "bottom", "columns": 2, "symbolOpacity": 1, "symbolSize": 120}
    kind = {"field": "kind", "type": "nominal"}
    place = {"type": "quantitative", "axis": None, "scale": {"zero": False, "padding": 14}}
    return {
        "mark": {"type": "point", "filled": True, "aria": False},  # the alternative text tells what it shows
        "encoding": {
            "x": {"field": "x", **place},
            "y": {"field": "y", **place},
            "shape": {**kind, "scale": scale(0), "legend": legend},
            "color": {**kind, "scale": scale(1), "legend": legend},
            "size": {"field": "size", "type": "quantitative", "scale": None},
            "opacity": {"field": "opacity", "type": "quantitative", "scale": None},
            "tooltip": [
                {"field": "kind", "title": "is"},
                {"field": "document", "title": "document"},
                {"field": "text", "title": "begins"},
            ],
        },
        "config": {"view": {"stroke": None}},
    }
