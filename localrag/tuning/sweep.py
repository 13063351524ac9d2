"""A measured sweep: stage after stage, the best so far against its rivals by turns, on a prompt as long as a question's."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from localrag.errors import GenerationError, LocalRagError
from localrag.tuning.plan import CHECK_RUNS, Plan
from localrag.tuning.points import Measured, Point, Stage
from localrag.tuning.rig import Copy, Rates, by_kind

TIE = 0.03
"""What is less than 3 % faster is chance, and the default stays."""
HOPELESS = 1.5
"""Who takes this many times as long as the best in the first run is not run again."""
TITLES: dict[Stage, str] = {
    "before": "Quality as it is",
    "threads": "Threads",
    "copies": "Requantised copies",
    "batch": "Batch sizes",
    "flash": "Flash attention",
    "cache": "KV cache",
    "check": "Before and after",
}


class Bench(Protocol):
    """What runs a point; see `Rig`."""

    def speed(self, point: Point, generate: bool) -> Rates: ...
    def perplexity(self, point: Point) -> float: ...
    def add_copy(self, quantisation: str) -> Copy: ...
    def drop_copy(self, quantisation: str) -> None: ...
    def rest(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a sweep found; `before`, `after` and `notebook` were measured by turns at the end. `notebook` may be missing.

    The notebook's are LangChain's LlamaCpp as its notebook sets it: no flash attention, half the cores for answers.
    """

    before: Measured
    after: Measured
    notebook: Measured | None


@dataclass(frozen=True, slots=True)
class Event:
    """How far it is. `measured`: a point is through; `outcome`: all are."""

    text: str
    done: int
    total: int
    measured: Measured | None = None
    outcome: Outcome | None = None


def acceptable(perplexity: float | None, base: float, loss: float) -> bool:
    """Whether a quality may be chosen: not more than `loss` (a share) worse than the file as it is."""
    return perplexity is None or perplexity <= base * (1 + loss)


def is_better(rival: Measured, best: Measured, base: float, loss: float) -> bool:
    """Whether a rival takes the best's place: as good, and clearly faster. A tie leaves what is there."""
    if rival.felt_s is None or not acceptable(rival.perplexity, base, loss):
        return False
    return best.felt_s is None or rival.felt_s < best.felt_s * (1 - TIE)


