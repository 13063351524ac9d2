"""One document: what is known of it, and its text as it was read, with its chunks marked."""

from __future__ import annotations

import bisect
import textwrap

import streamlit as st

from localrag.documents.language import NAMES
from localrag.engine import Engine
from localrag.types import DocumentRecord, Mark
from localrag.ui import state
from localrag.ui.document_choice import ask_about
from localrag.ui.documents_table import Doubts
from localrag.ui.markup import plain, reachable
from localrag.ui.text_window import headings, marked, page_starts, start_before, window

DESCRIPTION_CHARS = 300
SOURCES_SHOWN = 3
HEIGHT_PX = 460


def preview(engine: Engine, record: DocumentRecord, doubted: Doubts) -> None:
    """Draw a document: facts, what went wrong, a part of its text with the ways to the other parts."""
    st.header(plain(record.title or record.name), anchor=False)
    _facts(record, doubted)
    if record.chunks:
        ask_about(record)
    text = engine.library.ledger.text(record.id)
    if not text:
        return
    start, end = window(text, state.reading_at(record.id))
    _ways(record, text, start, end, engine.library.ledger.marks(record.id))
    # Another key for another part: it then begins at its top.
    with st.container(height=HEIGHT_PX, border=True, key=f"text_{record.id}_{start}"):
        shown = marked(text, engine.library.ledger.chunks_of(record.id), start, end)
        st.html(reachable(shown, f"Text of {record.title or record.name}"))


def _facts(record: DocumentRecord, doubted: Doubts) -> None:
    counted = [
        (record.pages, "page"),
        (record.chunks, "chunk"),
        (record.characters, "character"),
    ]
    facts = [record.type, NAMES.get(record.language, record.language)]
    facts += [f"{count:,} {word}{'s' * (count != 1)}" for count, word in counted if count]
    if record.added:
        facts.append(f"added {record.added.replace('T', ' ')[:16]} UTC")
    sources = [record.source, *record.also]
    shown = sources[:SOURCES_SHOWN] if len(sources) > SOURCES_SHOWN + 1 else sources
    lines = [" · ".join(plain(fact) for fact in facts if fact), f"From {plain(shown[0])}"]
    st.caption("  \n".join([*lines, *(f"and the same content from {plain(source)}" for source in shown[1:])]))
    if rest := sources[len(shown) :]:
        with st.expander(f"{len(rest):,} more sources of the same content", type="compact"):
            st.caption("  \n".join(plain(source) for source in rest))
    if record.description:
        st.caption(plain(textwrap.shorten(record.description, DESCRIPTION_CHARS, placeholder=" …")))
    if record.error:
        st.markdown(f":red[:material/error:] {plain(record.error)}")
    if record.note:
        st.markdown(f":orange[:material/warning:] {plain(record.note)}")
    if record.chunks and record.language in doubted:
        st.markdown(f":orange[:material/translate:] {plain(doubted[record.language])}")


def _ways(record: DocumentRecord, text: str, start: int, end: int, marks: tuple[Mark, ...]) -> None:
    """Previous and next, a page, a heading; and which part it is."""
    key = f"{record.id}_{start}"  # drawn anew with the part, so that page and heading follow it
    places, pages = headings(marks), page_starts(marks)
    st.caption(f"characters {start + 1:,} to {end:,} of {len(text):,}")
    if (start, end) == (0, len(text)) and len(places) < 2 and len(pages) < 2:
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.button(
            "Previous",
            icon=":material/chevron_left:",
            disabled=start == 0,
            key=f"previous_{key}",
            on_click=state.read_at,
            args=(record.id, start_before(text, start)),
        )
        st.button(
            "Next",
            icon=":material/chevron_right:",
            icon_position="right",
            disabled=end >= len(text),
            key=f"next_{key}",
            on_click=state.read_at,
            args=(record.id, end),
        )
        if len(pages) > 1:
            _page_way(record, start, pages, key)
        if len(places) > 1:
            _heading_way(record, start, places, key)


def _page_way(record: DocumentRecord, start: int, pages: dict[int, int], key: str) -> None:
    here = max((page for page, at in pages.items() if at <= start), default=min(pages))
    wanted = st.number_input("Page", min(pages), max(pages), here, key=f"page_{key}", width=130)
    if wanted != here:
        # A page without text has no mark: the next one that has some is shown.
        _go(record, min(at for page, at in pages.items() if page >= wanted))


def _heading_way(record: DocumentRecord, start: int, places: list[Mark], key: str) -> None:
    here = bisect.bisect_right([mark.start for mark in places], start) - 1
    wanted = st.selectbox(
        "Section",
        range(len(places)),
        index=here if here >= 0 else None,
        format_func=lambda at: places[at].location,
        placeholder="before the first heading",
        key=f"section_{key}",
        width=360,
    )
    if wanted is not None and wanted != here:
        _go(record, places[wanted].start)


def _go(record: DocumentRecord, start: int) -> None:
    state.read_at(record.id, start)
    st.rerun(scope="fragment")
