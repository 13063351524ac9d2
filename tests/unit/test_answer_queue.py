"""The queue of answers: work in parts lets others in between, and stops at any moment."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import pytest

from localrag.chat.answering import guarded
from localrag.chat.jobs import AnswerJob, Progress, progress_text
from localrag.chat.queue import MAX_QUEUED, AnswerQueue
from localrag.chat.store import ConversationStore, PartSummary, SummaryKey
from localrag.errors import PromptError, StoreError
from localrag.llms.base import LoadedModel
from localrag.llms.worker import ModelWorker
from localrag.settings import ModelSettings
from localrag.types import Turn

WAIT_S = 10


class Parts:
    """Work in parts: notes each in a list, ends the job after the last. `before` is called in front of each."""

    def __init__(self, name: str, parts: int, ran: list[str], before: Callable[[], object] = lambda: None) -> None:
        self.name, self.left, self.ran, self.before = name, parts, ran, before

    def run(self, job: AnswerJob, model: LoadedModel | None) -> bool:
        self.before()
        self.ran.append(self.name)
        self.left -= 1
        if not self.left:
            job.update("done")
        return self.left > 0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ConversationStore]:
    opened = ConversationStore(tmp_path / "conversations.sqlite")
    yield opened
    opened.close()


@pytest.fixture
def worker() -> Iterator[ModelWorker]:
    started = ModelWorker()
    yield started
    started.close()


@pytest.fixture
def answers(worker: ModelWorker, store: ConversationStore) -> AnswerQueue:
    return AnswerQueue(worker, store)


def job_of(store: ConversationStore) -> AnswerJob:
    conversation = store.create("default")
    return AnswerJob(conversation, Turn(f"turn of {conversation}", "What?", ""), 0.0)


def test_work_in_parts_lets_one_part_of_others_in_between(
    answers: AnswerQueue, store: ConversationStore, worker: ModelWorker
) -> None:
    ran: list[str] = []
    gate = threading.Event()
    worker.submit(lambda _model: gate.wait(WAIT_S) and None)
    jobs = [job_of(store) for _ in range(3)]
    for job, work in zip(jobs, [Parts("long", 4, ran), Parts("short", 1, ran), Parts("two", 2, ran)], strict=True):
        answers.add(job, work)
    gate.set()
    assert all(job.wait(WAIT_S) for job in jobs)
    assert ran == ["long", "short", "two", "long", "two", "long", "long"]


def test_work_stopped_during_a_part_that_then_wants_more_ends_there(answers: AnswerQueue, store: ConversationStore) -> None:
    job, ran = job_of(store), list[str]()
    answers.add(job, Parts("long", 4, ran, lambda: answers.stop(job.conversation_id)))
    assert job.wait(WAIT_S)
    assert (ran, job.turn.timings.finish) == (["long"], "cancelled")
    assert store.get(job.conversation_id).turns[0].timings.finish == "cancelled"


def test_a_second_answer_of_a_conversation_waits_for_the_first(answers: AnswerQueue, store: ConversationStore) -> None:
    job, gate, ran = job_of(store), threading.Event(), list[str]()
    answers.add(job, Parts("waiting", 2, ran, lambda: gate.wait(WAIT_S)))
    with pytest.raises(PromptError, match="not finished"):
        answers.add(AnswerJob(job.conversation_id, job.turn, 0.0), Parts("refused", 1, ran))
    gate.set()
    assert job.wait(WAIT_S)
    assert ran == ["waiting", "waiting"]


def test_a_full_queue_refuses_one_more_and_keeps_nothing_of_it(answers: AnswerQueue, store: ConversationStore) -> None:
    gate, ran = threading.Event(), list[str]()
    jobs = [job_of(store) for _ in range(MAX_QUEUED)]
    for number, job in enumerate(jobs):
        answers.add(job, Parts(str(number), 1, ran, lambda: gate.wait(WAIT_S)))
    late = job_of(store)
    with pytest.raises(PromptError, match="50 answers are waiting already"):
        answers.add(late, Parts("late", 1, ran))
    assert not store.get(late.conversation_id).turns
    gate.set()
    assert all(job.wait(WAIT_S) for job in jobs)
    answers.add(late, Parts("late", 1, ran))
    assert late.wait(WAIT_S)
    assert ran == [*map(str, range(MAX_QUEUED)), "late"]


def test_another_thread_may_look_at_the_model_and_it_is_not_freed_meanwhile(worker: ModelWorker) -> None:
    loaded = threading.Event()
    assert worker.look(lambda model: model) is None
    worker.load(ModelSettings(llm="fake", n_ctx=777), lambda _error: loaded.set())
    assert loaded.wait(WAIT_S)
    order: list[str] = []
    replaced = threading.Event()

    def read(model: LoadedModel | None) -> int:
        worker.load(ModelSettings(llm="fake", n_ctx=888), lambda _error: (order.append("replaced"), replaced.set())[0])
        assert model is not None
        count = len(model.tokenize("four"))
        order.append("read")
        return count

    assert worker.look(read) == 4
    assert replaced.wait(WAIT_S)
    assert order == ["read", "replaced"]


def test_summaries_of_parts_are_kept_by_text_model_and_recipe_and_go_with_their_conversation(store: ConversationStore) -> None:
    one, other = store.create("default"), store.create("default")
    key = SummaryKey("text", "model", "recipe")
    parts = [PartSummary(0, 5, 9, "b", False), PartSummary(0, 0, 5, "a", True), PartSummary(1, 0, 9, "ab", True)]
    for part in parts:
        store.keep_summary(one, key, part)
    store.keep_summary(other, key, PartSummary(0, 9, 12, "c", True))
    assert store.kept_summaries(key) == [parts[1], parts[0], PartSummary(0, 9, 12, "c", True), parts[2]]
    for changed in (key._replace(text_hash="x"), key._replace(model_id="x"), key._replace(recipe="x")):
        assert store.kept_summaries(changed) == []
    store.keep_summary(other, key, parts[0])
    store.delete(one)
    assert [part.summary for part in store.kept_summaries(key)] == ["b", "c"]
    with pytest.raises(StoreError):
        store.keep_summary(one, key, parts[0])


def test_progress_is_told_in_one_line() -> None:
    assert progress_text(Progress(3, 12, 4000, 9000)) == "Part 3 of 12, 4,000 of 9,000 characters read"
    assert progress_text(Progress(3, 12, 4000, 9000, kept=1)).endswith("1 part kept from before")
    assert progress_text(Progress(2, 3, 4000, 9000, merging=True)) == "Merging summaries, 2 of 3"
    assert progress_text(Progress(12, 12, 9000, 9000, merging=True, kept=2)).startswith(
        "Writing the summary of 12 parts, 2 parts"
    )


def test_a_question_that_is_held_holds_up_nobody_and_goes_behind_those_who_asked_meanwhile(
    answers: AnswerQueue, store: ConversationStore, worker: ModelWorker
) -> None:
    ran: list[str] = []
    gate = threading.Event()
    worker.submit(lambda _model: gate.wait(WAIT_S) and None)
    held, first, second = (job_of(store) for _ in range(3))
    answers.hold(held)
    answers.add(first, Parts("first", 1, ran))
    answers.add(second, Parts("second", 1, ran))
    views = [answers.view(job.conversation_id) for job in (held, first, second)]
    assert [view.ahead for view in views if view] == [0, 0, 1]
    with pytest.raises(PromptError, match="not finished"):
        answers.add(AnswerJob(held.conversation_id, Turn("another", "What?", ""), 0.0), Parts("never", 1, ran))
    held.update(answer="found meanwhile")
    answers.begin(held, Parts("held", 1, ran))
    view = answers.view(held.conversation_id)
    assert view is not None
    assert view.ahead == 2
    gate.set()
    assert all(job.wait(WAIT_S) for job in (held, first, second))
    assert ran == ["first", "second", "held"]
    assert store.get(held.conversation_id).turns[0].answer == "found meanwhile"


def test_a_question_that_is_held_can_be_stopped_and_is_not_begun_then(answers: AnswerQueue, store: ConversationStore) -> None:
    ran: list[str] = []
    held = job_of(store)
    answers.hold(held)
    answers.stop(held.conversation_id)
    assert (held.state, held.turn.timings.finish) == ("done", "cancelled")
    answers.begin(held, Parts("held", 1, ran))
    answers.fail(held, "too late")
    assert (ran, store.get(held.conversation_id).turns[0].error) == ([], "")


def test_a_question_that_cannot_be_asked_after_all_says_why_even_when_its_conversation_is_gone(
    answers: AnswerQueue, store: ConversationStore
) -> None:
    kept, gone = job_of(store), job_of(store)
    for job in (kept, gone):
        answers.hold(job)
    store.delete(gone.conversation_id)
    for job in (kept, gone):
        answers.fail(job, "The file is broken.")
        assert (job.state, job.turn.error) == ("failed", "The file is broken.")
    assert store.get(kept.conversation_id).turns[0].error == "The file is broken."


def test_an_answer_whose_conversation_is_deleted_meanwhile_ends_without_a_word_of_damage(
    store: ConversationStore, caplog: pytest.LogCaptureFixture
) -> None:
    job = job_of(store)
    store.delete(job.conversation_id)

    def keep(_model: LoadedModel) -> bool:
        store.save_turn(job.conversation_id, job.turn)
        return True

    assert not guarded(job, store, cast(LoadedModel, object()), keep)
    assert (job.state, job.turn.error) == ("failed", "The conversation was deleted while it was answered. Ask in a new one.")
    assert not caplog.records


def test_an_answer_that_cannot_be_kept_ends_all_the_same(store: ConversationStore) -> None:
    job = job_of(store)
    job.update(answer="half a character: \ud800")  # no database takes it
    assert not guarded(job, store, cast(LoadedModel, object()), lambda _model: False)
    assert job.state == "failed"
    assert job.turn.error
