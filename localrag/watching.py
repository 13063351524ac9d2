"""Folders followed live: what changes in them brings a sync, soon but not for every single file."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from localrag.documents.folder_events import POLL_S, FolderEvents
from localrag.documents.folders import Folders, SyncedFolder
from localrag.documents.sources import look_through, printable
from localrag.errors import LocalRagError
from localrag.library import Library

QUIET_S = 1.0
"""After the last change, before the sync begins: several files are often written at once."""
MOST_S = 10.0
"""After the first change, however much still changes."""
LOOK_S = 30.0
"""Between two looks whether a missing folder is back, and whether the list of folders has changed."""
logger = logging.getLogger(__name__)


class Syncing(Protocol):
    """A sync that was asked for, such as a job of the intake."""

    @property
    def finished(self) -> bool: ...


Begin = Callable[[str, SyncedFolder, bool], Syncing]
"""Begins a sync: collection, folder, whether to read files again that failed before."""
Key = tuple[str, str]


@dataclass(slots=True)
class _Followed:
    """A folder, and the changes not synced yet: when the first and the last of them was seen; 0 means none.

    `places` are the real paths of the folder and of those that links in it lead to: they are watched on their own.
    """

    folder: SyncedFolder
    places: tuple[str, ...] = ()
    first: float = 0.0
    last: float = 0.0
    retry: bool = False
    missing: bool = False
    job: Syncing | None = None


class FolderWatcher:
    """Follows the folders that `choose` names, by default those of every collection that are watched.

    Each is synced when the watcher starts, when it appears, and after changes; never twice at a time. `tell` hears a
    sentence about what cannot be followed. Every method may be called from any thread.
    """

    def __init__(
        self,
        library: Library,
        begin: Begin,
        choose: Callable[[], list[SyncedFolder]] | None = None,
        tell: Callable[[str], None] = logger.warning,
        quiet_s: float = QUIET_S,
        most_s: float = MOST_S,
        look_s: float = LOOK_S,
        poll_s: float = POLL_S,
    ) -> None:
        self._library, self._begin, self._tell = library, begin, tell
        self._choose = choose or (lambda: [folder for folder in Folders(library.ledger.db).all() if folder.watched])
        self._quiet_s, self._most_s, self._look_s = quiet_s, most_s, look_s
        self._events = FolderEvents(self._changed, library.settings.data_dir, tell, poll_s)
        self._wake = threading.Condition()
        self._followed: dict[Key, _Followed] = {}
        self._concerned: dict[str, set[Key]] = {}
        self._next_look = 0.0
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="watch-folders", daemon=True)

    def start(self) -> None:
        """Begin to watch, in the background."""
        self._thread.start()

    def refresh(self) -> None:
        """Look at the list of folders now: one was added, changed or removed."""
        with self._wake:
            self._next_look = 0.0
            self._wake.notify()

    def close(self) -> None:
        """Stop watching and end the threads; syncs that were begun are left to themselves."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        if self._thread.is_alive():
            self._thread.join()

    def _changed(self, place: str) -> None:
        """On a thread of watchdog, which holds its lock: only note it."""
        now = time.monotonic()
        with self._wake:
            for key in self._concerned.get(place, ()):
                if (followed := self._followed.get(key)) is not None:
                    self._touch(followed, now)

    def _touch(self, followed: _Followed, now: float) -> None:
        followed.last = now
        if not followed.first:
            followed.first = now
            self._wake.notify()

    def _run(self) -> None:
        try:
            while not self._closed:
                try:
                    if time.monotonic() >= self._next_look:
                        self._look()
                    self._sync_changed()
                except (LocalRagError, OSError) as exc:
                    self._tell(str(exc))
                    self._next_look = time.monotonic() + self._look_s
                with self._wake:
                    if not self._closed:
                        self._wake.wait(max(0.0, self._next_event() - time.monotonic()))
        finally:
            self._events.close()

    def _next_event(self) -> float:
        return min([self._next_look, *(self._due(followed) for followed in self._followed.values() if followed.first)])

    def _due(self, followed: _Followed) -> float:
        return min(followed.last + self._quiet_s, followed.first + self._most_s)

    def _look(self, grown: bool = False) -> None:
        """See which folders there are to follow, and which of them are there."""
        self._next_look = time.monotonic() + self._look_s
        chosen = {folder.key: folder for folder in self._choose()}
        with self._wake:
            self._followed = {key: self._followed.get(key) or _Followed(folder) for key, folder in chosen.items()}
            for key, folder in chosen.items():
                self._followed[key].folder = folder
        concerned: dict[str, set[Key]] = {}
        for key, followed in self._followed.items():
            self._find(followed, grown)
            for place in followed.places:
                concerned.setdefault(place, set()).add(key)
        with self._wake:
            self._concerned = concerned
        new = self._events.set(concerned, grown)  # never under the lock: watchdog holds its own while it tells
        now = time.monotonic()
        with self._wake:
            for key in {key for place in new for key in concerned[place]}:
                self._followed[key].retry = True
                self._touch(self._followed[key], now)

    def _find(self, followed: _Followed, grown: bool) -> None:
        """See whether a folder is there, and which places there are to watch for it."""
        path = followed.folder.path
        if not os.path.isdir(path):
            if not followed.missing:
                self._tell(
                    f"The folder {printable(str(path))} is not there. Its documents stay; it is followed once it is back."
                )
            followed.places, followed.missing = (), True
            return
        followed.missing = False
        real = os.path.realpath(path)
        if grown or followed.places[:1] != (real,):
            try:
                linked = look_through(path, self._library.settings.data_dir).linked
            except LocalRagError:
                linked = []  # the sync says what is wrong
            followed.places = (real, *(os.path.realpath(place) for place in linked))

    def _sync_changed(self) -> None:
        """Begin the syncs that are due; one whose folder is still being synced waits for that to end."""
        now = time.monotonic()
        due = [followed for followed in self._followed.values() if followed.first and self._due(followed) <= now]
        if not due:
            return
        self._look(grown=True)
        names = {record.id: record.name for record in self._library.collections()}
        for followed in due:
            with self._wake:
                if followed.job is not None and not followed.job.finished:
                    followed.first = followed.last = time.monotonic()
                    continue
                followed.first = followed.last = 0.0
                retry, followed.retry = followed.retry, False
            name = names.get(followed.folder.collection_id)
            if name is not None and not followed.missing and followed.folder.key in self._followed:
                followed.job = self._begin(name, followed.folder, retry)
