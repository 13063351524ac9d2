"""Documents out of a collection and, where that was asked for, their files off the disk; every path's fate is told."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from localrag.documents.sources import file_stamp, is_address
from localrag.errors import LocalRagError
from localrag.library import Library
from localrag.models.download import sha256_of
from localrag.types import DocumentRecord, SourceRecord

REMAINS = (
    "Deleted text is overwritten at once. Its vectors, numbers computed from it, stay in files under chroma/ until the"
    " collection is rebuilt; after that, traces in the free space of chroma.sqlite3 are overwritten with time."
)


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A regular file on this machine that a document came from. `elsewhere` are other collections that hold it too."""

    path: str
    document: str
    size: int
    elsewhere: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FileFate:
    """What happened to a file that was to be deleted, `said` in a few words."""

    path: str
    deleted: bool
    said: str


@dataclass(frozen=True, slots=True)
class Removal:
    """Documents that are no longer in a collection, and what became of the files."""

    collection: str
    documents: int
    chunks: int
    files: tuple[FileFate, ...] = ()


def source_files(library: Library, collection: str, records: Sequence[DocumentRecord]) -> list[SourceFile]:
    """The files that could be deleted with documents: sources that are regular files, no links, not inside an archive."""
    sources = _own_sources(library, collection, records)
    others = [home for home in library.collections() if home.name != collection] if sources else []
    held = {home.name: {s.container or s.source for s in library.ledger.sources(home.id)} for home in others}
    found: list[SourceFile] = []
    for source in sources:
        status = _regular(source.source)
        if status is not None:
            elsewhere = tuple(name for name, places in held.items() if source.source in places)
            found.append(SourceFile(source.source, source.document_id, status.st_size, elsewhere))
    return found


def remove(library: Library, collection: str, records: Sequence[DocumentRecord], paths: Collection[str] = ()) -> Removal:
    """Take documents out of a collection; then delete those of their files that `paths` names.

    A file is left, and the reason told, when it is no source of these documents, no regular file, or was changed since it
    was read: what the person saw is then not what would be deleted.
    Raises:
        BusyError, StoreError: the documents could not be taken out; no file was touched.
    """
    own = {source.source: source for source in _own_sources(library, collection, records)} if paths else {}
    contents = {record.id: record.sha256 for record in records}
    library.delete_documents(collection, records)
    library.ledger.settle()
    fates = []
    for path in sorted(set(paths)):
        source = own.get(path)
        if source is None:
            fates.append(FileFate(path, False, "left: it is no file these documents came from"))
        else:
            fates.append(_delete(source, contents.get(source.document_id, "")))
    return Removal(collection, len(records), sum(record.chunks for record in records), tuple(fates))


def _own_sources(library: Library, collection: str, records: Sequence[DocumentRecord]) -> list[SourceRecord]:
    """Sources of documents that may be files of their own: absolute paths outside archives."""
    home = library.collection(collection)
    wanted = {source for record in records for source in (record.source, *record.also)}
    return [
        source
        for source in library.ledger.sources(home.id)
        if source.source in wanted
        and not source.container
        and not is_address(source.source)
        and Path(source.source).is_absolute()
    ]


def _regular(path: str) -> os.stat_result | None:
    """What the system knows of a regular file; None for a link, a folder, or nothing."""
    try:
        found = os.lstat(path)
    except (OSError, ValueError):
        return None
    return found if stat.S_ISREG(found.st_mode) else None


def _delete(source: SourceRecord, sha256: str) -> FileFate:
    path = Path(source.source)
    if not os.path.lexists(path):
        return FileFate(source.source, False, "was not there any more")
    if _regular(source.source) is None:
        return FileFate(source.source, False, "left: it is a link, a folder or a device, no regular file")
    try:
        if file_stamp(path) != source.stamp and (not sha256 or sha256_of(path) != sha256):
            return FileFate(source.source, False, "left: it has changed since it was read")
        path.unlink()
    except (OSError, LocalRagError) as exc:
        return FileFate(source.source, False, f"could not be deleted: {getattr(exc, 'strerror', None) or exc}")
    return FileFate(source.source, True, "deleted")
