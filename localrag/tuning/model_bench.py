"""Our llama.cpp adapter beside llama.cpp's own `llama-bench`, run by run, on the same file with the same settings.

As `llama-bench -d 300` has it: a prompt and an answer are evaluated behind 300 tokens that are in the cache already, in a
window no larger than that, and everything is loaded anew for each run: how fast a process is depends on where its memory
lands, by a tenth. Without llama-bench, llama-cpp-python's bare loop takes its place.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, Protocol

from localrag.errors import GenerationError, ModelFileError
from localrag.evaluation.figures import Figure, ratio
from localrag.evaluation.machine import Watch
from localrag.evaluation.ours import BareLoop
from localrag.llms import llamacpp
from localrag.llms.base import GenerationStats, LoadedModel
from localrag.models.devices import cpu_threads
from localrag.models.waiting_threads import environment_as_given
from localrag.settings import AnswerSettings, ModelSettings
from localrag.tuning.perplexity import prose
from localrag.types import Prompt

DEPTH, PROMPT_TOKENS, ANSWER_TOKENS = 300, 400, 64
REPEATS = 4
"""Measurements of each run, of which llama-bench gives the mean."""
TIMEOUT_S = 3600.0
Report = Callable[[str], None]
Speeds = tuple[float, float]
"""Tokens a second: the prompt's, the answer's."""


@dataclass(frozen=True, slots=True)
class Lengths:
    """Tokens in the cache, of the prompt, of the answer."""

    depth: int = DEPTH
    prompt: int = PROMPT_TOKENS
    answer: int = ANSWER_TOKENS


class Side(Protocol):
    name: str

    def speeds(self) -> Speeds: ...


class Ours:
    """The adapter answers are made with, tokens drawn and turned into text."""

    name = "LocalRAG"

    def __init__(self, settings: ModelSettings, lengths: Lengths) -> None:
        self._settings, self._lengths = settings, lengths

    def speeds(self) -> Speeds:
        """The prompt behind what is in the cache, then an answer at the same depth."""
        depth, prompt, answer = self._lengths.depth, self._lengths.prompt, self._lengths.answer
        with self._loaded(depth + prompt + 1) as model:
            tokens = model.tokenize(prose())[: depth + prompt]
            _run(model, [*tokens[1:depth], tokens[0]], 1)  # something else first, as llama-bench warms up: nothing stays
            prefill = [_behind(model, tokens[:depth], tokens, 1).prefill_rate for _ in range(REPEATS)]
        with self._loaded(depth + answer + 1) as model:
            generation = [_behind(model, tokens[:depth], tokens[:depth], answer + 1).generation_rate for _ in range(REPEATS)]
        return fmean(prefill), fmean(generation)

    def _loaded(self, window: int) -> closing[LoadedModel]:
        return closing(llamacpp.build(self._settings.model_copy(update={"n_ctx": window})))


def _behind(model: LoadedModel, cached: Sequence[int], tokens: Sequence[int], count: int) -> GenerationStats:
    _run(model, cached, 1)
    return _run(model, tokens, count)


def _run(model: LoadedModel, tokens: Sequence[int], count: int) -> GenerationStats:
    stats = GenerationStats()
    for _ in model.generate(Prompt(tuple(tokens)), AnswerSettings(temperature=0.0, max_tokens=count), (), stats):
        pass
    return stats


class LlamaBench:
    """llama.cpp's benchmark, once a run, in the environment this process was started in."""

    name = "llama-bench"

    def __init__(self, program: Path, settings: ModelSettings, lengths: Lengths) -> None:
        values = {
            "-m": settings.model_path,
            "-p": lengths.prompt,
            "-n": lengths.answer,
            "-d": lengths.depth,
            "-t": settings.n_threads or cpu_threads(),
            "-b": settings.n_batch,
            "-ub": settings.n_ubatch,
            "-fa": "on" if settings.flash_attn else "off",
            "-ctk": settings.cache_type,
            "-ctv": settings.cache_type,
            "-ngl": settings.n_gpu_layers,
            "-r": REPEATS,
            "-o": "json",
        }
        self.command = [str(program), *(str(part) for pair in values.items() for part in pair)]

    def speeds(self) -> Speeds:
        """Both rates of one run.

        Raises:
            ModelFileError: it cannot be run, and why.
        """
        environment = environment_as_given()
        try:
            done = subprocess.run(self.command, capture_output=True, text=True, env=environment, timeout=TIMEOUT_S, check=False)
        except (OSError, subprocess.TimeoutExpired) as exc:
            raise ModelFileError(f"{self.command[0]} cannot be run: {exc}. Name another with --llama-bench.") from exc
        try:
            tests = json.loads(done.stdout)
            (prompt,) = (test["avg_ts"] for test in tests if test["n_prompt"])
            (answer,) = (test["avg_ts"] for test in tests if test["n_gen"])
        except (ValueError, KeyError, TypeError) as exc:
            said = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
            raise ModelFileError(f"{self.command[0]} measured nothing: {said:.200}. Name another with --llama-bench.") from exc
        return float(prompt), float(answer)


