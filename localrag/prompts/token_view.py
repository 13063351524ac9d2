"""A prompt plan token by token, as the model reads it."""

from __future__ import annotations

from dataclasses import dataclass

from localrag.llms.base import Vocabulary
from localrag.types import PromptPlan, SegmentKind


@dataclass(frozen=True, slots=True)
class ShownToken:
    """One token of a prompt. `special`: a sign to the model, which no text can become.

    A token may hold a part of a character: its text is then U+FFFD.
    """

    id: int
    text: str
    kind: SegmentKind
    special: bool


def shown_tokens(plan: PromptPlan, vocabulary: Vocabulary) -> tuple[ShownToken, ...]:
    """Every token of a prompt, in order."""
    known: dict[int, tuple[str, bool]] = {}
    shown = []
    for segment in plan.segments:
        for token in segment.tokens:
            if token not in known:
                known[token] = vocabulary.token_text(token), vocabulary.is_control(token)
            text, special = known[token]
            shown.append(ShownToken(token, text, segment.kind, special))
    return tuple(shown)
