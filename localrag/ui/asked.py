"""What was asked in this run: typed, clicked, or with documents that come along."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from localrag.chat.proof_first import PROOF_FIRST
from localrag.chat.waiting import Asked
from localrag.documents.source import Source
from localrag.engine import Engine
from localrag.types import Conversation
from localrag.ui import state
from localrag.ui.errors import show_errors
from localrag.ui.ingest import own_collection, upload_sources
from localrag.wording import counted

DRAWN_WITHIN_S = 0.5
"""From a question to its evidence in the page, no answer goes on; `running_turn` says when it is drawn."""


def take_question(engine: Engine, conversation: Conversation | None, or_waiting: bool) -> Asked | None:
    """Draw the field for questions; returns what is to be asked now, if anything is.

    With `or_waiting` that may be what was asked while an answer was being written, once that is finished.
    """
    given = st.chat_input(
        "Your question, or files",
        accept_file="multiple",
        max_upload_size=engine.settings.documents.max_document_mb,
    )
    if given:
        if not _busy(engine, conversation):
            PROOF_FIRST.hold(DRAWN_WITHIN_S)
        return Asked(given.text or "", tuple(upload_sources(given.files)))
    clicked = state.take_question()
    if clicked is not None:
        return Asked(clicked)
    if or_waiting and conversation is not None and not _busy(engine, conversation):
        return engine.next_questions.take(conversation.id)
    return None


def _busy(engine: Engine, conversation: Conversation | None) -> bool:
    view = engine.answer(conversation.id) if conversation is not None else None
    return view is not None and not view.finished


def _waits(engine: Engine, conversation: Conversation) -> bool:
    """Whether a question has to wait: for an answer, or for others that were asked before it."""
    return _busy(engine, conversation) or bool(engine.next_questions.of(conversation.id))


def ask(
    engine: Engine,
    conversation: Conversation | None,
    collection: str,
    document: str | None,
    asked: Asked,
    summary: str | None,
) -> tuple[str | None, bool]:
    """Ask it, or let it wait for the answer that is being written; returns the id of the conversation, None when there is
    none, and whether it could be asked. Why it could not is said.
    """
    question, sources = asked.text, asked.sources
    with show_errors():
        if sources and not question.strip():
            _take_in(engine, conversation, collection, sources)
            st.rerun()
        if conversation is not None and question and not asked.waited and _waits(engine, conversation):
            engine.next_questions.keep(conversation.id, Asked(question, sources, True, collection, document))
            return conversation.id, True
        conversation_id = conversation.id if conversation else engine.new_conversation(collection)
        if sources:
            into = own_collection(collection)
            engine.attachments.ask(conversation_id, question, sources, into)
            _switch(conversation_id, into)
        else:
            engine.store.set_collection(conversation_id, collection)
            if summary:
                engine.summarise(conversation_id, summary)
            else:
                PROOF_FIRST.hold(DRAWN_WITHIN_S)
                engine.ask(conversation_id, question, document=document)
        state.begin_conversation(conversation_id) if conversation is None else state.open_conversation(conversation_id)
        return conversation_id, True
    PROOF_FIRST.hold(0.0)
    if question:
        st.text(f"Not asked: {question}")
    return conversation.id if conversation else None, False


def _take_in(engine: Engine, conversation: Conversation | None, collection: str, sources: Sequence[Source]) -> None:
    """Take files in without a question; the chat is about their collection from now on."""
    into = own_collection(collection)
    engine.intake.start(into, sources)
    if conversation is not None:
        engine.store.set_collection(conversation.id, into)
    state.notify(f"{counted(len(sources), 'file')} on the way into {into}")
    _switch(conversation.id if conversation else "", into)


def _switch(conversation_id: str, collection: str) -> None:
    """Let the boxes above begin anew, with this collection and documents switched on."""
    state.choose_collection(collection)
    state.next_upload_round()
    state.pick_document(conversation_id, None)
