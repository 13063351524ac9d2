"""What a browser session remembers, as typed functions: pages use no string keys. The address keeps the conversation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from localrag.prompts.hub import HubPrompt
from localrag.removal import Removal

_CONVERSATION, _COLLECTION, _NOTICE, _UPLOADS = "conversation_id", "collection", "notice", "uploads"
_CHOSEN, _READING, _REMOVAL, _DISMISSED = "chosen_documents", "reading_at", "removal", "dismissed_jobs"
_ASKED, _DELETION, _QUESTION = "removal_asked", "deletion_asked", "question"
_LAB_SETTINGS, _LAB_FOUND, _LAB_OPTION = "lab_settings", "lab_found", "w_lab"
_SERVER_MODELS = "server_models"
_PICKED, _SUMMARY, _LEAVE = "picked_documents", "summary_of", "leave_for_chat"
_TROUBLE = "trouble"
_WHOLE = "whole_conversations"
_ADDRESS = "c"
COLLECTION_BOX = "collection_box"
FORMAT_BOX, PROMPT_BOX = "w_template", "w_prompt"
_PULLED = "pulled_prompt"
LAB_QUESTION = "w_lab_question"


def conversation_id() -> str | None:
    """The open conversation: from the page's address after a reload, from the session after a change of page."""
    chosen: str | None = st.query_params.get(_ADDRESS) or st.session_state.get(_CONVERSATION)
    if chosen:
        open_conversation(chosen)
    return chosen


def current_conversation() -> str | None:
    """The open conversation, where it is only to be marked."""
    current: str | None = st.query_params.get(_ADDRESS) or st.session_state.get(_CONVERSATION)
    return current


def keep_trouble(sentence: str) -> None:
    """Keep what a click could not do, for the page to say."""
    st.session_state[_TROUBLE] = sentence


def take_trouble() -> str:
    """What a click could not do, once; "" when there is nothing."""
    sentence: str = st.session_state.pop(_TROUBLE, "")
    return sentence


def open_conversation(conversation: str | None) -> None:
    """Open a conversation, or none for a new chat."""
    st.session_state[_CONVERSATION] = conversation
    if conversation is None:
        st.query_params.pop(_ADDRESS, None)
    elif st.query_params.get(_ADDRESS) != conversation:
        st.query_params[_ADDRESS] = conversation


def is_whole(conversation: str) -> bool:
    """Whether all turns of a conversation are shown, however many there are."""
    return conversation in st.session_state.get(_WHOLE, ())


def show_whole(conversation: str) -> None:
    """Show all turns of a conversation from now on."""
    st.session_state[_WHOLE] = st.session_state.get(_WHOLE, frozenset()) | {conversation}


def collection(names: list[str], fallback: str) -> str:
    """The chosen collection, if it still exists."""
    chosen = st.session_state.get(_COLLECTION)
    return chosen if chosen in names else fallback


def choose_collection(name: str) -> None:
    """Remember a collection over pages."""
    st.session_state[_COLLECTION] = name


def show_collection(name: str) -> None:
    """Let the box of collections show this one; a choice of the user was taken before."""
    st.session_state[COLLECTION_BOX] = name


def take_collection() -> None:
    """Remember what was chosen in the box of collections."""
    choose_collection(st.session_state[COLLECTION_BOX])


def ask(question: str) -> None:
    """Let the next run ask a question, as if it had been typed."""
    st.session_state[_QUESTION] = question


def take_question() -> str | None:
    """The question of `ask`, once."""
    question: str | None = st.session_state.pop(_QUESTION, None)
    return question


def picked_document(conversation: str) -> str | None:
    """The id of the one document a conversation asks about, "" for all, None if that was not chosen here.

    The conversation "" is the one that has not begun.
    """
    picked: dict[str, str] = st.session_state.get(_PICKED, {})
    return picked.get(conversation)


def pick_document(conversation: str, document_id: str | None) -> None:
    """Remember which document a conversation asks about, over pages; see `picked_document`."""
    picked = {key: value for key, value in st.session_state.get(_PICKED, {}).items() if key != conversation}
    st.session_state[_PICKED] = picked if document_id is None else {**picked, conversation: document_id}


def begin_conversation(conversation: str) -> None:
    """Open a conversation that has just begun, with the document that was picked for it."""
    pick_document(conversation, picked_document(""))
    pick_document("", None)
    open_conversation(conversation)


def ask_summary(document_id: str) -> None:
    """Let the next run summarise a document."""
    st.session_state[_SUMMARY] = document_id


def take_summary() -> str | None:
    """The document of `ask_summary`, once."""
    document: str | None = st.session_state.pop(_SUMMARY, None)
    return document


def leave_for_chat() -> None:
    """Let the next run go to Chat."""
    st.session_state[_LEAVE] = True


def take_leave() -> bool:
    """Whether to go to Chat, once."""
    return bool(st.session_state.pop(_LEAVE, False))


def notify(text: str) -> None:
    """Say something after the next rerun."""
    st.session_state[_NOTICE] = text


def take_notice() -> str | None:
    """What was to be said, once."""
    notice: str | None = st.session_state.pop(_NOTICE, None)
    return notice


