"""Choosing, making and deleting collections."""

from __future__ import annotations

from collections import Counter

import streamlit as st

from localrag.documents.collection_ledger import CollectionRecord
from localrag.engine import Engine
from localrag.library import MAX_NAME_CHARS
from localrag.settings import DEFAULT_COLLECTION, GUIDE_COLLECTION
from localrag.ui import state
from localrag.ui.collection_work import import_form, is_rebuilding, more
from localrag.ui.errors import show_errors
from localrag.ui.markup import plain
from localrag.ui.removal_view import rebuild
from localrag.wording import counted


def collection_bar(engine: Engine, names: list[str]) -> str:
    """Draw the collections in one line; returns the chosen one."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        made = {record.name for record in engine.library.collections()}
        first = GUIDE_COLLECTION if GUIDE_COLLECTION in made and DEFAULT_COLLECTION not in made else DEFAULT_COLLECTION
        chosen = state.collection(names, first)
        state.show_collection(chosen)
        st.selectbox("Collection", names, key=state.COLLECTION_BOX, on_change=state.take_collection, width=280)
        state.choose_collection(chosen)
        with st.popover("New", icon=":material/add:"):
            with st.form("new_collection", border=False, clear_on_submit=True):
                name = st.text_input("Name of the new collection", max_chars=MAX_NAME_CHARS)
                if st.form_submit_button("Make it"):
                    with show_errors():
                        state.choose_collection(engine.library.create_collection(name).name)
                        st.rerun()
            import_form(engine)
        known = engine.library.ledger.collection(chosen)
        if known is not None:
            more(engine, known)
    if known is not None:
        st.caption(f"{_inside(engine, known)} · embedding model {plain(known.embedding_name)}")
        _other_model(engine, known)
    return chosen


def _inside(engine: Engine, known: CollectionRecord) -> str:
    """What a collection holds, and what of the list below it is not among its documents or has no text."""
    kinds = Counter(record.status for record in engine.library.ledger.documents(known.id))
    parts = [
        counted(known.documents, "document") + f" ({kinds['empty']:,} without text)" * bool(kinds["empty"]),
        f"{kinds['failed']:,} could not be read" * bool(kinds["failed"]),
        counted(known.chunks, "chunk"),
    ]
    return " · ".join(part for part in parts if part)


def _other_model(engine: Engine, known: CollectionRecord) -> None:
    """The way out where a collection's vectors are those of another embedding model than the settings'."""
    model = engine.library.loaded_embeddings
    if model is None or model.identity == known.embedding or is_rebuilding(engine, known.name):
        return
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        other = "another version of " * (model.name == known.embedding_name)
        st.markdown(
            f":orange[:material/warning:] **{plain(known.name)}** was embedded with {other}{plain(known.embedding_name)}, and"
            f" the settings now say {plain(model.name)}. It cannot be searched or added to until it is embedded anew; no file"
            " is needed for that.",
            width="stretch",
        )
        st.button(
            f"Embed {counted(known.chunks, 'chunk')} with {plain(model.name)}",
            icon=":material/refresh:",
            key="embed_anew",
            on_click=rebuild,
            args=(engine, known.name),
        )
