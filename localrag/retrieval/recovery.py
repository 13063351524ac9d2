"""What is put right after a crash: indexes that are damaged, vectors and indexes that belong to nothing."""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from localrag.documents.ledger import Ledger
from localrag.documents.rebuild import prune
from localrag.documents.unfinished import Unfinished
from localrag.errors import StoreError
from localrag.retrieval.preflight import inspect
from localrag.retrieval.vectors import REMEDY, VectorIndex, writing_marker

logger = logging.getLogger(__name__)


def after_crash(path: Path, writing: FileLock) -> None:
    """Look for damage where a process ended while it wrote to Chroma, before this one opens it; see `recover`.

    Left to another process where one has the right to write.
    """
    if not writing_marker(path).exists():
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
        StoreError: the database cannot be opened at all.
    """
    found = inspect(path)
    if found.error:
        raise StoreError(f"The vector database {path} cannot be opened: {found.error}. {REMEDY}")
    if found.damaged:
        index = VectorIndex(path)
        for name, reason in found.damaged.items():
            logger.warning("the index %s is damaged and made again: %s", name, reason)
            index.drop(name)
    writing_marker(path).unlink(missing_ok=True)


def tidy(ledger: Ledger, index: VectorIndex) -> list[str]:
    """Take out of Chroma and the ledger what a crash left there; returns the names of collections that miss vectors."""
    unfinished = Unfinished(ledger.db)
    missing = []
    with ledger.vectors_lock:
        for name in index.names() - ledger.index_names():
            index.drop(name)
        for record in ledger.collections():
            if left := unfinished.left(record.id):
                index.remove(record.index_name, left)
                unfinished.settle(record.id, left)
            if index.count(record.index_name) > record.chunks:
                prune(record, ledger, index, record.index_name)
            if index.count(record.index_name) < record.chunks:
                missing.append(record.name)
        unfinished.sweep()
    return missing
