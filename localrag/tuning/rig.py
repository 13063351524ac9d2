"""The models and contexts of a sweep: one point run once, one perplexity, one requantised copy. Seconds each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from localrag.errors import ModelLoadError
from localrag.llms.llama_context import LlamaContext
from localrag.models.llama_library import Model
from localrag.models.quantise import quantise
from localrag.settings import ModelSettings
from localrag.tuning.copies import check_room
from localrag.tuning.perplexity import perplexity, prose
from localrag.tuning.plan import WINDOW, Plan
from localrag.tuning.points import FOLLOW_UP, Point

N_CTX = WINDOW
"""A prompt and its answer fit, and a window of the perplexity: small, so that contexts measured by turns fit side by side."""

Rates = tuple[float, float | None, float | None]
"""Tokens a second of a prompt, of the answer behind it, and of a short question behind both; None was not measured."""


@dataclass(frozen=True, slots=True)
class Copy:
    """A requantised copy: bytes, and the type most weights have."""

    size: int
    type: str


class Rig:
    """Not for two threads. Contexts of the points in turn stay open until `rest`, so that their memory is warm."""

    def __init__(self, path: Path, base: ModelSettings, scratch: Path, plan: Plan) -> None:
        """`base` has what is not tuned, such as GPU layers; copies go into `scratch`.

        Raises:
            ModelFileError, ModelLoadError: the file cannot be loaded.
        """
        self._base = base.model_copy(update={"n_ctx": N_CTX, "model_path": path})
        self._path, self._scratch, self._windows = path, scratch, (plan.windows, plan.window)
        self._prompt, self._answer = plan.prompt_tokens, plan.answer_tokens
        self._models: dict[str, Model] = {}
        self._contexts: dict[Point, LlamaContext] = {}
        self._tokens = self._model("").tokenize(prose())
        if len(self._tokens) < self._prompt + self._answer + FOLLOW_UP:
            raise ModelLoadError(
                f"{path.name} takes the shipped text for {len(self._tokens)} tokens only. Choose another model."
            )

    def speed(self, point: Point, generate: bool) -> Rates:
        """Tokens a second of the prompt and, when asked for, of the answer behind it and of a short question behind both.

        The answer and that question are the text's own next tokens.
        Raises:
            ModelLoadError, GenerationError: it cannot be run like this, and why.
        """
        context = self._context(point)
        prefill = self._prompt / context.evaluate(self._tokens[: self._prompt])
        if not generate:
            return prefill, None, None
        end = self._prompt + self._answer
        answer, question = self._tokens[self._prompt : end], self._tokens[end : end + FOLLOW_UP]
        seconds = sum(context.evaluate([token], self._prompt + at) for at, token in enumerate(answer))
        return prefill, len(answer) / seconds, len(question) / context.evaluate(question, end)

    def perplexity(self, point: Point) -> float:
        """The perplexity of the shipped text.

        Raises:
            ModelLoadError, GenerationError: it cannot be run like this, and why.
        """
        model = self._model(point.quantisation)
        whole = point.settings(self._base).model_copy(update={"n_batch": WINDOW, "n_ubatch": WINDOW})
        context = LlamaContext(model, whole)
        try:
            return perplexity(context, model, prose(), *self._windows)
        finally:
            context.close()

    def add_copy(self, quantisation: str) -> Copy:
        """Write a copy into the scratch folder.

        Raises:
            ModelFileError, ModelLoadError: no room, or llama.cpp refused.
        """
        check_room(self._path, self._scratch, quantisation)
        written = quantise(self._path, copy_file(self._scratch, quantisation), quantisation)
        return Copy(written.file_size, written.dominant_type)

    def drop_copy(self, quantisation: str) -> None:
        """Delete a copy."""
        self.rest()
        model = self._models.pop(quantisation, None)
        if model is not None:
            model.close()
        copy_file(self._scratch, quantisation).unlink(missing_ok=True)

    def rest(self) -> None:
        """Free the contexts."""
        for context in self._contexts.values():
            context.close()
        self._contexts.clear()

    def close(self) -> None:
        """Free everything."""
        self.rest()
        for model in self._models.values():
            model.close()
        self._models.clear()

    def _model(self, quantisation: str) -> Model:
        if quantisation not in self._models:
            path = copy_file(self._scratch, quantisation) if quantisation else self._path
            base = self._base
            self._models[quantisation] = Model(path, base.n_gpu_layers, base.use_mmap, base.use_mlock)
        return self._models[quantisation]

    def _context(self, point: Point) -> LlamaContext:
        if point not in self._contexts:
            context = LlamaContext(self._model(point.quantisation), point.settings(self._base))
            self._contexts[point] = context
            if point.n_threads_prompt:
                context.lib.llama_set_n_threads(context.pointer, point.n_threads, point.n_threads_prompt)
            # Warm up with all of it: the compute buffers' memory is taken when it is first written to.
            context.evaluate(self._tokens[: self._prompt])
            context.evaluate(self._tokens[:1], self._prompt)
        return self._contexts[point]


def copy_file(scratch: Path, quantisation: str) -> Path:
    """Where a copy lies while it is tried."""
    return scratch / f"{quantisation}.gguf"


def by_kind(runs: Sequence[Rates]) -> tuple[tuple[float, ...], ...]:
    """The prompts' rates, the answers' and the follow-ups' of some runs."""
    return tuple(tuple(rate for rate in kind if rate is not None) for kind in zip(*runs, strict=True)) if runs else ((), (), ())
