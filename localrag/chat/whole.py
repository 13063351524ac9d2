"""A document that was picked for a question: read whole where it fits the window, else searched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from localrag.errors import PromptError
from localrag.prompts.plan import passage_text
from localrag.types import DocumentRecord, Dropped, Evidence, PromptPlan, SearchResult

MOST_CHARS_A_TOKEN = 12
"""No tokenizer spends fewer tokens on a text worth reading: what is longer cannot fit and need not be counted."""

Plan = Callable[[Sequence[Evidence]], PromptPlan]


@dataclass(frozen=True, slots=True)
class PickedDocument:
    """The whole document as one span, and how to find its best passages instead."""

    whole: Evidence
    search: Callable[[], SearchResult]

    def evidence(self, n_ctx: int, plan: Plan) -> tuple[tuple[Evidence, ...], PromptPlan]:
        """The document as one span if the window holds it with everything else, older turns excepted; else passages.

        `plan` makes a prompt of evidence. That the document was too long is among what the plan left out.
        """
        made = fitting((self.whole,), n_ctx, plan)
        if made is not None:
            return (self.whole,), made
        found = self.search().evidence
        made = plan(found)
        why = f"it is longer than the window of {n_ctx} tokens, so its best passages are used instead of the whole"
        return found, replace(made, dropped=(*made.dropped, Dropped("evidence", self.whole.name, why)))


def whole_document(record: DocumentRecord, text: str) -> Evidence:
    """A document as one span, from its first to its last character that is no white space.

    Raises:
        PromptError: it holds no text.
    """
    stripped = text.strip()
    name = record.title or record.name
    if not stripped:
        raise PromptError(f"{name} holds no text. Choose another document.")
    start = len(text) - len(text.lstrip())
    return Evidence(record.id, record.source, name, start, start + len(stripped), stripped, 1.0, channels=("whole",))


def fitting(evidence: Sequence[Evidence], n_ctx: int, plan: Plan) -> PromptPlan | None:
    """The prompt with all of this evidence, or None when the window does not hold it."""
    if sum(len(passage_text(each)) for each in evidence) > n_ctx * MOST_CHARS_A_TOKEN:
        return None
    made = plan(evidence)
    return None if any(dropped.kind == "evidence" for dropped in made.dropped) else made