def upload_round() -> int:
    """Part of the uploader's key: a new round is an empty uploader."""
    return int(st.session_state.get(_UPLOADS, 0))


def next_upload_round() -> None:
    """Empty the uploader at the next rerun."""
    st.session_state[_UPLOADS] = upload_round() + 1


def chosen_documents() -> frozenset[str]:
    """The ids of the documents that are ticked in the table."""
    found: frozenset[str] = st.session_state.get(_CHOSEN, frozenset())
    return found


def choose_documents(ids: Sequence[str]) -> None:
    """Remember which documents are ticked, so that they still are when the list has grown."""
    st.session_state[_CHOSEN] = frozenset(ids)


def reading_at(document_id: str) -> int:
    """Where in a document's text the preview begins."""
    document, start = st.session_state.get(_READING, ("", 0))
    return int(start) if document == document_id else 0


def read_at(document_id: str, start: int) -> None:
    """Let the preview of a document begin there."""
    st.session_state[_READING] = (document_id, start)


def removal_asked() -> bool:
    """Whether the ticked documents are to be removed, once that is confirmed: a page drawn anew keeps asking."""
    return bool(st.session_state.get(_ASKED))


def ask_removal(asked: bool) -> None:
    """Begin or stop asking whether the ticked documents are to be removed."""
    st.session_state[_ASKED] = asked


def deletion_asked() -> str | None:
    """The conversation that is to be deleted, once that is confirmed."""
    asked: str | None = st.session_state.get(_DELETION)
    return asked


def ask_deletion(conversation: str | None) -> None:
    """Begin to ask whether a conversation is to be deleted, or (None) stop asking."""
    st.session_state[_DELETION] = conversation


def removal() -> Removal | None:
    """What was removed last, until it was read."""
    found: Removal | None = st.session_state.get(_REMOVAL)
    return found


def keep_removal(done: Removal | None) -> None:
    """Tell what was removed, or stop telling it."""
    st.session_state[_REMOVAL] = done


def is_dismissed(job: str) -> bool:
    """Whether the outcome of a job was read and put away."""
    return job in st.session_state.get(_DISMISSED, ())


def dismiss(jobs: Sequence[str]) -> None:
    """Put the outcomes of jobs away."""
    st.session_state[_DISMISSED] = frozenset(jobs)


def lab_settings(side: str) -> dict[str, Any] | None:
    """The values of one side of the Lab, by the settings' names; None when nothing was chosen yet."""
    found: dict[str, Any] | None = st.session_state.get(_LAB_SETTINGS, {}).get(side)
    return found


def keep_lab_settings(side: str, values: dict[str, Any]) -> None:
    """Remember the values of one side of the Lab over pages."""
    st.session_state[_LAB_SETTINGS] = st.session_state.get(_LAB_SETTINGS, {}) | {side: values}


def show_lab_setting(side: str, name: str, value: Any) -> str:
    """Let the widget of a setting show a value; returns the widget's key."""
    key = f"{_LAB_OPTION}_{side}_{name}"
    st.session_state[key] = value
    return key


def take_lab_setting(side: str, name: str) -> None:
    """Remember what was chosen in the widget of a setting."""
    value = st.session_state[f"{_LAB_OPTION}_{side}_{name}"]
    keep_lab_settings(side, (lab_settings(side) or {}) | {name: round(value, 3) if isinstance(value, float) else value})


def lab_found(side: str) -> tuple[object, Any]:
    """What was asked on one side of the Lab, and what was found for it; (None, None) at first."""
    found: tuple[object, Any] = st.session_state.get(_LAB_FOUND, {}).get(side, (None, None))
    return found


def keep_lab_found(side: str, asked: object, found: object) -> None:
    """Keep what was found, so that moving a slider of the other side does not search again."""
    st.session_state[_LAB_FOUND] = st.session_state.get(_LAB_FOUND, {}) | {side: (asked, found)}


def show_in_box(box: str, option: str) -> None:
    """Let a box show an option from the next run on, which may be new."""
    st.session_state[f"{box}_next"] = option


def prepare_box(box: str, options: Sequence[str], fallback: str) -> None:
    """To be called before a box is drawn: what it shows is one of its options."""
    wanted = st.session_state.pop(f"{box}_next", None)
    if wanted in options:
        st.session_state[box] = wanted
    elif st.session_state.get(box) not in options:
        st.session_state[box] = fallback


def pulled_prompt() -> HubPrompt | None:
    """The prompt that was fetched and not kept yet."""
    found: HubPrompt | None = st.session_state.get(_PULLED)
    return found


def keep_pulled_prompt(found: HubPrompt | None) -> None:
    """Remember a prompt that was fetched, or forget it."""
    st.session_state[_PULLED] = found


def server_models() -> list[str]:
    """The models a chat server listed when it was asked last."""
    found: list[str] = st.session_state.get(_SERVER_MODELS, [])
    return found


def keep_server_models(names: list[str]) -> None:
    """Remember the models a chat server lists."""
    st.session_state[_SERVER_MODELS] = names
