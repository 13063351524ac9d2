"""The evidence card: what was found, before a word is written; and the document at the place a passage stands."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from localrag.chat.prose import FIGURES, circled, passage
from localrag.engine import Engine
from localrag.types import Evidence, Turn
from localrag.ui.markup import plain, reachable
from localrag.wording import counted

AROUND_CHARS = 1_500
LEAD_CHARS = 300
"""Of what stands before a passage: a phone shows that and the beginning of the passage without scrolling."""
PREVIEW = 2
LONGEST_CARD_CHARS = 600
"""A whole document shows what stands around its answering sentence, a part that fills a window its beginning; the rest is
a click away."""
MOST_CARDS = 20
MOST_SHOWN_CHARS = 60_000


def evidence_card(engine: Engine, turn: Turn) -> Callable[[], None]:
    """Draw the passages of a turn, the answering sentence of each highlighted; what is returned draws those folded away.

    Most lie there, and a browser has to build what nobody sees as well: it can wait until the rest is painted.
    """
    if not turn.evidence:
        return lambda: None
    tokens = turn.plan.count("evidence") if turn.plan else 0
    tokens_text = f"{tokens:,} tokens · " if tokens else ""
    given = [(number, evidence) for number, evidence in enumerate(turn.evidence) if evidence.given]
    aside = [(number, evidence) for number, evidence in enumerate(turn.evidence) if not evidence.given]
    more_frame = aside_frame = None
    with st.container(border=True, gap="small"):
        st.caption(f"Evidence · {_what(given)} · {tokens_text}{turn.timings.search_s * 1000:.0f} ms")
        if doubtful(engine, turn):
            st.caption(f":material/help: The documents most likely hold no answer (confidence {turn.confidence:.2f}).")
        _passages(engine, turn, given[:PREVIEW])
        if given[PREVIEW:]:
            more_frame = st.expander(f"{counted(len(given) - PREVIEW, f'more {_word(given)}')}", type="compact")
        if aside:
            label = f"{counted(len(aside), 'passage')} that the model did not read, for you alone"
            aside_frame = st.expander(label, type="compact")

    def folded() -> None:
        if more_frame is not None:
            with more_frame:
                _passages(engine, turn, given[PREVIEW:MOST_CARDS])
                if given[MOST_CARDS:]:
                    st.caption(f"and {len(given) - MOST_CARDS} more, up to the end of the document")
        if aside_frame is not None:
            with aside_frame:
                _passages(engine, turn, aside)

    return folded


def doubtful(engine: Engine, turn: Turn) -> bool:
    """Whether the documents most likely hold no answer, by what the settings ask for today."""
    return turn.confidence is not None and turn.confidence < engine.settings.retrieval.least_confidence


def _word(given: Sequence[tuple[int, Evidence]]) -> str:
    return "part" if given and "part" in given[0][1].channels else "passage"


def _what(given: Sequence[tuple[int, Evidence]]) -> str:
    return "the whole document" if given and "whole" in given[0][1].channels else counted(len(given), _word(given))


def _passages(engine: Engine, turn: Turn, numbered: Sequence[tuple[int, Evidence]]) -> None:
    for number, evidence in numbered:
        _passage(engine, turn, number, evidence)


def _passage(engine: Engine, turn: Turn, number: int, evidence: Evidence) -> None:
    st.html(passage(*_part_shown(evidence)))
    with st.container(horizontal=True, wrap=False, vertical_alignment="center", gap="small"):
        st.caption(f"{circled(number + 1)} {place(evidence)}", width="stretch")
        if st.button("open", key=f"open_{turn.id}_{number}", type="tertiary", icon=":material/open_in_new:"):
            show_document(engine, evidence)


def _part_shown(evidence: Evidence) -> tuple[str, tuple[int, int] | None]:
    """The text a card shows, with the range to highlight in it: all of it, or what a long one has around that range."""
    text = evidence.text
    start, end = (at - evidence.start for at in evidence.focus) if evidence.focus else (0, 0)
    whole = len(text) <= LONGEST_CARD_CHARS or ("whole" not in evidence.channels and evidence.focus is not None)
    begin = 0 if whole else text.find(" ", max(0, start - LEAD_CHARS), start) + 1 if start > LEAD_CHARS else 0
    until = len(text) if whole else max(end, begin + LONGEST_CARD_CHARS)
    before, after = "… " * (begin > 0), " …" * (until < len(text))
    shift = len(before) - begin
    return before + text[begin:until] + after, (start + shift, end + shift) if evidence.focus else None


def place(evidence: Evidence) -> str:
    """Document and location of a span, in one line of Markdown-safe text."""
    parts = [evidence.name, *([evidence.location] if evidence.location else [])]
    return plain(" › ".join(parts))


def sources_line(turn: Turn) -> None:
    """Under the answer: which documents and sections it draws on."""
    cited = {number for sentence in turn.sentences for number in sentence.evidence}
    unread = {True: "", False: " (for you alone: the model did not read it)"}
    named = [f"{circled(n + 1)} {place(e)}{unread[e.given]}" for n, e in enumerate(turn.evidence) if n in cited]
    if named:
        st.caption("Sources  " + "  ·  ".join(named))
    elif turn.sentences:
        st.caption("Sources  none: no passage carries a sentence of this answer.")


@st.dialog("Document", width="large", position="right")
def show_document(engine: Engine, evidence: Evidence) -> None:
    """The document around a span, the span marked."""
    record = engine.library.ledger.document(evidence.document_id)
    if record is None:
        st.caption("This document was deleted after the answer was written. The passage is kept with the answer.")
        st.html(passage(evidence.text))
        return
    text = engine.library.ledger.text(record.id)
    shown_end = min(evidence.end, evidence.start + MOST_SHOWN_CHARS)
    start, end = _before(text, evidence.start), min(len(text), shown_end + AROUND_CHARS)
    st.subheader(plain(record.title or record.name), anchor=False)
    st.caption(f"{place(evidence)} · characters {evidence.start:,} to {evidence.end:,} of {len(text):,}")
    if text[evidence.start : evidence.end] != evidence.text:
        st.caption("The document has changed since; this is the passage as it was.")
        st.html(passage(evidence.text))
        return
    if start:
        with st.expander("What stands before it", type="compact"):
            st.html(passage(text[max(0, start - AROUND_CHARS) : start]))
    shown = passage(text[start:end], (evidence.start - start, shown_end - start))
    more = f"<div style='{FIGURES}'>…</div>" * (end < len(text))
    st.html(reachable(shown + more, "The passage in its document"))


def _before(text: str, start: int) -> int:
    """Where a little before `start` a word begins."""
    begin = max(0, start - LEAD_CHARS)
    return text.find(" ", begin, start) + 1 or begin if begin else 0
