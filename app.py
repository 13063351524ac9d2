"""The page table. Started by `python -m localrag serve`."""

from pathlib import Path

import streamlit as st

# A file of ours: Streamlit fetches a Material icon for the browser tab from Google's servers.
st.set_page_config(page_title="LocalRAG", page_icon=str(Path(__file__).parent / "static" / "icon.png"))
st.navigation(
    [
        st.Page("pages/chat.py", title="Chat", icon=":material/chat:", default=True),
        st.Page("pages/documents.py", title="Documents", icon=":material/library_books:"),
        st.Page("pages/model.py", title="Model", icon=":material/tune:"),
        st.Page("pages/lab.py", title="Lab", icon=":material/science:"),
    ],
    position="hidden",
).run()
