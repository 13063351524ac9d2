"""From a turn with its evidence to a finished one: plan, generate, attribute, keep. Runs on the model's thread."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from localrag.chat.attribution import attribute
from localrag.chat.jobs import AnswerJob, State
from localrag.chat.proof_first import PROOF_FIRST
from localrag.chat.store import ConversationStore
from localrag.chat.whole import PickedDocument, fitting
from localrag.chat.writing import Writing
from localrag.embeddings.base import EmbeddingModel
from localrag.errors import DeletedError, GenerationError, LocalRagError, PromptError
from localrag.llms.base import GenerationStats, LoadedModel, ReadsAhead
from localrag.llms.formats import FormatChoice, with_format
from localrag.prompts.ahead import next_opening, opening
from localrag.prompts.hub import HubPrompt
from localrag.prompts.plan import plan_prompt
from localrag.settings import AnswerSettings
from localrag.types import Evidence, PromptPlan, Timings, Turn

logger = logging.getLogger(__name__)

SAVE_EVERY_S = 1.0
MOST_AHEAD = 32
"""Tokens to evaluate behind an answer at most: the end of a turn and the beginning of the next are fewer in every format."""
FAST_RATE = 200.0
"""Prompt tokens a second: the ten or so of them are read in a twentieth of a second then."""


def warm_up(model: LoadedModel | None, choice: FormatChoice | None = None) -> None:
    """Evaluate what every prompt begins with, so that the first question need not. Runs on the model's thread."""
    if model is None:
        return
    model.reset_cancel()
    one_token = AnswerSettings(max_tokens=1, temperature=0.0)
    with suppress(PromptError):  # a format that fails says so when a question is asked
        for _ in model.generate(opening(with_format(model, choice)), one_token, (), GenerationStats()):
            pass


@dataclass(frozen=True, slots=True)
class Answering:
    """What an answer needs beside the model. `embeddings` is None for a chat without documents.

    For a `picked` document the model has the last word: it may be another one than when the question was asked.
    """

    store: ConversationStore
    settings: AnswerSettings
    turns: Sequence[Turn]
    embeddings: EmbeddingModel | None
    hub_prompt: HubPrompt | None
    picked: PickedDocument | None = None
    choice: FormatChoice | None = None
    """The prompt format, where it is not the model's own."""

    def run(self, job: AnswerJob, model: LoadedModel | None) -> bool:
        """Answer, whatever happens, in one go."""
        more = guarded(job, self.store, model, lambda loaded: self.answer(job, loaded))
        if job.state == "done" and not _reads_fast(job.turn):
            self._read_ahead(job.turn, model)
        return more

    def _read_ahead(self, turn: Turn, model: LoadedModel | None) -> None:
        """Evaluate what the next question's prompt begins with, before it is asked: its first word comes sooner."""
        if self.hub_prompt is not None or not isinstance(model, ReadsAhead):
            return
        try:
            form, documents = with_format(model, self.choice), self.embeddings is not None
            tokens = next_opening(form, model.model_id, [*self.turns, turn], self.settings, documents)
            model.read_ahead(tokens, MOST_AHEAD)
        except LocalRagError as exc:
            logger.debug("nothing was read ahead: %s", exc)  # the next question says why, if that hinders it too
        except Exception:  # the answer is there: nothing that only makes the next one sooner may take it away
            logger.exception("reading ahead failed")

    def reads_whole(self, model: LoadedModel | None, question: str) -> bool | None:
        """Whether the window holds all of the picked document, None without a model; on any thread that holds the model."""
        if self.picked is None or model is None:
            return None
        return fitting((self.picked.whole,), model.n_ctx, partial(self._plan, model, question)) is not None

    def _plan(self, model: LoadedModel, question: str, evidence: Sequence[Evidence]) -> PromptPlan:
        form, with_documents = with_format(model, self.choice), self.embeddings is not None
        return plan_prompt(form, model.model_id, question, evidence, self.turns, self.settings, with_documents, self.hub_prompt)

    def answer(self, job: AnswerJob, model: LoadedModel) -> bool:
        """Plan, generate, attribute; False, for nothing is left to do then."""
        make = partial(self._plan, model, job.turn.question)
        if self.picked is not None:
            evidence, plan = self.picked.evidence(model.n_ctx, make)
            if evidence == (self.picked.whole,):
                job.update(confidence=None)  # it was searched for nothing
        else:
            evidence, plan = job.turn.evidence, make(job.turn.evidence)
        unread = {dropped.text for dropped in plan.dropped if dropped.kind == "evidence"}
        evidence = tuple(replace(span, given=False) if span.text in unread else span for span in evidence)
        job.update("reading", evidence=evidence, plan=plan, model=model.name, model_id=model.model_id)
        write_answer(job, self.store, model, plan, self.settings, self.embeddings)
        if _reads_fast(job.turn):
            self._read_ahead(job.turn, model)
        return False


