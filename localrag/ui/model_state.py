"""What the model is doing, in one line that keeps itself up to date."""

from __future__ import annotations

import streamlit as st

from localrag.engine import Engine
from localrag.ui.markup import plain

POLL_S = 0.3


def model_state(engine: Engine) -> None:
    """Draw the state; while a model is being loaded, until it is."""
    if engine.model_state.status == "loading":
        _loading(engine)
        return
    model = engine.model_state
    if model.status == "ready":
        st.caption(f":green[●] {plain(model.name)} is in use, with n_ctx {model.n_ctx:,}.")
        if engine.model_notice:
            st.caption(f":material/info: {plain(engine.model_notice)}")
    else:
        st.caption(":red[●] No model is in use.")
    if model.error:
        kept = " The model before it keeps working." if model.status == "ready" else ""
        with st.bottom:  # Apply stands there, and the top of the page may be scrolled away
            st.error(f"{plain(model.error)}{kept}", icon=":material/error:")


@st.fragment(run_every=POLL_S)
def _loading(engine: Engine) -> None:
    model = engine.model_state
    if model.status != "loading":
        st.rerun()
    st.caption(f":orange[●] Loading {plain(model.name)}")
