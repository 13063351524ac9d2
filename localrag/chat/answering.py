"""From a turn with its evidence to a finished one: plan, generate, attribute, keep. Runs on the model's thread."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from localrag.chat.attribution import attribute
from localrag.chat.jobs import AnswerJob
from localrag.chat.store import ConversationStore
from localrag.embeddings.base import EmbeddingModel
from localrag.errors import GenerationError, LocalRagError
from localrag.llms.base import GenerationStats, LoadedModel
from localrag.prompts.hub import HubPrompt
from localrag.prompts.plan import opening_tokens, plan_prompt
from localrag.settings import AnswerSettings
from localrag.types import PromptPlan, Timings, Turn

logger = logging.getLogger(__name__)

SAVE_EVERY_S = 1.0


def warm_up(model: LoadedModel | None) -> None:
    """Evaluate what every prompt begins with, so that the first question need not. Runs on the model's thread."""
    if model is None:
        return
    model.reset_cancel()
    one_token = AnswerSettings(max_tokens=1, temperature=0.0)
    for _ in model.generate(opening_tokens(model), one_token, (), GenerationStats()):
        pass


@dataclass(frozen=True, slots=True)
class Answering:
    """What an answer needs beside the model. `embeddings` is None for a chat without documents."""

    store: ConversationStore
    settings: AnswerSettings
    turns: Sequence[Turn]
    embeddings: EmbeddingModel | None
    hub_prompt: HubPrompt | None

    def run(self, job: AnswerJob, model: LoadedModel | None) -> None:
        """Answer, whatever happens: the job always ends as done or failed, and its turn is kept."""
        try:
            if model is None:
                raise GenerationError("No model is loaded. Choose one on the Model page, then ask again.")
            self._answer(job, model)
            state, error = "done", ""
        except LocalRagError as exc:
            state, error = "failed", str(exc)
        except Exception as exc:  # the provider boundary: the model's thread must outlive any failure
            logger.exception("answering failed")
            state, error = "failed", f"The answer failed: {exc}. Ask again, or choose another model on the Model page."
        turn = replace(job.turn, error=error)
        try:
            self.store.save_turn(job.conversation_id, turn)
        except LocalRagError as exc:
            turn = replace(turn, error=error or str(exc))
        job.update("done" if state == "done" else "failed", error=turn.error)

    def _answer(self, job: AnswerJob, model: LoadedModel) -> None:
        plan = plan_prompt(
            model,
            model.model_id,
            job.turn.question,
            job.turn.evidence,
            self.turns,
            self.settings,
            with_documents=self.embeddings is not None,
            hub_prompt=self.hub_prompt,
        )
        job.update("reading", plan=plan, model=model.name, model_id=model.model_id)
        stats, first_token_s = self._stream(job, model, plan)
        timings = Timings(
            search_s=job.turn.timings.search_s,
            first_token_s=first_token_s,
            total_s=job.elapsed(),
            prompt_tokens=stats.prompt_tokens,
            evaluated_tokens=stats.evaluated,
            answer_tokens=stats.answer_tokens,
            prefill_rate=stats.prefill_rate,
            generation_rate=stats.generation_rate,
            finish=stats.finish,
        )
        tokens = () if stats.hit_stop_text else job.turn.answer_tokens  # the stop text is no part of the conversation
        job.update(answer=job.turn.answer.strip(), answer_tokens=tokens, timings=timings)
        if self.embeddings is not None:
            job.update(sentences=attribute(job.turn.answer, job.turn.evidence, self.embeddings))

    def _stream(self, job: AnswerJob, model: LoadedModel, plan: PromptPlan) -> tuple[GenerationStats, float]:
        stats = GenerationStats()
        settings = self.settings.model_copy(update={"max_tokens": plan.reserved})
        text, tokens = "", []
        first_token_s, saved = 0.0, time.perf_counter()
        for piece in model.generate(plan.tokens, settings, plan.stop, stats):
            if piece.token is not None:
                tokens.append(piece.token)
            text += piece.text
            if not first_token_s and text.strip():
                first_token_s = job.elapsed()
            job.update("answering", answer=text, answer_tokens=tuple(tokens))
            if time.perf_counter() - saved > SAVE_EVERY_S:
                saved = time.perf_counter()
                self.store.save_turn(job.conversation_id, job.turn)
        return stats, first_token_s
