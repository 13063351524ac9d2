"""What a browser session remembers of its conversations while it talks: what is asked next, and how much is shown."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

Asked = tuple[str | None, Sequence[UploadedFile]]
"""A question, and the files that came along."""
_NEXT, _WHOLE = "next_questions", "whole_conversations"


def next_questions(conversation: str) -> list[Asked]:
    """What was asked while the conversation's answer was being written, in its order."""
    waiting: dict[str, list[Asked]] = st.session_state.get(_NEXT, {})
    return waiting.get(conversation, [])


def keep_next(conversation: str, questions: Sequence[Asked]) -> None:
    """Remember what is to be asked once the conversation's answer is finished, over pages."""
    st.session_state[_NEXT] = st.session_state.get(_NEXT, {}) | {conversation: list(questions)}


def take_next(conversation: str) -> Asked:
    """The first of them, once; (None, ()) when there is none."""
    questions = next_questions(conversation)
    keep_next(conversation, questions[1:])
    return questions[0] if questions else (None, ())


def is_whole(conversation: str) -> bool:
    """Whether all turns of a conversation are shown, however many there are."""
    return conversation in st.session_state.get(_WHOLE, ())


def show_whole(conversation: str) -> None:
    """Show all turns of a conversation from now on."""
    st.session_state[_WHOLE] = st.session_state.get(_WHOLE, frozenset()) | {conversation}
