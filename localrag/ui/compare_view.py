"""Two models or two settings on one question and the same passages, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st

from localrag.chat.comparison import Comparison, ComparisonJob, SideAnswer
from localrag.chat.comparison_picture import comparison_svg, side_figures
from localrag.chat.prose import FIGURES, answer
from localrag.engine import Engine
from localrag.settings import DEFAULT_COLLECTION
from localrag.ui.errors import show_errors
from localrag.ui.markup import plain
from localrag.ui.model_source import current_file

POLL_S = 0.3
SIDES = ("A", "B")
WITHOUT = "without documents"
DOING = {"waiting": "Waiting for the answers before", "loading": "Loading the model", "answering": "Answering", "done": "Done"}


def compare(engine: Engine) -> None:
    """Draw what is asked, both sides' settings, the comparison that runs, and those that are kept."""
    names = [record.name for record in engine.library.collections() if record.chunks]
    with st.form("compare", border=False):
        question = st.text_input("Question", placeholder="Both get this question and the same passages", key="compare_question")
        fallback = names.index(DEFAULT_COLLECTION) if DEFAULT_COLLECTION in names else 0
        collection = st.selectbox("Collection", [*names, WITHOUT], fallback, key="compare_collection", width=300)
        columns = st.columns(2, gap="large")
        sides = []
        for column, side in zip(columns, SIDES, strict=True):
            with column:
                sides.append(_side(engine, side))
        asked = st.form_submit_button("Compare", icon=":material/compare_arrows:")
    st.caption("One model after the other is loaded; the one in use now is back at the end, and Chat waits meanwhile.")
    if asked:
        with show_errors():
            where = "" if collection == WITHOUT else collection
            engine.comparisons.start(question, where, sides, engine.settings, engine.token_counter())
    job = engine.comparisons.job
    if job is not None and not job.finished:
        _running(engine, job)
    _kept(engine)


def _side(engine: Engine, side: str) -> dict[str, Any]:
    """One side's settings; returns what differs from those in use."""
    settings, starter = engine.settings, current_file(engine)
    files = [entry.path for entry in engine.models() if entry.kind == "chat"]
    options = list(dict.fromkeys([*([starter] if starter else []), *files]))
    values: dict[str, Any] = {}
    st.header(side, anchor=False)
    if options and settings.model.llm not in ("server", "fake"):
        file: Path = st.selectbox("Model", options, format_func=lambda path: path.name, key=f"compare_model_{side}")
        if file != starter:
            values["model_path"] = file
    temperature = st.number_input("temperature", 0.0, 2.0, settings.answer.temperature, 0.1, key=f"compare_temperature_{side}")
    tokens = st.number_input("max tokens", 16, 4096, min(settings.answer.max_tokens, 4096), 16, key=f"compare_tokens_{side}")
    presets = engine.presets.names()
    if presets:
        preset = st.selectbox("Preset", ["none", *presets], key=f"compare_preset_{side}", help="In place of what stands above")
        if preset != "none":
            return values | engine.presets.get(preset)
    if temperature != settings.answer.temperature:
        values["temperature"] = temperature
    if tokens != settings.answer.max_tokens:
        values["max_tokens"] = int(tokens)
    return values


@st.fragment(run_every=POLL_S)
def _running(engine: Engine, job: ComparisonJob) -> None:
    if job.finished:
        st.rerun()
        return
    at = SIDES[min(len(job.answers), len(SIDES) - 1)]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"{at} · {DOING[job.state]}", width="content")
        st.button("Cancel", key="cancel_comparison", icon=":material/close:", on_click=engine.comparisons.cancel)
    if job.text:
        st.html(answer(job.text))


def _kept(engine: Engine) -> None:
    kept = engine.comparisons.kept()
    if not kept:
        st.caption("Comparisons are kept here, to be read again or saved as a picture. There is none yet.")
        return
    titles = {one.id: f"{one.made[:16].replace('T', ' ')} · {one.question[:70]}" for one in kept}
    chosen = st.selectbox("Kept comparisons", list(titles), format_func=titles.__getitem__, key=f"compare_kept_{kept[0].id}")
    _drawn(next(one for one in kept if one.id == chosen))
    with st.container(horizontal=True):
        one = next(one for one in kept if one.id == chosen)
        st.download_button(
            "As a picture",
            lambda: comparison_svg(one),
            "comparison.svg",
            "image/svg+xml",
            icon=":material/image:",
            type="tertiary",
            on_click="ignore",
        )
        if st.button("Delete", icon=":material/delete:", type="tertiary", key="delete_comparison"):
            engine.comparisons.delete(chosen)
            st.rerun()


def _drawn(comparison: Comparison) -> None:
    for column, side in zip(st.columns(2, gap="large"), comparison.sides, strict=False):
        with column:
            _answer(side)
    given = [span for span in comparison.evidence if span.given]
    if given:
        with st.expander(f"What both were given, {len(given)}", icon=":material/format_quote:"):
            for span in given:
                st.caption(plain(" › ".join(part for part in (span.name, span.location) if part)))
                st.text(span.text)


def _answer(side: SideAnswer) -> None:
    st.markdown(f"**{plain(side.model)}**")
    changed = ", ".join(f"{name} {value}" for name, value in side.changed.items() if name != "model_path")
    if changed:
        st.caption(plain(changed))
    for line in side_figures(side):
        st.html(f"<div style='{FIGURES}'>{line}</div>")
    if side.error:
        st.error(plain(side.error), icon=":material/error:")
    elif side.answer:
        st.html(answer(side.answer, side.sentences))
    else:
        st.caption("The model wrote nothing.")
