"""Sentences chosen for a budget and merged with their neighbours into spans."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from localrag.documents.sentences import is_list_item
from localrag.retrieval.focus import is_sentence
from localrag.retrieval.sentence_scores import Sentence

BRIDGE_CHARS = 60
"""A sentence no longer than this between two that are chosen is taken with them: a span without a hole reads better."""
LIST_CHARS = 300
"""So much of a list of single words goes along with one of them."""
Cost = Callable[[str], int]


@dataclass(frozen=True, slots=True)
class Budget:
    """At most `limit` of what `cost` counts in a span's text: characters, or a chat model's tokens. None is no limit.

    With `best_anyway` the first sentence in turn is taken even when it alone is longer, beside what fits.
    """

    limit: int | None = None
    cost: Cost = len
    best_anyway: bool = False

    def holds(self, cost: int) -> bool:
        return self.limit is None or cost <= self.limit


UNLIMITED = Budget()


@dataclass(slots=True)
class _Runs:
    """Runs of neighbouring sentences that were chosen, as (first, last) indices in the pool, with what each costs."""

    pool: Sequence[Sentence]
    text: Callable[[Sentence, Sentence], str]
    budget: Budget
    blocked: frozenset[int]
    runs: dict[tuple[int, int], int] = field(default_factory=dict)

    def take(self, at: int, is_best: bool = False) -> None:
        """Choose a sentence when the budget allows for the span it makes or lengthens; the best one also by itself."""
        if at in self.blocked or any(first <= at <= last for first, last in self.runs):
            return
        first, last = self._with_its_list(at)
        if first == last and _is_bullet(self.pool[at]) and self._beside_blocked(at):
            return  # its list was taken before, and a bullet alone says nothing
        first, last = self._reach(first, last)
        joined = [run for run in self.runs if run[0] <= last and run[1] >= first]
        first, last = min([first, *(run[0] for run in joined)]), max([last, *(run[1] for run in joined)])
        cost = self.budget.cost(self.text(self.pool[first], self.pool[last]))
        spent = sum(self.runs.values()) - sum(self.runs[run] for run in joined)
        if not self.budget.holds(spent + cost):
            alone = self.budget.cost(self.pool[at].text)
            if not is_best or not (self.budget.best_anyway or self.budget.holds(alone)):
                return
            first, last, joined = at, at, []
            cost = alone if self.budget.holds(alone) else 0  # the rest keeps to the budget
        for run in joined:
            del self.runs[run]
        self.runs[first, last] = cost

    def _with_its_list(self, at: int) -> tuple[int, int]:
        """A sentence itself; a bullet of a word or two with those around it and what leads in, or else the next item."""
        first = last = at
        if not _is_bullet(self.pool[at]):
            return first, last
        chars, is_led = len(self.pool[at].text), False
        while first > 0 and not is_led and chars <= LIST_CHARS and self._goes_on(first - 1):
            is_led = not is_list_item(self.pool[first - 1].text)
            if not is_led and not _is_bullet(self.pool[first - 1]):
                break
            first -= 1
            chars += 0 if is_led else len(self.pool[first].text)
        while last + 1 < len(self.pool) and chars <= LIST_CHARS and self._goes_on(last):
            is_bullet = _is_bullet(self.pool[last + 1])
            if is_bullet or not is_led:
                last += 1
                chars += len(self.pool[last].text)
            if not is_bullet:
                break
        return first, last

    def _goes_on(self, at: int) -> bool:
        """Whether the next sentence stands beside this one, in the same section, and both may be taken."""
        pool = self.pool
        headed = pool[at].is_heading or pool[at + 1].is_heading
        return not headed and pool[at].adjoins(pool[at + 1]) and not self.blocked & {at, at + 1}

    def _beside_blocked(self, at: int) -> bool:
        before = at - 1 in self.blocked and self.pool[at - 1].adjoins(self.pool[at])
        return before or (at + 1 in self.blocked and self.pool[at].adjoins(self.pool[at + 1]))

    def _reach(self, first: int, last: int) -> tuple[int, int]:
        """From neighbouring sentences to the chosen ones beside them, or behind a short one beside them."""
        reached_first, reached_last = first, last
        for run_first, run_last in self.runs:
            if run_last < first and self._connected(run_last, first):
                reached_first = min(reached_first, run_first)
            elif run_first > last and self._connected(last, run_first):
                reached_last = max(reached_last, run_last)
        return reached_first, reached_last

    def _connected(self, one: int, other: int) -> bool:
        """Whether two sentences belong in one span; never across a heading: a span names the section it stands in."""
        if other - one > 2:
            return False
        between = sum(len(self.pool[i].text) for i in range(one + 1, other))
        return between <= BRIDGE_CHARS and all(self._goes_on(i) for i in range(one, other))


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
    taken already is not taken again in the same words. A bullet of a word or two is taken with its list. `blocked`
    sentences are in no span. `text` is what stands in a document from one sentence to the end of another.
    """
    runs, seen = _Runs(pool, text, budget, blocked), {_folded(pool[at]) for at in blocked}
    for at in order:
        if scores[at] < least:
            continue
        words = _folded(pool[at])
        if words not in seen:
            seen.add(words)
            runs.take(at, is_best=at == order[0])
    return sorted(runs.runs)


def _is_bullet(sentence: Sentence) -> bool:
    return is_list_item(sentence.text) and not is_sentence(sentence.text)


def _folded(sentence: Sentence) -> str:
    return " ".join(sentence.text.split()).casefold()
