"""The two columns of settings in the Lab. They change what is compared here; Chat changes only when that is asked for."""

from __future__ import annotations

from typing import Any

import streamlit as st

from localrag.engine import Engine
from localrag.settings import RetrievalSettings, bounds, field_info
from localrag.ui import state
from localrag.ui.errors import show_errors

SIDES = ("A", "B")
FIELDS = ("vector_weight", "read_share", "least_share", "evidence_chars", "evidence_tokens", "k", "diversity")
SENTENCES_ONLY = frozenset({"read_share", "evidence_chars", "evidence_tokens"})
"""They choose sentences: with `k` whole passages are taken and these mean nothing."""
SHARE_STEP = 0.05
STEPS = {"evidence_chars": 100, "evidence_tokens": 50}
FIELD_PX = 165
"""Two fit beside each other on a phone."""


def label(name: str) -> str:
    """A setting's name as words."""
    return name.replace("_", " ")


def changes(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """What differs, as "vector weight 0.4 → 0.7"."""
    return [f"{label(name)} {before[name]:,} → {after[name]:,}" for name in FIELDS if before[name] != after[name]]


def chosen(engine: Engine, side: str) -> RetrievalSettings:
    """The settings of one side: at first what Chat uses."""
    values = state.lab_settings(side)
    if values is None:
        values = _of_chat(engine)
        state.keep_lab_settings(side, values)
    return engine.settings.with_values(values, "the Lab").retrieval


def _of_chat(engine: Engine) -> dict[str, Any]:
    return {name: getattr(engine.settings.retrieval, name) for name in FIELDS}


def controls(engine: Engine, side: str) -> None:
    """Draw the settings of one side, with what is different in Chat, and the ways to and from it."""
    values = {name: getattr(chosen(engine, side), name) for name in FIELDS}
    chat, defaults = _of_chat(engine), {name: field_info(name).default for name in FIELDS}
    st.header(side, anchor=False)
    with st.grid("auto", min_column_width=FIELD_PX, gap="small"):
        for name in FIELDS:
            _field(side, name, values[name], chat[name], disabled=bool(values["k"]) and name in SENTENCES_ONLY)
    pending = changes(chat, values)
    others = changes(defaults, values)
    with st.container(gap="xsmall"):  # a frame of its own: a line that comes or goes moves no button
        st.caption(
            f":material/edit: Other than in Chat: {', '.join(pending)}."
            if pending
            else ":material/check: As Chat searches now."
        )
        if others and others != pending:
            st.caption(f"Other than the defaults: {', '.join(others)}.")
    with st.container(horizontal=True, gap="small"):
        if st.button(f"Use {side} in Chat", key=f"use_{side}", icon=":material/chat:", disabled=not pending):
            with show_errors():
                engine.apply({name: values[name] for name in FIELDS if values[name] != chat[name]})
                state.notify(f"From the next question on Chat searches as {side}: {', '.join(pending)}.")
                st.rerun()
        _set(side, "As in Chat", chat, disabled=not pending)
        _set(side, "Defaults", defaults, disabled=values == defaults)


def _set(side: str, text: str, values: dict[str, Any], disabled: bool) -> None:
    st.button(
        text,
        key=f"set_{text}_{side}",
        type="tertiary",
        disabled=disabled,
        on_click=state.keep_lab_settings,
        args=(side, values),
        help="Moves the sliders here; Chat stays as it is.",
    )


def _field(side: str, name: str, value: Any, in_chat: Any, disabled: bool) -> None:
    low, high = bounds(name)
    key = state.show_lab_setting(side, name, value)
    text = label(name) if value == in_chat else f":material/edit: {label(name)}"
    common: dict[str, Any] = {
        "key": key,
        "help": field_info(name).description,
        "disabled": disabled,
        "on_change": state.take_lab_setting,
        "args": (side, name),
    }
    if name in STEPS:
        st.number_input(text, int(low or 0), int(high or 0), step=STEPS[name], **common)
    elif isinstance(value, float):
        st.slider(text, float(low or 0), float(high or 0), step=SHARE_STEP, **common)
    else:
        st.slider(text, int(low or 0), int(high or 0), step=1, **common)
