"""Tune for this machine: asked for here, measured by the engine, drawn as it goes, and used with one click."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st

from localrag.chat.prose import ACCENT
from localrag.engine import Engine
from localrag.tuning.jobs import TuneView, kept_copy
from localrag.tuning.points import Measured
from localrag.tuning.remembered import TuneResult
from localrag.tuning.sweep import TITLES
from localrag.tuning.told import changes, verdict
from localrag.ui import state
from localrag.ui.errors import show_errors
from localrag.ui.markup import plain
from localrag.ui.model_source import current_file

POLL_S = 0.5
HEIGHT_PX = 260
TRIED, BEFORE, NOTEBOOK, BEST = "tried", "the defaults", "the notebook's settings", "the best"
SHAPES = {
    TRIED: ("circle", "#808080", 60, 0.6),
    BEFORE: ("square", "#b8742a", 160, 0.95),
    NOTEBOOK: ("triangle-down", "#b8742a", 160, 0.95),
    BEST: ("diamond", ACCENT, 240, 0.95),
}
"""Shape, colour, size and opacity of each kind: told apart without colour."""
HELP = (
    "Threads, batch sizes, flash attention and KV cache types, measured by turns on a prompt as long as a question's."
    " What makes answers worse by more than 1 % (perplexity) is shown and not chosen."
)
COPIES_HELP = (
    "The same weights in another quantisation may be evaluated twice as fast. Copies are written one by one and deleted"
    " again; only the one that wins is kept, in the models folder."
)
HOW_LONG = (
    "About two minutes for a model such as the starter, three with copies, up to an hour for one of several GB. Questions asked"
    " meanwhile are answered afterwards."
)


def tune_model(engine: Engine) -> None:
    """Draw the tuning of the model that is in use."""
    path = current_file(engine)
    if engine.settings.model.llm in ("gpt4all", "llamafile", "server") or path is None:
        st.caption("Only a GGUF file that runs in this process through llama.cpp can be tuned. Choose one under Settings.")
    else:
        tune_view(engine, path)


def tune_view(engine: Engine, path: Path) -> None:
    """Draw the tuning of a model file: the button, how it goes, and what was found last."""
    st.header("Tune for this machine", anchor=False, help=HELP)
    job = engine.tunings.job
    if job is not None and not job.finished:
        _running(engine)
        return
    with show_errors():
        _asked(engine, path)
        own = job if job is not None and job.path == path.absolute() else None
        if own is not None:
            _ended_early(own.snapshot())
        result = engine.tunings.remembered(path)
        if result is not None:
            _outcome(engine, path, result)


def _asked(engine: Engine, path: Path) -> None:
    copies = st.checkbox("Also try requantised copies", key="w_tune_copies", help=COPIES_HELP, persist_state="session")
    if st.button("Tune", icon=":material/speed:", key="tune"):
        with show_errors():
            engine.tunings.start(path, engine.model_settings(), copies)
            st.rerun()
    st.caption(HOW_LONG)


@st.fragment(run_every=POLL_S)
def _running(engine: Engine) -> None:
    """How far it is, and the points so far; the page is drawn anew at the end."""
    job = engine.tunings.job
    if job is None or job.finished:
        st.rerun()
        return  # it has ended the run: this is for the type checker
    view = job.snapshot()
    with st.container(horizontal=True, vertical_alignment="center"):
        text = "Stopping" if view.cancelled else f"{job.path.name} · {view.text}"
        st.progress(view.share, text=plain(text))
        st.button("Cancel", key="cancel_tuning", icon=":material/close:", on_click=job.cancel, disabled=view.cancelled)
    if view.tried:
        st.dataframe(_rows(view.tried), hide_index=True, key="tuning_so_far")


def _ended_early(view: TuneView) -> None:
    if view.error:
        st.error(plain(view.error), icon=":material/error:")
    elif view.cancelled and view.result is None:
        st.caption("Cancelled. Nothing was changed.")


def _outcome(engine: Engine, path: Path, result: TuneResult) -> None:
    if result.warning:
        st.caption(f":material/warning: {plain(result.warning)}")
    for line in verdict(result):
        st.markdown(plain(line))
    _use(engine, path, result)
    st.vega_lite_chart(_plotted(result), _spec(), height=HEIGHT_PX, alt=_told(result))
    with st.expander("Every point that was measured"):
        st.dataframe(_rows(result.tried), hide_index=True, key="tuning_points")
        st.caption(
            "“felt” is the time of a typical answer beside that of the best so far, under 1 is faster: seconds before the first"
            " word count in full, those in which one reads a tenth."
        )
    st.caption(plain(f"Measured on {result.machine}, {result.finished[:10]}. {kept_copy(result)}".strip()))


def _use(engine: Engine, path: Path, result: TuneResult) -> None:
    """The one click: what it changes, and the way to do it."""
    choice = engine.tunings.best(path)
    now = engine.model_settings().model_dump()
    values = {} if choice is None else {n: v for n, v in choice.values(path).items() if now[n] != v}
    if st.button("Use the best", icon=":material/check:", key="use_tuning", disabled=not values):
        reloading = engine.apply(values)
        state.notify("The model is being loaded with the tuned settings." if reloading else "The tuned settings are in use.")
        st.rerun()
    if values:
        st.caption("It changes " + plain(", ".join(changes(now, values))) + ".")
    elif choice is not None:
        st.caption("These settings are in use.")


def _rows(tried: tuple[Measured, ...]) -> list[dict[str, Any]]:
    return [
        {
            "stage": TITLES[one.stage],
            "settings": one.point.told(),
            "note": one.error or one.note,
            "prompt tokens/s": round(one.prefill_rate, 1) if one.prefill else None,
            "answer tokens/s": round(one.generation_rate, 1) if one.generation_rate else None,
            "follow-up tokens/s": round(one.follow_up_rate, 1) if one.follow_up_rate else None,
            "perplexity": round(one.perplexity, 2) if one.perplexity else None,
            "felt": round(one.felt, 2) if one.felt else None,
        }
        for one in tried
    ]


def _plotted(result: TuneResult) -> dict[str, list[Any]]:
    """The points as columns, those that matter last: they are drawn over the others. Points without quality have no place."""
    placed = [(TRIED, one) for one in result.tried if one.stage != "check"]
    placed += [(BEFORE, result.before), *([(NOTEBOOK, result.notebook)] if result.notebook else []), (BEST, result.after)]
    placed = [(kind, one) for kind, one in placed if one.prefill and one.perplexity]
    return {
        "kind": [kind for kind, _ in placed],
        "x": [one.prefill_rate for _, one in placed],
        "y": [one.perplexity for _, one in placed],
        "size": [SHAPES[kind][2] for kind, _ in placed],
        "opacity": [SHAPES[kind][3] for kind, _ in placed],
        "settings": [one.point.told() for _, one in placed],
    }


def _told(result: TuneResult) -> str:
    return f"Speed against perplexity of {len(result.tried)} points. {' '.join(verdict(result))}"


def _spec() -> dict[str, Any]:
    """The chart in Vega-Lite: to the right is faster, down is better."""
    kinds = list(SHAPES)

    def scale(part: int) -> dict[str, Any]:
        return {"domain": kinds, "range": [SHAPES[kind][part] for kind in kinds]}

    legend = {"title": None, "orient": "top", "columns": 2, "symbolOpacity": 1, "symbolSize": 120}
    kind = {"field": "kind", "type": "nominal"}
    return {
        "mark": {"type": "point", "filled": True, "aria": False},  # the alternative text tells what it shows
        "encoding": {
            "x": {"field": "x", "type": "quantitative", "title": "prompt, tokens a second"},
            "y": {"field": "y", "type": "quantitative", "title": "perplexity", "scale": {"zero": False, "padding": 12}},
            "shape": {**kind, "scale": scale(0), "legend": legend},
            "color": {**kind, "scale": scale(1), "legend": legend},
            "size": {"field": "size", "type": "quantitative", "scale": None},
            "opacity": {"field": "opacity", "type": "quantitative", "scale": None},
            "tooltip": [{"field": "kind", "title": "is"}, {"field": "settings"}, {"field": "x"}, {"field": "y"}],
        },
    }
