"""What the chosen prompt says."""

from __future__ import annotations

import streamlit as st

from localrag.prompts.hub import HubPrompt
from localrag.prompts.plan import SYSTEM
from localrag.ui.markup import plain


def prompt_view(found: HubPrompt | None) -> None:
    """Draw a prompt's messages and where they come from; None is a conversation in the prompt format."""
    if found is None:
        st.caption("A conversation in the prompt format. The instruction is:")
        st.code(SYSTEM, language=None, wrap_lines=True)
        return
    st.caption(f"{origin(found)} Each question stands alone, without the conversation before it.")
    for role, template in found.messages:
        st.code(f"{role}: {template}", language=None, wrap_lines=True)


def origin(found: HubPrompt) -> str:
    """Where a prompt comes from, in a sentence."""
    commit = f"commit {found.commit[:12]}" if found.commit else "commit not verified"
    edited = ", edited here" if found.edited else ""
    return f"From {plain(found.origin)} ({plain(commit)}{edited})." if found.origin else "Written here."
