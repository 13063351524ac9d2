"""A folder kept in sync with a collection: new and changed files go in, what is gone or no longer wanted is forgotten."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from localrag.documents.folder_scan import FolderScan, failed_as_it_is
from localrag.documents.folders import Folders, SyncedFolder
from localrag.documents.ingest import Control, IngestEvent
from localrag.documents.sources import Found, is_address, look_through, printable
from localrag.errors import DocumentError, StoreError
from localrag.library import Library
from localrag.types import SourceRecord

FEW = 3
"""A folder that lost all its files, more than these, looks like a drive that is not mounted."""
BATCH = 500
"""Sources forgotten together."""


def keep_in_sync(
    library: Library,
    collection: str,
    place: str,
    include: Sequence[str] | None = None,
    exclude: Sequence[str] | None = None,
    watched: bool | None = None,
) -> SyncedFolder:
    """Put a folder on the list of a collection, which is made when missing; nothing is read yet.

    None leaves the patterns and `watched` as they were, or empty for a new folder.
    Raises:
        BusyError: another process is writing.
        DocumentError: it is no folder, or a pattern is wrong.
        StoreError: the collection cannot be made.
    """
    path = folder_path(place)
    data = Path(os.path.abspath(library.settings.data_dir))
    if path == data or data in path.parents:
        raise DocumentError(f"LocalRAG keeps its own data in {path}. Choose a folder with your documents.")
    record = library.ledger.collection(" ".join(collection.split()))
    known = Folders(library.ledger.db).find(record.id, path) if record else None
    if known is None and not os.path.isdir(path):
        raise DocumentError(f"There is no folder {place:.300}. Give a folder on this machine.")
    folder = known or SyncedFolder("", path)
    if include is not None:
        folder = replace(folder, include=tuple(pattern for pattern in include if pattern))
    if exclude is not None:
        folder = replace(folder, exclude=tuple(pattern for pattern in exclude if pattern))
    if watched is not None:
        folder = replace(folder, watched=watched)
    _ = folder.patterns  # says at once what is wrong with them
    folder = replace(folder, collection_id=library.create_collection(collection).id)
    Folders(library.ledger.db).put(folder)
    return folder


def stop_keeping(library: Library, collection: str, place: str) -> SyncedFolder:
    """Take a folder off the list; its documents stay.

    Raises:
        BusyError: another process is writing.
        StoreError: it is not on the list.
    """
    folders, record = Folders(library.ledger.db), library.collection(collection)
    folder = folders.find(record.id, folder_path(place))
    if folder is None:
        known = ", ".join(printable(str(other.path)) for other in folders.all(record.id)) or "none"
        raise StoreError(
            f"The folder {printable(place)} is not kept in sync with {record.name} (there are: {known}). Name one."
        )
    library.claim_writing()
    folders.remove(folder)
    return folder


def folder_path(place: str) -> Path:
    """The absolute path a person means; DocumentError when nothing or a web address was named."""
    if not place.strip() or is_address(place):
        raise DocumentError(f"{place.strip() or 'Nothing'} cannot be kept in sync. Name a folder on this machine.")
    return Path(os.path.abspath(os.path.expanduser(place)))


def sync(
    library: Library,
    collection: str,
    folder: SyncedFolder,
    control: Control | None = None,
    force: bool = False,
    retry: bool = True,
    expect: Callable[[int], None] = lambda files: None,
) -> Iterator[IngestEvent]:
    """Take in what is new or changed in a folder, then forget what it no longer holds or lets in.

    In this order a renamed file finds its content there and is not embedded again. A source belongs to the folder when its
    path lies below it, even if it was added by hand; the same content from elsewhere stays. Where folders of the list lie
    in one another, the innermost one forgets a file, once none of them lets it in.
    Nothing is forgotten below a folder that cannot be read, nor when the sync is cancelled. `force` also forgets when the
    folder is missing or suddenly empty. Without `retry`, unchanged files that failed before are not read again.
    Raises:
        BusyError: another process is writing.
        DocumentError: the folder is missing, cannot be read or looks like a drive that is not mounted; nothing was changed.
        StoreError: the collection, or the ledger, cannot be used.
    """
    control = control or Control()
    record, folders = library.collection(collection), Folders(library.ledger.db)
    listed = folders.all(record.id)
    library.claim_writing()
    if folder.key not in {other.key for other in listed}:
        return  # forgotten while it waited
    data_dir = library.settings.data_dir
    scan = FolderScan(folder, listed, _look(folder, data_dir, force), data_dir)
    known: dict[str, list[SourceRecord]] = {}
    for source in library.ledger.sources(record.id):
        known.setdefault(source.container or source.source, []).append(source)
    lost = [file for file, records in known.items() if any(scan.lost(source) for source in records)]
    if not scan.files and len(lost) > FEW and not force:
        raise DocumentError(
            f"The folder {printable(str(folder.path))} holds no files, {len(lost)} were known: that looks like a drive that is"
            " not mounted, so nothing was removed. If they are gone for good, sync it with --force."
        )
    sources = scan.sources()
    if not retry:
        sources = [source for source in sources if not failed_as_it_is(source, known.get(source.identity, ()))]
    expect(len(sources))
    if sources:
        yield from library.ingest(record.name, sources, control)
    gone = [source for source in library.ledger.sources(record.id) if scan.lost(source)]
    for at in range(0, len(gone), BATCH):
        control.wait()
        if control.cancelled:
            return
        part = gone[at : at + BATCH]
        library.forget(record.name, [source.source for source in part])
        yield from (IngestEvent(source.source, source.name, source.source, "removed") for source in part)
    if not control.cancelled:
        folders.note_synced(folder)


def _look(folder: SyncedFolder, data_dir: Path, force: bool) -> Found:
    if not os.path.lexists(folder.path):
        if force:
            return Found([], [], [], [])
        raise DocumentError(
            f"The folder {printable(str(folder.path))} is not there, so nothing was removed."
            " Mount its drive, or sync it with --force if it is gone for good."
        )
    try:
        return look_through(folder.path, data_dir)
    except DocumentError as exc:
        raise DocumentError(f"{printable(str(exc))} Until then nothing of it is removed.") from exc
