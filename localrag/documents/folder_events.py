"""Word from the operating system that something changed in a folder; where it gives none, by looking every few seconds."""

from __future__ import annotations

import errno
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from watchdog import events as kinds
from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver, ObservedWatch
from watchdog.observers.polling import PollingObserverVFS

POLL_S = 10.0
"""Between two looks at a folder, where the system does not tell."""
_TOLD = (
    "FileCreatedEvent FileModifiedEvent FileMovedEvent FileDeletedEvent FileClosedEvent FileAttribEvent"
    " DirCreatedEvent DirMovedEvent DirDeletedEvent DirAttribEvent"
).split()
"""Not that a file was opened or read: a sync does that. Nor that a folder was modified: what was modified in it comes too."""
EVENTS: list[type[FileSystemEvent]] = [getattr(kinds, name) for name in _TOLD if hasattr(kinds, name)]


@dataclass(slots=True)
class _Watched:
    observer: BaseObserver
    watch: ObservedWatch
    identity: tuple[int, int]
    ended: bool = False


class FolderEvents:
    """Watches folders with all folders in them. `changed` is called with the folder, on a thread of this class.

    `set` and `close` are for one thread; folders are given as real paths, without links. Links in them are not followed,
    hidden files and what lies below `ignored` never count.
    """

    def __init__(
        self, changed: Callable[[str], None], ignored: Path, tell: Callable[[str], None], poll_s: float = POLL_S
    ) -> None:
        self._changed, self._tell, self._poll_s = changed, tell, poll_s
        self._ignored = os.path.realpath(ignored)
        self._watched: dict[str, _Watched] = {}
        self._observer: BaseObserver | None = None
        self._polling = False

    def set(self, folders: Collection[str], grown: bool = False) -> list[str]:
        """Watch these folders and no others; returns those that are watched only from now on, or again.

        A folder that is not there is left out; call again to see whether it is back. `grown`: folders may have come into
        them, so the system's limit may be reached.
        """
        for folder in [*self._watched]:
            known = self._watched[folder]
            if known.ended or folder not in folders or known.identity != _identity(folder):
                self._drop(folder)
        new = [folder for folder in folders if folder not in self._watched and self._add(folder)]
        if (new or grown) and self._watched and not self._polling:
            self._check_limit()
        return new

    def close(self) -> None:
        """Stop watching and end the threads."""
        self._watched.clear()
        if self._observer is not None:
            self._observer.stop()
            self._observer.join()
            self._observer = None

    def _add(self, folder: str) -> bool:
        identity = _identity(folder)
        if identity is None:
            return False
        try:
            observer = self._running()
            handler = _Handler(folder, self._ignored, self._changed, self._ended)
            watch = observer.schedule(handler, folder, recursive=True, event_filter=EVENTS)
        except OSError as exc:
            if self._polling or exc.errno in (errno.ENOENT, errno.ENOTDIR):
                return False
            self._poll_from_now_on(exc)
            return self._add(folder)
        self._watched[folder] = _Watched(observer, watch, identity)
        return True

    def _drop(self, folder: str) -> None:
        known = self._watched.pop(folder)
        known.observer.unschedule(known.watch)

    def _ended(self, folder: str) -> None:
        """The folder itself was deleted: nothing more is heard of it, even if another one takes its place."""
        if (known := self._watched.get(folder)) is not None:
            known.ended = True

    def _running(self) -> BaseObserver:
        if self._observer is None:
            # Without following links: a link that leads to a folder above would never end.
            self._observer = (
                PollingObserverVFS(os.lstat, os.scandir, polling_interval=self._poll_s) if self._polling else Observer()
            )
            self._observer.start()
        return self._observer

    def _check_limit(self) -> None:
        """Watch one more folder: watchdog says nothing when the limit is reached further in."""
        if sys.platform != "linux":
            return
        folder = tempfile.mkdtemp(prefix="localrag-")
        try:
            observer = self._running()
            observer.unschedule(observer.schedule(FileSystemEventHandler(), folder, event_filter=EVENTS))
        except OSError as exc:
            self._poll_from_now_on(exc)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _poll_from_now_on(self, exc: OSError) -> None:
        folders = [*self._watched]
        self.close()
        self._polling = True
        self._tell(
            f"The system watches no more folders ({exc.strerror or exc}), so changes are looked for every {self._poll_s:g} s."
            " Raise fs.inotify.max_user_watches to hear of them at once."
        )
        for folder in folders:
            self._add(folder)


class _Handler(FileSystemEventHandler):
    def __init__(self, folder: str, ignored: str, changed: Callable[[str], None], ended: Callable[[str], None]) -> None:
        self._folder, self._ignored, self._changed, self._ended = folder, ignored, changed, ended

    def on_any_event(self, event: FileSystemEvent) -> None:
        places = [os.fsdecode(path) for path in (event.src_path, event.dest_path) if path]
        if event.event_type == kinds.EVENT_TYPE_DELETED and self._folder in places:
            self._ended(self._folder)
        if any(self._counts(place) for place in places):
            self._changed(self._folder)

    def _counts(self, place: str) -> bool:
        if os.path.join(place, "").startswith(os.path.join(self._ignored, "")):
            return False
        name = os.path.relpath(place, self._folder)
        return name == "." or not any(part.startswith(".") for part in name.split(os.sep))


def _identity(folder: str) -> tuple[int, int] | None:
    """Device and inode; None when there is no folder to look into."""
    try:
        found = os.stat(folder)
    except (OSError, ValueError):
        return None
    return (found.st_dev, found.st_ino) if os.path.isdir(folder) and os.access(folder, os.R_OK | os.X_OK) else None
