"""What is put right after a crash: indexes that are damaged, vectors and indexes that belong to nothing."""

from __future__ import annotations

import logging
import shutil
import time
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from localrag.documents.ledger import Ledger
from localrag.documents.rebuild import prune
from localrag.documents.unfinished import Unfinished
from localrag.documents.writing import take_out
from localrag.errors import DamagedIndexError, StoreError
from localrag.retrieval.preflight import inspect
from localrag.retrieval.segments import as_left, note_sound
from localrag.retrieval.vectors import REMEDY, VectorIndex

ASIDE = "-damaged-"
logger = logging.getLogger(__name__)


def after_crash(path: Path, writing: FileLock) -> None:
    """Look for damage where a process ended while it wrote to Chroma, or something else did, before this one opens it.

    Left to another process where one has the right to write.
    """
    if as_left(path):
        return
    with suppress(Timeout):
        writing.acquire(timeout=0)  # once more where it is held
        try:
            recover(path)
        finally:
            writing.release()


def recover(path: Path) -> None:
    """Drop the indexes that are damaged: they are made again from the ledger. Nobody else may be writing.

    Raises:
        DamagedIndexError: the database cannot be opened at all.
    """
    found = inspect(path)
    if found.error:
        raise DamagedIndexError(f"The vector database {path} cannot be opened: {found.error}. {REMEDY}")
    if found.damaged:
        index = VectorIndex(path)
        for name, reason in found.damaged.items():
            logger.warning("the index %s is damaged and made again: %s", name, reason)
            index.drop(name)
    note_sound(path)


def set_aside(path: Path) -> Path | None:
    """Move a database that cannot be opened out of the way; returns where it lies now, None when there was none.

    Raises:
        StoreError: it cannot be moved.
    """
    if not path.exists():
        return None
    aside = path.with_name(f"{path.name}{ASIDE}{time.strftime('%Y%m%d-%H%M%S')}")
    try:
        path.rename(aside)
    except OSError as exc:
        raise StoreError(
            f"The damaged vector database {path} cannot be moved: {exc.strerror}. Check the data directory."
        ) from exc
    return aside


def clear_aside(path: Path) -> None:
    """Remove what `set_aside` moved, now that all of it was made again."""
    for folder in path.parent.glob(f"{path.name}{ASIDE}*"):
        shutil.rmtree(folder, ignore_errors=True)


def tidy(ledger: Ledger, index: VectorIndex) -> list[str]:
    """Take out of Chroma and the ledger what a crash left there; returns the names of collections that miss vectors."""
    missing = []
    with ledger.vectors_lock:
        for name in () if index.shared else index.names() - ledger.index_names():  # on a server it may be someone else's
            index.drop(name)
        for record in ledger.collections():
            take_out(record, ledger, index)
            if index.count(record.index_name) > record.chunks:
                prune(record, ledger, index, record.index_name)
            if index.count(record.index_name) < record.chunks:
                missing.append(record.name)
        Unfinished(ledger.db).sweep()
    return missing
