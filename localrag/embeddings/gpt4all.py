"""GPT4All's embedding models, by path, never downloaded."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np

from localrag.embeddings.base import EmbeddingModel, Vectors, unit
from localrag.embeddings.prefixes import family
from localrag.errors import EmbeddingError, ModelLoadError
from localrag.models.devices import cpu_threads
from localrag.models.gguf_file import read_gguf
from localrag.models.identity import fingerprint


class GPT4AllEmbeddings(EmbeddingModel):
    """GPT4All's bindings are not thread-safe, so one lock serves documents and questions."""

    def __init__(self, path: Path, n_threads: int = 0) -> None:
        """Load the model with `n_threads` threads, 0 for one a core: more than cores is twenty times slower.

        Raises:
            ModelFileError: no usable GGUF file.
            ModelLoadError: GPT4All refused it.
        """
        from gpt4all import Embed4All

        header = read_gguf(path)
        self.name = header.name or path.stem
        self.identity = f"gguf:{fingerprint(path)}"
        known = family(f"{self.name} {path.stem}")
        self.languages = known.languages
        # GPT4All writes the prefix's colon and space itself.
        self._prefixes = [prefix.removesuffix(": ") for prefix in (known.question_prefix, known.document_prefix)]
        self._lock = threading.Lock()
        try:
            self._embedder = Embed4All(
                path.name, model_path=str(path.parent), n_threads=n_threads or cpu_threads(), allow_download=False, device="cpu"
            )
        except Exception as exc:
            raise ModelLoadError(
                f"GPT4All cannot load {path}: {exc}. Choose the llamacpp embeddings or another model."
            ) from exc
        self.dimension = len(self._one("dimension", self._prefixes[1]))

    def _one(self, text: str, prefix: str) -> Vectors:
        with self._lock:
            try:
                vector = self._embedder.embed(text or " ", prefix=prefix, long_text_mode="mean")
            except Exception as exc:
                raise EmbeddingError(f"GPT4All failed to embed a text of {len(text)} characters: {exc}. Add it again.") from exc
        return np.asarray(vector, dtype=np.float32)

    def embed_texts(self, texts: list[str]) -> Vectors:
        # One text a call: GPT4All's own list call measured four times slower.
        rows = [self._one(text, self._prefixes[1]) for text in texts]
        return unit(np.stack(rows)) if rows else np.empty((0, self.dimension), np.float32)

    def embed_question(self, text: str) -> Vectors:
        return unit(self._one(text, self._prefixes[0]))

    def close(self) -> None:
        with self._lock:
            self._embedder.close()
