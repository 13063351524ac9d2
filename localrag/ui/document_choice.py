"""One document of a collection to ask about, or to summarise."""

from __future__ import annotations

import streamlit as st

from localrag.engine import Engine
from localrag.types import Conversation, DocumentRecord
from localrag.ui import state

ALL = "All documents"


def document_bar(engine: Engine, collection: str, conversation: Conversation | None) -> str | None:
    """Draw the choice of one document, and what can be done with it; returns its id, None for all."""
    known = engine.library.ledger.collection(collection) if collection else None
    records = [record for record in engine.library.ledger.documents(known.id) if record.chunks] if known else []
    if not records:
        return None
    by_id = {record.id: record for record in records}
    names = _names(records)
    at = conversation.id if conversation else ""
    ids = sorted(by_id, key=lambda identity: names[identity].casefold())
    picked = state.picked_document(at)
    if picked is None:
        picked = _read_last(conversation)
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        chosen = st.selectbox(
            "Document",
            ids,
            ids.index(picked) if picked in by_id else None,
            format_func=lambda identity: names[identity],
            key=f"document_of_{at or 'new'}_{collection}",
            placeholder=ALL,
            label_visibility="collapsed",
            width=340,
        )
        state.pick_document(at, chosen or "")
        if chosen is None:
            return None
        st.button(
            "Summarise",
            icon=":material/summarize:",
            type="tertiary",
            help="Goes through the whole document in its order; a long one part by part",
            on_click=state.ask_summary,
            args=(chosen,),
        )
    return str(chosen)


def _read_last(conversation: Conversation | None) -> str | None:
    """The document that the last turn read whole, or part by part: it is still picked after a reload."""
    last = conversation.turns[-1].evidence if conversation and conversation.turns else ()
    return last[0].document_id if last and not {"whole", "part"}.isdisjoint(last[0].channels) else None


def ask_about(record: DocumentRecord) -> None:
    """Draw the way from a document to a question about it."""
    st.button(
        "Ask about this document",
        icon=":material/chat:",
        key=f"ask_{record.id}",
        on_click=_go_and_ask,
        args=(record.collection, record.id),
    )


def _go_and_ask(collection: str, document_id: str) -> None:
    state.choose_collection(collection)
    state.open_conversation(None)
    state.pick_document("", document_id)
    state.leave_for_chat()


def leave() -> None:
    """Go to Chat if that was asked for: before this part of the page draws anything that would reach the next page."""
    if state.take_leave():
        st.switch_page("pages/chat.py")


def _names(records: list[DocumentRecord]) -> dict[str, str]:
    """What each is called, with its source where two are called the same."""
    titles = [record.title or record.name for record in records]
    seen: dict[str, int] = {}
    for title in titles:
        seen[title] = seen.get(title, 0) + 1
    return {
        record.id: title if seen[title] == 1 else f"{title} ({record.source})"
        for record, title in zip(records, titles, strict=True)
    }
