"""What became of the documents of a job: counts by status, and each document with its reason."""

from __future__ import annotations

from collections import Counter

import streamlit as st

from localrag.documents.ingest import IngestEvent
from localrag.documents.jobs import IngestView
from localrag.ui.markup import plain, reachable
from localrag.wording import counted

NOTED = "with a note"
ORDER = ("failed", "empty", NOTED, "indexed", "replaced", "unchanged", "removed")
TROUBLES = ORDER[:3]
ICONS = {
    "failed": ("red", ":material/error:"),
    "empty": ("orange", ":material/draft:"),
    NOTED: ("orange", ":material/warning:"),
    "indexed": ("green", ":material/check_circle:"),
    "replaced": ("green", ":material/published_with_changes:"),
    "unchanged": ("gray", ":material/check:"),
    "removed": ("gray", ":material/delete:"),
}
SIGNS = {name: f":{color}[{icon}]" for name, (color, icon) in ICONS.items()}
WHOLE = {"rebuild": "was embedded anew", "export": "was written", "import": "was imported", "copy": "was copied"}
"""Jobs that do one thing with a whole collection, and what is said when it is done."""
LISTED = 200
SCROLL_FROM, SCROLL_PX = 8, 260


def kind(event: IngestEvent) -> str:
    """The status of a finished document; one that went in with something to be told is a kind of its own."""
    status = event.status or "failed"
    return NOTED if event.note and status in ("indexed", "replaced") else status


def counts_line(view: IngestView) -> str:
    """How many documents ended how, such as "1 failed · 12 indexed"; empty while none has."""
    counts = Counter(kind(event) for event in view.events if event.status is not None)
    return " · ".join(f"{SIGNS[name]} {counts[name]:,} {name}" for name in ORDER if counts[name])


def troubles(view: IngestView) -> None:
    """Draw the documents of a job that failed, are empty, or have a note."""
    _events([event for event in view.events if event.status is not None and kind(event) in TROUBLES])


def has_news(view: IngestView) -> bool:
    """Whether there is anything to tell: a folder that was looked through and had not changed is not."""
    return view.what != "sync" or bool(view.error) or any(event.status != "unchanged" for event in view.events)


def outcome(view: IngestView, key: str) -> None:
    """Draw how a job ended: what failed first; the counts choose what is listed."""
    if view.error:
        st.error(plain(view.error), icon=":material/error:")
    finished = [event for event in view.events if event.status is not None]
    if not finished:
        return
    if view.what in WHOLE:
        _whole(view, finished[-1])
        return
    counts = Counter(kind(event) for event in finished)
    gone = counts["removed"]
    good = [event for event in finished if event.status not in ("failed", "empty", "removed")]
    size = counted(sum(event.chunks for event in good if event.status != "unchanged"), "chunk")
    stopped = " · cancelled" if view.cancelled else ""
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        removed = f" · {gone:,} removed" if gone else ""
        title = f"{len(good):,} of {view.total:,} documents in{removed} · {size} · {view.seconds:.1f} s{stopped}"
        st.markdown(f"{plain(view.collection)}: {title}", width="content")
        names = [name for name in ORDER if counts[name]]
        chosen = st.pills(
            "Show",
            names,
            selection_mode="multi",
            default=[name for name in names if name in TROUBLES],
            format_func=lambda name: f"{ICONS[name][1]} {name} {counts[name]:,}",
            label_visibility="collapsed",
            key=f"outcome_{key}",
        )
    _events([event for event in finished if kind(event) in chosen])


def _whole(view: IngestView, event: IngestEvent) -> None:
    to = f" to {plain(event.path)}" if view.what == "export" else ""
    st.markdown(
        f"{SIGNS['indexed']} {plain(event.name)} {WHOLE[view.what]}{to}: {counted(event.chunks, 'chunk')}, {view.seconds:.1f} s"
    )


def _events(events: list[IngestEvent]) -> None:
    events = sorted(events, key=lambda event: ORDER.index(kind(event)))
    if not events:
        return
    with st.container(height=SCROLL_PX if len(events) > SCROLL_FROM else "content", border=False, gap="xsmall"):
        if len(events) > SCROLL_FROM:
            st.html(reachable(counted(len(events), "document"), "What became of the documents"))
        for event in events[:LISTED]:
            st.markdown(f":small[{event_line(event)}]")
        if len(events) > LISTED:
            st.caption(f"and {len(events) - LISTED:,} more: the table lists every document")


def event_line(event: IngestEvent) -> str:
    """A finished document in one line, with the reason or the note."""
    if event.error:
        said = plain(event.error if event.name in event.error else f"{event.name}: {event.error}")
    else:
        said = f"{plain(event.name)} · {event.status} · {counted(event.chunks, 'chunk')} · {event.seconds:.1f} s"
        if event.note:
            said = f"{said} · {plain(event.note)}"
    return f"{SIGNS[kind(event)]} {said}"
