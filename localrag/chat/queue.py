"""Answers in the making, one list for all conversations: who asked first is answered first, and everyone can stop theirs."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import replace
from typing import Protocol

from localrag.chat.jobs import AnswerJob, AnswerView
from localrag.chat.store import ConversationStore
from localrag.errors import PromptError, StoreError
from localrag.llms.base import LoadedModel
from localrag.llms.worker import ModelWorker

FINISHED_KEPT = 100
MAX_QUEUED = 50


class Work(Protocol):
    """What makes an answer, on the model's thread."""

    def run(self, job: AnswerJob, model: LoadedModel | None) -> bool:
        """Do it, or a part of it; True to be called again once those who wait had their turn. Never raises."""
        ...


class AnswerQueue:
    """The answers of this process; every method may be called from any thread."""

    def __init__(self, worker: ModelWorker, store: ConversationStore) -> None:
        self._worker, self._store = worker, store
        self._lock = threading.RLock()
        self._answers: dict[str, AnswerJob] = {}
        self._running: AnswerJob | None = None

    def add(self, job: AnswerJob, work: Work | None, after: str | None = None) -> None:
        """Keep the question and queue its answer; without work there is none, and the job ends at once.

        A new turn stands after the turn `after`: see `ConversationStore.save_turn`.
        Raises:
            PromptError: its conversation's last answer is not finished, or too many wait; nothing is kept.
            StoreError: the question cannot be kept.
        """
        self._keep(job, after)
        if work is None:
            job.update("done")
        else:
            self._submit(job, work)

    def hold(self, job: AnswerJob) -> None:
        """Keep a question whose answer waits for something else, until `begin`; errors as `add`."""
        job.held = True
        self._keep(job, None)

    def begin(self, job: AnswerJob, work: Work | None) -> None:
        """Queue the answer of a question that was held; its turn is kept as it is now.

        Raises:
            StoreError: the turn cannot be kept.
        """
        with self._lock:
            if job.finished:  # stopped meanwhile
                return
            job.held = False
            self._store.save_turn(job.conversation_id, job.turn)
            if self._answers.get(job.conversation_id) is job:  # behind those who asked meanwhile
                self._answers[job.conversation_id] = self._answers.pop(job.conversation_id)
            if work is None:
                job.update("done")
                return
        self._submit(job, work)

    def fail(self, job: AnswerJob, error: str) -> None:
        """End a question that was held: it cannot be asked, and its turn says why."""
        with self._lock:
            if not job.finished:
                job.update("failed", error=error)
                with suppress(StoreError):  # the conversation was deleted meanwhile: nobody is to be told
                    self._store.save_turn(job.conversation_id, job.turn)

    def _keep(self, job: AnswerJob, after: str | None) -> None:
        with self._lock:
            waiting = sum(not other.finished for other in self._answers.values())
            current = self._answers.get(job.conversation_id)
            if current is not None and not current.finished:
                raise PromptError("This conversation's last answer is not finished. Wait for it, or stop it first.")
            if waiting >= MAX_QUEUED:
                raise PromptError(f"{waiting} answers are waiting already. Ask again in a moment.")
            self._store.save_turn(job.conversation_id, job.turn, after)
            self._answers.pop(job.conversation_id, None)
            self._answers[job.conversation_id] = job
            self._forget_old()

    def _submit(self, job: AnswerJob, work: Work) -> None:
        self._worker.submit(lambda model: self._work(job, work, model))

    def _work(self, job: AnswerJob, work: Work, model: LoadedModel | None) -> None:
        with self._lock:
            if job.finished:  # stopped while it was queued
                return
            self._running = job
            if model is not None:
                model.reset_cancel()
        more = False
        try:
            more = work.run(job, model)
        finally:
            with self._lock:
                self._running = None
                if more and job.stopping:  # stopped when this part was just done
                    self._end(job)
                    more = False
        if more:
            self._submit(job, work)  # behind the questions that came meanwhile

    def job(self, conversation_id: str) -> AnswerJob | None:
        """The latest answer of a conversation; None when none was asked here."""
        with self._lock:
            return self._answers.get(conversation_id)

    def unfinished(self, conversation_id: str) -> bool:
        """Whether a conversation has an answer on its way."""
        job = self.job(conversation_id)
        return job is not None and not job.finished

    def view(self, conversation_id: str) -> AnswerView | None:
        """The latest answer of a conversation as it stands, with how many come before it; None when none was asked here."""
        with self._lock:
            job = self._answers.get(conversation_id)
            if job is None:
                return None
            jobs = list(self._answers.values())
            before = jobs[: jobs.index(job)] if job.state == "queued" and not job.held else []
            ahead = sum(not other.finished and not other.held for other in before)
            return AnswerView(job.state, job.turn, ahead, job.progress)

    def stop(self, conversation_id: str) -> None:
        """Stop a conversation's answer, or take its question out of the queue; what was written stays."""
        with self._lock:
            job = self._answers.get(conversation_id)
            if job is None or job.finished:
                return
            job.stopping = True
            if self._running is job:
                self._worker.cancel()
                return
            self._end(job)

    def _end(self, job: AnswerJob) -> None:
        turn = job.update("done", timings=replace(job.turn.timings, finish="cancelled", total_s=job.elapsed()))
        self._store.save_turn(job.conversation_id, turn)

    def _forget_old(self) -> None:
        finished = [key for key, job in self._answers.items() if job.finished]
        for key in finished[: max(0, len(finished) - FINISHED_KEPT)]:
            del self._answers[key]
