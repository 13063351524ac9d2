"""A summary of a whole document: part by part in document order, then of those summaries, until one window holds them all.

Every part is a step of its own on the model's thread, so that a question asked meanwhile is answered in between, and
is kept as soon as it is made: what is stopped or killed goes on there when it is asked for again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from localrag.chat.answering import guarded, write_answer
from localrag.chat.jobs import AnswerJob, Progress
from localrag.chat.parts import CutStoppedError, cut_parts
from localrag.chat.store import ConversationStore, PartSummary, SummaryKey
from localrag.chat.whole import fitting
from localrag.chat.writing import Writing
from localrag.documents.sentences import split_sentences
from localrag.embeddings.base import EmbeddingModel
from localrag.errors import GenerationError, PromptError
from localrag.llms.base import GenerationStats, LoadedModel
from localrag.llms.formats import FormatChoice, with_format
from localrag.prompts.plan import LEAD, SYSTEM, passage_text, plan_prompt
from localrag.settings import AnswerSettings
from localrag.types import Dropped, Evidence, Mark, PromptPlan, Timings, Turn

INSTRUCTION = "Summarize the context in a few sentences."
PART_SHARE = 0.25
"""Of the window, at most this share is for the summary of a part: at least two then fit one window again."""
ALONE = "a summary is made of the document alone"
MOST_NAMED = 10


@dataclass(slots=True)
class _Ground:
    """What a model was set to: parts are never mixed over a change of model, window or settings."""

    model_id: str
    n_ctx: int
    key: SummaryKey
    kept: dict[tuple[int, int, int], PartSummary]
    groups: list[list[Evidence]]
    """What each summary of this level is to be made of, in document order."""
    parts: tuple[Evidence, ...] = ()
    level: int = 0
    done: list[PartSummary] = field(default_factory=list)
    reused: int = 0
    cut: list[PartSummary] = field(default_factory=list)
    """Those that ended at the longest answer."""


class Summarising:
    """One document on its way to a summary; `run` does one part a call."""

    def __init__(
        self,
        store: ConversationStore,
        settings: AnswerSettings,
        embeddings: EmbeddingModel,
        document: Evidence,
        marks: Sequence[Mark],
        turns: Sequence[Turn],
        choice: FormatChoice | None = None,
    ) -> None:
        """`document` is the whole document as one span, `turns` are the conversation so far: the summary leaves them out."""
        self._store, self._settings, self._embeddings, self._choice = store, settings, embeddings, choice
        self._document, self._marks = document, marks
        self._left_out = tuple(Dropped("history", turn.question, ALONE) for turn in turns if turn.answer)
        self._ground: _Ground | None = None

    def run(self, job: AnswerJob, model: LoadedModel | None) -> bool:
        """Summarise the next part, or merge; True until the summary is written."""
        return guarded(job, self._store, model, lambda loaded: self._step(job, loaded))

    def _step(self, job: AnswerJob, model: LoadedModel) -> bool:
        if self._ground is None or (self._ground.model_id, self._ground.n_ctx) != (model.model_id, model.n_ctx):
            plan = fitting((self._document,), model.n_ctx, lambda evidence: self._plan(model, evidence, self._settings))
            if plan is not None:
                return self._finish(job, model, plan, (self._document,))
            try:
                self._ground = self._begin(job, model)
                job.update(evidence=self._ground.parts)
            except CutStoppedError:
                job.update(timings=Timings(finish="cancelled", total_s=job.elapsed()))
                return False
        ground = self._ground
        self._take_kept(ground)
        if len(ground.done) < len(ground.groups):
            return self._summarise_next(job, model, ground)
        summaries = [self._as_evidence(part, at / len(ground.done)) for at, part in enumerate(ground.done)]
        plan = fitting(summaries, model.n_ctx, lambda evidence: self._plan(model, evidence, self._settings))
        if plan is not None:
            # What it was made of are summaries; no part's very text is in the window.
            segments = tuple(replace(segment, ref=None) for segment in plan.segments)
            return self._finish(job, model, replace(plan, segments=segments), ground.parts)
        self._climb(model, ground, summaries)
        return True

    def _plan(self, model: LoadedModel, evidence: Sequence[Evidence], settings: AnswerSettings) -> PromptPlan:
        """The prompt; earlier turns and the prompts for questions have no place in it."""
        return plan_prompt(with_format(model, self._choice), model.model_id, INSTRUCTION, evidence, (), settings)

    def _part_settings(self, n_ctx: int) -> AnswerSettings:
        """Always the likeliest words: the same part then has the same summary."""
        longest = max(1, min(self._settings.max_tokens, int(n_ctx * PART_SHARE)))
        return self._settings.model_copy(update={"temperature": 0.0, "max_tokens": longest})

    def _room(self, model: LoadedModel) -> int:
        """Tokens that evidence may take in the prompt for a part."""
        settings = self._part_settings(model.n_ctx)
        around = self._plan(model, (), settings)
        return model.n_ctx - around.reserved - around.count()

    def _begin(self, job: AnswerJob, model: LoadedModel) -> _Ground:
        """Cut the document for this model, and find what is kept of it."""
        job.update("reading", model=model.name, model_id=model.model_id, evidence=(), plan=None, answer="", answer_tokens=())
        document, settings = self._document, self._part_settings(model.n_ctx)
        recipe = f"{SYSTEM}|{INSTRUCTION}|{model.n_ctx}|{settings.max_tokens}|{settings.repeat_penalty}"
        recipe += f"|{self._choice.template}" if self._choice is not None else ""
        hashes = [hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest() for text in (document.text, recipe)]
        key = SummaryKey(hashes[0], model.model_id, hashes[1])

        def count(text: str) -> int:
            return len(model.tokenize(passage_text(replace(document, text=text), LEAD)))

        ranges = cut_parts(document.text, count, self._room(model), lambda: job.stopping)
        parts = tuple(self._part(start, end, at / len(ranges)) for at, (start, end) in enumerate(ranges))
        kept = {(part.level, part.start, part.end): part for part in self._store.kept_summaries(key)}
        return _Ground(model.model_id, model.n_ctx, key, kept, [[part] for part in parts], parts)

    def _part(self, start: int, end: int, score: float) -> Evidence:
        """A part as evidence: later ones score higher, for a prompt puts the highest last."""
        begin = self._document.start + start
        mark = next((mark for mark in reversed(self._marks) if mark.start <= begin), None)
        return replace(
            self._document,
            start=begin,
            end=self._document.start + end,
            text=self._document.text[start:end],
            score=score,
            location=mark.location if mark else "",
            page=mark.page if mark else None,
            channels=("part",),
        )

    def _as_evidence(self, part: PartSummary, score: float) -> Evidence:
        return replace(self._document, start=part.start, end=part.end, text=part.summary, score=score, channels=())

    def _take_kept(self, ground: _Ground) -> None:
        """Go past what is kept from an earlier attempt, and past a summary that has none to be merged with."""
        while len(ground.done) < len(ground.groups):
            group = ground.groups[len(ground.done)]
            start, end = group[0].start, group[-1].end
            if ground.level and len(group) == 1:
                self._add(ground, PartSummary(ground.level, start, end, group[0].text, True))
                continue
            kept = ground.kept.get((ground.level, start, end))
            if kept is None:
                return
            ground.reused += ground.level == 0
            self._add(ground, kept)

    @staticmethod
    def _add(ground: _Ground, part: PartSummary) -> None:
        ground.done.append(part)
        if not part.complete:
            ground.cut.append(part)

    def _summarise_next(self, job: AnswerJob, model: LoadedModel, ground: _Ground) -> bool:
        """Have the model summarise the next group, and keep that."""
        at, group, size = len(ground.done), ground.groups[len(ground.done)], len(self._document.text)
        behind = group[0].start - self._document.start
        job.advance(Progress(at + 1, len(ground.groups), behind, size, ground.level > 0, ground.reused))
        job.update("reading", note=_kept_note(ground))
        settings = self._part_settings(model.n_ctx)
        plan = self._plan(model, group, settings)
        stats = GenerationStats()
        writing = Writing(model, plan, settings, stats)
        for _ in writing.pieces():
            pass
        text = writing.answer
        if stats.finish == "cancelled":
            job.update(timings=Timings(finish="cancelled", total_s=job.elapsed()))
            return False
        if not text:
            where = f"{self._document.name}, characters {group[0].start:,} to {group[-1].end:,}"
            if writing.note:
                raise GenerationError(f"Nothing was written about a part of {where}: {writing.note}")
            raise GenerationError(f"The model wrote nothing about a part of {where}. Choose another model on the Model page.")
        complete = stats.finish != "length"
        text = text if complete else _whole_sentences(text)
        part = PartSummary(ground.level, group[0].start, group[-1].end, text, complete)
        self._store.keep_summary(job.conversation_id, ground.key, part)
        self._add(ground, part)
        turn = job.update(note=_kept_note(ground))
        self._store.save_turn(job.conversation_id, turn)
        return True

    def _climb(self, model: LoadedModel, ground: _Ground, summaries: Sequence[Evidence]) -> None:
        """The next level: neighbours, as many as fit one window, become one summary."""
        room, groups, filled = self._room(model), list[list[Evidence]](), 0
        for summary in summaries:
            tokens = len(model.tokenize(passage_text(summary, LEAD)))
            if not groups or filled + tokens > room:
                groups.append([])
                filled = 0
            groups[-1].append(summary)
            filled += tokens
        if len(groups) == len(summaries):
            raise PromptError(f"Two summaries of parts do not fit a window of {model.n_ctx} tokens. Raise n_ctx.")
        ground.level, ground.groups, ground.done = ground.level + 1, groups, []

    def _finish(self, job: AnswerJob, model: LoadedModel, plan: PromptPlan, evidence: tuple[Evidence, ...]) -> bool:
        """Write the summary as the turn's answer."""
        cut = _cut(self._ground) if self._ground is not None and evidence is self._ground.parts else ()
        plan = replace(plan, dropped=(*plan.dropped, *self._left_out, *cut))
        job.update("reading", plan=plan, model=model.name, model_id=model.model_id, evidence=evidence)
        if self._ground is not None and self._ground.parts:
            parts, size = len(self._ground.parts), len(self._document.text)
            job.advance(Progress(parts, parts, size, size, True, self._ground.reused))
        kept = job.turn.note
        write_answer(job, self._store, model, plan, self._settings, self._embeddings)
        if job.turn.timings.finish != "cancelled" and job.turn.note == kept:
            job.update(note="")
        return False


def _kept_note(ground: _Ground) -> str:
    if ground.level == 0:
        done, of = len(ground.done), len(ground.groups)
        return f"{done} of {of} parts are summarised and kept. Summarise the document again to go on there." if done else ""
    return "All parts are summarised and kept. Summarise the document again to go on there."


def _cut(ground: _Ground) -> tuple[Dropped, ...]:
    """The ends of summaries that were cut at the longest answer, as something left out."""
    if not ground.cut:
        return ()
    places = [f"characters {part.start:,} to {part.end:,}" for part in ground.cut[:MOST_NAMED]]
    if len(ground.cut) > MOST_NAMED:
        places.append(f"{len(ground.cut) - MOST_NAMED} more")
    why = "the summaries of these parts reached the longest answer and end there; a higher max tokens leaves them more room"
    return (Dropped("evidence", "; ".join(places), why),)


def _whole_sentences(text: str) -> str:
    """A text that was cut off, without the sentence it was cut in, if there is another."""
    spans = split_sentences(text)
    return text[: spans[-2][1]] if len(spans) > 1 else text
