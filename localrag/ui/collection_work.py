"""What is done with a whole collection: rename, copy, export, import, rebuild, delete."""

from __future__ import annotations

from pathlib import Path

import platformdirs
import streamlit as st

from localrag.documents.collection_ledger import CollectionRecord
from localrag.engine import Engine
from localrag.errors import StoreError
from localrag.library import MAX_NAME_CHARS
from localrag.settings import DEFAULT_COLLECTION
from localrag.ui import state
from localrag.ui.errors import show_errors
from localrag.ui.markup import plain
from localrag.ui.removal_view import rebuild
from localrag.wording import counted


def more(engine: Engine, known: CollectionRecord) -> None:
    """Draw the ways to change, copy or delete the chosen collection."""
    with st.popover("More", icon=":material/more_horiz:", type="tertiary", width="content"):
        rename, copy, export, rest = st.tabs(["Rename", "Copy", "Export", "Rebuild or delete"])
        with rename:
            _rename(engine, known)
        with copy:
            _copy(engine, known)
        with export:
            _export(engine, known)
        with rest:
            _rebuild(engine, known)
            st.space("small")
            _delete(engine, known)


def _rename(engine: Engine, known: CollectionRecord) -> None:
    with st.form(f"rename_{known.id}", border=False):
        name = st.text_input("New name", known.name, max_chars=MAX_NAME_CHARS)
        st.caption("Conversations about it follow.")
        if st.form_submit_button("Rename"):
            with show_errors():
                state.choose_collection(engine.intake.rename(known.name, name, engine.store))
                st.rerun()


def _copy(engine: Engine, known: CollectionRecord) -> None:
    with st.form(f"copy_{known.id}", border=False):
        name = st.text_input("Name of the copy", f"{known.name[: MAX_NAME_CHARS - 5]} copy", max_chars=MAX_NAME_CHARS)
        st.caption("Texts and vectors are copied, so nothing is read or embedded again.")
        if st.form_submit_button("Copy"):
            with show_errors():
                engine.intake.copy(known.name, name)
                st.rerun()


def _export(engine: Engine, known: CollectionRecord) -> None:
    with st.form(f"export_{known.id}", border=False):
        place = st.text_input("Folder or file on this machine", platformdirs.user_downloads_dir())
        with_vectors = st.checkbox(
            "With vectors", True, help="Larger, but nothing is embedded again where the same embedding model is used."
        )
        with_paths = st.checkbox("With the folders the documents lay in", help="Off: whoever gets the file sees names only.")
        st.caption("One file with every text; the documents themselves are not in it.")
        if st.form_submit_button("Export"):
            with show_errors():
                engine.intake.export(known.name, _path(place), with_vectors, with_paths)
                st.rerun()


def import_form(engine: Engine) -> None:
    """Draw the way to make a collection of an exported file."""
    with st.form("import_collection", border=False):
        place = st.text_input("Or an exported file on this machine", placeholder="/home/me/notes.localrag")
        name = st.text_input("Its name here", placeholder="as in the file", max_chars=MAX_NAME_CHARS)
        if st.form_submit_button("Import"):
            with show_errors():
                path = _path(place)
                if not path.is_file():
                    raise StoreError(f"There is no file {place:.300}. Give the path of a file that was exported.")
                engine.intake.import_(path, name.strip())
                st.rerun()


def _path(place: str) -> Path:
    if not place.strip():
        raise StoreError("No file was named. Give the path of a file on this machine.")
    return Path(place.strip()).expanduser().absolute()


def _rebuild(engine: Engine, known: CollectionRecord) -> None:
    st.button(
        "Rebuild its vectors",
        icon=":material/refresh:",
        key="rebuild",
        disabled=not known.chunks or is_rebuilding(engine, known.name),
        help="Embeds every chunk anew from the text that is kept; no file is needed, and it can be searched meanwhile.",
        on_click=rebuild,
        args=(engine, known.name),
    )


def _delete(engine: Engine, known: CollectionRecord) -> None:
    st.markdown(f"Delete **{plain(known.name)}**?")
    st.caption("Its texts and vectors are removed from this machine, for good. Your own files and your chats stay.")
    # The tick belongs to this collection as it is now: what comes in meanwhile is in the label and asks anew.
    sure = st.checkbox(
        f"Yes: {counted(known.documents, 'document')} and {counted(known.chunks, 'chunk')} go",
        key=f"sure_{known.id}_{known.documents}_{known.chunks}",
    )
    if st.button("Delete the collection", icon=":material/delete:", key="delete_collection", disabled=not sure) and sure:
        with show_errors():
            engine.library.delete_collection(known.name)
            left = [record.name for record in engine.library.collections()]
            state.choose_collection(left[0] if left else DEFAULT_COLLECTION)
            state.notify(f"The collection {known.name} was deleted.")
            st.rerun()


def is_rebuilding(engine: Engine, name: str) -> bool:
    """Whether a job that is not finished embeds a collection anew."""
    return any(job.collection == name and job.what == "rebuild" and not job.finished for job in engine.intake.jobs)