class Bare:
    """llama-cpp-python's loop with nothing around it; from an empty cache, for it measures no depth."""

    name = "llama-cpp-python"

    def __init__(self, settings: ModelSettings, lengths: Lengths) -> None:
        self._settings, self._lengths = settings, lengths

    def speeds(self) -> Speeds:
        """The prompt from an empty cache, then an answer behind it."""
        path, depth, answer = self._settings.model_path, self._lengths.depth, self._lengths.answer
        assert path is not None
        settings = self._settings.model_copy(update={"n_ctx": depth + answer + 1})
        with closing(BareLoop(path, settings.n_threads or cpu_threads(), settings)) as loop:
            speed = loop.speed(loop.tokens(prose())[:depth], answer + 1)
        return speed.prefill, speed.generation


class OursFromEmpty(Ours):
    """As the bare loop measures: the prompt from an empty cache."""

    def speeds(self) -> Speeds:
        depth, answer = self._lengths.depth, self._lengths.answer
        with self._loaded(depth + answer + 1) as model:
            tokens = model.tokenize(prose())[:depth]
            _run(model, [*tokens[1:], tokens[0]], 1)
            stats = _run(model, tokens, answer + 1)
        return stats.prefill_rate, stats.generation_rate


def bench_model(
    settings: ModelSettings, runs: int, llama_bench: Path | None, report: Report, lengths: Lengths | None = None
) -> dict[str, Any]:
    """Measure both sides by turns; `settings.model_path` must be set. Medians are compared: 1 is as fast.

    Raises:
        ModelFileError, ModelLoadError, GenerationError: the model or llama-bench cannot be run.
    """
    lengths = lengths or Lengths()
    watch = Watch()
    sides: tuple[Side, Side]
    if llama_bench:
        sides = Ours(settings, lengths), LlamaBench(llama_bench, settings, lengths)
    else:
        sides = OursFromEmpty(settings, lengths), Bare(settings, lengths)
    found: dict[str, list[Speeds]] = {side.name: [] for side in sides}
    for run in range(runs):
        report(f"Run {run + 1} of {runs} …")
        for side in sides:
            found[side.name].append(side.speeds())
    return _result(settings, lengths, runs, found, watch, llama_bench)


def _result(
    settings: ModelSettings,
    lengths: Lengths,
    runs: int,
    found: dict[str, list[Speeds]],
    watch: Watch,
    llama_bench: Path | None,
) -> dict[str, Any]:
    own, name = found
    figures = {
        what: {side: Figure.of([speeds[at] for speeds in found[side]]) for side in (own, name)}
        for at, what in enumerate(("prefill", "generation"))
    }
    if not all(figure.median for sides in figures.values() for figure in sides.values()):
        raise GenerationError(
            f"{settings.model_path} ended its answer at once, so there is nothing to compare. Choose another."
        )
    machine = watch.machine()
    return {
        "model": str(settings.model_path),
        "beside": name,
        "llama_bench": str(llama_bench) if llama_bench else None,
        "settings": {
            "n_threads": settings.n_threads or cpu_threads(),
            **{key: getattr(settings, key) for key in ("n_batch", "n_ubatch", "flash_attn", "cache_type", "n_gpu_layers")},
        },
        "tokens": {
            "depth": lengths.depth if llama_bench else 0,
            "prompt": lengths.prompt if llama_bench else lengths.depth,
            "answer": lengths.answer,
        },
        "runs": runs,
        **{what: {side: figure.as_json() for side, figure in sides.items()} for what, sides in figures.items()},
        "ratio": {what: ratio(sides[own], sides[name]) for what, sides in figures.items()},
        "machine": machine.as_json(),
        "warning": machine.warning,
    }
