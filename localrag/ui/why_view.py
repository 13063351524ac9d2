"""Why this answer: the saved trace of a turn in words, and the way to make the answer anew from it."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from localrag.chat.replay import Replay
from localrag.engine import Engine
from localrag.prompts.plan import NOT_GIVEN
from localrag.types import Evidence, SearchFilter, Turn
from localrag.ui.errors import show_errors
from localrag.ui.markup import plain
from localrag.ui.prompt_bar import NAMES, prompt_bar

POLL_S = 0.2
_FROM = {
    "documents": "passages of the documents",
    "summary": "a whole document, part by part where it is long",
    "chat": "nothing but the model: a chat without documents",
    "": "what is shown below; more was not kept with answers then",
}
_FILTERS = {"documents": "chosen documents", "folders": "folders", "types": "types", "languages": "languages"}


@st.dialog("Why this answer", width="large")
def why(engine: Engine, conversation_id: str, turn: Turn) -> None:
    """Draw the trace in a window of its own."""
    trace(engine, conversation_id, turn)


def trace(engine: Engine, conversation_id: str, turn: Turn) -> None:
    """Draw what is kept of how an answer came about, and the way to replay it."""
    st.caption(f"Question: {plain(turn.question)}")
    _searched(engine, turn)
    if turn.evidence:
        st.markdown("**Passages**")
        st.dataframe(_table(turn.evidence), hide_index=True, width="stretch")
    if turn.plan is not None:
        st.markdown("**Prompt**")
        prompt_bar(turn)
        counts = [f"{NAMES[kind]} {turn.plan.count(kind):,}" for kind in NAMES if turn.plan.count(kind)]
        st.caption(f"{' · '.join(counts)} · kept free for the answer {turn.plan.reserved:,}")
        for dropped in turn.plan.dropped:
            if dropped.why != NOT_GIVEN:
                st.caption(f"left out: {NAMES[dropped.kind]} “{plain(dropped.text[:80])}”, because {plain(dropped.why)}")
    st.markdown("**Model and settings**")
    st.caption(f"{plain(turn.model or 'no model')}" + (f" · file {turn.model_id[:12]}" if turn.model_id else ""))
    if turn.settings:
        st.caption(" · ".join(f"{plain(name)} {plain(str(value))}" for name, value in turn.settings.items()))
    else:
        st.caption("The settings were not kept with this answer.")
    _replay(engine, conversation_id, turn)


def _searched(engine: Engine, turn: Turn) -> None:
    st.caption(f"Made from {_FROM[turn.mode]}.")
    if turn.searched:
        where = f" in {plain(turn.collection)}" if turn.collection else ""
        st.caption(f"Searched for: {plain(turn.searched)}{where}{_within(turn.filters)}")
    if turn.confidence is not None:
        least = turn.settings.get("least_confidence", engine.settings.retrieval.least_confidence)
        st.caption(f"Confidence that the documents hold an answer: {turn.confidence:.2f}; most likely none below {least:.2f}.")
    if turn.continued:
        st.caption(f"Gone on with {turn.continued} times after it was cut.")


def _within(filters: SearchFilter) -> str:
    parts = [
        f"{label} {', '.join(map(plain, getattr(filters, name)))}" for name, label in _FILTERS.items() if getattr(filters, name)
    ]
    days = [day for day in (filters.added_from, filters.added_to) if day]
    return f", only {'; '.join([*parts, *(['added ' + ' to '.join(days)] if days else [])])}" if filters else ""


def _table(evidence: Sequence[Evidence]) -> dict[str, list[object]]:
    return {
        "no.": [number for number, _ in enumerate(evidence, 1)],
        "document": [span.name for span in evidence],
        "place": [span.location for span in evidence],
        "score": [round(span.score, 3) for span in evidence],
        "meaning (cosine)": [round(span.cosine, 3) for span in evidence],
        "words (BM25)": [round(span.bm25, 2) for span in evidence],
        "found by": [", ".join(span.channels) for span in evidence],
        "read by the model": ["yes" if span.given else "no, shown to you alone" for span in evidence],
        "text": [span.text for span in evidence],
    }


def _replay(engine: Engine, conversation_id: str, turn: Turn) -> None:
    """A button, and what came of it. The dialog may be closed meanwhile: the script ends at the next step it draws."""
    help_text = "Searches and answers once more with the same settings, taking the likeliest words, and compares"
    if not st.button("Replay", key=f"replay_{turn.id}", icon=":material/replay:", help=help_text):
        return
    with show_errors():
        job = engine.conversations.replay(conversation_id, turn.id)
        place = st.empty()
        try:
            while not job.wait(POLL_S):
                place.caption(":material/hourglass: Searching and answering anew")
        finally:
            job.stop()
        place.empty()
        _outcome(job.result(), turn)


def _outcome(replay: Replay, turn: Turn) -> None:
    if replay.same and not replay.differences:
        st.caption(":material/check: The same passages" + (" and the same answer, word for word." if turn.answer else "."))
        return
    if turn.answer:
        st.caption("The answer is the same, word for word." if replay.same else "The answer is not the same.")
    for line in replay.differences:
        st.caption(plain(line))
    if replay.answer and not replay.same:
        with st.expander("The answer of the replay", type="compact"):
            st.text(replay.answer)
