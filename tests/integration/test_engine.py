"""The engine: questions in a queue, answers that survive, settings that take effect."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from localrag.chat.jobs import AnswerJob
from localrag.documents.source import Source
from localrag.engine import Engine, open_engine
from localrag.errors import LocalRagError, ModelFileError, PromptError, SettingsError, StoreError
from localrag.settings import Settings, load_settings

WAIT_S = 60
DRILL = "The Kestrel drill has a warranty of 31 months. It weighs 1.4 kg.\n\nIts motor was designed in Oslo by Ada Berg.\n"
QUESTION = "How long is the warranty of the Kestrel drill?"


def fill(engine: Engine, folder: Path, text: str = DRILL) -> None:
    (folder / "drill.txt").write_text(text)
    job = engine.intake.start("default", [Source("drill.txt", path=folder / "drill.txt")])
    assert job.wait(WAIT_S)
    assert job.snapshot().error == ""


def finished(job: AnswerJob) -> AnswerJob:
    assert job.wait(WAIT_S)
    return job


def text_begun(job: AnswerJob) -> None:
    assert job.wait_for_text(WAIT_S)


@pytest.fixture
def engine(fake_engine: Engine, tmp_path: Path) -> Engine:
    """Fake models, which write a word each 20 ms, and a document with words enough for seconds."""
    fill(fake_engine, tmp_path, DRILL + "The drill has many words. " * 60)
    return fake_engine


@pytest.fixture
def full(real_engine: Engine, tmp_path: Path) -> Engine:
    """The starter models and a document."""
    fill(real_engine, tmp_path)
    return real_engine


@pytest.mark.models
def test_a_question_is_answered_from_the_documents_with_its_whole_trace(full: Engine) -> None:
    conversation = full.new_conversation("default")
    job = finished(full.ask(conversation, f"  {QUESTION}\n"))
    turn = job.turn
    assert (job.state, turn.error, turn.question) == ("done", "", QUESTION)
    assert "31 months" in turn.answer
    assert any(sentence.support == "supported" and sentence.evidence == (0,) for sentence in turn.sentences)
    assert turn.plan is not None
    assert turn.timings.prompt_tokens == len(turn.plan.tokens)
    assert turn.timings.evaluated_tokens <= turn.timings.prompt_tokens
    assert 0 < turn.timings.search_s < turn.timings.first_token_s <= turn.timings.total_s
    assert (turn.model, len(turn.model_id)) == ("SmolLM2-135M-Instruct.Q8_0", 32)
    assert list(full.conversation(conversation).turns) == [turn]


@pytest.mark.models
def test_a_second_question_evaluates_only_what_is_new(full: Engine) -> None:
    conversation = full.new_conversation("default")
    first = finished(full.ask(conversation, QUESTION)).turn
    second = finished(full.ask(conversation, "Who designed its motor?")).turn
    assert first.plan is not None
    assert second.plan is not None
    before = [*first.plan.tokens, *first.answer_tokens]
    assert second.plan.tokens[: len(before)] == before
    assert second.timings.evaluated_tokens <= len(second.plan.tokens) - len(before) + 1
    assert second.timings.evaluated_tokens < first.timings.evaluated_tokens


@pytest.mark.models
def test_a_conversation_goes_on_after_a_restart(full: Engine) -> None:
    conversation = full.new_conversation("default")
    first = finished(full.ask(conversation, QUESTION)).turn
    full.close()
    again = Engine(full.settings)
    try:
        again.start_model(wait=True)
        second = finished(again.ask(conversation, "Who designed its motor?")).turn
        assert first.plan is not None
        assert second.plan is not None
        assert second.plan.tokens[: len(first.plan.tokens)] == first.plan.tokens
        assert [turn.question for turn in again.conversation(conversation).turns] == [QUESTION, "Who designed its motor?"]
    finally:
        again.close()


@pytest.mark.models
@pytest.mark.parametrize("prompt", ["rlm/rag-prompt", "rlm/rag-prompt-llama"])
def test_a_hub_prompt_answers_too(full: Engine, prompt: str) -> None:
    job = finished(full.ask(full.new_conversation("default"), QUESTION, overrides={"prompt": prompt, "max_tokens": 16}))
    assert (job.state, job.turn.error) == ("done", "")
    assert job.turn.plan is not None
    assert job.turn.timings.prompt_tokens == len(job.turn.plan.tokens)
    written = "".join(segment.text for segment in job.turn.plan.segments)
    assert "assistant for question-answering tasks" in written


@pytest.mark.models
def test_stop_ends_a_real_answer_and_keeps_what_was_written(full: Engine) -> None:
    conversation = full.new_conversation("")
    job = full.ask(conversation, "Write a long story about the sea.", overrides={"max_tokens": 900})
    text_begun(job)
    full.stop(conversation)
    finished(job)
    assert job.turn.timings.finish == "cancelled"
    assert full.conversation(conversation).turns[0].answer == job.turn.answer != ""
    assert finished(full.ask(conversation, "Say hello.", overrides={"max_tokens": 5})).turn.answer


def test_the_evidence_is_there_before_the_model_answers(engine: Engine) -> None:
    busy = engine.ask(engine.new_conversation("default"), QUESTION)
    conversation = engine.new_conversation("default")
    job = engine.ask(conversation, QUESTION)
    assert job.state == "queued"
    assert job.turn.evidence
    kept = engine.conversation(conversation).turns[0].evidence  # the answering sentences are marked a moment later
    assert [(e.document_id, e.start, e.end) for e in kept] == [(e.document_id, e.start, e.end) for e in job.turn.evidence]
    assert all(e.focus is not None for e in job.turn.evidence)
    assert not busy.finished


def test_two_conversations_at_once_both_get_their_answer(engine: Engine) -> None:
    conversations = [engine.new_conversation("default") for _ in range(2)]
    jobs: list[AnswerJob] = []
    asking = [
        threading.Thread(target=lambda c=c, n=n: jobs.append(engine.ask(c, f"{QUESTION} {n}")))  # type: ignore[misc]
        for n, c in enumerate(conversations)
    ]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    assert all(finished(job).state == "done" for job in jobs)
    for number, conversation in enumerate(conversations):
        (turn,) = engine.conversation(conversation).turns
        assert turn.question.endswith(str(number))
        assert turn.answer


def test_a_queued_question_knows_how_many_come_before_it(engine: Engine) -> None:
    conversations = [engine.new_conversation("default") for _ in range(4)]
    jobs = [engine.ask(conversation, QUESTION) for conversation in conversations]
    text_begun(jobs[0])
    views = [engine.answer(conversation) for conversation in conversations]
    assert [view.ahead for view in views if view] == [0, 1, 2, 3]
    engine.stop(conversations[1])
    view = engine.answer(conversations[2])
    assert view is not None
    assert view.ahead == 1
    for conversation in conversations:
        engine.stop(conversation)
    assert all(finished(job) for job in jobs)


def test_stopping_a_queued_question_takes_it_out_at_once(engine: Engine) -> None:
    first, second = engine.new_conversation("default"), engine.new_conversation("default")
    busy = engine.ask(first, QUESTION)
    queued = engine.ask(second, QUESTION)
    engine.stop(second)
    assert (queued.state, queued.turn.timings.finish, queued.turn.answer) == ("done", "cancelled", "")
    assert not busy.finished
    assert engine.ask(second, "Another question?").state == "queued"
    engine.stop(first)
    assert finished(busy).turn.timings.finish == "cancelled"
    assert engine.conversation(second).turns[0].timings.finish == "cancelled"


def test_deleting_a_conversation_with_a_queued_question_does_not_hurt_the_others(engine: Engine) -> None:
    first, second, third = (engine.new_conversation("default") for _ in range(3))
    engine.ask(first, QUESTION)
    engine.ask(second, QUESTION)
    last = engine.ask(third, QUESTION)
    engine.delete_conversation(second)
    engine.delete_conversation(first)
    assert finished(last).state == "done"
    assert engine.conversation(third).turns[0].answer
    with pytest.raises(StoreError):
        engine.conversation(second)


def test_a_conversation_has_one_answer_at_a_time(engine: Engine) -> None:
    conversation = engine.new_conversation("default")
    engine.ask(conversation, QUESTION)
    with pytest.raises(PromptError, match="not finished"):
        engine.ask(conversation, QUESTION)
    engine.stop(conversation)


def test_an_answer_survives_whoever_asked_for_it(engine: Engine) -> None:
    """A page asks and goes away; another page finds the answer by its conversation."""
    conversation = engine.new_conversation("default")
    engine.ask(conversation, "What?")
    view = engine.answer(conversation)
    assert view is not None
    assert not view.finished
    assert engine.wait(conversation, WAIT_S)
    view = engine.answer(conversation)
    assert view is not None
    assert (view.state, view.turn.answer) == ("done", engine.conversation(conversation).turns[0].answer)
    assert engine.answer("another") is None


@pytest.mark.parametrize(
    ("question", "why"), [("", "empty"), (" \n\t", "empty"), ("x" * 20_001, "20,001 characters, 20,000 are allowed")]
)
def test_a_question_that_cannot_be_asked_is_refused_and_leaves_no_turn(engine: Engine, question: str, why: str) -> None:
    conversation = engine.new_conversation("default")
    with pytest.raises(PromptError, match=why):
        engine.ask(conversation, question)
    assert engine.conversation(conversation).turns == []
    assert engine.answer(conversation) is None


def test_a_question_to_an_unknown_collection_or_conversation_is_refused(engine: Engine) -> None:
    conversation = engine.new_conversation("nowhere")
    with pytest.raises(StoreError, match=r"no collection named nowhere \(there are: default\)"):
        engine.ask(conversation, QUESTION)
    assert engine.conversation(conversation).turns == []
    with pytest.raises(StoreError, match="no conversation"):
        engine.ask("nobody", QUESTION)


def test_a_question_that_is_no_unicode_is_answered_all_the_same(engine: Engine) -> None:
    conversation = engine.new_conversation("")
    assert finished(engine.ask(conversation, "what \ud800 is this?")).turn.error == ""


def test_without_a_model_the_question_is_kept_and_the_answer_says_what_to_do(fake_settings: Settings) -> None:
    engine = Engine(fake_settings)
    try:
        conversation = engine.new_conversation("")
        job = finished(engine.ask(conversation, "Hello?"))
        assert job.state == "failed"
        assert "No model is loaded" in engine.conversation(conversation).turns[0].error
        engine.start_model(wait=True)
        assert finished(engine.ask(conversation, "Hello?")).state == "done"
    finally:
        engine.close()


def test_a_question_too_large_for_the_window_fails_with_the_numbers(fake_settings: Settings) -> None:
    engine = Engine(fake_settings.with_values({"n_ctx": 256}))
    try:
        engine.start_model(wait=True)
        conversation = engine.new_conversation("")
        assert "the window has 256" in finished(engine.ask(conversation, "x" * 300)).turn.error
        assert finished(engine.ask(conversation, "short?")).state == "done"
    finally:
        engine.close()


def test_settings_of_the_answer_take_effect_at_once_and_are_kept(engine: Engine, tmp_path: Path) -> None:
    assert engine.apply({"max_tokens": 3, "temperature": 1.25}) is False
    answer = finished(engine.ask(engine.new_conversation("default"), QUESTION)).turn
    assert answer.timings.answer_tokens == 3
    again = load_settings({"data_dir": engine.settings.data_dir}, {}, tmp_path)
    assert (again.answer.max_tokens, again.answer.temperature) == (3, 1.25)
    assert again.model.llm == "llamacpp"


def test_a_model_whose_settings_cannot_be_kept_is_used_and_says_so(engine: Engine) -> None:
    kept = engine.settings.data_dir / "settings.json"
    kept.with_suffix(".tmp").symlink_to("/dev/full")  # where it is written first
    assert engine.apply({"n_ctx": 512}) is True
    until = time.monotonic() + WAIT_S
    while "could not be kept" not in engine.model_notice and time.monotonic() < until:
        time.sleep(0.01)
    assert (engine.settings.model.n_ctx, engine.model_state.status) == (512, "ready")
    assert f"could not be kept in {kept}" in engine.model_notice
    engine.apply({"n_ctx": 1024}, wait=True)
    assert "could not be kept" not in engine.model_notice


def test_settings_of_one_question_are_for_it_alone(engine: Engine) -> None:
    one = finished(engine.ask(engine.new_conversation("default"), QUESTION, overrides={"max_tokens": 2})).turn
    other = finished(engine.ask(engine.new_conversation("default"), QUESTION, overrides={"max_tokens": 4})).turn
    assert (one.timings.answer_tokens, other.timings.answer_tokens) == (2, 4)
    assert engine.settings.answer.max_tokens != 2


def test_settings_of_the_answer_can_be_applied_without_any_model(tmp_path: Path) -> None:
    engine = Engine(load_settings({"data_dir": tmp_path / "data", "embeddings": "fake"}, {}, tmp_path))
    try:
        assert engine.apply({"temperature": 0.75}) is False
        assert engine.settings.answer.temperature == 0.75
    finally:
        engine.close()


@pytest.mark.parametrize("values", [{"temperature": 9}, {"n_ctx": -5}, {"nonsense": 1}, {"n_ctx": 512, "temperature": "hot"}])
def test_a_bad_value_changes_nothing(engine: Engine, values: dict[str, Any]) -> None:
    before = engine.settings
    with pytest.raises(SettingsError):
        engine.apply(values, wait=True)
    assert engine.settings == before
    assert not (before.data_dir / "settings.json").exists()


def test_a_model_that_cannot_be_used_leaves_the_old_one_answering(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "broken.gguf").write_bytes(b"GGUF" + b"\xff" * 1000)
    before = engine.settings
    for name in ("missing.gguf", "broken.gguf"):
        with pytest.raises(LocalRagError, match=name):
            engine.apply({"llm": "llamacpp", "model_path": tmp_path / name, "temperature": 1.0}, wait=True)
        assert engine.settings == before
        assert finished(engine.ask(engine.new_conversation("default"), QUESTION, overrides={"max_tokens": 2})).state == "done"
    assert engine.model_state.status == "ready"


@pytest.mark.models
def test_a_window_too_large_for_the_memory_is_refused_and_the_model_goes_on(full: Engine) -> None:
    with pytest.raises(LocalRagError, match="n_ctx"):
        full.apply({"n_ctx": 1_048_576, "rope_scaling": "yarn"}, wait=True)
    assert (full.model_state.status, full.settings.model.n_ctx) == ("ready", 2048)
    assert full.apply({"n_ctx": 1024}, wait=True) is True
    assert (full.model_state.n_ctx, full.settings.model.n_ctx) == (1024, 1024)
    job = finished(full.ask(full.new_conversation("default"), QUESTION))
    assert "31 months" in job.turn.answer
    again = load_settings({"data_dir": full.settings.data_dir}, {}, full.settings.data_dir)
    assert again.model.n_ctx == 1024


def test_settings_of_the_model_that_did_not_change_load_nothing(engine: Engine) -> None:
    assert engine.apply({"n_ctx": engine.settings.model.n_ctx, "llm": "fake"}, wait=True) is False


def test_the_app_opens_without_any_model_and_says_so(tmp_path: Path) -> None:
    engine = open_engine(load_settings({"data_dir": tmp_path / "data"}, {}, tmp_path))
    try:
        assert engine.model_state.status == "none"
        assert engine.models() == []
        with pytest.raises(ModelFileError):
            engine.start_model(wait=True)
    finally:
        engine.close()


def test_several_ingestions_run_one_after_the_other(engine: Engine, tmp_path: Path) -> None:
    jobs = []
    for number in range(3):
        path = tmp_path / f"{number}.txt"
        path.write_text(f"Document {number} about harbours.")
        jobs.append(engine.intake.start(f"collection {number}", [Source(path.name, path=path)]))
    assert all(job.wait(WAIT_S) for job in jobs)
    assert [(job.snapshot().done, job.snapshot().total, job.snapshot().error) for job in jobs] == [(1, 1, "")] * 3
    assert {record.name for record in engine.library.collections()} >= {f"collection {number}" for number in range(3)}


def test_closing_in_the_middle_of_everything_keeps_what_was_written(fake_settings: Settings, tmp_path: Path) -> None:
    engine = Engine(fake_settings)
    engine.start_model(wait=True)
    fill(engine, tmp_path, DRILL + "The drill has many words. " * 60)
    conversation = engine.new_conversation("default")
    job = engine.ask(conversation, QUESTION)
    text_begun(job)
    engine.close()
    again = Engine(fake_settings)
    try:
        (turn,) = again.conversation(conversation).turns
        assert turn.question == QUESTION
        assert turn.evidence
    finally:
        again.close()


@pytest.fixture(autouse=True)
def no_thread_is_left_behind() -> Iterator[None]:
    before = {thread for thread in threading.enumerate() if thread.name == "model"}
    yield
    assert {thread for thread in threading.enumerate() if thread.name == "model"} == before
