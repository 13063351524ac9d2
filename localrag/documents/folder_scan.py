"""What a folder that is kept in sync holds now, and which known sources it therefore no longer does."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from localrag.documents.folders import SyncedFolder
from localrag.documents.source import Source
from localrag.documents.sources import Found, file_stamp, printable
from localrag.errors import DocumentError
from localrag.types import SourceRecord


class FolderScan:
    """One look at a folder. `listed` are all folders that are kept in sync with its collection, itself among them."""

    def __init__(self, folder: SyncedFolder, listed: Sequence[SyncedFolder], found: Found, data_dir: Path) -> None:
        self._folder, self._data_dir = folder, Path(os.path.abspath(data_dir))
        self._listed = [(other, other.patterns) for other in listed]
        self._patterns = folder.patterns
        self.files = found.files
        self._there = {printable(str(file)) for file in found.files}
        self._closed = [place for place in found.closed if not self._patterns.keep_out(self._name(place))]
        self._broken_links = found.lost

    def sources(self) -> list[Source]:
        """The files that are let in, and folders that cannot be read: taking those in says why."""
        files = [file for file in self.files if self._patterns.let_in(self._name(file))]
        return [Source(path.name, path=path) for path in sorted([*files, *self._closed])]

    def lost(self, record: SourceRecord) -> bool:
        """Whether a source came by this folder, and is no longer there or no longer let in.

        Nothing is lost below a folder that cannot be read or a link that leads nowhere now: its drive may be missing. What
        lies in a listed folder further in is that folder's, and hidden files are whoever's added them.
        """
        file = file_of(record)
        name = inside(file, self._folder.path)
        if not name or _is_hidden(name) or inside(file, self._data_dir):
            return False
        homes = [(other, patterns, below) for other, patterns in self._listed if (below := inside(file, other.path))]
        if min(len(below) for _, _, below in homes) < len(name):
            return False
        if not any(patterns.let_in(below) and not _is_hidden(below) for _, patterns, below in homes):
            return True
        if file in self._there or any(file == printable(str(place)) for place in self._closed):
            return False
        return not any(inside(file, place) for place in (*self._closed, *self._broken_links))

    def _name(self, path: Path) -> str:
        return path.relative_to(self._folder.path).as_posix()


def file_of(record: SourceRecord) -> str:
    """The file a source is, or the archive it lies in."""
    return os.path.normpath(record.container or record.source)


def inside(file: str, folder: Path) -> str:
    """A file's path below a folder, with "/" between folders; "" when it does not lie below."""
    start = os.path.join(printable(str(folder)), "")
    return file[len(start) :].replace(os.sep, "/") if file.startswith(start) else ""


def failed_as_it_is(source: Source, known: Sequence[SourceRecord]) -> bool:
    """Whether all that is known of a source was read from the file as it is now, and could not be taken in."""
    if source.path is None or not any(record.error for record in known):
        return False
    try:
        stamp = file_stamp(source.path)
    except DocumentError:
        return False
    return all(record.stamp == stamp for record in known)


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") for part in name.split("/"))
