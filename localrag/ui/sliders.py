"""What the sliders of the Model page begin with."""

from __future__ import annotations

from typing import Any

import streamlit as st

_SLIDERS, _SLIDERS_APPLIED, _SLIDER_ROUND = "slider_values", "slider_values_applied", "slider_round"


def start_sliders(values: dict[str, Any] | None, applied: bool = False) -> None:
    """Let the sliders of the Model page begin anew: with these values, by the settings' names, or with what is in use.

    `applied` values are on their way into use: see `settle_sliders`.
    """
    st.session_state[_SLIDERS] = values or {}
    st.session_state[_SLIDERS_APPLIED] = applied
    st.session_state[_SLIDER_ROUND] = st.session_state.get(_SLIDER_ROUND, 0) + 1


def settle_sliders() -> None:
    """To be called once a model is in use: from now on new sliders begin with what is in use, not with what was applied."""
    if st.session_state.pop(_SLIDERS_APPLIED, False):
        st.session_state[_SLIDERS] = {}


def slider_start() -> dict[str, Any]:
    """The values the sliders begin with where these are not those in use."""
    found: dict[str, Any] = st.session_state.get(_SLIDERS, {})
    return found


def slider_key(name: str) -> str:
    """The key of a slider: another one after `start_sliders`, so that it takes its new value."""
    beginning = st.session_state.get(_SLIDER_ROUND, 0)
    return f"w_{name}_{beginning}" if beginning else f"w_{name}"
