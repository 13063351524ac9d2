"""The turns of a conversation, the one in the making among them."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from localrag.engine import Engine
from localrag.types import Conversation
from localrag.ui import state
from localrag.ui.ingest import ingest_strip
from localrag.ui.markup import plain
from localrag.ui.turns import finished_turn, running_turn, stop_button
from localrag.wording import counted

MOST_DRAWN = 5
"""Turns. A browser draws all of a page again and again while it changes: with eight more, evidence came 0.1 s later."""


def talk(engine: Engine, conversation: Conversation, above_field: DeltaGenerator, go_on: bool = True) -> None:
    """Draw the branch that is shown, documents on their way in, and above the field for questions those that wait and Stop.

    With `go_on` a question that waits is asked as soon as nothing stands before it; else what the page says would be gone.
    """
    view = engine.answer(conversation.id)
    running = view if view is not None and not view.finished else None
    if view is not None and view.finished and _read_too_early(conversation, view.turn.id):
        conversation = engine.store.find(conversation.id) or conversation
        if _read_too_early(conversation, view.turn.id):  # its end could not be kept: only the answer itself knows why
            turns = tuple(view.turn if turn.id == view.turn.id else turn for turn in conversation.turns)
            conversation = replace(conversation, turns=turns)
    in_making = running.turn.id if running is not None else ""
    drawn = _drawn(conversation)
    waiting, stop = above_field.container(), above_field.container()  # what comes to wait moves no button under a finger
    frames = [(turn, st.container()) for turn in conversation.turns]
    # The one in the making first: its evidence waits for nothing that stands above it.
    for turn, frame in sorted(frames, key=lambda item: item[0].id != in_making):
        with frame:
            if turn.id not in drawn:
                continue
            if running is not None and turn.id == in_making:
                running_turn(engine, conversation, running, stop)
            else:
                finished_turn(engine, conversation, turn, busy=running is not None)
    if running is not None and running.turn.id not in [turn.id for turn in conversation.turns]:
        st.caption("An answer is being written in another version of this conversation.")
        stop_button(engine, conversation.id, stop)
    if engine.next_questions.of(conversation.id):
        if running is None and go_on:  # it ended while this was drawn
            st.rerun()
        with waiting:
            _next(engine, conversation.id)
    if running is None and any(not job.finished for job in engine.intake.jobs):
        ingest_strip(engine)


def _drawn(conversation: Conversation) -> frozenset[str]:
    """The ids of the turns to draw: of the last ones, or of all when that was asked for, with the button that asks for it."""
    hidden = len(conversation.turns) - MOST_DRAWN
    with st.container():  # every turn keeps its place on the page, whatever stands above it
        if hidden <= 0 or state.is_whole(conversation.id):
            return frozenset(turn.id for turn in conversation.turns)
        st.button(
            f"Show {counted(hidden, 'earlier question')}",
            key="show_whole",
            type="tertiary",
            icon=":material/history:",
            on_click=state.show_whole,
            args=(conversation.id,),
        )
    return frozenset(turn.id for turn in conversation.turns[hidden:])


def _next(engine: Engine, conversation_id: str) -> None:
    """What is asked once the answer is finished, each with the way to take it back."""
    for at, asked in enumerate(engine.next_questions.of(conversation_id)):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.caption(f":material/schedule: Asked next: {plain(asked.text)}", width="stretch")
            st.button(
                "Take back",
                key=f"take_back_{at}",
                type="tertiary",
                icon=":material/close:",
                on_click=engine.next_questions.take_back,
                args=(conversation_id, asked),
            )


def _read_too_early(conversation: Conversation, turn_id: str) -> bool:
    """Whether a turn was read while its answer was being written, which has ended since."""
    return any(turn.id == turn_id and turn.timings.finish is None and not turn.error for turn in conversation.turns)
