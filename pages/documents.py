"""Documents: what goes in, what is in, what went wrong."""

import streamlit as st

from localrag.settings import DEFAULT_COLLECTION
from localrag.ui import state
from localrag.ui.collections_view import collection_bar
from localrag.ui.documents_view import delete_documents, documents_table, preview, table_key
from localrag.ui.errors import show_errors
from localrag.ui.ingest import ingest_strip, start_place, start_uploads
from localrag.ui.markup import plain
from localrag.ui.page import open_page

st.set_page_config(layout="wide")
engine = open_page()
st.title("Documents", anchor=False)
with show_errors():
    names = sorted({DEFAULT_COLLECTION, *(record.name for record in engine.library.collections())})
    collection = collection_bar(engine, names)

    files = st.file_uploader(
        "Drop files here: text, Markdown or HTML", accept_multiple_files=True, key=f"upload_{state.upload_round()}"
    )
    if files:
        start_uploads(engine, collection, files)
        state.next_upload_round()
        st.rerun()
    with st.form("place", border=False, clear_on_submit=False), st.container(horizontal=True, vertical_alignment="bottom"):
        place = st.text_input(
            "A web address, or a folder on this machine",
            placeholder="https://example.org/page or /home/me/notes",
            help="An address is fetched when you press Add; addresses inside your network are refused unless allowed.",
        )
        added = st.form_submit_button("Add", icon=":material/add:")
    if added and place.strip():
        with show_errors():
            start_place(engine, collection, place)
            st.rerun()
    ingest_strip(engine)

    known = engine.library.ledger.collection(collection)
    records = engine.library.documents(collection) if known else []
    if not records and any(not job.finished for job in engine.intake.jobs):
        st.caption("The table appears when the documents are in.")
    elif not records:
        st.caption(
            f"The collection “{plain(collection)}” is empty. Add a file, an address or a folder, then ask about it in Chat."
        )
    else:
        chosen = documents_table(records, key=table_key(records))
        if chosen:
            with st.container(horizontal=True):
                label = f"Delete {len(chosen)} document{'s' * (len(chosen) > 1)}"
                ids = [record.id for record in chosen]
                help_text = "Removes text, chunks and vectors; your own file stays."
                st.button(
                    label, icon=":material/delete:", help=help_text, on_click=delete_documents, args=(engine, collection, ids)
                )
                if st.button("Ask about this collection", icon=":material/chat:"):
                    state.choose_collection(collection)
                    state.open_conversation(None)
                    st.switch_page("pages/chat.py")
            preview(engine, chosen[0])
        else:
            st.caption("Select a row to read its text, see its chunks, or delete it.")
