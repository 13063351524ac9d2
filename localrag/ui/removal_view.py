"""Deleting documents: what goes, what stays, and afterwards what happened to each file."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from localrag.documents.folders import Folders
from localrag.documents.sources import printable
from localrag.engine import Engine
from localrag.errors import LocalRagError
from localrag.removal import REMAINS, SourceFile, remove, source_files
from localrag.rereading import leads_back
from localrag.types import DocumentRecord
from localrag.ui import state
from localrag.ui.errors import show_errors
from localrag.ui.markup import plain, reachable
from localrag.wording import counted

LISTED = 500
SCROLL_FROM, SCROLL_PX = 6, 180


def _stop_asking() -> None:
    state.ask_removal(False)


@st.dialog("Delete documents", width="medium", on_dismiss=_stop_asking)
def confirm_removal(engine: Engine, collection: str, records: list[DocumentRecord]) -> None:
    """Say what would be removed, and remove it when that is confirmed."""
    chunks = sum(record.chunks for record in records)
    st.markdown(
        f"Text, {counted(chunks, 'chunk')} and vectors of {_documents(len(records))} leave the collection {plain(collection)}:"
    )
    _list([_described(record) for record in records])
    files = source_files(engine.library, collection, records)
    if any(not leads_back(record.source) for record in records):
        st.caption("Uploaded files are not kept by LocalRAG: beside the text there is no copy that could stay behind.")
    paths = _files(files)
    _synced(engine, collection, records)
    st.caption(REMAINS)
    label = f"Delete {_documents(len(records))}" + (f" and {counted(len(paths), 'file')} from disk" if paths else "")
    with st.container(horizontal=True):
        confirmed = st.button(label, icon=":material/delete:", key="confirm_removal")
        if st.button("Keep everything"):
            _stop_asking()
            st.rerun()
    if confirmed:
        with show_errors():
            state.keep_removal(remove(engine.library, collection, records, paths))
            state.choose_documents([])
            _stop_asking()
            st.rerun()


def _synced(engine: Engine, collection: str, records: list[DocumentRecord]) -> None:
    """Say which folders would bring documents back."""
    home = engine.library.collection(collection)
    folders = [folder.path for folder in Folders(engine.library.ledger.db).all(home.id)]
    sources = [Path(source) for record in records for source in (record.source, *record.also)]
    back = [folder for folder in folders if any(folder in source.parents for source in sources)]
    for folder in back:
        st.caption(
            f":material/sync: {plain(printable(str(folder)))} is kept in sync: a file that stays there comes back with the"
            " next sync. Forget the folder first, or delete the files too."
        )


def _files(files: list[SourceFile]) -> list[str]:
    """The choice to delete the files too; returns their paths when it is made."""
    if not files:
        return []
    with st.container(border=True, gap="small"):
        chosen = st.checkbox(
            f"Also delete {'this file' if len(files) == 1 else f'these {len(files):,} files'} from the disk, for good"
        )
        lines = []
        for file in files:
            known = f" (also in {', '.join(plain(name) for name in file.elsewhere)})" if file.elsewhere else ""
            lines.append(f"{plain(file.path)} · {size(file.size)}{known}")
        _list(lines)
        st.caption(
            "There is no wastebasket. A file that has changed since it was read is left."
            if chosen
            else "Not ticked: the files stay where they are."
        )
    return [file.path for file in files] if chosen else []


def removal_report(engine: Engine) -> None:
    """Draw what the last removal did, until it is closed."""
    done = state.removal()
    if done is None:
        return
    with st.container(border=True, gap="small"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(
                f"{_documents(done.documents)} and {counted(done.chunks, 'chunk')} are out of {plain(done.collection)}.",
                width="stretch",
            )
            known = engine.library.ledger.collection(done.collection)
            if known is not None and known.chunks:
                st.button(
                    "Rebuild",
                    icon=":material/cleaning_services:",
                    help=f"{REMAINS} Takes as long as embedding its {counted(known.chunks, 'chunk')}.",
                    on_click=rebuild,
                    args=(engine, done.collection),
                )
            st.button("Close", icon=":material/check:", type="tertiary", on_click=state.keep_removal, args=(None,))
        _list([_fate(file.path, file.deleted, file.said) for file in done.files])


def rebuild(engine: Engine, collection: str) -> None:
    """Begin to embed a collection anew; what prevents it is said after the rerun."""
    try:
        engine.intake.rebuild(collection)
    except LocalRagError as exc:
        state.notify(str(exc))
    state.keep_removal(None)


def _fate(path: str, deleted: bool, said: str) -> str:
    sign = ":green[:material/check_circle:]" if deleted else ":orange[:material/warning:]"
    return f"{sign} {plain(path)}: {plain(said)}"


def _described(record: DocumentRecord) -> str:
    sources = ", ".join(plain(source) for source in (record.source, *record.also))
    title = record.title or record.name
    return sources if title == record.source else f"{plain(title)} · from {sources}"


def _list(lines: list[str]) -> None:
    if not lines:
        return
    with st.container(height=SCROLL_PX if len(lines) > SCROLL_FROM else "content", border=False, gap="xsmall"):
        if len(lines) > SCROLL_FROM:
            st.html(reachable(f"{len(lines):,} in all", "The list"))
        st.caption("  \n".join(lines[:LISTED]))
        if len(lines) > LISTED:
            st.caption(f"and {len(lines) - LISTED:,} more")


def _documents(count: int) -> str:
    return counted(count, "document")


def size(count: int) -> str:
    """Bytes as a person writes them."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:,.0f} {unit}" if unit == "bytes" else f"{count:,.1f} {unit}"
        count /= 1000  # type: ignore[assignment]
    return f"{count:,.1f} GB"
