"""The one vector database of a data directory, opened when it is first needed, and anew when it must be."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from localrag.documents.ledger import Ledger

if TYPE_CHECKING:  # chromadb takes a second to import
    from localrag.retrieval.vectors import VectorIndex


class IndexOpener:
    """Every method may be called from any thread."""

    def __init__(self, path: Path, ledger: Ledger, writing: FileLock) -> None:
        """`path` is Chroma's folder, `writing` who has it is the one that writes."""
        self.path, self._ledger, self._writing = path, ledger, writing
        self._lock = threading.RLock()
        self._index: VectorIndex | None = None
        self._version = 0
        self._stale = False

    def get(self) -> VectorIndex:
        """The database as it is now: opened afresh after another process wrote, since Chroma would not see it.

        Raises:
            DamagedIndexError: it cannot be opened.
        """
        with self._lock:
            version = self._ledger.version()
            if self._index is None or version != self._version:
                from localrag.retrieval.recovery import after_crash
                from localrag.retrieval.vectors import VectorIndex

                if self._index is None:
                    after_crash(self.path, self._writing)
                self._index, self._stale = VectorIndex(self.path, afresh=self._stale), True
                self._version = version
            return self._index

    def set_aside(self) -> None:
        """Move a database that cannot be opened out of the way; an empty one takes its place. Needs the right to write.

        Raises:
            StoreError: it cannot be moved.
        """
        from localrag.retrieval.recovery import set_aside

        with self._lock:
            set_aside(self.path)
            self._index, self._stale = None, True

    def clear_aside(self) -> None:
        """Remove what was set aside: all of it was made again."""
        from localrag.retrieval.recovery import clear_aside

        clear_aside(self.path)
