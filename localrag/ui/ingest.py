"""Starting ingestions from a page, and the strip that shows how they go."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from localrag.documents.ingest import IngestEvent
from localrag.documents.jobs import IngestView
from localrag.documents.source import Source, sources_at
from localrag.engine import Engine
from localrag.ui.markup import plain

POLL_S = 0.4
SIGNS = {
    "indexed": ":green[:material/check_circle:]",
    "replaced": ":green[:material/published_with_changes:]",
    "unchanged": ":gray[:material/check:]",
    "empty": ":orange[:material/draft:]",
    "removed": ":gray[:material/delete:]",
    "failed": ":red[:material/error:]",
}
LISTED = 200


def start_uploads(engine: Engine, collection: str, files: Sequence[UploadedFile]) -> None:
    """Take uploaded files in; their bytes are copied, so the browser session may end."""
    sources: list[Source] = []
    seen: Counter[str] = Counter()
    for file in files:
        name = Path(file.name).name or "unnamed"
        seen[name] += 1  # two files of one name in one upload are two documents
        sources.append(Source(name if seen[name] == 1 else f"{name} ({seen[name]})", data=file.getvalue()))
    engine.intake.start(collection, sources)


def start_place(engine: Engine, collection: str, place: str) -> int:
    """Take a web address, a folder or a file on this machine in; returns how many documents that is.

    Raises:
        DocumentError: there is nothing at that place.
    """
    sources = sources_at(place)
    engine.intake.start(collection, sources)
    return len(sources)


def ingest_strip(engine: Engine) -> None:
    """Draw running ingestions, refreshed by itself, and the outcome of the last one."""
    jobs = engine.intake.jobs
    if any(not job.finished for job in jobs):
        _running(engine)
    elif jobs:
        view = jobs[-1].snapshot()
        if view.error:
            st.error(plain(view.error), icon=":material/error:")
        _outcome(view)


@st.fragment(run_every=POLL_S)
def _running(engine: Engine) -> None:
    views = [(job, job.snapshot()) for job in engine.intake.jobs if not job.finished]
    if not views:
        st.rerun()
    for number, (job, view) in enumerate(views):
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            st.progress(_share(view), text=_line(view))
            st.button("Cancel", key=f"cancel_{number}", icon=":material/close:", on_click=job.cancel, disabled=view.cancelled)
    _outcome(views[0][1])


def _share(view: IngestView) -> float:
    part = view.current.done / view.current.chunks if view.current and view.current.chunks else 0.0
    return min(1.0, (view.done + part) / view.total) if view.total else 0.0


def _line(view: IngestView) -> str:
    if view.cancelled:
        return "Stopping after the piece at hand"
    if view.current is None:
        return f"{plain(view.collection)}: waiting"
    share, left = _share(view), ""
    if share > 0.02 and view.seconds > 2:
        seconds = int(view.seconds * (1 - share) / share)
        left = f" · about {seconds // 60}:{seconds % 60:02d} left"
    pieces = f" {view.current.done:,}/{view.current.chunks:,} chunks ·" if view.current.chunks else " reading ·"
    files = f"{min(view.done + 1, view.total)} of {view.total} documents"
    return f"{plain(view.current.name)}{pieces} {files} · {view.rate:.0f} chunks/s{left}"


def _outcome(view: IngestView) -> None:
    finished = [event for event in view.events if event.status is not None]
    if not finished:
        return
    worst = [e for e in finished if e.status in ("failed", "empty")]
    for event in worst[:LISTED]:
        st.markdown(_event_line(event))
    good = [e for e in finished if e not in worst]
    if good:
        chunks = sum(event.chunks for event in good if event.status != "unchanged")
        gone = sum(event.status == "removed" for event in good)
        removed = f"{gone} removed, " if gone else ""
        title = f"{len(good) - gone} of {view.total} documents in, {removed}{chunks:,} chunks, {view.seconds:.1f} s"
        with st.expander(title, type="compact"):
            for event in good[:LISTED]:
                st.markdown(_event_line(event))


def _event_line(event: IngestEvent) -> str:
    said = (
        plain(event.error)
        if event.error
        else f"{plain(event.name)} · {event.status} · {event.chunks:,} chunks · {event.seconds:.1f} s"
    )
    return f"{SIGNS[event.status or 'failed']} {said}"
