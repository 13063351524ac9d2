"""Choosing, making and deleting collections."""

from __future__ import annotations

import streamlit as st

from localrag.engine import Engine
from localrag.settings import DEFAULT_COLLECTION, GUIDE_COLLECTION
from localrag.ui import state
from localrag.ui.errors import show_errors
from localrag.ui.markup import plain


def collection_bar(engine: Engine, names: list[str]) -> str:
    """Draw the collections in one line; returns the chosen one."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        made = {record.name for record in engine.library.collections()}
        first = GUIDE_COLLECTION if GUIDE_COLLECTION in made and DEFAULT_COLLECTION not in made else DEFAULT_COLLECTION
        current = state.collection(names, first)
        chosen: str = st.selectbox("Collection", names, names.index(current), width=280)
        state.choose_collection(chosen)
        with st.popover("New", icon=":material/add:"), st.form("new_collection", border=False, clear_on_submit=True):
            name = st.text_input("Name of the new collection", max_chars=80)
            if st.form_submit_button("Make it"):
                with show_errors():
                    state.choose_collection(engine.library.create_collection(name).name)
                    st.rerun()
        known = engine.library.ledger.collection(chosen)
        if known is not None:
            with st.popover("Delete", icon=":material/delete:"):
                st.markdown(f"Delete **{plain(chosen)}** with {known.documents:,} documents and {known.chunks:,} chunks?")
                st.caption("Its texts and vectors are removed from this machine. Your own files and your chats stay.")
                if st.button("Delete the collection", type="primary"):
                    with show_errors():
                        engine.library.delete_collection(chosen)
                        state.choose_collection(DEFAULT_COLLECTION)
                        state.notify(f"The collection {chosen} was deleted.")
                        st.rerun()
    if known is not None:
        count = f"{known.documents:,} document{'s' * (known.documents != 1)}"
        st.caption(f"{count} · {known.chunks:,} chunks · embedding model {plain(known.embedding_name)}")
    return chosen
