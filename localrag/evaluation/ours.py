"""Our side of the comparison, where it can be measured without an engine: the same splits in, the model's speed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from localrag.documents.ingest import Ingestion
from localrag.documents.ledger import Ledger, now
from localrag.documents.preparing import Work, document_id
from localrag.documents.sentences import split_sentences
from localrag.documents.source import Source
from localrag.documents.splitter import chunks_at
from localrag.documents.writing import Writer
from localrag.embeddings.base import EmbeddingModel
from localrag.evaluation.quiet import quiet_standard_error
from localrag.llms import llamacpp
from localrag.llms.base import GenerationStats
from localrag.llms.llama_context import CACHE_TYPES
from localrag.models.llama_library import llama_library
from localrag.retrieval.vectors import VectorIndex
from localrag.settings import AnswerSettings, ModelSettings, Settings
from localrag.types import DocumentRecord, Prompt, SourceRecord

UNRELATED = "The weather in Lisbon on the first day of spring was"
"""To warm a model up with: nothing of what is measured is in its cache then."""
GREEDY = {"temperature": 0.0, "repeat_penalty": 1.0}


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where our ingestion writes: the ledger, the vectors, and the model between."""

    ledger: Ledger
    index: VectorIndex
    model: EmbeddingModel

    def warm_up(self) -> None:
        self.model.embed_texts([UNRELATED] * 64)  # enough that every worker gets some

    def ingest(self, texts: Sequence[str], name: str) -> float:
        """Seconds to embed and store these texts as one document of a collection, ledger included.

        What `documents.ingest` does, once a document was read and split.
        """
        home = self.ledger.collection(name) or self.ledger.add_collection(
            name, self.model.identity, self.model.name, self.model.dimension
        )
        self.index.collection(home.index_name, self.model)
        settings = Settings()
        started = time.perf_counter()
        text = "\n\n".join(texts)
        identity = document_id(home.id, text)
        starts = accumulate((len(piece) + 2 for piece in texts[:-1]), initial=0)
        ranges = [(start, start + len(piece), "", None) for start, piece in zip(starts, texts, strict=True)]
        chunks = chunks_at(identity, text, ranges)
        record = DocumentRecord(identity, name, name, name, type="text", characters=len(text), chunks=len(chunks), added=now())
        work = Work(
            Source(name),
            SourceRecord(identity, name, identity, added=record.added),
            started,
            record=record,
            text=text,
            chunks=chunks,
            sentences=[split_sentences(piece) for piece in texts],
            chunk_count=len(chunks),
        )
        writer = Writer(home, self.ledger, settings.documents, self.index, self.model)
        for _ in Ingestion(home, self.ledger, self.model, settings, writer).run_prepared([work]):
            pass
        return time.perf_counter() - started


@dataclass(frozen=True, slots=True)
class Speed:
    """Tokens per second: the prompt's, and the answer's after its first token."""

    prefill: float
    generation: float
    answer_tokens: int


class OurModel:
    """Our llama.cpp adapter alone, with the settings a new installation has."""

    def __init__(self, path: Path) -> None:
        self._model = llamacpp.build(ModelSettings(model_path=path))

    def tokens(self, text: str) -> list[int]:
        """The text as a prompt, as long as the text is."""
        return self._model.tokenize(text)

    def speed(self, tokens: Sequence[int], count: int) -> Speed:
        """Continue the prompt greedily by at most `count` tokens; nothing of it is in the cache before."""
        self._run(self._model.tokenize(UNRELATED), 8)
        stats = self._run(tokens, count)
        return Speed(stats.prefill_rate, stats.generation_rate, stats.answer_tokens)

    def _run(self, tokens: Sequence[int], count: int) -> GenerationStats:
        stats = GenerationStats()
        answer = AnswerSettings.model_validate(GREEDY | {"max_tokens": count})
        for _ in self._model.generate(Prompt(tuple(tokens)), answer, (), stats):
            pass
        return stats

    def close(self) -> None:
        self._model.close()


class BareLoop:
    """llama-cpp-python's own `Llama.generate`, token by token and nothing around it, with the settings we use."""

    def __init__(self, path: Path, n_threads: int, settings: ModelSettings | None = None) -> None:
        """`settings` None are the defaults."""
        defaults = settings or ModelSettings()
        library = llama_library()  # first, so that llama.cpp's log goes to ours
        with quiet_standard_error():
            self._llama = library.Llama(
                model_path=str(path),
                n_ctx=defaults.n_ctx,
                n_batch=defaults.n_batch,
                n_ubatch=defaults.n_ubatch,
                n_threads=n_threads,
                n_threads_batch=n_threads,
                flash_attn=defaults.flash_attn,
                n_gpu_layers=defaults.n_gpu_layers,
                type_k=CACHE_TYPES[defaults.cache_type],
                type_v=CACHE_TYPES[defaults.cache_type],
            )

    def tokens(self, text: str) -> list[int]:
        """The text as a prompt, as long as the text is."""
        found: list[int] = self._llama.tokenize(text.encode(), add_bos=False)
        return found

    def speed(self, tokens: Sequence[int], count: int) -> Speed:
        """As `OurModel.speed`; it does not stop at an end token, so give the count that was reached there."""
        with quiet_standard_error():
            self._run(self._llama.tokenize(UNRELATED.encode(), add_bos=False), 8)
            self._llama.reset()
            started, first, last = self._run(tokens, count)
        generation = (count - 1) / (last - first) if count > 1 and last > first else 0.0
        return Speed(len(tokens) / (first - started), generation, count)

    def _run(self, tokens: Sequence[int], count: int) -> tuple[float, float, float]:
        started = first = last = time.perf_counter()
        for number, _ in enumerate(self._llama.generate(list(tokens), temp=0.0, repeat_penalty=1.0), 1):
            last = time.perf_counter()
            first = last if number == 1 else first
            if number == count:
                break
        return started, first, last

    def close(self) -> None:
        self._llama.close()
