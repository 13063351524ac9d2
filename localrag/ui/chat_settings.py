"""What one conversation is asked with in place of the settings applied: kept with it, for every new question of it."""

from __future__ import annotations

from typing import Any, get_args

import streamlit as st

from localrag.engine import Engine
from localrag.settings import bounds, field_info
from localrag.types import Conversation, DocumentRecord, SearchFilter
from localrag.ui.errors import attempt

FIELDS = ("temperature", "max_tokens", "prompt", "refuse", "rewrite")


def chat_settings(engine: Engine, conversation: Conversation) -> None:
    """Draw the button that opens them; what is in it is drawn only then."""
    own = bool(conversation.overrides or conversation.filters)
    label = "This chat's settings" if own else "Settings"
    key = f"settings_{conversation.id}"
    with st.popover(label, icon=":material/tune:", type="tertiary", key=key, on_change="rerun") as opened:
        if not opened.open:
            return
        st.caption("For this chat alone, from its next question on. The Model page has those of all chats.")
        with st.form(f"form_{key}", border=False):
            for name in FIELDS:
                _widget(engine, conversation, name)
            _filters(engine, conversation)
            st.form_submit_button("Keep", on_click=_keep, args=(engine, conversation))
        if own:
            st.button(
                "Back to those of all chats", key=f"reset_{key}", type="tertiary", on_click=_reset, args=(engine, conversation)
            )


def prompt_choices(engine: Engine, current: str) -> list[str]:
    """The prompts to choose from, the one in use among them."""
    return list(dict.fromkeys(["chat", *engine.formatting.prompts.names(), current]))


def _key(conversation: Conversation, name: str) -> str:
    return f"w_chat_{name}_{conversation.id}"


def _widget(engine: Engine, conversation: Conversation, name: str) -> None:
    value = conversation.overrides.get(name, engine.settings.flat()[name])
    info, key = field_info(name), _key(conversation, name)
    low, high = bounds(name)
    if isinstance(value, bool):
        st.toggle(name, value, key=key, help=info.description)
    elif isinstance(value, float):
        st.slider(name, low, high, value, step=0.05, key=key, help=info.description)
    elif isinstance(value, int):
        st.number_input(name, int(low or 0), int(high or 0), value, key=key, help=info.description)
    else:
        options = prompt_choices(engine, value) if name == "prompt" else list(get_args(info.annotation))
        st.selectbox(name, options, options.index(value), key=key, help=info.description)


def _records(engine: Engine, conversation: Conversation) -> list[DocumentRecord]:
    known = engine.library.ledger.collection(conversation.collection) if conversation.collection else None
    return [record for record in engine.library.ledger.documents(known.id) if record.chunks] if known else []


def _filters(engine: Engine, conversation: Conversation) -> None:
    records = _records(engine, conversation)
    for name, label, there in (
        ("types", "Only documents of these types", {record.type for record in records}),
        ("languages", "Only documents in these languages", {record.language for record in records}),
    ):
        chosen = [value for value in getattr(conversation.filters, name) if value in there]
        if len(there - {""}) > 1 or chosen:
            st.multiselect(label, sorted(there - {""}), chosen, key=_key(conversation, name), placeholder="All")


def _keep(engine: Engine, conversation: Conversation) -> None:
    chosen: dict[str, Any] = {name: st.session_state[_key(conversation, name)] for name in FIELDS}
    common = engine.settings.flat()
    overrides = {name: value for name, value in chosen.items() if value != common[name]}
    types, languages = (tuple(st.session_state.get(_key(conversation, name), ())) for name in ("types", "languages"))
    filters = SearchFilter(
        conversation.filters.documents, conversation.filters.folders, types, languages, conversation.filters.added_from
    )
    _configure(engine, conversation, filters, overrides)


def _reset(engine: Engine, conversation: Conversation) -> None:
    for name in (*FIELDS, "types", "languages"):
        st.session_state.pop(_key(conversation, name), None)
    _configure(engine, conversation, SearchFilter(), {})


def _configure(engine: Engine, conversation: Conversation, filters: SearchFilter, overrides: dict[str, Any]) -> None:
    attempt(engine.conversations.configure, conversation.id, filters, overrides)
