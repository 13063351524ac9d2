"""What can be done with a turn: one quiet row under its answer, and the way between its versions."""

from __future__ import annotations

import streamlit as st

from localrag.chat.continuing import was_cut
from localrag.engine import Engine
from localrag.settings import bounds, field_info
from localrag.types import Conversation, Rating, Turn
from localrag.ui.chat_settings import prompt_choices
from localrag.ui.conversation_menu import export_buttons
from localrag.ui.errors import attempt
from localrag.ui.prompt_bar import prompt_text
from localrag.ui.why_view import why

RATINGS: tuple[Rating, Rating] = ("down", "up")
"""In the order of Streamlit's thumbs."""
VARIED = 0.7
"""The temperature offered where the answer was made at 0, which would bring the same words."""


def version_line(engine: Engine, conversation: Conversation, turn: Turn) -> None:
    """Which of several versions this is, with arrows to those beside it; nothing where there is one."""
    ids = conversation.versions.get(turn.id, ())
    if not ids:
        return
    at = ids.index(turn.id)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        for label, icon, to in (("Earlier", "chevron_left", at - 1), ("Later", "chevron_right", at + 1)):
            if to > at:
                st.caption(f"{at + 1} of {len(ids)}", width="content")
            inside = 0 <= to < len(ids)
            st.button(
                label,
                key=f"version_{to > at}_{turn.id}",
                icon=f":material/{icon}:",
                type="tertiary",
                disabled=not inside,
                help="Another version of this question or its answer, with what follows it",
                on_click=attempt if inside else None,
                args=(engine.conversations.show, conversation.id, ids[to]) if inside else (),
            )


def turn_actions(engine: Engine, conversation: Conversation, turn: Turn, busy: bool) -> None:
    """Draw the row. While an answer of this conversation is on its way (`busy`), nothing that would ask is offered."""
    last = turn.id == conversation.turns[-1].id
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if last and was_cut(turn):
            st.button(
                "Go on",
                key=f"go_on_{turn.id}",
                icon=":material/resume:",
                type="tertiary",
                disabled=busy,
                on_click=attempt,
                args=(engine.conversations.go_on, conversation.id),
                help="Goes on with this answer where it was cut; nothing is read again",
            )
        if last:
            _again(engine, conversation, turn, busy)
        _edit(engine, conversation, turn, busy)
        if turn.answer:
            with st.popover("Copy", icon=":material/content_copy:", type="tertiary", key=f"copy_{turn.id}"):
                st.code(turn.answer, language=None, wrap_lines=True)
            st.feedback(
                "thumbs",
                key=f"rate_{turn.id}",
                default=RATINGS.index(turn.rating) if turn.rating in RATINGS else None,
                on_change=_rate,
                args=(engine, turn.id),
            )
        prompt_text(turn)
        if st.button("Why", key=f"why_{turn.id}", icon=":material/help_center:", type="tertiary"):
            why(engine, conversation.id, turn)
        if last:
            with st.popover("Export", icon=":material/download:", type="tertiary", key=f"export_{turn.id}"):
                export_buttons(engine, conversation, "turn")


def doubtful_actions(engine: Engine, conversation: Conversation, turn: Turn, busy: bool) -> None:
    """The ways on where the documents most likely hold no answer."""
    with st.container(horizontal=True, gap="small"):
        st.button(
            "Answer without documents",
            key=f"without_{turn.id}",
            icon=":material/link_off:",
            disabled=busy,
            on_click=attempt,
            args=(engine.conversations.without_documents, conversation.id, turn.id),
            help="The model answers alone, from what it learned; nothing in it is checked against anything",
        )
        if not turn.answer:
            st.button(
                "Answer from these passages",
                key=f"anyway_{turn.id}",
                icon=":material/menu_book:",
                disabled=busy,
                on_click=attempt,
                args=(engine.conversations.regenerate, conversation.id, turn.id),
            )


def _again(engine: Engine, conversation: Conversation, turn: Turn, busy: bool) -> None:
    with st.popover("Again", icon=":material/refresh:", type="tertiary", disabled=busy, key=f"again_{turn.id}"):
        settings = {**engine.settings.answer.model_dump(), **turn.settings}
        low, high = bounds("temperature")
        st.slider(
            "temperature",
            low,
            high,
            float(settings["temperature"]) or VARIED,
            step=0.05,
            key=f"w_again_temperature_{turn.id}",
            help=field_info("temperature").description,
        )
        least, most = bounds("max_tokens")
        st.number_input(
            "max_tokens",
            int(least or 1),
            int(most or 65_536),
            int(settings["max_tokens"]),
            key=f"w_again_max_tokens_{turn.id}",
            help=field_info("max_tokens").description,
        )
        prompts = prompt_choices(engine, settings["prompt"])
        st.selectbox("prompt", prompts, prompts.index(settings["prompt"]), key=f"w_again_prompt_{turn.id}")
        st.toggle(
            "Search the documents again",
            key=f"w_again_search_{turn.id}",
            disabled=turn.mode == "chat",
            help="Off: from the very same passages",
        )
        st.button(
            "Answer again",
            key=f"again_now_{turn.id}",
            on_click=_ask_again,
            args=(engine, conversation.id, turn.id),
        )
        st.caption("This answer stays: the arrows above it lead back.")


def _edit(engine: Engine, conversation: Conversation, turn: Turn, busy: bool) -> None:
    with (
        st.popover("Edit", icon=":material/edit:", type="tertiary", disabled=busy, key=f"edit_{turn.id}"),
        st.form(f"edit_form_{turn.id}", border=False),
    ):
        key = f"w_edit_{turn.id}"
        st.text_area("Question", turn.question, key=key)
        st.form_submit_button("Ask", on_click=_ask_edited, args=(engine, conversation.id, turn.id, key))
        st.caption("What follows begins anew from here; the former branch stays.")


def _ask_again(engine: Engine, conversation_id: str, turn_id: str) -> None:
    # Read here: what is changed last and the click may arrive together.
    chosen = {name: st.session_state[f"w_again_{name}_{turn_id}"] for name in ("temperature", "max_tokens", "prompt")}
    attempt(engine.conversations.regenerate, conversation_id, turn_id, chosen, st.session_state[f"w_again_search_{turn_id}"])


def _ask_edited(engine: Engine, conversation_id: str, turn_id: str, key: str) -> None:
    attempt(engine.conversations.edit, conversation_id, turn_id, st.session_state[key])


def _rate(engine: Engine, turn_id: str) -> None:
    chosen = st.session_state[f"rate_{turn_id}"]
    attempt(engine.conversations.rate, turn_id, "" if chosen is None else RATINGS[chosen])
