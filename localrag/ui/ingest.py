"""Starting ingestions from a page, and the strip that shows how they go."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from localrag.documents.jobs import IngestJob, IngestView
from localrag.documents.source import Source, sources_at
from localrag.documents.sources import is_address
from localrag.documents.web import parse_address
from localrag.engine import Engine
from localrag.settings import DEFAULT_COLLECTION, GUIDE_COLLECTION
from localrag.ui import state
from localrag.ui.markup import plain
from localrag.ui.outcomes import counts_line, has_news, outcome, troubles
from localrag.wording import counted

POLL_S = 0.4
LOOK_S = 2.0
"""Between two looks whether something has begun that this page did not ask for: a watched folder, another tab."""
KINDS = "PDF, Word, PowerPoint, Excel, CSV, EPUB, mail, JSON, code, text, Markdown, HTML, and ZIP archives of these"

DOING = {"rebuild": "Embedding {} anew", "export": "Writing {} to a file", "import": "Importing {}", "copy": "Copying to {}"}


def uploader(engine: Engine, label: str, key: str) -> list[UploadedFile]:
    """Draw the drop zone, its label followed by what can be read; returns what was dropped."""
    largest = engine.settings.documents.max_document_mb
    help_text = (
        "DOCX, PPTX, XLSX, EML and what else is named here: a file's content decides what it is, not its name."
        f" Up to {largest:,} MB each (max_document_mb). Nothing leaves this machine."
    )
    files: list[UploadedFile] = st.file_uploader(
        f"{label}: {KINDS}", accept_multiple_files=True, key=key, max_upload_size=largest, help=help_text
    )
    return files


def own_collection(collection: str) -> str:
    """Where somebody's documents go who has this collection before them: not into the guide, which is ours."""
    return DEFAULT_COLLECTION if collection in ("", GUIDE_COLLECTION) else collection


def start_uploads(engine: Engine, collection: str, files: Sequence[UploadedFile]) -> None:
    """Take uploaded files in; their bytes are copied, so the browser session may end."""
    engine.intake.start(collection, upload_sources(files))


def upload_sources(files: Sequence[UploadedFile]) -> list[Source]:
    """Uploaded files as what is taken in, each under a name of its own."""
    sources: list[Source] = []
    seen: Counter[str] = Counter()
    for file in files:
        name = Path(file.name).name or "unnamed"
        seen[name] += 1  # two files of one name in one upload are two documents
        sources.append(Source(name if seen[name] == 1 else f"{name} ({seen[name]})", data=file.getvalue()))
    return sources


def start_place(engine: Engine, collection: str, place: str) -> int:
    """Take a web address, a folder or a file on this machine in; returns how many documents that is.

    Raises:
        DocumentError: there is nothing at that place.
        FetchError: no page can be at that address; no failed document is left of it.
    """
    place = place.strip()
    if is_address(place):
        parse_address(place)
    sources = sources_at(place)
    engine.intake.start(collection, sources)
    return len(sources)


def ingest_strip(engine: Engine) -> None:
    """Draw running and waiting jobs, refreshed by themselves, and the outcome of those that ended."""
    working = [job for job in engine.intake.jobs if not job.finished]
    ended = [job for job in engine.intake.finished_jobs if not state.is_dismissed(job.key) and has_news(job.snapshot())]
    if working:
        with st.container(border=True):
            _working(engine, [job.key for job in working], working[0].snapshot().done)
    else:
        _idle(engine, [job.key for job in engine.intake.jobs])
    for job in reversed(ended):
        outcome(job.snapshot(), job.key)
    if ended and not working:
        keys = [job.key for job in ended]
        st.button("Close", icon=":material/check:", type="tertiary", key="dismiss", on_click=state.dismiss, args=(keys,))


@st.fragment(run_every=POLL_S)
def _working(engine: Engine, drawn: list[str], drawn_done: int) -> None:
    """Draw the jobs; the page is drawn anew only when one of them ends, or when that is asked for."""
    jobs = [job for job in engine.intake.jobs if not job.finished]
    if [job.key for job in jobs] != drawn:
        st.rerun()
    first = jobs[0].snapshot()
    _job(engine, jobs[0], first, 0, first.paused)
    _landed(first, first.done - drawn_done)
    for place, job in enumerate(jobs[1:], 1):
        _job(engine, job, job.snapshot(), place, first.paused)


@st.fragment(run_every=LOOK_S)
def _idle(engine: Engine, drawn: list[str]) -> None:
    """Draws nothing; draws the page anew when work has begun or was done meanwhile."""
    if [job.key for job in engine.intake.jobs] != drawn:
        st.rerun()


def _job(engine: Engine, job: IngestJob, view: IngestView, place: int, held_up: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        if place:
            behind = ", behind the paused one" if held_up else ""
            st.caption(f":material/schedule: Number {place + 1} in the queue{behind}: {waiting(view)}", width="stretch")
        else:
            st.progress(view.share, text=line(view))
        label, icon = ("Resume", ":material/play_arrow:") if view.paused else ("Pause", ":material/pause:")
        st.button(
            label,
            key=f"pause_{job.key}",
            icon=icon,
            type="tertiary" if place else "secondary",
            on_click=engine.intake.pause,
            args=(job, not view.paused),
            disabled=view.cancelled,
            help="It also waits after a restart." if not view.paused else None,
        )
        st.button(
            "Cancel",
            key=f"cancel_{job.key}",
            icon=":material/close:",
            type="tertiary" if place else "secondary",
            on_click=job.cancel,
            disabled=view.cancelled,
            help="Documents that are finished stay in.",
        )


def _landed(view: IngestView, news: int) -> None:
    """What the running job has done so far, failures with their reasons."""
    if counted := counts_line(view):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(counted, width="stretch")
            if news > 0 and st.button("Update the page", key="update_table", type="tertiary", icon=":material/refresh:"):
                st.rerun()
    troubles(view)


def line(view: IngestView) -> str:
    """Where a job stands: the document at work, how many are done, the rate, and how long it will take."""
    if view.cancelled:
        return "Stopping after the piece at hand"
    if view.current is None:
        return f"{waiting(view)} · {'paused' if view.paused else 'starting'}"
    done = f"{view.current.done:,} of {view.current.chunks:,} chunks" if view.current.chunks else "reading"
    if view.what in DOING:
        parts = [DOING[view.what].format(plain(view.collection)), done]
    else:
        parts = [plain(view.current.name), done, f"{min(view.done + 1, view.total):,} of {view.total:,} documents"]
    if view.paused:
        return " · ".join([*parts, "paused"])
    if view.rate:
        parts.append(f"{view.rate:,.0f} chunks/s" if view.rate >= 10 else f"{view.rate:.1f} chunks/s")
    if view.left_s is not None:
        parts.append(f"about {duration(view.left_s)} left")
    return " · ".join(parts)


def waiting(view: IngestView) -> str:
    """What a job will do."""
    name = plain(view.collection)
    if view.what in DOING:
        return DOING[view.what].format(name)
    return f"Syncing a folder with {name}" if view.what == "sync" else f"{counted(view.total, 'document')} for {name}"


def duration(seconds: float) -> str:
    """Seconds as "0:42" or "1:02:05"."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
