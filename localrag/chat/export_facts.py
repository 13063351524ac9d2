"""What an exported conversation says about a turn, in lines of plain text."""

from __future__ import annotations

from localrag.types import Conversation, Evidence, Turn

_ANSWER_SETTINGS = ("temperature", "top_p", "top_k", "min_p", "repeat_penalty", "max_tokens", "seed", "prompt")
_FINISH = {"length": "ended at the longest answer", "cancelled": "stopped", "stop": "", None: "interrupted"}
WITHOUT = "Without documents: nothing in this answer is checked against anything."


def where(evidence: Evidence) -> str:
    """Document and location of a passage."""
    place = [evidence.location] if evidence.location else []
    if evidence.page is not None and f"page {evidence.page}" not in evidence.location:
        place.append(f"page {evidence.page}")
    return " › ".join([evidence.name, *place])


def how_made(conversation: Conversation, turn: Turn) -> list[str]:
    """From what an answer was made and how it ended: sentences."""
    lines: list[str] = []
    if turn.mode == "chat":
        lines.append(WITHOUT)
    if turn.searched and turn.searched != turn.question:
        lines.append(f"Searched for: {turn.searched}")
    if turn.refused:
        lines.append("Not answered: the documents most likely hold no answer. These are the nearest passages.")
    if turn.error:
        lines.append(turn.error)
    if turn.note:
        lines.append(turn.note)
    versions = conversation.versions.get(turn.id, ())
    if versions:
        lines.append(f"Version {versions.index(turn.id) + 1} of {len(versions)}.")
    return lines


def moment(time: str) -> str:
    """An ISO 8601 time in UTC as a person reads it."""
    return f"{time[:16].replace('T', ' ')} UTC" if time else ""


def figures(turn: Turn) -> str:
    """Model, settings and figures of an answer, in one line."""
    timings, parts = turn.timings, [f"model {turn.model}"] if turn.model else []
    parts += [f"{name} {turn.settings[name]}" for name in _ANSWER_SETTINGS if name in turn.settings]
    if turn.confidence is not None:
        parts.append(f"confidence {turn.confidence:.2f}")
    if turn.plan is not None:
        parts.append(f"{turn.plan.count():,} of {turn.plan.n_ctx:,} tokens")
    if timings.answer_tokens:
        parts.append(f"{timings.answer_tokens:,} answer tokens at {timings.generation_rate:.0f}/s")
        parts.append(f"first word after {timings.first_token_s:.2f} s, {timings.total_s:.2f} s in all")
    if turn.plan is not None and _FINISH.get(timings.finish):
        parts.append(_FINISH[timings.finish])
    return " · ".join(parts)
