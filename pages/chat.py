"""Chat: the proof first, then the prose."""

import streamlit as st

from localrag.settings import DEFAULT_COLLECTION, GUIDE_COLLECTION
from localrag.ui import state
from localrag.ui.chat_top import chat_top, welcome
from localrag.ui.document_choice import document_bar
from localrag.ui.errors import show_errors
from localrag.ui.page import open_page
from localrag.ui.turns import finished_turn, running_turn

st.set_page_config(layout="centered")
engine = open_page()
with show_errors():
    conversation_id = state.conversation_id()
    conversation = engine.store.find(conversation_id) if conversation_id else None
    names = [record.name for record in engine.library.collections()]
    fallback = next((name for name in (DEFAULT_COLLECTION, GUIDE_COLLECTION) if name in names), "")
    fallback = conversation.collection if conversation and conversation.collection in names else fallback
    collection = chat_top(engine, names, fallback, conversation)
    document = document_bar(engine, collection, conversation)
    if conversation_id and conversation is None:
        st.caption("This conversation was deleted. Ask something to start a new one.")
        state.open_conversation(None)

    asked = st.chat_input("Your question", max_chars=20_000) or state.take_question()
    summary = state.take_summary()
    if conversation is None and not asked and not summary:
        welcome(engine, collection)
    if asked or summary:
        with show_errors():
            conversation_id = conversation.id if conversation else engine.new_conversation(collection)
            engine.store.set_collection(conversation_id, collection)
            if summary:
                engine.summarise(conversation_id, summary)
            elif asked:
                engine.ask(conversation_id, asked, document=document)
            state.begin_conversation(conversation_id) if conversation is None else state.open_conversation(conversation_id)
            asked = None
        if asked:
            st.text(f"Not asked: {asked}")
        conversation = engine.store.find(conversation_id) if conversation_id else None

    if conversation is not None:
        view = engine.answer(conversation.id)
        running = view if view is not None and not view.finished else None
        for turn in conversation.turns:
            if running is None or turn.id != running.turn.id:
                finished_turn(engine, turn)
        if running is not None:
            running_turn(engine, conversation.id, running)
