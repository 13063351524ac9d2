"""Two models, or one with two settings, on the same question and the same evidence: answer, support, figures, memory."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from localrag.chat.attribution import attribute
from localrag.chat.writing import Writing
from localrag.embeddings.base import EmbeddingModel
from localrag.errors import LocalRagError
from localrag.llms.base import GenerationStats, LoadedModel
from localrag.llms.formats import FormatChoice, with_format
from localrag.models.gguf_file import read_gguf
from localrag.models.memory import estimate_memory
from localrag.prompts.hub import HubPrompt
from localrag.prompts.plan import plan_prompt
from localrag.settings import AnswerSettings, Settings
from localrag.types import AnswerSentence, Evidence, Timings

Use = Callable[[Settings], LoadedModel]
"""Has the model of some settings in memory and returns it; raises a LocalRagError when that cannot be."""
Chosen = Callable[[AnswerSettings], tuple[FormatChoice | None, HubPrompt | None]]
"""The prompt format and the hub prompt that settings name; None is the model's own, and a conversation."""


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two: its settings, and what of them differs from those in use, by flat name."""

    settings: Settings
    changed: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SideAnswer:
    """How a side answered. `memory` is bytes as estimated for its settings, 0 where it is another program's."""

    model: str
    changed: Mapping[str, Any]
    answer: str = ""
    sentences: tuple[AnswerSentence, ...] = ()
    timings: Timings = field(default_factory=Timings)
    memory: int = 0
    load_s: float = 0.0
    error: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was asked, what both were given, and how they answered. `made` is an ISO 8601 time in UTC."""

    id: str
    question: str
    collection: str
    evidence: tuple[Evidence, ...]
    sides: tuple[SideAnswer, ...]
    made: str


class ComparisonJob:
    """A comparison in the making. `run` does the work on the model's thread; every other method from any."""

    def __init__(
        self,
        question: str,
        evidence: Sequence[Evidence],
        sides: Sequence[Side],
        embeddings: EmbeddingModel | None,
        chosen: Chosen,
    ) -> None:
        """`embeddings` is None without documents."""
        self.question, self.evidence, self.sides = question, tuple(evidence), tuple(sides)
        self._embeddings, self._chosen = embeddings, chosen
        self.answers: tuple[SideAnswer, ...] = ()
        self.state: Literal["waiting", "loading", "answering", "done"] = "waiting"
        self.text = ""
        """Of the answer being written."""
        self.cancelled = threading.Event()
        self._finished = threading.Event()

    @property
    def finished(self) -> bool:
        return self._finished.is_set()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for the end; False when the time ran out first."""
        return self._finished.wait(timeout_s)

    def run(self, use: Use) -> None:
        """Let one side answer after the other; a side that fails says why and the other still answers."""
        for side in self.sides:
            if self.cancelled.is_set():
                break
            try:
                self.answers = (*self.answers, self._answer(side, use))
            except LocalRagError as exc:
                path = side.settings.model.model_path
                name = path.stem if path else side.settings.model.llm
                self.answers = (*self.answers, SideAnswer(name, side.changed, error=str(exc)))

    def finish(self) -> None:
        """Say that nothing more comes."""
        self.state = "done"
        self._finished.set()

    def _answer(self, side: Side, use: Use) -> SideAnswer:
        self.state, self.text = "loading", ""
        started = time.perf_counter()
        model = use(side.settings)
        loaded = time.perf_counter()
        self.state = "answering"
        stats, first_s = self._stream(model, side.settings)
        timings = Timings(
            first_token_s=first_s,
            total_s=time.perf_counter() - loaded,
            prompt_tokens=stats.prompt_tokens,
            evaluated_tokens=stats.evaluated,
            answer_tokens=stats.answer_tokens,
            prefill_rate=stats.prefill_rate,
            generation_rate=stats.generation_rate,
            finish=stats.finish,
        )
        text = self.text.strip()
        sentences = attribute(text, self.evidence, self._embeddings) if self._embeddings is not None else ()
        memory = _memory(side.settings)
        return SideAnswer(model.name, side.changed, text, tuple(sentences), timings, memory, loaded - started)

    def _stream(self, model: LoadedModel, settings: Settings) -> tuple[GenerationStats, float]:
        answer, with_documents = settings.answer, self._embeddings is not None
        choice, hub = self._chosen(answer)
        form = with_format(model, choice)
        plan = plan_prompt(form, model.model_id, self.question, self.evidence, (), answer, with_documents, hub)
        model.reset_cancel()
        if self.cancelled.is_set():
            model.cancel()
        _empty_cache(model, answer)
        stats, first_s, started = GenerationStats(), 0.0, time.perf_counter()
        writing = Writing(model, plan, answer, stats)
        for _ in writing.pieces():
            self.text = writing.answer
            if not first_s and (writing.thinking or self.text.strip()):
                first_s = time.perf_counter() - started
        self.text = writing.answer
        return stats, first_s


def _empty_cache(model: LoadedModel, answer: AnswerSettings) -> None:
    """Let the cache hold something else, so that both sides evaluate their prompt from the instruction on."""
    one = answer.model_copy(update={"max_tokens": 1})
    plan = plan_prompt(model, model.model_id, "?", (), (), one, with_documents=False)
    for _ in model.generate(plan.prompt, one, (), GenerationStats()):
        pass


def _memory(settings: Settings) -> int:
    path = settings.model.model_path
    if settings.model.llm not in ("llamacpp", "gpt4all") or path is None:
        return 0
    return estimate_memory(read_gguf(path), settings.model).total
