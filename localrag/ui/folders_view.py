"""The folders that are kept in sync with a collection."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import streamlit as st

from localrag.documents.collection_ledger import CollectionRecord
from localrag.documents.folders import Folders, SyncedFolder
from localrag.documents.sources import printable
from localrag.engine import Engine
from localrag.errors import LocalRagError
from localrag.sync import keep_in_sync, stop_keeping
from localrag.ui import state
from localrag.ui.markup import plain


def start_keeping(engine: Engine, collection: str, place: str) -> None:
    """Keep a folder in sync from now on, and watch it.

    Raises:
        BusyError, DocumentError, StoreError: it cannot be; nothing was begun.
    """
    folder = keep_in_sync(engine.library, collection, place, watched=True)
    engine.watcher.refresh()  # it begins to watch with a sync
    state.notify(f"{printable(str(folder.path))} is kept in sync from now on.")


def folders(engine: Engine, collection: CollectionRecord) -> None:
    """Draw the folders of a collection: sync now, watch, forget."""
    found = Folders(engine.library.ledger.db).all(collection.id)
    if not found:
        return
    watched = sum(folder.watched for folder in found)
    title = f"{len(found)} folder{'s' * (len(found) != 1)} kept in sync · {watched} watched"
    with st.expander(title, icon=":material/folder_managed:", type="compact"):
        for folder in found:
            _folder(engine, collection.name, folder)


def _folder(engine: Engine, collection: str, folder: SyncedFolder) -> None:
    key = "_".join(folder.key)
    synced = f"synced {folder.synced.replace('T', ' ')[:16]} UTC" if folder.synced else "not synced yet"
    patterns = [f"only {', '.join(folder.include)}"] * bool(folder.include)
    patterns += [f"without {', '.join(folder.exclude)}"] * bool(folder.exclude)
    with st.container(horizontal=True, vertical_alignment="center"):
        said = " · ".join([str(folder.path), *patterns, synced])
        st.caption(plain(printable(said)), width="stretch")
        watch = st.toggle("Watch", folder.watched, key=f"watch_{key}", help="Changes go in by themselves while the app runs")
        if watch != folder.watched:
            _do(engine, lambda: Folders(engine.library.ledger.db).put(replace(folder, watched=watch)))
        if st.button("Sync now", key=f"sync_{key}", icon=":material/sync:"):
            _do(engine, lambda: engine.intake.sync(collection, folder))
        if st.button("Forget", key=f"forget_{key}", icon=":material/link_off:", help="Its documents stay in the collection"):
            _do(engine, lambda: stop_keeping(engine.library, collection, str(folder.path)))


def _do(engine: Engine, action: Callable[[], object]) -> None:
    try:
        engine.library.claim_writing()
        action()
        engine.watcher.refresh()
    except LocalRagError as exc:
        state.notify(str(exc))
    st.rerun()
