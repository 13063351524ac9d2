"""Renaming, exporting and deleting a conversation."""

from __future__ import annotations

from functools import partial

import streamlit as st

from localrag.chat.export import Kind, file_name
from localrag.engine import Engine
from localrag.types import Conversation
from localrag.ui import state
from localrag.ui.errors import attempt

_KINDS: tuple[tuple[Kind, str, str], ...] = (
    ("html", "One web page", "text/html"),
    ("md", "Markdown", "text/markdown"),
    ("json", "JSON, with all branches", "application/json"),
)


def conversation_menu(engine: Engine, conversation: Conversation) -> None:
    """Draw the button that opens it; what is in it is drawn only then."""
    key = f"menu_{conversation.id}"
    with st.popover("More", icon=":material/more_horiz:", type="tertiary", key=key, on_change="rerun") as menu:
        if not menu.open:
            return
        title = f"w_title_{conversation.id}"
        st.text_input("Title", conversation.title, key=title, max_chars=200, on_change=_rename, args=(engine, conversation.id))
        export_buttons(engine, conversation, "menu")
        _deletion(engine, conversation)


def export_buttons(engine: Engine, conversation: Conversation, at: str) -> None:
    """A button for each kind of file; it is made when one is clicked."""
    st.caption("For somebody without LocalRAG, with answers, passages and settings")
    for kind, label, mime in _KINDS:
        st.download_button(
            label,
            partial(engine.conversations.export, conversation.id, kind),
            file_name(conversation, kind),
            mime,
            key=f"export_{at}_{kind}_{conversation.id}",
            type="tertiary",
            icon=":material/download:",
            on_click="ignore",
        )


def _deletion(engine: Engine, conversation: Conversation) -> None:
    """Delete, once that was said twice: there is no way back."""
    if state.deletion_asked() != conversation.id:
        st.button(
            "Delete chat",
            icon=":material/delete:",
            type="tertiary",
            on_click=state.ask_deletion,
            args=(conversation.id,),
        )
        return
    st.caption("All its questions and answers go for good, other versions included.")
    with st.container(horizontal=True, gap="small"):
        st.button("Delete for good", icon=":material/delete:", on_click=_delete, args=(engine, conversation.id))
        st.button("Keep", type="tertiary", on_click=state.ask_deletion, args=(None,))


def _rename(engine: Engine, conversation_id: str) -> None:
    attempt(engine.conversations.rename, conversation_id, st.session_state[f"w_title_{conversation_id}"])


def _delete(engine: Engine, conversation_id: str) -> None:
    state.ask_deletion(None)
    attempt(engine.delete_conversation, conversation_id)
    state.open_conversation(None)
