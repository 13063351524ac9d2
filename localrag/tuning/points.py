"""What is measured when a machine is tuned, and what counts as faster."""

from __future__ import annotations

import statistics
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from localrag.models.devices import cpu_threads
from localrag.settings import ModelSettings

Stage = Literal["before", "threads", "batch", "flash", "cache", "copies", "check"]

TYPICAL_PROMPT, TYPICAL_ANSWER, FOLLOW_UP = 400, 128, 40
"""Tokens of a question with four passages, of its answer, and of a question after it with what is new for it."""
READING_RATE = 10.0
"""Tokens a second: nearly twice what one reads silently, 238 words a minute (Brysbaert 2019) or some 5.3 tokens a second."""
WHILE_READING = 0.1


def felt_s(prefill: float, generation: float | None, follow_up: float | None = None) -> float:
    """How long a typical question and its follow-up feel, from rates in tokens a second: the seconds this tuning makes fewer.

    Before the first word one waits: these seconds count in full. Then one reads: seconds in which the text comes faster than
    anyone reads count a tenth, those by which it comes slower count in full. A rate that was not measured counts nothing.
    """
    waiting = TYPICAL_PROMPT / prefill + (FOLLOW_UP / follow_up if follow_up else 0.0)
    if generation is None:
        return waiting
    writing, reading = TYPICAL_ANSWER / generation, TYPICAL_ANSWER / READING_RATE
    return waiting + WHILE_READING * min(writing, reading) + max(0.0, writing - reading)


@dataclass(frozen=True, slots=True)
class Point:
    """How the model is run. `quantisation` is that of a copy, empty the file itself; `n_threads_prompt` 0 is `n_threads`."""

    n_threads: int
    n_batch: int = 512
    n_ubatch: int = 256
    flash_attn: bool = False
    cache_type: str = "f16"
    quantisation: str = ""
    n_threads_prompt: int = 0

    def settings(self, base: ModelSettings) -> ModelSettings:
        """The settings to load with. Combinations llama.cpp refuses are left to llama.cpp, which says why."""
        names = ("n_threads", "n_batch", "n_ubatch", "flash_attn", "cache_type")
        return base.model_copy(update={name: getattr(self, name) for name in names})

    def told(self) -> str:
        """In words, for a table."""
        threads = f"{self.n_threads}/{self.n_threads_prompt}" if self.n_threads_prompt else str(self.n_threads)
        flash = "flash attention" if self.flash_attn else "no flash attention"
        return f"{self.quantisation or 'as it is'}, threads {threads}, n_ubatch {self.n_ubatch}, {flash}, KV {self.cache_type}"


@dataclass(frozen=True, slots=True)
class Measured:
    """A point with its runs in tokens a second; `error` says why it could not be run. `size` of a copy in bytes.

    `perplexity` is None where it was not measured: threads and batches do not change what the model computes.
    `felt` is that time beside that of the point it was measured with: under 1 is faster.
    """

    point: Point
    stage: Stage
    prefill: tuple[float, ...] = ()
    generation: tuple[float, ...] = ()
    perplexity: float | None = None
    felt: float | None = None
    size: int = 0
    note: str = ""
    follow_up: tuple[float, ...] = ()
    error: str = ""

    @property
    def prefill_rate(self) -> float:
        return statistics.median(self.prefill) if self.prefill else 0.0

    @property
    def generation_rate(self) -> float | None:
        return statistics.median(self.generation) if self.generation else None

    @property
    def follow_up_rate(self) -> float | None:
        return statistics.median(self.follow_up) if self.follow_up else None

    @property
    def felt_s(self) -> float | None:
        """Seconds a typical question and its follow-up feel, by the fastest runs; None when nothing was measured.

        What else happens on a machine only ever slows a run, so the fastest is nearest to what the settings can do (as in
        Python's `timeit`). Medians are for quoting.
        """
        if not self.prefill:
            return None
        return felt_s(max(self.prefill), max(self.generation, default=None), max(self.follow_up, default=None))

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of_json(cls, value: dict[str, Any]) -> Measured:
        """Raises KeyError, TypeError or ValueError when it is none."""
        known = {field.name for field in fields(cls)}
        given: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in value.items() if n in known}
        return cls(**given | {"point": Point(**value["point"])})


def default_point(base: ModelSettings) -> Point:
    """What a new installation uses, on the threads this process may have."""
    defaults = ModelSettings()
    return Point(cpu_threads(), defaults.n_batch, defaults.n_ubatch, defaults.flash_attn, defaults.cache_type)
