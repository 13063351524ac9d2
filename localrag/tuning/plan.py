"""What is tried when a machine is tuned: every stage keeps its best, so the stages add up and do not multiply."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from localrag.models.devices import cpu_threads

CHECK_RUNS = 2
"""More runs at the end, whose figures are quoted."""
COPIES = ("Q8_0", "Q6_K", "Q5_0", "Q4_K_M", "Q4_0")
WINDOWS, WINDOW = 4, 512
"""Windows the perplexity is taken from, and tokens of each: 1,024 tokens are scored."""
PROMPT_TOKENS, ANSWER_TOKENS = 400, 64
"""Measured: a question with four passages, and an answer behind it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The values of each stage; the first point of all is the default's. `runs` of each point, medians count.

    `loss` is how much worse the perplexity of what is chosen may be, as a share.
    """

    threads: tuple[int, ...]
    batches: tuple[int, ...] = (256, 512, 128, 64)
    flash: tuple[bool, ...] = (False, True)
    caches: tuple[str, ...] = ("f16", "q8_0", "q4_0")
    copies: tuple[str, ...] = ()
    runs: int = 3
    loss: float = 0.01
    windows: int = WINDOWS
    window: int = WINDOW
    notebook: bool = True
    prompt_tokens: int = PROMPT_TOKENS
    answer_tokens: int = ANSWER_TOKENS

    @property
    def steps(self) -> int:
        """Measurements, if none is left out."""
        rivals = sum(len(stage) for stage in (self.threads, self.batches, self.flash, self.caches)) + 2 * len(self.copies)
        return 1 + self.runs * rivals + (self.runs + CHECK_RUNS) * 3 + len(self.caches) + 2 * len(self.copies)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of_json(cls, value: dict[str, Any]) -> Plan:
        given: dict[str, Any] = {n: tuple(part) if isinstance(part, list) else part for n, part in value.items()}
        return cls(**given)


def full_plan(copies: bool, loss: float = 0.01) -> Plan:
    """The whole sweep for this machine; `copies` tries requantised ones too."""
    return Plan(thread_counts(cpu_threads()), copies=COPIES if copies else (), loss=loss)


def thread_counts(cores: int) -> tuple[int, ...]:
    """All cores, three quarters, half and one less, most first: memory is often the limit before cores are."""
    return tuple(sorted({max(1, count) for count in (cores, cores - 1, cores * 3 // 4, cores // 2)}, reverse=True))
