"""A result in words: what it found, what it changes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from localrag.evaluation.table import number
from localrag.tuning.points import Measured
from localrag.tuning.remembered import TuneResult

LABELS = {
    "model_path": "model",
    "n_threads": "threads",
    "flash_attn": "flash attention",
    "cache_type": "KV cache",
}


def result_lines(result: TuneResult) -> list[str]:
    """A table of every point, then the choice in sentences."""
    lines = [
        f"{result.file} on {result.machine}",
        *([result.warning] if result.warning else []),
        f"{'':<78}{'prompt':>9}{'answer':>9}{'follow-up':>11}{'perplexity':>12}{'felt':>7}",
    ]
    stage = ""
    for one in result.tried:
        if one.stage != stage:
            stage = one.stage
            lines.append(f"{stage}")
        lines.append(_row(one))
    kept = [f"The copy is kept: {result.choice.copy}"] if result.choice.copy is not None else []
    return [*lines, *verdict(result), *kept]


def verdict(result: TuneResult) -> list[str]:
    """What was chosen, what it brings, what it costs."""
    after, before = result.after, result.before
    if after.point == before.point:
        lines = ["The default settings are the best that was found."]
    else:
        gains = (
            ("answers", after.generation_rate, before.generation_rate),
            ("follow-ups", after.follow_up_rate, before.follow_up_rate),
        )
        others = "".join(f", {what} {rate / base:.2f} times" for what, rate, base in gains if rate and base)
        lines = [
            f"Best: {after.point.told()}: prompts {result.prefill_ratio:.2f} times as fast as with the default settings"
            f"{others}{quality(after, before)}."
        ]
    if result.notebook_ratio is not None:
        lines.append(f"Against the notebook's settings prompts are {result.notebook_ratio:.2f} times as fast.")
    return lines


def quality(after: Measured, before: Measured) -> str:
    """The change of perplexity in words, with a comma before; empty when it is the same."""
    if after.perplexity is None or not before.perplexity or after.perplexity == before.perplexity:
        return ""
    change = 100 * (after.perplexity / before.perplexity - 1)
    return f", perplexity {before.perplexity:.2f} → {after.perplexity:.2f} ({change:+.1f} %)"


def changes(now: Mapping[str, Any], values: Mapping[str, Any]) -> list[str]:
    """What applying values changes of the settings now, both by flat name, in words."""
    return [
        f"{LABELS.get(name, name)} {_value(now[name])} → {_value(value)}"
        for name, value in values.items()
        if now[name] != value
    ]


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return value.name if isinstance(value, Path) else "the starter" if value is None else str(value)


def _row(one: Measured) -> str:
    if one.error:
        return f"  {one.point.told():<76}  {one.error}"
    generation, follow_up = (number(rate) if rate else "–" for rate in (one.generation_rate, one.follow_up_rate))
    perplexity = f"{one.perplexity:.2f}" if one.perplexity else "–"
    felt = f"{one.felt:.2f}" if one.felt else "–"
    rates = f"{number(one.prefill_rate):>9}{generation:>9}{follow_up:>11}"
    return f"  {one.point.told():<76}{rates}{perplexity:>12}{felt:>7}"
