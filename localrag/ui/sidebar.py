"""The sidebar of every page: new chat, the conversations, the way to the other pages."""

from __future__ import annotations

import datetime

import streamlit as st

from localrag.engine import Engine
from localrag.types import Conversation
from localrag.ui import state
from localrag.ui.markup import plain

SHOWN = 30


def sidebar(engine: Engine) -> None:
    """Draw it; a click opens a conversation or a page."""
    with st.sidebar:
        st.subheader("LocalRAG", anchor=False)
        if st.button("New chat", icon=":material/add:", width="stretch"):
            state.open_conversation(None)
            st.switch_page("pages/chat.py")
        conversations = engine.store.conversations()
        if conversations:
            wanted = st.text_input("Search chats", placeholder="Search chats", label_visibility="collapsed")
            _conversations([c for c in conversations if wanted.casefold() in c.title.casefold()])
        st.space("small")
        st.page_link("pages/chat.py", label="Chat", width="stretch")
        st.page_link("pages/documents.py", label="Documents", width="stretch")
        st.page_link("pages/model.py", label="Model", width="stretch")
        st.page_link("pages/lab.py", label="Lab", width="stretch")
        st.caption("Everything stays on this machine.")


def _conversations(conversations: list[Conversation]) -> None:
    heading = ""
    with st.container(gap=None, height=320 if len(conversations) > 8 else "content", border=False):
        for conversation in conversations[:SHOWN]:
            when = _when(conversation.updated)
            if when != heading:
                heading = when
                st.caption(heading)
            current = conversation.id == st.session_state.get("conversation_id")
            if st.button(
                plain(conversation.title),
                key=f"open_{conversation.id}",
                type="tertiary",
                icon=":material/chat_bubble:" if current else ":material/chat_bubble_outline:",
                wrap=False,
            ):
                state.open_conversation(conversation.id)
                st.switch_page("pages/chat.py")
    if len(conversations) > SHOWN:
        st.caption(f"and {len(conversations) - SHOWN} more: search for a word of the question")


def _when(updated: str) -> str:
    days = (datetime.datetime.now(datetime.UTC).date() - datetime.datetime.fromisoformat(updated).date()).days
    return "today" if days <= 0 else "yesterday" if days == 1 else "earlier"
