"""Going on with an answer that was cut: by the longest answer, by Stop, or by the end of the process."""

from __future__ import annotations

from dataclasses import dataclass, replace

from localrag.chat.answering import guarded, write_answer
from localrag.chat.jobs import AnswerJob
from localrag.chat.store import ConversationStore
from localrag.embeddings.base import EmbeddingModel
from localrag.errors import PromptError
from localrag.llms.base import LoadedModel
from localrag.settings import AnswerSettings
from localrag.types import PromptPlan, Turn


def was_cut(turn: Turn) -> bool:
    """Whether there may be more to come of an answer that has begun, and how it began is known token for token."""
    return bool(turn.plan and turn.answer_tokens and not turn.thinking) and turn.timings.finish != "stop"


def plan_to_go_on(turn: Turn, model: LoadedModel, settings: AnswerSettings) -> PromptPlan:
    """The turn's own prompt, with room kept free for what the answer has and what may come.

    Raises:
        PromptError: there is nothing to go on with, another model is loaded, or the window is full.
    """
    if turn.plan is None or not was_cut(turn):
        raise PromptError("This answer was not cut, so there is nothing to go on with. Ask a question about it instead.")
    if turn.model_id != model.model_id:
        raise PromptError(
            f"This answer was begun by {turn.model}, and {model.name} is loaded now."
            " Answer again instead, or load that model on the Model page."
        )
    begun = len(turn.answer_tokens)
    room = model.n_ctx - turn.plan.count() - begun
    if room < 1:
        raise PromptError(f"The window of {model.n_ctx} tokens is full. Raise n_ctx on the Model page, or ask about the rest.")
    return replace(turn.plan, n_ctx=model.n_ctx, reserved=begun + min(settings.max_tokens, room))


@dataclass(frozen=True, slots=True)
class Continuing:
    """What is needed to go on with an answer. `embeddings` is None for one without documents."""

    store: ConversationStore
    settings: AnswerSettings
    embeddings: EmbeddingModel | None

    def run(self, job: AnswerJob, model: LoadedModel | None) -> bool:
        """Go on, whatever happens, in one go."""
        return guarded(job, self.store, model, lambda loaded: self._go_on(job, loaded))

    def _go_on(self, job: AnswerJob, model: LoadedModel) -> bool:
        turn = job.turn
        plan = plan_to_go_on(turn, model, self.settings)
        job.update("reading", plan=plan, continued=turn.continued + 1)
        write_answer(job, self.store, model, plan, self.settings, self.embeddings, turn.answer_tokens)
        return False
