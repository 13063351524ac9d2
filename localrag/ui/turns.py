"""A question with its evidence and answer, finished or in the making."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from localrag.chat.jobs import AnswerView, progress_text
from localrag.chat.proof_first import PROOF_FIRST
from localrag.chat.prose import answer
from localrag.engine import Engine
from localrag.types import Conversation, Turn
from localrag.ui.errors import attempt
from localrag.ui.evidence import doubtful, evidence_card, sources_line
from localrag.ui.ingest import line
from localrag.ui.markup import plain
from localrag.ui.prompt_bar import prompt_bar
from localrag.ui.turn_actions import doubtful_actions, turn_actions, version_line

POLL_S = 0.2
PAINTED_S = 0.12
"""From the end of a script run's drawing to the paint in a browser on the same two cores."""
_NOTHING = {
    "cancelled": "Stopped before the first word.",
    None: "Interrupted: LocalRAG was closed before the first word.",
}


def question(turn: Turn) -> None:
    """The question as it was asked."""
    with st.chat_message("user", avatar=":material/person:"):
        st.markdown(plain(turn.question))


def finished_turn(engine: Engine, conversation: Conversation, turn: Turn, busy: bool) -> None:
    """A turn that is over: question, evidence, answer, sources, figures, and what can be done with it."""
    question(turn)
    with st.chat_message("assistant", avatar=":material/menu_book:"):
        version_line(engine, conversation, turn)
        made_from(turn)
        evidence_card(engine, turn)()
        prompt_bar(turn)
        _thinking(turn)
        if turn.answer:
            st.html(answer(turn.answer, turn.sentences))
        if turn.error:
            st.error(plain(turn.error), icon=":material/error:")
        elif turn.refused:
            st.caption("Not answered: the documents most likely hold no answer. These are the nearest passages.")
            doubtful_actions(engine, conversation, turn, busy)
        elif not turn.answer and not (turn.thinking and turn.note):
            st.caption(_NOTHING.get(turn.timings.finish, "The model wrote nothing. Ask again, or put it differently."))
        elif turn.timings.finish is None:
            st.caption("Interrupted: LocalRAG was closed while this was being written.")
        if turn.note:
            st.caption(plain(turn.note))
        if turn.evidence:
            sources_line(turn)
        if turn.answer and doubtful(engine, turn) and turn.id == conversation.turns[-1].id:
            doubtful_actions(engine, conversation, turn, busy)
        turn_actions(engine, conversation, turn, busy)


def made_from(turn: Turn) -> None:
    """What of a turn's making is to be known before it is read."""
    if turn.mode == "chat":
        st.caption(":material/link_off: Without documents: nothing in this answer is checked against anything.")
    if turn.searched and turn.searched != turn.question:
        st.caption(f":material/search: Searched for: {plain(turn.searched)}")


def running_turn(engine: Engine, conversation: Conversation, view: AnswerView, above_field: DeltaGenerator) -> None:
    """A turn in the making: the evidence now, by this run; the answer as it grows, by a fragment that polls.

    All that comes after the evidence waits until a browser has painted it. Stop goes to `above_field`.
    """
    question(view.turn)
    with st.chat_message("assistant", avatar=":material/menu_book:"):
        made_from(view.turn)
        folded = evidence_card(engine, view.turn)
        stop_button(engine, conversation.id, above_field)
        _growing(engine, conversation.id, _Drawn(len(view.turn.evidence)))
        if not view.turn.answer:
            PROOF_FIRST.hold(PAINTED_S if view.turn.evidence else 0.0)
            PROOF_FIRST.wait()
        folded()


def stop_button(engine: Engine, conversation_id: str, above_field: DeltaGenerator) -> None:
    """Stop, where it neither moves nor scrolls away: beside the field for questions, not beside the answer that grows.

    And outside the part that is drawn anew five times a second: a button must hold still under a finger.
    """
    with above_field.container(horizontal=True, horizontal_alignment="right"):
        st.button("Stop", icon=":material/stop:", on_click=attempt, args=(engine.stop, conversation_id), key="stop")


@dataclass(slots=True)
class _Drawn:
    """What of a turn in the making is on the page: so many passages, and whether its growing answer is."""

    passages: int
    answer: bool = False


@st.fragment(run_every=POLL_S)
def _growing(engine: Engine, conversation_id: str, drawn: _Drawn) -> None:
    """Draw the answer so far; the page anew at its end, and when its passages come late."""
    if drawn.answer:  # the browsers paint on the same cores: a poll waits for evidence that is drawn in another tab
        PROOF_FIRST.wait()
    drawn.answer = True
    view = engine.answer(conversation_id)
    if view is None or view.finished or (len(view.turn.evidence) != drawn.passages and view.turn.mode != "summary"):
        st.rerun()
    else:
        prompt_bar(view.turn)
        _thinking(view.turn)
        if view.turn.answer:
            st.html(answer(view.turn.answer))
        elif view.turn.thinking:
            st.caption("Thinking")
        elif view.progress is not None:
            st.progress(view.progress.characters / max(1, view.progress.size), plain(progress_text(view.progress)))
        else:
            st.caption(_waiting(engine, view))


def _thinking(turn: Turn) -> None:
    """What a reasoning model wrote before its answer, folded: it is neither checked nor part of the conversation."""
    if not turn.thinking:
        return
    with st.expander("The model's thinking", type="compact", icon=":material/psychology:", key=f"thinking_{turn.id}"):
        st.caption(f"{len(turn.thinking):,} characters in {turn.thinking_s:.1f} s. Not checked against the documents.")
        st.text(turn.thinking)


def _waiting(engine: Engine, view: AnswerView) -> str:
    if (documents := engine.attachments.waits_for(view.turn.id)) is not None:
        return f"Taking in · {line(documents.snapshot())}"
    if engine.model_state.status == "loading":
        return f"Loading {plain(engine.model_state.name)}"
    if view.state == "queued" and engine.tunings.running:
        return "Tuning is running; the answer comes after it"
    if view.state == "queued" and view.ahead:
        return f"{'One answer' if view.ahead == 1 else f'{view.ahead} answers'} ahead of yours"
    tokens = f" {view.turn.plan.count():,} tokens" if view.turn.plan else ""
    return f"Reading{tokens}"
