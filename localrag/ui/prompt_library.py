"""The library of prompts: fetch one from the hub, read it, change it, keep it; nothing is fetched unless asked."""

from __future__ import annotations

import streamlit as st

from localrag.engine import Engine
from localrag.prompts.hub import HUB_API, HUB_NAMES, HubPrompt
from localrag.prompts.library import CHAT
from localrag.ui import state
from localrag.ui.errors import show_errors
from localrag.ui.prompt_view import origin


def prompt_choice(engine: Engine) -> str:
    """The box of prompts; returns the name of the one picked."""
    names = [CHAT, *engine.formatting.prompts.names()]
    current = engine.settings.answer.prompt
    options = names if current in names else [*names, current]
    state.prepare_box(state.PROMPT_BOX, options, current)
    label = lambda name: "Conversation" if name == CHAT else name  # noqa: E731
    return str(st.selectbox("prompt", options, format_func=label, key=state.PROMPT_BOX))


def prompt_library(engine: Engine, name: str, found: HubPrompt | None) -> None:
    """Draw the way to more prompts: fetching one by name and commit, and editing the one that is picked."""
    with st.expander("Fetch and edit prompts", type="compact"):
        _fetch(engine)
        pulled = state.pulled_prompt()
        if pulled is not None:
            st.caption(f"{origin(pulled)} It takes {' and '.join(pulled.variables())}. Nothing is kept before you say so.")
            _editor(engine, pulled, "pulled")
        elif found is not None:
            _editor(engine, found, name)
            _delete(engine, name)


def _fetch(engine: Engine) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        reference = st.text_input(
            "from the LangChain hub", placeholder="owner/name or owner/name:commit", key="w_prompt_reference"
        )
        pressed = st.button(
            "Fetch",
            icon=":material/download:",
            disabled=not reference.strip(),
            help=f"Sends one request to {HUB_API}: the prompt's name and commit.",
            key="w_prompt_fetch",
        )
    if pressed:
        state.keep_pulled_prompt(None)
        with show_errors():
            state.keep_pulled_prompt(engine.formatting.prompts.pull(reference))


def _editor(engine: Engine, found: HubPrompt, key: str) -> None:
    commit = found.commit or ""
    messages = []
    for number, (role, template) in enumerate(found.messages):
        text = st.text_area(
            f"{role} message", template, height=180, key=f"w_prompt_text_{key}_{found.name}_{commit[:12]}_{number}"
        )
        messages.append((role, text))
    title = st.text_input("name", found.name, key=f"w_prompt_name_{key}_{found.name}_{commit[:12]}")
    with st.container(horizontal=True, gap="small"):
        if st.button("Keep", icon=":material/save:", disabled=not title.strip(), key="w_prompt_keep"):
            with show_errors():
                kept = engine.formatting.prompts.keep(found, title, messages)
                state.keep_pulled_prompt(None)
                state.show_in_box(state.PROMPT_BOX, kept.name)
                state.notify(f"The prompt {kept.name} is kept. Apply uses it.")
                st.rerun()
        if key == "pulled" and st.button("Put away", icon=":material/close:", key="w_prompt_away"):
            state.keep_pulled_prompt(None)
            st.rerun()


def _delete(engine: Engine, name: str) -> None:
    prompts = engine.formatting.prompts
    if name not in prompts.kept():
        return
    used = name == engine.settings.answer.prompt and name not in HUB_NAMES
    help_text = "It is in use: apply another one first." if used else None
    label = "Back to the shipped words" if name in HUB_NAMES else "Delete"
    if st.button(label, icon=":material/delete:", disabled=used, help=help_text, key="w_prompt_delete"):
        with show_errors():
            prompts.delete(name)
            state.show_in_box(state.PROMPT_BOX, engine.settings.answer.prompt)
            st.rerun()
