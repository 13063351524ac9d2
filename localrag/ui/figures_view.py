"""Figures of the model at work: memory now, and how its answers went."""

from __future__ import annotations

from collections.abc import Sequence

import psutil
import streamlit as st

from localrag.chat.prose import ACCENT
from localrag.chat.store import AnswerFigures
from localrag.engine import Engine
from localrag.errors import LocalRagError
from localrag.models.catalogue import header_of
from localrag.models.memory import estimate_memory, format_bytes
from localrag.ui.errors import show_errors
from localrag.ui.model_source import current_file

POLL_S = 1.0
PLOTTED = {"generation": "generation_rate", "prompt": "prefill_rate"}
HEIGHT_PX = 160
_SPEC = {
    # The alternative text says what it shows; its parts have no names of their own.
    "mark": {"type": "line", "color": ACCENT, "aria": False, "point": {"color": ACCENT, "filled": True, "aria": False}},
    "encoding": {
        "x": {"field": "answer", "type": "quantitative", "axis": {"tickMinStep": 1, "grid": False}},
        "y": {"field": "rate", "type": "quantitative", "title": None},
        "tooltip": [{"field": "answer"}, {"field": "rate", "format": ",.1f", "title": "tokens/s"}],
    },
}


@st.fragment(run_every=POLL_S)
def memory_now(engine: Engine) -> None:
    """Draw what the process and the KV cache hold, kept up to date."""
    with show_errors():
        state, cached = engine.model_state, engine.cached_tokens
        with st.container(horizontal=True, gap="medium"):
            st.metric("Memory of the app", format_bytes(psutil.Process().memory_info().rss), width="content")
            if state.status == "ready":
                st.metric("Tokens in the KV cache", f"{cached:,} of {state.n_ctx:,}", width="content")
                kv = _kv_bytes(engine)
                if kv:
                    st.metric("Memory of the KV cache", f"{format_bytes(kv * cached // state.n_ctx)} of {format_bytes(kv)}")


def _kv_bytes(engine: Engine) -> int:
    """What the whole window's cache takes; 0 where that is not known."""
    path = current_file(engine)
    if path is None or engine.settings.model.llm not in ("llamacpp", "gpt4all"):
        return 0
    try:
        return estimate_memory(header_of(path), engine.settings.model).kv
    except LocalRagError:  # replaced since it was loaded: the page says so where it is chosen
        return 0


def figures(engine: Engine) -> None:
    """Draw memory, the last answer's figures and the history of each model."""
    memory_now(engine)
    answers = engine.store.history()
    if not answers:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.caption("No answer was measured yet. Ask something, and its figures stand here.", width="content")
            st.page_link("pages/chat.py", label="Chat", icon=":material/chat:")
        return
    models = list(dict.fromkeys(answer.model for answer in reversed(answers)))
    model = st.selectbox("Model", models, key="figures_model") if len(models) > 1 else models[0]
    of_model = [answer for answer in answers if answer.model == model]
    _last(of_model[-1])
    _history(of_model)


def _last(answer: AnswerFigures) -> None:
    st.header("Last answer", anchor=False)
    reused = answer.prompt_tokens - answer.evaluated_tokens
    with st.container(horizontal=True, gap="medium"):
        st.metric("Prompt", f"{answer.prefill_rate:,.0f} tokens/s", width="content")
        st.metric("Generation", f"{answer.generation_rate:,.0f} tokens/s", width="content")
        st.metric("First token", f"{answer.first_token_s:.2f} s", width="content")
        st.metric("Evaluated, reused", f"{answer.evaluated_tokens:,}, {reused:,}", width="content")


def _history(answers: Sequence[AnswerFigures]) -> None:
    st.header("History", anchor=False, help="Tokens per second of the last answers, the newest at the right")
    for name, field in PLOTTED.items():
        rates = [getattr(answer, field) for answer in answers]
        st.caption(f"{name}, tokens/s")
        rows = {"answer": list(range(1, len(rates) + 1)), "rate": rates}
        st.vega_lite_chart(rows, _SPEC, height=HEIGHT_PX, alt=f"{name} rate of the last {len(rates)} answers")
