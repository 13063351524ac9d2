"""What prompts to come begin with: evaluated while nobody waits."""

from __future__ import annotations

from collections.abc import Sequence

from localrag.llms.base import PromptFormat
from localrag.prompts.plan import LEAD, SYSTEM, plan_prompt
from localrag.settings import AnswerSettings
from localrag.types import Prompt, Turn


def opening(model: PromptFormat) -> Prompt:
    """What every prompt about documents begins with: worth evaluating before the first question."""
    tokens: list[int] = []
    for part in model.parts(["system", "user"]):
        if part == 1:
            break
        tokens += model.tokenize(part, special=True) if isinstance(part, str) else model.tokenize(SYSTEM)
    tokens += model.tokenize(LEAD)
    return Prompt((*model.bos_tokens(tokens), *tokens), (("system", SYSTEM),))


def next_opening(
    model: PromptFormat, model_id: str, turns: Sequence[Turn], answer: AnswerSettings, with_documents: bool
) -> list[int]:
    """What the prompt of the next question most likely begins with, up to its first passage.

    Raises:
        PromptError: the window is too small for any question.
    """
    plan = plan_prompt(model, model_id, "", (), turns, answer, with_documents)
    ends = next(at for at, segment in enumerate(plan.segments) if segment.kind == "question")
    tokens = [token for segment in plan.segments[:ends] for token in segment.tokens]
    return [*tokens, *model.tokenize(LEAD)] if with_documents else tokens
