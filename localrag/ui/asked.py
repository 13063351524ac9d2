"""What was asked in this run: typed, clicked, or with documents that come along."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from localrag.chat.proof_first import PROOF_FIRST
from localrag.engine import Engine
from localrag.types import Conversation
from localrag.ui import state, talk_state
from localrag.ui.errors import show_errors
from localrag.ui.ingest import own_collection, upload_sources
from localrag.wording import counted

DRAWN_WITHIN_S = 0.5
"""From a question to its evidence in the page, no answer goes on; `running_turn` says when it is drawn."""


def take_question(engine: Engine, conversation: Conversation | None) -> talk_state.Asked:
    """Draw the field for questions; returns what is to be asked now and the files that came along.

    What was asked while an answer was being written is asked when that is finished.
    """
    given = st.chat_input(
        "Your question, or files",
        max_chars=20_000,
        accept_file="multiple",
        max_upload_size=engine.settings.documents.max_document_mb,
    )
    if given:
        PROOF_FIRST.hold(DRAWN_WITHIN_S)
        return given.text, given.files
    clicked = state.take_question()
    if clicked is None and conversation is not None and not _busy(engine, conversation):
        return talk_state.take_next(conversation.id)
    return clicked, ()


def _busy(engine: Engine, conversation: Conversation) -> bool:
    view = engine.answer(conversation.id)
    return view is not None and not view.finished


def ask(
    engine: Engine,
    conversation: Conversation | None,
    collection: str,
    document: str | None,
    asked: str | None,
    files: Sequence[UploadedFile],
    summary: str | None,
) -> str | None:
    """Ask it; returns the id of the conversation, None when nothing could be asked, which is said."""
    with show_errors():
        if files and not (asked or "").strip():
            _take_in(engine, conversation, collection, files)
            st.rerun()
        if conversation is not None and asked and _busy(engine, conversation):
            talk_state.keep_next(conversation.id, [*talk_state.next_questions(conversation.id), (asked, files)])
            return conversation.id
        conversation_id = conversation.id if conversation else engine.new_conversation(collection)
        if files:
            into = own_collection(collection)
            engine.attachments.ask(conversation_id, asked or "", upload_sources(files), into)
            _switch(conversation_id, into)
        else:
            engine.store.set_collection(conversation_id, collection)
            if summary:
                engine.summarise(conversation_id, summary)
            else:
                PROOF_FIRST.hold(DRAWN_WITHIN_S)
                engine.ask(conversation_id, asked or "", document=document)
        state.begin_conversation(conversation_id) if conversation is None else state.open_conversation(conversation_id)
        return conversation_id
    if asked:
        st.text(f"Not asked: {asked}")
    return conversation.id if conversation else None


def _take_in(engine: Engine, conversation: Conversation | None, collection: str, files: Sequence[UploadedFile]) -> None:
    """Take files in without a question; the chat is about their collection from now on."""
    into = own_collection(collection)
    engine.intake.start(into, upload_sources(files))
    if conversation is not None:
        engine.store.set_collection(conversation.id, into)
    state.notify(f"{counted(len(files), 'file')} on the way into {into}")
    _switch(conversation.id if conversation else "", into)


def _switch(conversation_id: str, collection: str) -> None:
    """Let the boxes above begin anew, with this collection and documents switched on."""
    state.choose_collection(collection)
    state.next_upload_round()
    state.pick_document(conversation_id, None)
