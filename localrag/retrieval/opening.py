"""The one vector database of a data directory, opened when it is first needed, and anew when it must be."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from localrag.documents.ledger import Ledger
from localrag.settings import VectorSettings

if TYPE_CHECKING:  # chromadb takes a second to import
    from localrag.retrieval.server import ServerAddress
    from localrag.retrieval.vectors import VectorIndex


class IndexOpener:
    """Every method may be called from any thread."""

    def __init__(self, data_dir: Path, vectors: VectorSettings, ledger: Ledger, writing: FileLock) -> None:
        """Whoever has `writing` is the one that writes to the files in `data_dir`."""
        self._settings, self.path = vectors, data_dir / "chroma"
        self._ledger, self._writing = ledger, writing
        self._lock = threading.RLock()
        self._index: VectorIndex | None = None
        self._version = 0
        self._stale = False

    def get(self) -> VectorIndex:
        """The database as it is now: opened afresh after another process wrote, since Chroma would not see it in files.

        Raises:
            DamagedIndexError: the files cannot be opened. StoreError: the server does not answer.
        """
        with self._lock:
            version = self._ledger.version()
            if self._index is not None and (self._index.shared or version == self._version):
                return self._index
            from localrag.retrieval.recovery import after_crash
            from localrag.retrieval.vectors import VectorIndex

            if self._settings.chroma_url:
                self._index = VectorIndex(server_address(self._settings))
                return self._index
            if self._index is None:
                after_crash(self.path, self._writing)
            self._index, self._stale = VectorIndex(self.path, afresh=self._stale), True
            self._version = version
            return self._index

    def set_aside(self) -> None:
        """Move files that cannot be opened out of the way; empty ones take their place. Needs the right to write.

        Raises:
            StoreError: they cannot be moved.
        """
        from localrag.retrieval.recovery import set_aside

        with self._lock:
            set_aside(self.path)
            self._index, self._stale = None, True

    def clear_aside(self) -> None:
        """Remove what was set aside: all of it was made again."""
        from localrag.retrieval.recovery import clear_aside

        clear_aside(self.path)

    def close(self) -> None:
        """Close connections to a server."""
        with self._lock:
            if self._index is not None:
                self._index.close()


def server_address(settings: VectorSettings) -> ServerAddress:
    """Where the settings' server answers."""
    from localrag.retrieval.server import ServerAddress

    return ServerAddress(
        settings.chroma_url,
        settings.chroma_token,
        settings.chroma_tenant,
        settings.chroma_database,
        settings.chroma_timeout_s,
    )
