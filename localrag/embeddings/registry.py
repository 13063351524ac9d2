"""Which embedding backends there are."""

from __future__ import annotations

from pathlib import Path

from localrag.embeddings.base import EmbeddingModel
from localrag.models.trials import Trials
from localrag.settings import DocumentSettings


def load_embeddings(settings: DocumentSettings, path: Path, trials: Trials | None = None) -> EmbeddingModel:
    """Load the embedding model at `path` with the backend the settings name; a server needs no path.

    llama.cpp tries a file that is not among `trials` in a child first.

    Raises:
        ModelFileError, ModelLoadError, EmbeddingError: it cannot be used, and why.
    """
    if settings.embeddings == "fake":
        from localrag.embeddings.fake import FakeEmbeddings

        return FakeEmbeddings()
    if settings.embeddings == "server":
        from localrag.embeddings.server import ServerEmbeddings

        key = settings.embedding_api_key
        return ServerEmbeddings(settings.embedding_server, settings.embedding_model, key, settings.embedding_timeout_s)
    if settings.embeddings == "gpt4all":
        from localrag.embeddings.gpt4all import GPT4AllEmbeddings

        return GPT4AllEmbeddings(path, settings.embedding_workers)
    from localrag.embeddings.llamacpp import LlamaCppEmbeddings

    return LlamaCppEmbeddings(path, settings.embedding_workers, trials)
