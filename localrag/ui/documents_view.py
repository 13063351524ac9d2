"""The table of a collection's documents, and one document's text with its chunks."""

from __future__ import annotations

import hashlib
import html
import textwrap

import streamlit as st

from localrag.engine import Engine
from localrag.errors import LocalRagError
from localrag.types import Chunk, DocumentRecord
from localrag.ui import state
from localrag.ui.markup import plain
from localrag.ui.prose import ACCENT, READING

PREVIEW_CHARS = 20_000
DESCRIPTION_CHARS = 300
COLUMNS = ("status", "title", "source", "type", "language", "chunks", "characters", "added", "reason")


def documents_table(records: list[DocumentRecord], key: str) -> list[DocumentRecord]:
    """Draw the documents; returns the selected ones."""
    rows = [
        {
            "status": record.status,
            "title": record.title or record.name,
            "source": record.source,
            "type": record.type,
            "language": record.language,
            "chunks": record.chunks,
            "characters": record.characters,
            "added": record.added.replace("T", " ")[:16],
            "reason": record.error,
        }
        for record in records
    ]
    columns = {name: [row[name] for row in rows] for name in COLUMNS if name != "reason" or any(row["reason"] for row in rows)}
    event = st.dataframe(
        columns,
        hide_index=True,
        key=key,
        on_select="rerun",
        selection_mode="multi-row",
        column_config={
            "chunks": st.column_config.NumberColumn(format="localized", width="small"),
            "characters": st.column_config.NumberColumn(format="localized", width="small"),
            "title": st.column_config.TextColumn(width="medium"),
            "source": st.column_config.TextColumn(width="medium"),
        },
    )
    chosen = event["selection"]["rows"]
    return [records[row] for row in chosen if row < len(records)]


def table_key(records: list[DocumentRecord]) -> str:
    """A key of this very list in this very order: a row chosen in an older list must not point into a newer one."""
    return hashlib.sha256("".join(f"{record.id}{record.added}" for record in records).encode()).hexdigest()[:16]


def delete_documents(engine: Engine, collection: str, ids: list[str]) -> None:
    """Delete the documents that were shown as chosen, whatever the list holds by now."""
    deleted = 0
    try:
        for document_id in ids:
            engine.library.delete_document(collection, document_id)
            deleted += 1
    except LocalRagError as exc:
        state.notify(str(exc))
        return
    state.notify(f"{deleted} deleted from {collection}; your own files stay where they are.")


def preview(engine: Engine, record: DocumentRecord) -> None:
    """Draw a document's text as it was read, with the borders of its chunks."""
    text = engine.library.ledger.text(record.id)
    chunks = engine.library.ledger.chunks_of(record.id)
    st.subheader(plain(record.title or record.name), anchor=False)
    facts = [record.type, record.language, f"{record.characters:,} characters", f"{len(chunks):,} chunks", record.source]
    st.caption(" · ".join(plain(fact) for fact in facts if fact))
    if record.description:
        st.caption(plain(textwrap.shorten(record.description, DESCRIPTION_CHARS, placeholder=" …")))
    if record.error:
        st.caption(f":material/error: {plain(record.error)}")
    shown = text[:PREVIEW_CHARS]
    if shown:
        with st.container(height=420, border=True):
            st.html(f'<div style="{READING};white-space:pre-wrap">{_with_borders(shown, chunks)}</div>')
    if len(text) > PREVIEW_CHARS:
        st.caption(f"The first {PREVIEW_CHARS:,} of {len(text):,} characters; every chunk of the rest can be found too.")


def _with_borders(text: str, chunks: list[Chunk]) -> str:
    pieces: list[str] = []
    at = 0
    for chunk in chunks:
        if chunk.start >= len(text):
            break
        start = max(at, chunk.start)
        pieces.append(html.escape(text[at:start]))
        title = html.escape(f"chunk {chunk.index + 1}, characters {chunk.start} to {chunk.end}", quote=True)
        pieces.append(f"<span title='{title}' style='border-left:3px solid {ACCENT};padding-left:5px'>")
        pieces.append(html.escape(text[start : chunk.end]))
        pieces.append("</span>")
        at = max(at, chunk.end)
    return "".join([*pieces, html.escape(text[at:])])