class Sweep:
    """One sweep; `run` it once."""

    def __init__(self, bench: Bench, default: Point, plan: Plan) -> None:
        self._bench, self._plan, self._default = bench, plan, default
        self.best = default
        self._base = 0.0
        self._quality: dict[tuple[str, str], float] = {}
        self._done, self._total = 0, plan.steps

    def run(self) -> Iterator[Event]:
        """Measure everything; minutes. Abandon it between two events to cancel.

        Raises:
            LocalRagError: the file cannot be run at all.
        """
        plan, best = self._plan, self._default
        yield self._event("before", "perplexity")
        self._base = self._judge(best)
        yield from self._stage("threads", [replace(best, n_threads=count) for count in plan.threads])
        for quantisation in plan.copies:
            yield from self._copy(quantisation)
        sizes = [replace(self.best, n_ubatch=size) for size in plan.batches]
        yield from self._stage("batch", sizes, generate=False)
        yield from self._stage("flash", [replace(self.best, flash_attn=flash) for flash in plan.flash])
        yield from self._stage("cache", [_with_cache(self.best, cache) for cache in plan.caches])
        yield from self._check()

    def _event(self, stage: Stage, text: str, measured: Measured | None = None) -> Event:
        return Event(f"{TITLES[stage]}: {text}", min(self._done, self._total), self._total, measured)

    def _judge(self, point: Point) -> float:
        """The quality of a point, measured once for each file and KV type: nothing else changes what is computed."""
        kind = _kind(point)
        if kind not in self._quality:
            self._done += 1
            self._quality[kind] = self._bench.perplexity(point)
        return self._quality[kind]

    def _stage(self, stage: Stage, rivals: Sequence[Point], generate: bool = True, copy: Copy | None = None) -> Iterator[Event]:
        """Measure the best so far and its rivals by turns, and keep the best of them."""
        points = list(dict.fromkeys([self.best, *rivals]))
        if len(points) == 1:
            return
        found = {point: Measured(point, stage) for point in points}
        if copy is not None:
            found[points[-1]] = replace(found[points[-1]], size=copy.size, note=f"mostly {copy.type}")
        yield from self._judged(found)
        yield from self._turns(found, generate, self._plan.runs)
        self._bench.rest()
        for one in found.values():
            yield self._event(stage, one.point.told(), one)
        self.best = self._choose(found)

    def _judged(self, found: dict[Point, Measured]) -> Iterator[Event]:
        """Fill in the qualities."""
        for point, one in found.items():
            if _kind(point) not in self._quality:
                yield self._event(one.stage, f"{point.told()}, perplexity")
            try:
                found[point] = replace(one, perplexity=self._judge(point))
            except LocalRagError as exc:
                found[point] = replace(one, error=str(exc))

    def _turns(self, found: dict[Point, Measured], generate: bool, runs: int) -> Iterator[Event]:
        """Run the points by turns and fill in the rates; who is hopeless after the first round is left out."""
        rates: dict[Point, list[Rates]] = {point: [] for point in found}
        alive = [point for point, one in found.items() if not one.error]
        for number in range(1, runs + 1):
            for point in list(alive):
                yield self._event(found[point].stage, f"{point.told()}, run {number} of {runs}")
                self._done += 1
                try:
                    rates[point].append(self._bench.speed(point, generate))
                except LocalRagError as exc:
                    found[point] = replace(found[point], error=str(exc))
                    alive.remove(point)
            for point, taken in rates.items():
                prefill, generation, follow_up = by_kind(taken)
                found[point] = replace(found[point], prefill=prefill, generation=generation, follow_up=follow_up)
            if number == 1:
                alive = self._hopeful(alive, found)
        beside = next(iter(found.values())).felt_s
        for point, one in found.items():
            if one.felt_s is not None and beside:
                found[point] = replace(one, felt=one.felt_s / beside)

    def _hopeful(self, alive: list[Point], found: dict[Point, Measured]) -> list[Point]:
        """Those that may still win, or nobody when the first stands alone. The check is no contest: all go on."""
        if not alive or found[alive[0]].stage == "check":
            return alive
        good = [point for point in alive if acceptable(found[point].perplexity, self._base, self._plan.loss)]
        limit = HOPELESS * min((found[point].felt_s or 0.0 for point in good), default=0.0)
        left = [point for point in alive if point == self.best or (point in good and (found[point].felt_s or 0.0) <= limit)]
        return left if left != [self.best] else []

    def _choose(self, found: dict[Point, Measured]) -> Point:
        best = found[self.best]
        for rival in found.values():
            if rival.point != self.best and is_better(rival, best, self._base, self._plan.loss):
                best = rival
        if best.felt_s is None:
            raise GenerationError(f"The model cannot be run here: {best.error} Choose another model.")
        return best.point

    def _copy(self, quantisation: str) -> Iterator[Event]:
        """Write a copy and measure it beside the best; the loser is deleted."""
        rival, before = replace(self.best, quantisation=quantisation), self.best
        yield self._event("copies", f"writing {quantisation}")
        self._done += 1
        try:
            written = self._bench.add_copy(quantisation)
        except LocalRagError as exc:
            yield self._event("copies", quantisation, Measured(rival, "copies", error=str(exc)))
            return
        yield from self._stage("copies", [rival], copy=written)
        loser = before.quantisation if self.best == rival else quantisation
        if loser:
            self._bench.drop_copy(loser)

    def _check(self) -> Iterator[Event]:
        """The default, the best and the notebook's settings by turns, all on one clock: the figures to quote."""
        chosen, cores = self.best, os.cpu_count() or 1
        self.best = self._default
        notebook = Point(max(cores // 2, 1), 512, 512, flash_attn=False, n_threads_prompt=cores)
        points = list(dict.fromkeys([self._default, chosen, *([notebook] if self._plan.notebook else [])]))
        found = {point: Measured(point, "check", perplexity=self._quality.get(_kind(point))) for point in points}
        yield from self._turns(found, generate=True, runs=self._plan.runs + CHECK_RUNS)
        self._bench.rest()
        before, after = found[self._default], found[chosen]
        if chosen != self._default and not is_better(after, before, self._base, self._plan.loss):
            after = before  # what won in the stages was chance after all
        if chosen.quantisation and after is before:
            self._bench.drop_copy(chosen.quantisation)
        self.best = after.point
        self._done = self._total
        outcome = Outcome(before, after, found.get(notebook))
        for one in found.values():
            yield self._event("check", one.point.told(), one)
        yield replace(self._event("check", "done"), outcome=outcome)


def _with_cache(point: Point, cache_type: str) -> Point:
    """The point with another KV cache; llama.cpp reads a quantised one with flash attention only."""
    return replace(point, cache_type=cache_type, flash_attn=point.flash_attn or cache_type != "f16")


def _kind(point: Point) -> tuple[str, str]:
    """What decides the quality: the numbers of the weights and of the KV cache."""
    return point.quantisation, point.cache_type
