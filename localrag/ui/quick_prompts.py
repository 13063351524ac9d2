"""A few questions to click: about the documents, or about the one that is picked."""

from __future__ import annotations

import streamlit as st

from localrag.settings import GUIDE_COLLECTION
from localrag.ui import state

OF_GUIDE = ("Where is my data kept?", "How do I stop an answer?", "When is a web page fetched?")
OF_DOCUMENT = ("What are the key points?", "Which names and dates does it give?", "What does it recommend?")
OF_COLLECTION = ("What are these documents about?", "Which problems are described?", "What is recommended?")


def quick_prompts(collection: str, document: str | None) -> None:
    """Draw them; a click asks, or has the picked document summarised."""
    if not collection:
        return
    prompts = OF_DOCUMENT if document else OF_GUIDE if collection == GUIDE_COLLECTION else OF_COLLECTION
    with st.container(horizontal=True):
        if document:
            st.button(
                "Summarise this document",
                key="prompt_summary",
                icon=":material/summarize:",
                on_click=state.ask_summary,
                args=(document,),
            )
        for number, text in enumerate(prompts):
            st.button(text, key=f"sample_{number}", on_click=state.ask, args=(text,))
