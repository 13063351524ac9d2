"""One question with two settings: figures, ranks, spans and the map, drawn anew at every move of a slider."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from localrag.chat.prose import FIGURES
from localrag.documents.collection_ledger import CollectionRecord
from localrag.engine import Engine
from localrag.evaluation.rank_changes import rank_changes
from localrag.retrieval.search import MOST_CHARS
from localrag.settings import DEFAULT_COLLECTION, GUIDE_COLLECTION
from localrag.types import SearchResult
from localrag.ui import state
from localrag.ui.errors import show_errors
from localrag.ui.lab_map import lab_map
from localrag.ui.lab_settings import SIDES, chosen, controls
from localrag.ui.lab_spans import SHOWN_RANKS, rank_lines, span_list
from localrag.wording import counted

SHOWN_SPANS = 10


@dataclass(frozen=True, slots=True)
class Tried:
    """What a search found, and the tokens of each span where a chat model is loaded."""

    result: SearchResult
    tokens: tuple[int, ...] | None


def no_documents() -> None:
    """What stands where no collection holds anything yet."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption("There is nothing to search yet. Add documents first, then compare settings here.", width="content")
        st.page_link("pages/documents.py", label="Documents", icon=":material/library_books:")


def asked(names: list[str]) -> tuple[str, str]:
    """Draw collection and question; returns both."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        fallback = next((name for name in (DEFAULT_COLLECTION, GUIDE_COLLECTION) if name in names), names[0])
        collection = state.collection(names, fallback)
        state.show_collection(collection)
        st.selectbox("Collection", names, key=state.COLLECTION_BOX, on_change=state.take_collection, width=240)
        question = st.text_input(
            "Question",
            max_chars=MOST_CHARS,
            placeholder="Searched with both settings; no model is asked",
            key=state.LAB_QUESTION,
            persist_state="session",
        )
    return collection, question.strip()


@st.fragment
def comparison(engine: Engine, collection: str, question: str) -> None:
    """Draw both columns of settings, and below what they find for the question."""
    with show_errors():
        record = engine.library.collection(collection)
        for column, side in zip(st.columns(2, gap="large"), SIDES, strict=True):
            with column:
                controls(engine, side)
        if not question:
            st.caption("Ask something above: what both settings find stands here, side by side.")
            return
        tried = [_search(engine, record, question, side) for side in SIDES]
        _found(tried)
        lab_map(engine, record, question, [one.result.evidence for one in tried])


def _search(engine: Engine, record: CollectionRecord, question: str, side: str) -> Tried:
    """Search with one side's settings; nothing is searched again where nothing has changed."""
    settings, count = chosen(engine, side), engine.token_counter()
    now = (record.id, record.index_name, record.chunks, engine.library.ledger.changes())
    key = ((question, now), settings, engine.model_state.name if count else "")
    before, found = state.lab_found(side)
    if before == key and isinstance(found, Tried):
        return found
    if side == SIDES[0] and not (isinstance(before, tuple) and before[0] == key[0]):
        # What a first search has to load from disk would count against A, though B profits from it.
        engine.library.search(record.name, question, retrieval=settings, count_tokens=count)
    result = engine.library.search(record.name, question, retrieval=settings, count_tokens=count)
    found = Tried(result, tuple(count(one.text) for one in result.evidence) if count else None)
    state.keep_lab_found(side, key, found)
    return found


def _found(tried: list[Tried]) -> None:
    first, second = (one.result.evidence for one in tried)
    changes = rank_changes(first, second)
    for column, side, one in zip(st.columns(2, gap="large"), SIDES, tried, strict=True):
        column.html(f"<div style='{FIGURES}'><b>{side}</b> · {figures(one)}</div>")
    with st.container():  # a frame of its own: what comes or goes in it moves nothing below
        if first or second:
            st.html(rank_lines(first, second, changes))
            more = max(len(first), len(second)) > SHOWN_RANKS
            st.caption(
                "Lines join what is the same in both: solid where its place changed, dashed where not. What has no line is in"
                " one list only. A dotted frame: shown to you, not read by the model." + f" The first {SHOWN_RANKS}." * more
            )
    for column, side, one, others in zip(
        st.columns(2, gap="large"), SIDES, tried, (changes.of_first, changes.of_second), strict=True
    ):
        with column:
            _spans(one, others, side)


def _spans(tried: Tried, others: tuple[int | None, ...], side: str) -> None:
    spans = tried.result.evidence
    if not spans:
        st.caption(f"{side} finds nothing for this question.")
        return
    st.caption(f"Spans of {side}, best first")
    st.html(span_list(spans[:SHOWN_SPANS], tried.tokens, others, side))
    if spans[SHOWN_SPANS:]:
        with st.expander(f"{counted(len(spans), 'span')}, all of them", type="compact"):
            st.html(span_list(spans, tried.tokens, others, side))


def figures(tried: Tried) -> str:
    """Confidence, time, and how much is found and how much of it the model reads."""
    result = tried.result
    given = [at for at, one in enumerate(result.evidence) if one.given]
    characters = sum(len(one.text) for one in result.evidence)
    read = sum(len(result.evidence[at].text) for at in given)
    parts = [
        f"confidence {result.confidence:.2f}",
        f"{result.seconds * 1000:,.0f} ms",
        f"{counted(len(result.evidence), 'span')}, {len(given):,} for the model",
        f"{counted(characters, 'character')}, {read:,} for the model",
    ]
    if tried.tokens is None:
        parts.append("tokens are not counted: no model is loaded")
    else:
        parts.append(f"{counted(sum(tried.tokens), 'token')}, {sum(tried.tokens[at] for at in given):,} for the model")
    return " · ".join(parts)
