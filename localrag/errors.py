"""The exception tree. `str(error)` is always one sentence a user can act on: what failed, the value, what to do next."""


class LocalRagError(Exception):
    """Base of everything LocalRAG raises on purpose."""


class SettingsError(LocalRagError):
    """A setting has a value that cannot be used."""


class ModelFileError(LocalRagError):
    """A model file is missing, damaged, or not what it was taken for."""


class ModelLoadError(LocalRagError):
    """A model file is sound but cannot run here: memory, architecture, or settings."""


class GenerationError(LocalRagError):
    """The model stopped working while it evaluated or generated."""


class EmbeddingError(LocalRagError):
    """Texts could not be turned into vectors."""


class DocumentError(LocalRagError):
    """A document cannot be read."""


class FetchError(DocumentError):
    """A web address cannot be fetched, or may not be."""


class StoreError(LocalRagError):
    """A collection or conversation cannot be opened, written, or found."""


class DeletedError(StoreError):
    """What was to be written to was deleted on purpose."""


class DamagedIndexError(StoreError):
    """The vector database cannot be opened; it can be made again from the ledger."""


class BusyError(StoreError):
    """Another LocalRAG process is writing to the same data directory."""


class PromptError(LocalRagError):
    """A prompt template cannot be used, or a question does not fit the context window."""


class DownloadError(LocalRagError):
    """A download failed or brought other bytes than expected; nothing was kept under the final name."""


class DownloadStoppedError(DownloadError):
    """A download was stopped on purpose; what was fetched is kept, to be continued."""


class QuestionSetError(LocalRagError):
    """Questions to evaluate with cannot be read or made, or expect what the collection does not hold."""
