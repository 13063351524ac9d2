"""A collection's documents: filters, table, what can be done with the chosen ones, and the preview of the first."""

from __future__ import annotations

import hashlib

import streamlit as st

from localrag.documents.collection_ledger import CollectionRecord
from localrag.embeddings.prefixes import family
from localrag.engine import Engine
from localrag.errors import LocalRagError
from localrag.rereading import ask_anew
from localrag.types import DocumentRecord
from localrag.ui import state
from localrag.ui.document_choice import leave
from localrag.ui.document_preview import preview
from localrag.ui.documents_table import KINDS, ORDERS, SIGNS, Doubts, choose, columns, doubts, kinds, ordered, type_name
from localrag.ui.markup import plain
from localrag.ui.removal_view import confirm_removal

TABLE_PX = 420
SHORT_LIST = 8
"""So few rows need no frame that scrolls."""


@st.fragment
def documents(engine: Engine, collection: CollectionRecord) -> None:
    """Draw the documents; whatever is clicked here draws only this part of the page anew."""
    leave()
    records = engine.library.ledger.documents(collection.id)
    if not records:
        empty_collection(engine, collection.name)
        return
    doubted = doubts(records, collection.embedding_name, _languages(engine, collection))
    with st.container():
        shown = _filtered(records, doubted)
    if not shown:
        st.caption("No document is like that. Widen the filter.")
        return
    with st.container():
        chosen = _table(shown, doubted)
    if not chosen:
        state.ask_removal(False)
        st.caption("Tick a row to read its text, see its chunks, read it again, or delete it.")
        return
    _actions(engine, collection.name, chosen)
    preview(engine, chosen[0], doubted)
    if len(chosen) > 1:
        st.caption(f"The first of {len(chosen):,} chosen documents.")


def _languages(engine: Engine, collection: CollectionRecord) -> frozenset[str] | None:
    """What the collection's embedding model knows, by what is in memory or by its name; nothing is loaded for this."""
    loaded = engine.library.loaded_embeddings
    if loaded is not None and loaded.identity == collection.embedding:
        return loaded.languages
    return family(collection.embedding_name).languages


def _filtered(records: list[DocumentRecord], doubted: Doubts) -> list[DocumentRecord]:
    """Draw the filters; returns what they let through, in the chosen order."""
    orders = list(ORDERS)
    if len(records) < 2:
        return records
    counts = kinds(records, doubted)
    types = sorted({type_name(record) for record in records})
    with st.container(horizontal=True, vertical_alignment="bottom"):
        words = st.text_input("Find", type="search", placeholder="name, title or source", key="filter_words", live=True)
        wanted_type = None
        if len(types) > 1:
            wanted_type = st.selectbox("Type", types, None, placeholder="all types", key="filter_type", width=150)
        order = st.selectbox("Order", orders, key="filter_order", width=180)
    wanted: list[str] = []
    names = [name for name in KINDS if counts[name]]
    if len(names) > 1:
        wanted = st.pills(
            "Status",
            names,
            selection_mode="multi",
            format_func=lambda name: f"{SIGNS[name]} {name} {counts[name]:,}",
            label_visibility="collapsed",
            key="filter_status_" + "_".join(names),
        )
    shown = ordered(choose(records, words or "", wanted, wanted_type, doubted), order, doubted)
    if len(shown) < len(records):
        st.caption(f"{len(shown):,} of {len(records):,} documents")
    return shown


def _table(records: list[DocumentRecord], doubted: Doubts) -> list[DocumentRecord]:
    """Draw the rows; returns the ticked ones, which stay ticked when the list changes."""
    remembered = state.chosen_documents()
    ticked = [row for row, record in enumerate(records) if _identity(record) in remembered]
    event = st.dataframe(
        columns(records, doubted),
        height=TABLE_PX if len(records) > SHORT_LIST else "content",
        hide_index=True,
        key=table_key(records),
        on_select="rerun",
        selection_mode="multi-row",
        selection_default={"selection": {"rows": ticked}} if ticked else None,
        placeholder="",
        alt="Documents of the collection",
        column_config={
            "status": st.column_config.TextColumn(width=120),
            "title": st.column_config.TextColumn(width="medium"),
            "source": st.column_config.TextColumn(width="medium"),
            "type": st.column_config.TextColumn(width=80),
            "language": st.column_config.TextColumn(width=90),
            "pages": st.column_config.NumberColumn(format="localized", width=70),
            "chunks": st.column_config.NumberColumn(format="localized", width=80),
            "characters": st.column_config.NumberColumn(format="localized", width=100),
            "added": st.column_config.TextColumn(width=130),
            "reason": st.column_config.TextColumn(width="medium"),
        },
    )
    chosen = [records[row] for row in event["selection"]["rows"] if row < len(records)]
    state.choose_documents([_identity(record) for record in chosen])
    return chosen


def _identity(record: DocumentRecord) -> str:
    """What names a document in every list: failed ones have no id of their own."""
    return f"failed:{record.source}" if record.status == "failed" else record.id


def table_key(records: list[DocumentRecord]) -> str:
    """A key of this very list in this very order: a row chosen in an older list must not point into a newer one."""
    return hashlib.sha256("".join(f"{_identity(record)}{record.added}" for record in records).encode()).hexdigest()[:16]


def _actions(engine: Engine, collection: str, chosen: list[DocumentRecord]) -> None:
    count = f"{len(chosen):,} document{'s' * (len(chosen) > 1)}"
    with st.container(horizontal=True):
        if st.button("Ask about this collection", icon=":material/chat:"):
            state.choose_collection(collection)
            state.open_conversation(None)
            st.switch_page("pages/chat.py")
        again = st.button(
            f"Read {count} again",
            icon=":material/refresh:",
            help="From the file or the address, also when it has not changed",
        )
        if again:
            _read_again(engine, collection, chosen)
            st.rerun()
        st.button(
            f"Delete {count}",
            icon=":material/delete:",
            help="Says first what is removed",
            key="delete",
            on_click=state.ask_removal,
            args=(True,),
        )
    if state.removal_asked():
        confirm_removal(engine, collection, chosen)


def _read_again(engine: Engine, collection: str, chosen: list[DocumentRecord]) -> None:
    try:
        sources, lost = ask_anew(engine.library, collection, chosen)
        if sources:
            engine.intake.start(collection, sources)
    except LocalRagError as exc:
        state.notify(str(exc))
        return
    if lost:
        names = ", ".join(record.name for record in lost[:3]) + (f" and {len(lost) - 3} more" if len(lost) > 3 else "")
        state.notify(f"Uploaded files are not kept, so these cannot be read again: {names}. Drop them here once more.")


def empty_collection(engine: Engine, name: str) -> None:
    """What stands where there are no documents yet."""
    if any(not job.finished for job in engine.intake.jobs):
        st.caption("The table appears when the documents are in.")
    else:
        st.caption(f"The collection “{plain(name)}” is empty. Add a file, an address or a folder, then ask about it in Chat.")
