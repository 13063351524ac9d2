"""What one data directory holds, opened when needed: ledger, backlog, vectors, embedding model, the right to write."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from localrag.documents.backlog import Backlog
from localrag.documents.calibrations import Calibrations
from localrag.documents.ledger import Ledger
from localrag.documents.places import PlaceBook
from localrag.embeddings.base import EmbeddingModel
from localrag.embeddings.registry import load_embeddings
from localrag.errors import BusyError, DamagedIndexError
from localrag.models.starter import starter_embedding
from localrag.models.trials import Trials
from localrag.retrieval.opening import IndexOpener
from localrag.settings import Settings

if TYPE_CHECKING:  # chromadb takes a second to import
    from localrag.retrieval.vectors import VectorIndex


class Stores:
    """Every method may be called from any thread."""

    def __init__(self, settings: Settings, embeddings: EmbeddingModel | None = None) -> None:
        """Open the ledger; Chroma and the embedding model, the settings' unless given, are opened when first needed."""
        self.settings = settings
        self.ledger = Ledger(settings.data_dir / "ledger.sqlite")
        self.places = PlaceBook(self.ledger.db)
        self.calibrations = Calibrations(self.ledger.db)
        self.backlog = Backlog(self.ledger.db, settings.data_dir / "inbox")
        self._lock = threading.RLock()
        self._embeddings = embeddings
        self._tidied = False
        self._writing = FileLock(settings.data_dir / "write.lock", timeout=0, thread_local=False)
        self._opener = IndexOpener(settings.data_dir, settings.vectors, self.ledger, self._writing)

    def claim_writing(self) -> None:
        """Become the one process that writes here, until `close`.

        Raises:
            BusyError: another process is.
        """
        with self._lock:
            if self._writing.is_locked:
                return
            try:
                self._writing.acquire()
            except Timeout as exc:
                raise BusyError(
                    f"LocalRAG is already running with the data in {self.settings.data_dir}."
                    " Make this change in the running app, or stop it first."
                ) from exc

    def embeddings(self) -> EmbeddingModel:
        """The embedding model of the settings, loaded at the first call.

        Raises:
            ModelFileError, ModelLoadError, EmbeddingError: it cannot be used.
        """
        with self._lock:
            if self._embeddings is None:
                documents = self.settings.documents
                path = documents.embedding_path or Path()
                if documents.embedding_path is None and documents.embeddings not in ("server", "fake"):
                    path = starter_embedding(self.settings.models_dir)
                self._embeddings = load_embeddings(documents, path, Trials(self.settings.data_dir))
            return self._embeddings

    @property
    def loaded_embeddings(self) -> EmbeddingModel | None:
        """The embedding model of the settings if it is in memory; never loads it."""
        return self._embeddings

    def index(self) -> VectorIndex:
        """The vector database as it is now, whoever wrote last.

        Raises:
            DamagedIndexError: it cannot be opened; `rebuild` makes it again.
        """
        return self._opener.get()

    def tidy(self, set_aside: bool = False) -> list[str]:
        """Put right what a crash left; returns the collections that miss vectors. Needs the right to write.

        With `set_aside`, a vector database that cannot be opened makes room for an empty one.
        """
        from localrag.retrieval.recovery import tidy

        try:
            index = self.index()
        except DamagedIndexError:
            if not set_aside:
                raise
            self._opener.set_aside()
            index = self.index()
        missing = tidy(self.ledger, index)
        self._tidied = True
        return missing

    def clear_aside(self) -> None:
        """Remove a damaged vector database that was set aside, unless a collection still misses vectors."""
        if not self.tidy():
            self._opener.clear_aside()

    def close(self) -> None:
        """Free the embedding model, close the files, let another process write."""
        with self._lock:
            if self._embeddings is not None:
                self._embeddings.close()
                self._embeddings = None
            self._opener.close()
            self.ledger.close()
            self._writing.release()
