"""Chat: the proof first, then the prose. So what was asked is asked before anything else of the page is drawn."""

import streamlit as st

from localrag.chat.waiting import Asked
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
top, body, above_field = st.container(), st.container(), st.bottom.container()
names: list[str] = []
conversation_id, conversation, known, new = None, None, False, False
with show_errors():
    conversation_id = state.conversation_id()
    conversation = engine.store.find(conversation_id) if conversation_id else None
    known = True
    names = [record.name for record in engine.library.collections()]
    summary = state.take_summary()
    asked = take_question(engine, conversation, or_waiting=not summary)
    new = bool(asked or summary)
    if new:
        with body:
            asked = asked or Asked()
            collection = asked.collection if asked.waited else collection_asked(names, conversation)
            document = asked.document if asked.waited else document_asked(engine, collection, conversation)
            conversation_id, done = ask(engine, conversation, collection, document, asked, summary)
            conversation = engine.store.find(conversation_id) if conversation_id else None
            if conversation is not None:
                talk(engine, conversation, above_field, go_on=done)
            names = [record.name for record in engine.library.collections()]  # a file may have begun one
with show_errors():
    sidebar(engine)
    with top:
        collection = chat_top(engine, names, conversation)
        document = document_bar(engine, collection, conversation)
        if known and conversation_id and conversation is None:
            st.caption("This conversation was deleted. Ask something to start a new one.")
            state.open_conversation(None)
        if trouble := state.take_trouble():
            draw_error(trouble)
    with body:
        if conversation is not None and not new:
            talk(engine, conversation, above_field)
        elif conversation is None and known and not new:
            with st.container():  # one frame: it goes as a whole when the first question is asked, and moves nothing
                welcome(engine, collection, document)
