"""Chat: the proof first, then the prose. So what was asked is asked before anything else of the page is drawn."""

import streamlit as st

from localrag.settings import DEFAULT_COLLECTION, GUIDE_COLLECTION
from localrag.ui import state
from localrag.ui.asked import ask, take_question
from localrag.ui.chat_top import chat_top, collection_asked, welcome
from localrag.ui.document_choice import document_asked, document_bar
from localrag.ui.errors import draw_error, show_errors
from localrag.ui.page import open_page
from localrag.ui.sidebar import sidebar
from localrag.ui.talk import talk

st.set_page_config(layout="centered")
engine = open_page(with_sidebar=False)
top, body = st.container(), st.container()
names: list[str] = []
conversation_id, conversation, fallback, new = None, None, "", False
with show_errors():
    conversation_id = state.conversation_id()
    conversation = engine.store.find(conversation_id) if conversation_id else None
    names = [record.name for record in engine.library.collections()]
    fallback = next((name for name in (DEFAULT_COLLECTION, GUIDE_COLLECTION) if name in names), "")
    fallback = conversation.collection if conversation and conversation.collection in names else fallback
    asked, files = take_question(engine, conversation)
    summary = state.take_summary()
    new = bool(asked or files or summary)
    if new:
        with body:
            collection = collection_asked(names, fallback, conversation)
            document = document_asked(engine, collection, conversation)
            conversation_id = ask(engine, conversation, collection, document, asked, files, summary)
            conversation = engine.store.find(conversation_id) if conversation_id else None
            if conversation is not None:
                talk(engine, conversation)
            fallback = conversation.collection if conversation and conversation.collection in names else fallback
with show_errors():
    sidebar(engine)
    with top:
        collection = chat_top(engine, names, fallback, conversation)
        document = document_bar(engine, collection, conversation)
        if conversation_id and conversation is None:
            st.caption("This conversation was deleted. Ask something to start a new one.")
            state.open_conversation(None)
        if trouble := state.take_trouble():
            draw_error(trouble)
    with body:
        if conversation is not None and not new:
            talk(engine, conversation)
        elif conversation is None and not new:
            with st.container():  # one frame: it goes as a whole when the first question is asked, and moves nothing
                welcome(engine, collection, document)