def _reads_fast(turn: Turn) -> bool:
    """Whether the end of an answer may wait for what is read ahead; else that waits, and a question on its heels shares the
    cores with it."""
    return turn.timings.prefill_rate >= FAST_RATE


def guarded(job: AnswerJob, store: ConversationStore, model: LoadedModel | None, work: Callable[[LoadedModel], bool]) -> bool:
    """Do a piece of work for an answer; True when there is more of it. Else the job ends, done or failed, its turn kept."""
    error = ""
    try:
        if model is None:
            raise GenerationError("No model is loaded. Choose one on the Model page, then ask again.")
        if work(model):
            return True
    except LocalRagError as exc:
        error = str(exc)
    except Exception as exc:  # the provider boundary: the model's thread must outlive any failure
        logger.exception("answering failed")
        error = f"The answer failed: {exc}. Ask again, or choose another model on the Model page."
    state: State = "failed" if error else "done"
    turn = replace(job.turn, error=error)
    try:
        store.save_turn(job.conversation_id, turn)
    except DeletedError as exc:  # there is nothing it could be kept in, nor anybody who waits for it
        state, turn = "failed", replace(turn, error=str(exc))
    except Exception as exc:  # whatever cannot be kept: the conversation must not wait for this answer for ever
        logger.exception("keeping an answer failed")
        state, turn = "failed", replace(turn, error=error or str(exc))
    job.update(state, error=turn.error)
    return False


def write_answer(
    job: AnswerJob,
    store: ConversationStore,
    model: LoadedModel,
    plan: PromptPlan,
    settings: AnswerSettings,
    embeddings: EmbeddingModel | None,
    begun: Sequence[int] = (),
) -> None:
    """Stream the answer to a prompt into the job's turn, with its figures; with documents, its sentences' support.

    An answer that was cut goes on from the tokens it has `begun` with; `plan.reserved` has room for those too.
    """
    stats, before = GenerationStats(), job.turn.timings
    writing = Writing(model, plan, settings, stats, job.conversation_id, begun)
    first_token_s = _stream(job, store, writing, before, stats)
    timings = replace(_timings(job, before, stats, first_token_s), finish=stats.finish)
    tokens = tuple(writing.tokens)
    if stats.hit_stop_text:
        tokens = ()  # the stop text is no part of the conversation
    elif writing.thinking:
        tokens = tuple(model.tokenize(writing.answer))  # later prompts hold the answer without the thinking before it
    job.update(answer=writing.answer, answer_tokens=tokens, timings=timings, thinking=writing.thinking)
    if writing.note:
        job.update(note=writing.note)
    if embeddings is not None:
        job.update(sentences=attribute(job.turn.answer, job.turn.evidence, embeddings))


def _timings(job: AnswerJob, before: Timings, stats: GenerationStats, first_token_s: float) -> Timings:
    """The figures as they stand, those of an answer that was gone on with being of both runs; not finished yet."""
    return Timings(
        search_s=before.search_s,
        first_token_s=before.first_token_s or first_token_s,
        total_s=job.elapsed(),
        prompt_tokens=before.prompt_tokens + stats.prompt_tokens,
        evaluated_tokens=before.evaluated_tokens + stats.evaluated,
        answer_tokens=before.answer_tokens + stats.answer_tokens,
        prefill_rate=before.prefill_rate or stats.prefill_rate,
        generation_rate=_rate(before, stats),
    )


def _rate(before: Timings, stats: GenerationStats) -> float:
    """Answer tokens a second over both runs of an answer that was gone on with."""
    runs = [(before.answer_tokens, before.generation_rate), (stats.answer_tokens, stats.generation_rate)]
    measured = [(tokens, rate) for tokens, rate in runs if rate]
    return sum(t for t, _ in measured) / sum(t / rate for t, rate in measured) if measured else 0.0


def _stream(job: AnswerJob, store: ConversationStore, writing: Writing, before: Timings, stats: GenerationStats) -> float:
    """Show the answer as it grows, with its figures, and keep it every now and then; returns when the first word came."""
    first_token_s, saved = 0.0, time.perf_counter()
    PROOF_FIRST.wait()
    for _ in writing.pieces():
        PROOF_FIRST.wait()
        if not first_token_s and (writing.thinking or writing.answer.strip()):
            first_token_s = job.elapsed()
        tokens = () if writing.thinking else tuple(writing.tokens)
        thought = {"thinking": writing.thinking, "thinking_s": writing.thinking_s} if writing.thinking else {}
        timings = _timings(job, before, stats, first_token_s)
        job.update("answering", answer=writing.answer, answer_tokens=tokens, timings=timings, **thought)
        if time.perf_counter() - saved > SAVE_EVERY_S:
            saved = time.perf_counter()
            store.save_turn(job.conversation_id, job.turn)
    return first_token_s
