"""Documents: what goes in, what is in, what went wrong."""

import streamlit as st

from localrag.settings import DEFAULT_COLLECTION
from localrag.ui import state
from localrag.ui.collections_view import collection_bar
from localrag.ui.documents_view import documents, empty_collection
from localrag.ui.errors import show_errors
from localrag.ui.folders_view import folders, start_keeping
from localrag.ui.ingest import ingest_strip, own_collection, start_place, start_uploads, uploader
from localrag.ui.page import open_page
from localrag.ui.removal_view import removal_report

st.set_page_config(layout="wide")
engine = open_page()
st.title("Documents", anchor=False)
with show_errors():
    names = sorted({DEFAULT_COLLECTION, *(record.name for record in engine.library.collections())})
    with st.container():
        collection = collection_bar(engine, names)

    into = own_collection(collection)
    if into != collection:
        st.caption(f"The guide stays as it is: what you add here goes into the collection “{into}”.")
    files = uploader(engine, "Drop files here", key=f"upload_{state.upload_round()}")
    if files:
        with show_errors(), st.spinner("Taking the files in"):
            start_uploads(engine, into, files)
            state.next_upload_round()
            state.choose_collection(into)
            st.rerun()
    with st.form("place", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        place = st.text_input(
            "A web address, or a folder on this machine",
            placeholder="https://example.org/page or /home/me/notes",
            help="An address is fetched when you press Add; addresses inside your network are refused unless allowed.",
            width=560,  # where this and the buttons do not fit side by side, the buttons stand below
        )
        added = st.form_submit_button("Add", icon=":material/add:")
        kept = st.form_submit_button(
            "Keep in sync", icon=":material/sync:", help="For a folder: its changes go in by themselves"
        )
    if (added or kept) and place.strip():
        with show_errors(), st.spinner("Looking there"):
            (start_keeping if kept else start_place)(engine, into, place)
            state.choose_collection(into)
            st.rerun()
    # Each part in a frame of its own: one that comes or goes moves no other, so nothing is drawn twice meanwhile.
    with st.container():
        ingest_strip(engine)
    with st.container():
        removal_report(engine)
    known = engine.library.ledger.collection(collection)
    with st.container():
        if known is not None:
            folders(engine, known)
    with st.container():
        if known is None:
            empty_collection(engine, collection)
        else:
            documents(engine, known)
