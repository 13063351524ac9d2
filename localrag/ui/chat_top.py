"""The line above a conversation, and what a first visit sees."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from localrag.chat.prose import READING
from localrag.engine import Engine
from localrag.privacy import readers_elsewhere
from localrag.settings import DEFAULT_COLLECTION, GUIDE_COLLECTION
from localrag.types import Conversation
from localrag.ui import state
from localrag.ui.chat_settings import chat_settings
from localrag.ui.ingest import ingest_strip, start_uploads, uploader
from localrag.ui.markup import plain
from localrag.ui.quick_prompts import quick_prompts

PROMISE = "The passages that answer come first, then the answer, every sentence marked with where it comes from."
ALONE = "The model answers from what it learned. Switch Documents on to have answers proved."


@dataclass(frozen=True, slots=True)
class _Choice:
    """The box of collections above a conversation and the switch beside it: their keys, and what they show at first."""

    names: list[str]
    key: str
    switch_key: str
    first: str | None
    with_documents: bool
    gone: str

    @property
    def now(self) -> str:
        """The collection to ask as both stand, empty for none; nothing need be drawn for it."""
        picked = st.session_state.get(self.key)
        picked = picked if picked in self.names else self.first or self.gone
        return picked if st.session_state.get(self.switch_key, self.with_documents) else ""


def _choice(names: list[str], conversation: Conversation | None) -> _Choice:
    identity = conversation.id if conversation else ""
    gone = conversation.collection if conversation and conversation.collection not in ("", *names) else ""
    # A conversation opens with the collection it was asked about, whatever was chosen elsewhere.
    begun = next((name for name in (DEFAULT_COLLECTION, GUIDE_COLLECTION) if name in names), "")
    known = (conversation.collection or begun) if conversation else state.collection(names, begun)
    return _Choice(
        names,
        key=f"collection_of_{identity}_{state.upload_round()}",
        switch_key=f"documents_of_{identity or 'new'}_{state.upload_round()}",
        first=None if gone or not names else known if known in names else names[0],
        with_documents=conversation.collection != "" if conversation and conversation.turns else True,
        gone=gone,  # nothing is asked of another collection, or of none, unless somebody chooses it
    )


def collection_asked(names: list[str], conversation: Conversation | None) -> str:
    """The collection a question is asked about, as `chat_top` returns it, before that is drawn."""
    return _choice(names, conversation).now


def chat_top(engine: Engine, names: list[str], conversation: Conversation | None) -> str:
    """Draw collection, model and the documents switch; returns the collection to ask, empty for none."""
    model, choice = engine.model_state, _choice(names, conversation)
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        chosen = choice.gone
        if names:
            if choice.first is not None and st.session_state.get(choice.key, choice.first) is None:
                del st.session_state[choice.key]  # it was drawn when there was nothing to choose
            picked = st.selectbox(
                "Collection",
                names,
                None if choice.first is None else names.index(choice.first),
                key=choice.key,
                placeholder=f"{choice.gone} was deleted",
                label_visibility="collapsed",
                width=240,
            )
            if picked:
                chosen = picked
                state.choose_collection(picked)
        if conversation:
            chat_settings(engine, conversation)
        with_documents = st.toggle(
            "Documents",
            choice.with_documents,
            key=choice.switch_key,
            help="Off: the model answers alone, from what it learned",
        )
    # On a line of its own: a long name would push what comes with a conversation onto another line, and all below down.
    sign = {"ready": ":green[●]", "loading": ":orange[●]"}.get(model.status, ":red[●]")
    st.caption(f"{sign} {plain(model.name or 'no model')}" + (f" · n_ctx {model.n_ctx:,}" if model.n_ctx else ""))
    if model.status in ("none", "failed"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            said = plain(model.error) if model.error else "No model is loaded."
            st.caption(f":material/error: {said} Choose one, or get one, on the Model page.", width="content")
            st.page_link("pages/model.py", label="Model", icon=":material/tune:")
    elif model.error:
        st.caption(f":material/error: {plain(model.error)}")
    if not with_documents:
        st.caption(":material/link_off: Without documents: nothing in the answer is checked against anything.")
    return chosen if with_documents else ""


def welcome(engine: Engine, collection: str, document: str | None) -> None:
    """What stands where no question was asked yet.

    A question that is clicked is asked by the next run, which draws none of this: taken out of a page half drawn, a part
    that draws itself anew (work in progress) would be left in the browser without its place.
    """
    alone = not collection and bool(engine.library.collections())  # switched off; where there are none yet, some may come
    st.title("Ask the model" if alone else "Ask your documents", anchor=False)
    # As HTML: the browser fetches what draws that here, and not when the first passage waits for it.
    st.html(f"<p style='{READING};margin:0'>{ALONE if alone else PROMISE}</p>")
    if engine.intake.jobs:
        ingest_strip(engine)
    quick_prompts(collection, document)
    files = None if alone else uploader(engine, "Drop your own documents here", key=f"first_upload_{state.upload_round()}")
    if files:
        start_uploads(engine, DEFAULT_COLLECTION, files)
        state.choose_collection(DEFAULT_COLLECTION)
        state.next_upload_round()
        st.rerun()
    elsewhere = readers_elsewhere(engine.settings)
    if elsewhere:
        st.caption(f":material/lock_open: Beyond this machine: {plain('; '.join(elsewhere))}.")
    else:
        st.caption(":material/lock: No document, question or answer leaves this machine.")
