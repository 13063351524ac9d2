"""One document of a collection to ask about, or to summarise."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from localrag.engine import Engine
from localrag.types import Conversation, DocumentRecord
from localrag.ui import state

ALL = "All documents"


@dataclass(frozen=True, slots=True)
class _Choice:
    """The box of documents: its options by id with their names, its key, and what it shows at first."""

    names: dict[str, str]
    key: str
    first: str | None


def _choice(engine: Engine, collection: str, conversation: Conversation | None) -> _Choice:
    known = engine.library.ledger.collection(collection) if collection else None
    records = [record for record in engine.library.ledger.documents(known.id) if record.chunks] if known else []
    at = conversation.id if conversation else ""
    picked = state.picked_document(at)
    if picked is None:
        picked = _read_last(conversation)
    names = _names(records)
    return _Choice(names, f"document_of_{at or 'new'}_{collection}", picked if picked in names else None)


def document_asked(engine: Engine, collection: str, conversation: Conversation | None) -> str | None:
    """The id of the document a question is asked about, as `document_bar` returns it, before that is drawn."""
    choice = _choice(engine, collection, conversation)
    if not choice.names:
        return None
    chosen: str | None = st.session_state.get(choice.key, choice.first)
    chosen = chosen if chosen in choice.names else None
    state.pick_document(conversation.id if conversation else "", chosen or "")
    return chosen


def document_bar(engine: Engine, collection: str, conversation: Conversation | None) -> str | None:
    """Draw the choice of one document, and what can be done with it; returns its id, None for all."""
    choice = _choice(engine, collection, conversation)
    if not choice.names:
        return None
    ids = sorted(choice.names, key=lambda identity: choice.names[identity].casefold())
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        chosen = st.selectbox(
            "Document",
            ids,
            None if choice.first is None else ids.index(choice.first),
            format_func=lambda identity: choice.names[identity],
            key=choice.key,
            placeholder=ALL,
            label_visibility="collapsed",
            width=340,
        )
        state.pick_document(conversation.id if conversation else "", chosen or "")
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
    """What each is called, its file's name with it: typing finds by both. Its source where two are called the same."""
    titles = [
        f"{record.title} · {record.name}" if record.title and record.name != record.title else record.name for record in records
    ]
    seen: dict[str, int] = {}
    for title in titles:
        seen[title] = seen.get(title, 0) + 1
    return {
        record.id: title if seen[title] == 1 else f"{title} ({record.source})"
        for record, title in zip(records, titles, strict=True)
    }
