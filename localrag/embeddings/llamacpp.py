"""Any GGUF embedding model, through llama.cpp: one-thread workers for documents, a context of its own for questions."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from localrag.embeddings.base import EmbeddingModel, Spans, Vectors
from localrag.embeddings.llama_embedder import POOLING_NONE, LlamaEmbedder
from localrag.embeddings.pooling import POOLING_CODES, pooling_code
from localrag.embeddings.prefixes import family
from localrag.errors import EmbeddingError
from localrag.models.devices import cpu_threads
from localrag.models.gguf_file import read_gguf
from localrag.models.identity import fingerprint
from localrag.models.llama_library import Model
from localrag.models.purpose import why_no_vectors
from localrag.models.trials import Trials

LOWEST_PRIORITY = 19
TEXTS_PER_TASK = 16
CHARS_PER_TASK = 2_000
"""About two evaluations: with tasks of 16 a short document was one task, and one worker did it all (30 to 56 chunks/s)."""


class LlamaCppEmbeddings(EmbeddingModel):
    """Two one-thread workers embed faster than one two-thread context, and leave the answer's threads alone."""

    def __init__(self, path: Path, workers: int = 0, trials: Trials | None = None) -> None:
        """Load the model, after its trial when it is new here; `workers` threads embed documents, 0 for one a core.

        Raises:
            ModelFileError, ModelLoadError: the file cannot be used.
            EmbeddingError: it is no model for embeddings.
        """
        header = read_gguf(path)
        reason = why_no_vectors(header)
        if reason is not None:
            raise EmbeddingError(reason)
        self.name = header.name or path.stem
        self.identity = f"gguf:{fingerprint(path)}"
        known = family(f"{self.name} {path.stem}")
        self.question_prefix, self.document_prefix = known.question_prefix, known.document_prefix
        self.languages = known.languages
        self._pooling = pooling_code(header.pooling, known.pooling)
        means = self._pooling == POOLING_CODES["mean"]
        (trials or Trials()).ensure(header, POOLING_NONE if means else self._pooling)
        self._model = Model(path)
        self.dimension = self._model.n_embd
        self._workers = workers or cpu_threads()
        self._idle: queue.SimpleQueue[LlamaEmbedder] = queue.SimpleQueue()
        self._embedders: list[LlamaEmbedder] = []
        self._pool = ThreadPoolExecutor(self._workers, "embed", initializer=_step_back)
        self._question_lock = threading.Lock()
        self._start_lock = threading.Lock()
        self._question = LlamaEmbedder(self._model, 1, self._pooling)

    def embed_question(self, text: str) -> Vectors:
        with self._question_lock:
            row: Vectors = self._question.embed([self.question_prefix + text])[0][0]
        if not np.isfinite(row).all():
            raise EmbeddingError(f"{self._model.path} gave no usable vector. Choose another embedding model.")
        return row

    def embed_sentences(self, texts: list[str]) -> Vectors:
        with self._question_lock:
            return self._question.embed([self.document_prefix + text for text in texts])[0]

    def embed_texts(self, texts: list[str]) -> Vectors:
        return self.embed_passages(texts, [])[0]

    def embed_passages(self, texts: list[str], spans: Sequence[Spans]) -> tuple[Vectors, list[Vectors]]:
        lead = len(self.document_prefix)
        self._start_workers()
        # Like lengths together waste no part of an evaluation; the longest first leave no worker behind at the end.
        tasks = _tasks(texts, sorted(range(len(texts)), key=lambda index: -len(texts[index])))
        rows = np.empty((len(texts), self.dimension), np.float32)
        parts: dict[int, Vectors] = {}

        def work(task: list[int]) -> None:
            embedder = self._idle.get()
            try:
                inside = [[(start + lead, end + lead) for start, end in spans[index]] for index in task] if spans else []
                rows[task], found = embedder.embed([self.document_prefix + texts[index] for index in task], inside)
                parts.update(zip(task, found, strict=False))
            finally:
                self._idle.put(embedder)

        list(self._pool.map(work, tasks))
        return rows, [parts[index] for index in range(len(texts))] if parts else []

    def _start_workers(self) -> None:
        with self._start_lock:
            while len(self._embedders) < self._workers:
                embedder = LlamaEmbedder(self._model, 1, self._pooling)
                self._embedders.append(embedder)
                self._idle.put(embedder)

    def close(self) -> None:
        """Wait for running work, then free the contexts and the model."""
        with self._start_lock, self._question_lock:
            self._pool.shutdown()
            for embedder in (*self._embedders, self._question):
                embedder.close()
            self._embedders.clear()
            self._model.close()


def _tasks(texts: list[str], order: list[int]) -> list[list[int]]:
    """Indices in this order, cut into tasks of a size that keeps every worker busy to the end."""
    tasks: list[list[int]] = []
    room = 0
    for index in order:
        room -= len(texts[index])
        if room < 0 or len(tasks[-1]) == TEXTS_PER_TASK:
            tasks.append([])
            room = CHARS_PER_TASK - len(texts[index])
        tasks[-1].append(index)
    return tasks


def _step_back() -> None:
    """Run this worker at the lowest priority: two of them cut a streaming answer to a twentieth otherwise."""
    if hasattr(os, "setpriority") and os.uname().sysname == "Linux":  # elsewhere a priority belongs to the whole process
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOWEST_PRIORITY)
