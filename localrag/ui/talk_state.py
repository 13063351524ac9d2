"""What a browser session remembers of its conversations while it talks: what is asked next, and how much is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

_NEXT, _WHOLE = "next_questions", "whole_conversations"


@dataclass(frozen=True, slots=True)
class Asked:
    """A question and the files that came along. One that `waited` has what the boxes said when it was asked."""

    text: str = ""
    files: Sequence[UploadedFile] = ()
    waited: bool = False
    collection: str = ""
    document: str | None = None


def next_questions(conversation: str) -> list[Asked]:
    """What was asked while the conversation's answer was being written, in its order."""
    waiting: dict[str, list[Asked]] = st.session_state.get(_NEXT, {})
    return waiting.get(conversation, [])


def keep_next(conversation: str, asked: Asked) -> None:
    """Remember what is to be asked once the conversation's answer is finished, over pages, behind what waits already."""
    _keep(conversation, [*next_questions(conversation), asked])


def take_next(conversation: str) -> Asked | None:
    """The first of them, once; None when there is none."""
    questions = next_questions(conversation)
    _keep(conversation, questions[1:])
    return questions[0] if questions else None


def take_back(conversation: str, asked: Asked) -> None:
    """Forget one of them, if it was not asked meanwhile."""
    _keep(conversation, [one for one in next_questions(conversation) if one is not asked])


def _keep(conversation: str, questions: Sequence[Asked]) -> None:
    st.session_state[_NEXT] = st.session_state.get(_NEXT, {}) | {conversation: list(questions)}


def is_whole(conversation: str) -> bool:
    """Whether all turns of a conversation are shown, however many there are."""
    return conversation in st.session_state.get(_WHOLE, ())


def show_whole(conversation: str) -> None:
    """Show all turns of a conversation from now on."""
    st.session_state[_WHOLE] = st.session_state.get(_WHOLE, frozenset()) | {conversation}
