"""Sentences chosen for a budget and merged with their neighbours into spans."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from localrag.retrieval.sentence_scores import Sentence

BRIDGE_CHARS = 60
"""A sentence no longer than this between two that are chosen is taken with them: a span without a hole reads better."""
Cost = Callable[[str], int]


@dataclass(frozen=True, slots=True)
class Budget:
    """At most `limit` of what `cost` counts in a span's text: characters, or a chat model's tokens. None is no limit."""

    limit: int | None = None
    cost: Cost = len


UNLIMITED = Budget()


@dataclass(slots=True)
class _Runs:
    """Runs of neighbouring sentences that were chosen, as (first, last) indices in the pool, with what each costs."""

    pool: Sequence[Sentence]
    text: Callable[[Sentence, Sentence], str]
    budget: Budget
    blocked: frozenset[int]
    runs: dict[tuple[int, int], int] = field(default_factory=dict)

    def take(self, at: int) -> None:
        """Choose a sentence when the budget allows for the span it makes or lengthens."""
        if at in self.blocked or any(first <= at <= last for first, last in self.runs):
            return
        first, last = self._reach(at)
        joined = [run for run in self.runs if run[0] <= last and run[1] >= first]
        first, last = min([first, *(run[0] for run in joined)]), max([last, *(run[1] for run in joined)])
        cost = self.budget.cost(self.text(self.pool[first], self.pool[last]))
        spent = sum(self.runs.values()) - sum(self.runs[run] for run in joined)
        if self.budget.limit is not None and spent + cost > self.budget.limit:
            return
        for run in joined:
            del self.runs[run]
        self.runs[first, last] = cost

    def _reach(self, at: int) -> tuple[int, int]:
        """From a sentence to the chosen ones beside it, or behind a short one beside it."""
        first = last = at
        for run_first, run_last in self.runs:
            if run_last < at and self._connected(run_last, at):
                first = min(first, run_first)
            elif run_first > at and self._connected(at, run_first):
                last = max(last, run_last)
        return first, last

    def _connected(self, one: int, other: int) -> bool:
        if other - one > 2 or any(i in self.blocked for i in range(one, other)):
            return False
        between = sum(len(self.pool[i].text) for i in range(one + 1, other))
        return between <= BRIDGE_CHARS and all(self.pool[i].adjoins(self.pool[i + 1]) for i in range(one, other))


def choose(
    pool: Sequence[Sentence],
    scores: Sequence[float],
    order: Sequence[int],
    least: float,
    budget: Budget,
    text: Callable[[Sentence, Sentence], str],
    blocked: frozenset[int] = frozenset(),
) -> list[tuple[int, int]]:
    """Spans of neighbouring sentences that fit a budget, as (first, last) indices in the pool, in its order.

    Sentences are taken in an `order`, those that score `least` or more; one that does not fit is left out, and what was
    taken already is not taken again in the same words. `blocked` sentences are in no span. `text` is what stands in a
    document from one sentence to the end of another.
    """
    runs, seen = _Runs(pool, text, budget, blocked), {_folded(pool[at]) for at in blocked}
    for at in order:
        if scores[at] < least:
            continue
        words = _folded(pool[at])
        if words not in seen:
            seen.add(words)
            runs.take(at)
    return sorted(runs.runs)


def _folded(sentence: Sentence) -> str:
    return " ".join(sentence.text.split()).casefold()
