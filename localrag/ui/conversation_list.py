"""The conversations in the sidebar: the latest ones by day, or where words are in all of them."""

from __future__ import annotations

import datetime

import streamlit as st

from localrag.chat.finding import Found
from localrag.engine import Engine
from localrag.types import Conversation
from localrag.ui import state
from localrag.ui.conversation_menu import conversation_menu
from localrag.ui.markup import plain

SHOWN = 30
SHOWN_FOUND = 12
LEAST_SEARCHED = 2
HEIGHT_PX, MOST_WITHOUT_SCROLLING = 360, 8


def conversation_list(engine: Engine) -> None:
    """Draw the search and the list; a click opens a conversation."""
    conversations = engine.store.conversations()
    if not conversations:
        return
    wanted = st.text_input("Search chats", placeholder="Search chats", label_visibility="collapsed", key="w_search_chats")
    if len(wanted.strip()) >= LEAST_SEARCHED or (wanted.strip() and not wanted.isascii()):
        _found(engine, wanted)
        return
    heading = ""
    many = len(conversations) > MOST_WITHOUT_SCROLLING
    with st.container(gap=None, height=HEIGHT_PX if many else "content", border=False):
        for conversation in conversations[:SHOWN]:
            when = _when(conversation.updated)
            if when != heading:
                heading = when
                st.caption(heading)
            _row(engine, conversation)
    if len(conversations) > SHOWN:
        st.caption(f"and {len(conversations) - SHOWN} more: search for a word of the question or the answer")


def _row(engine: Engine, conversation: Conversation) -> None:
    current = conversation.id == state.current_conversation()
    if st.button(
        plain(conversation.title),
        key=f"open_{conversation.id}",
        type="tertiary",
        icon=":material/chat_bubble:" if current else ":material/chat_bubble_outline:",
        wrap=False,
    ):
        _open(conversation.id)
    if current:
        conversation_menu(engine, conversation)


def _found(engine: Engine, wanted: str) -> None:
    found = engine.conversations.find(wanted)
    if not found:
        st.caption("No question or answer holds these words.")
    with st.container(gap=None, height=HEIGHT_PX if len(found) > MOST_WITHOUT_SCROLLING / 2 else "content", border=False):
        for number, hit in enumerate(found[:SHOWN_FOUND]):
            key = f"found_{number}_{hit.turn_id or hit.conversation_id}"
            if st.button(plain(hit.title), key=key, type="tertiary", icon=":material/search:", wrap=False):
                if hit.turn_id:
                    engine.conversations.show(hit.conversation_id, hit.turn_id)
                    state.show_whole(hit.conversation_id)
                _open(hit.conversation_id)
            st.caption(_excerpt(hit))
    if len(found) > SHOWN_FOUND:
        st.caption(f"and {len(found) - SHOWN_FOUND} more: add a word")


def _excerpt(hit: Found) -> str:
    """The piece of text with the words in bold."""
    pieces, at = [], 0
    for start, end in hit.marks:
        pieces += [_shown(hit.excerpt[at:start]), f"**{plain(hit.excerpt[start:end])}**"]
        at = end
    return "".join([*pieces, _shown(hit.excerpt[at:])])


def _shown(text: str) -> str:
    """As `plain`, with the spaces at its ends, which part it from the bold words."""
    return f"{' ' * text[:1].isspace()}{plain(text)}{' ' * (text[-1:].isspace() and bool(text.strip()))}"


def _open(conversation_id: str) -> None:
    state.open_conversation(conversation_id)
    st.switch_page("pages/chat.py")


def _when(updated: str) -> str:
    try:
        last = datetime.datetime.fromisoformat(updated).date()
    except ValueError:  # a damaged row; its conversation may be sound
        return "earlier"
    days = (datetime.datetime.now(datetime.UTC).date() - last).days
    return "today" if days <= 0 else "yesterday" if days == 1 else "earlier"
