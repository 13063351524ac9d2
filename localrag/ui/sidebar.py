"""The sidebar of every page: new chat, the conversations, the way to the other pages."""

from __future__ import annotations

import streamlit as st

from localrag.engine import Engine
from localrag.ui import state
from localrag.ui.conversation_list import conversation_list


def sidebar(engine: Engine) -> None:
    """Draw it; a click opens a conversation or a page."""
    with st.sidebar:
        st.subheader("LocalRAG", anchor=False)
        if st.button("New chat", icon=":material/add:", width="stretch"):
            state.open_conversation(None)
            st.switch_page("pages/chat.py")
        conversation_list(engine)
        st.space("small")
        st.page_link("pages/chat.py", label="Chat", width="stretch")
        st.page_link("pages/documents.py", label="Documents", width="stretch")
        st.page_link("pages/model.py", label="Model", width="stretch")
        st.page_link("pages/lab.py", label="Lab", width="stretch")
        st.caption("Everything stays on this machine.")
