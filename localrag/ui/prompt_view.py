"""The messages of the chosen prompt, and the way to refresh one from the hub."""

from __future__ import annotations

import streamlit as st

from localrag.engine import Engine
from localrag.prompts.hub import HUB_API, prompt, refresh
from localrag.prompts.plan import SYSTEM
from localrag.ui.errors import show_errors
from localrag.ui.markup import plain


def prompt_view(engine: Engine, name: str) -> None:
    """Draw what the prompt says."""
    if name == "chat":
        st.caption("The model's own chat template, conversation and all. The instruction is:")
        st.code(SYSTEM, language=None, wrap_lines=True)
        return
    kept = engine.settings.data_dir / "prompts"
    found = prompt(name, kept)
    commit = f"commit {found.commit[:12]}" if found.commit else "shipped text, commit not verified"
    st.caption(f"From {plain(found.origin)} ({plain(commit)}). Each question stands alone, without the conversation before it.")
    for role, template in found.messages:
        st.code(f"{role}: {template}", language=None, wrap_lines=True)
    button = st.button(
        "Refresh from the hub", icon=":material/refresh:", help=f"Sends one request to {HUB_API}: the prompt's name."
    )
    if button:
        with show_errors():
            fresh = refresh(name, kept)
            st.caption(f"Refreshed: commit {plain(fresh.commit or 'unknown')}.")
