"""What can be done with answers: asked again, branched, gone on with, replayed; and what a kill leaves of them."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from localrag.chat.jobs import AnswerJob
from localrag.documents.source import Source
from localrag.engine import Engine
from localrag.errors import LocalRagError, PromptError, SettingsError, StoreError
from localrag.types import EVERYWHERE, SearchFilter, Turn

ROOT = Path(__file__).parents[2]
WAIT_S = 60
DRILL = "The Kestrel drill has a warranty of 31 months. It weighs 1.4 kg.\n\nIts motor was designed in Oslo by Ada Berg.\n"
QUESTION = "How long is the warranty of the Kestrel drill?"


def fill(engine: Engine, text: str = DRILL, name: str = "drill.txt") -> None:
    job = engine.intake.start("default", [Source(name, data=text.encode())])
    assert job.wait(WAIT_S)
    assert job.snapshot().error == ""


def finished(job: AnswerJob) -> Turn:
    assert job.wait(WAIT_S)
    assert job.turn.error == ""
    return job.turn


def shown(engine: Engine, conversation: str) -> list[str]:
    return [turn.id for turn in engine.conversation(conversation).turns]


@pytest.fixture
def engine(fake_engine: Engine) -> Engine:
    """Fake models, which write a word each 20 ms, a few of them, and a document."""
    fake_engine.apply({"max_tokens": 12})
    fill(fake_engine)
    return fake_engine


@pytest.fixture
def full(real_engine: Engine) -> Engine:
    """The starter models on one thread, and a document."""
    real_engine.apply({"n_threads": 1}, wait=True)
    fill(real_engine)
    return real_engine


def asked(engine: Engine, *questions: str, conversation: str = "", **options: Any) -> tuple[str, list[Turn]]:
    conversation = conversation or engine.new_conversation("default")
    return conversation, [finished(engine.ask(conversation, question, **options)) for question in questions]


def test_a_question_answered_again_keeps_the_former_answer_as_a_version(engine: Engine) -> None:
    conversation, (first,) = asked(engine, QUESTION, overrides={"max_tokens": 5})
    second = finished(engine.conversations.regenerate(conversation, overrides={"max_tokens": 9}))
    assert (first.timings.answer_tokens, second.timings.answer_tokens) == (5, 9)
    assert second.evidence == first.evidence
    assert (second.searched, second.confidence) == (first.searched, first.confidence)
    assert engine.conversation(conversation).versions == {second.id: (first.id, second.id)}
    engine.conversations.show(conversation, first.id)
    assert list(engine.conversation(conversation).turns) == [first]
    third = finished(engine.conversations.regenerate(conversation))
    assert third.timings.answer_tokens == 5, "the settings are those of the answer that was shown"
    assert third.settings["max_tokens"] == 5


def test_a_question_answered_again_may_be_searched_for_again(engine: Engine) -> None:
    conversation, (first,) = asked(engine, QUESTION)
    fill(engine, "The warranty of the Kestrel drill was prolonged to 40 months.", "news.txt")
    assert finished(engine.conversations.regenerate(conversation)).evidence == first.evidence
    again = finished(engine.conversations.regenerate(conversation, search_again=True))
    assert {span.name for span in again.evidence} > {span.name for span in first.evidence}


def test_an_edited_question_begins_a_branch_and_the_former_one_stays(engine: Engine) -> None:
    conversation, (a, b, c) = asked(engine, QUESTION, "Who designed the motor?", "What does the drill weigh?")
    edited = finished(engine.conversations.edit(conversation, b.id, "Where was the motor designed?"))
    assert shown(engine, conversation) == [a.id, edited.id]
    assert engine.conversation(conversation).versions == {edited.id: (b.id, edited.id)}
    engine.conversations.show(conversation, b.id)
    assert shown(engine, conversation) == [a.id, b.id, c.id]
    first = finished(engine.conversations.edit(conversation, a.id, "What is this about?"))
    assert shown(engine, conversation) == [first.id]
    with pytest.raises(StoreError, match="no such question"):
        engine.conversations.edit(conversation, c.id, "hidden")


def test_a_branch_knows_only_its_own_turns(engine: Engine) -> None:
    conversation, (a, b) = asked(engine, QUESTION, "Who designed the motor?")
    edited = finished(engine.conversations.edit(conversation, b.id, "What does the drill weigh in all, with its case?"))
    assert edited.plan is not None
    history = "".join(segment.text for segment in edited.plan.segments if segment.kind == "history")
    assert a.question in history
    assert b.question not in history


def test_nothing_can_be_asked_in_a_conversation_whose_answer_is_not_finished(engine: Engine) -> None:
    fill(engine, "Words. " * 200, "words.txt")
    conversation, _ = asked(engine, QUESTION)
    job = engine.conversations.regenerate(conversation, overrides={"max_tokens": 200})
    for act in (
        lambda: engine.conversations.regenerate(conversation),
        lambda: engine.conversations.edit(conversation, shown(engine, conversation)[0], "Another?"),
        lambda: engine.conversations.go_on(conversation),
        lambda: engine.conversations.without_documents(conversation, shown(engine, conversation)[0]),
    ):
        with pytest.raises(PromptError, match="not finished"):
            act()
    engine.stop(conversation)
    assert job.wait(WAIT_S)
    assert len(engine.conversation(conversation).versions[job.turn.id]) == 2, "nothing was kept of what was refused"


def test_a_stopped_answer_goes_on_where_it_was(engine: Engine) -> None:
    whole = asked(engine, QUESTION, overrides={"max_tokens": 40})[1][0]
    conversation = engine.new_conversation("default")
    job = engine.ask(conversation, QUESTION, overrides={"max_tokens": 40})
    assert job.wait_for_text(WAIT_S)
    engine.stop(conversation)
    assert job.wait(WAIT_S)
    stopped = job.turn
    assert stopped.timings.finish == "cancelled"
    assert len(stopped.answer) < len(whole.answer)
    turn = finished(engine.conversations.go_on(conversation))
    assert (turn.id, turn.answer, turn.continued) == (stopped.id, whole.answer, 1)
    assert turn.timings.total_s > stopped.timings.total_s
    assert turn.timings.answer_tokens == whole.timings.answer_tokens
    assert turn.plan is not None
    assert turn.plan.count() + turn.plan.reserved <= turn.plan.n_ctx
    assert list(engine.conversation(conversation).turns) == [turn]


def test_an_answer_that_ended_by_itself_does_not_go_on(engine: Engine) -> None:
    conversation, (turn,) = asked(engine, QUESTION, overrides={"max_tokens": 200})
    assert turn.timings.finish == "stop"
    with pytest.raises(PromptError, match="was not cut"):
        engine.conversations.go_on(conversation)
    assert list(engine.conversation(conversation).turns) == [turn]


def test_without_documents_is_a_turn_of_its_own_and_marked(engine: Engine) -> None:
    engine.apply({"refuse": True, "least_confidence": 1.0})
    conversation, (refused,) = asked(engine, QUESTION)
    assert (refused.refused, refused.answer, bool(refused.evidence)) == (True, "", True)
    turn = finished(engine.conversations.without_documents(conversation, refused.id))
    assert (turn.question, turn.mode, turn.evidence, turn.searched, turn.sentences) == (QUESTION, "chat", (), "", ())
    assert turn.answer
    assert shown(engine, conversation) == [refused.id, turn.id]
    assert engine.conversation(conversation).collection == "default"
    assert finished(engine.ask(conversation, QUESTION)).mode == "documents"


def test_a_refused_question_can_be_answered_from_the_nearest_passages_all_the_same(engine: Engine) -> None:
    engine.apply({"refuse": True, "least_confidence": 1.0})
    conversation, (refused,) = asked(engine, QUESTION)
    turn = finished(engine.conversations.regenerate(conversation))
    assert (turn.refused, turn.evidence) == (False, refused.evidence)
    assert turn.answer


def test_a_conversation_s_filters_and_settings_are_those_of_its_questions(engine: Engine) -> None:
    fill(engine, "The Heron saw has a warranty of 12 months.", "saw.txt")
    saw = engine.library.find_document("default", "saw.txt").id
    conversation = engine.new_conversation("default")
    engine.conversations.configure(conversation, SearchFilter(documents=(saw,)), {"max_tokens": 3, "evidence_chars": 900})
    turn = asked(engine, "How long is the warranty?", conversation=conversation)[1][0]
    assert {span.name for span in turn.evidence} == {"saw.txt"} or {span.document_id for span in turn.evidence} == {saw}
    assert (turn.timings.answer_tokens, turn.settings["max_tokens"], turn.settings["evidence_chars"]) == (3, 3, 900)
    assert turn.filters == SearchFilter(documents=(saw,))
    for wrong in ({"temperature": 99}, {"n_ctx": 512}, {"nonsense": 1}):
        with pytest.raises(SettingsError):
            engine.conversations.configure(conversation, EVERYWHERE, wrong)
    assert engine.conversation(conversation).filters.documents == (saw,)


def test_a_question_that_comes_with_a_document_waits_for_it_and_holds_up_nobody(engine: Engine) -> None:
    conversation = engine.new_conversation("")
    sources = [Source("saw.txt", data=b"The Heron saw has a warranty of 12 months.")]
    engine.attachments.ask(conversation, "How long is its warranty?", sources, "default")
    assert engine.conversation(conversation).turns[0].question == "How long is its warranty?", "kept at once"
    other = asked(engine, QUESTION)[1][0]
    assert other.answer
    assert engine.wait(conversation, WAIT_S)
    (turn,) = engine.conversation(conversation).turns
    assert (turn.error, [span.channels for span in turn.evidence]) == ("", [("whole",)])
    assert "12 months" in turn.evidence[0].text
    assert engine.conversation(conversation).collection == "default"


def test_a_question_about_several_documents_looks_in_those_alone_and_names_what_failed(engine: Engine) -> None:
    conversation = engine.new_conversation("default")
    sources = [
        Source("saw.txt", data=b"The Heron saw has a warranty of 12 months."),
        Source("plane.txt", data=b"The Wren plane has a warranty of 24 months."),
        Source("broken.pdf", data=b"%PDF-1.4 nothing"),
    ]
    engine.attachments.ask(conversation, "How long is the warranty?", sources, "default")
    assert engine.wait(conversation, WAIT_S)
    (turn,) = engine.conversation(conversation).turns
    assert turn.error == ""
    assert "broken.pdf" in turn.note
    assert {span.document for span in turn.evidence} == {"saw.txt", "plane.txt"}


def test_a_question_whose_documents_all_fail_says_why(engine: Engine) -> None:
    conversation = engine.new_conversation("default")
    engine.attachments.ask(conversation, "What?", [Source("broken.pdf", data=b"%PDF-1.4 nothing")], "default")
    assert engine.wait(conversation, WAIT_S)
    (turn,) = engine.conversation(conversation).turns
    assert "broken.pdf" in turn.error
    assert finished(engine.ask(conversation, QUESTION)).answer


def test_a_question_that_waits_for_a_document_can_be_stopped(engine: Engine) -> None:
    fill(engine, "Words of the harbour. " * 3000, "long.txt")
    conversation = engine.new_conversation("default")
    sources = [Source(f"{n}.txt", data=f"Number {n}. ".encode() * 2000) for n in range(5)]
    engine.attachments.ask(conversation, "Which?", sources, "default")
    engine.stop(conversation)
    assert engine.wait(conversation, WAIT_S)
    assert engine.intake.wait(WAIT_S)
    waiting = [thread for thread in threading.enumerate() if thread.name == "question with documents"]
    for thread in waiting:
        thread.join(WAIT_S)
    (turn,) = engine.conversation(conversation).turns
    assert (turn.answer, turn.timings.finish) == ("", "cancelled")


def differences(engine: Engine, conversation: str, turn: Turn) -> tuple[bool, Sequence[str]]:
    replay = engine.conversations.replay(conversation, turn.id).result()
    return replay.same, replay.differences


def test_a_replay_of_nothing_that_changed_is_the_same(engine: Engine) -> None:
    conversation, (first, second) = asked(engine, QUESTION, "And its motor?")
    assert differences(engine, conversation, first) == (True, ())
    assert differences(engine, conversation, second) == (True, ())
    assert list(engine.conversation(conversation).turns) == [first, second], "nothing is kept of a replay"


def test_a_replay_names_what_became_of_the_documents(engine: Engine) -> None:
    conversation, (turn,) = asked(engine, QUESTION)
    fill(engine, "The Kestrel drill has a warranty of 32 months.")
    _, lines = differences(engine, conversation, turn)
    assert any("was deleted or replaced" in line and "31 months" in line for line in lines)
    assert any(line.startswith("Found now and not then") and "32 months" in line for line in lines)
    engine.library.delete_collection("default")
    assert any("cannot be done" in line for line in differences(engine, conversation, turn)[1])


def test_a_collection_that_was_renamed_is_asked_again_under_its_new_name(engine: Engine) -> None:
    conversation, (turn,) = asked(engine, QUESTION)
    engine.rename_collection("default", "tools")
    assert differences(engine, conversation, turn) == (True, ())
    again = finished(engine.conversations.regenerate(conversation, search_again=True))
    assert (again.collection, bool(again.evidence)) == ("tools", True)


def test_a_replay_of_a_refused_question_searches_only(engine: Engine) -> None:
    engine.apply({"refuse": True, "least_confidence": 1.0})
    conversation, (turn,) = asked(engine, QUESTION)
    assert differences(engine, conversation, turn) == (True, ())


def test_a_summary_is_answered_again_as_a_summary(engine: Engine) -> None:
    conversation = engine.new_conversation("default")
    first = finished(engine.summarise(conversation, "drill.txt"))
    assert (first.mode, first.collection) == ("summary", "default")
    again = finished(engine.conversations.regenerate(conversation, overrides={"max_tokens": 4}))
    assert (again.mode, again.question, again.timings.answer_tokens) == ("summary", first.question, 4)
    assert engine.conversation(conversation).versions == {again.id: (first.id, again.id)}


KILLED = """
import sys
from pathlib import Path
from localrag.engine import Engine
from localrag.settings import load_settings
engine = Engine(load_settings({"data_dir": Path(sys.argv[1]), "llm": "fake", "embeddings": "fake"}, {}, Path(sys.argv[1])))
engine.start_model(wait=True)
conversation = engine.new_conversation("")
job = engine.ask(conversation, "word " * 70 + "end", overrides={"max_tokens": 80})
print(conversation, flush=True)
job.wait()
"""


def test_what_was_streamed_survives_a_kill_and_can_be_gone_on_with(engine: Engine, tmp_path: Path) -> None:
    data = tmp_path / "killed"
    child = subprocess.Popen([sys.executable, "-c", KILLED, str(data)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    conversation = child.stdout.readline().strip()
    other = Engine(engine.settings.with_values({"data_dir": data}))
    try:
        until = time.monotonic() + WAIT_S
        while not other.conversation(conversation).turns[0].answer:  # kept every second
            assert child.poll() is None
            assert time.monotonic() < until
        child.kill()
        assert child.wait(WAIT_S) == -9
        (turn,) = other.conversation(conversation).turns
        assert (turn.timings.finish, "word word" in turn.answer) == (None, True)
        other.start_model(wait=True)
        whole = finished(other.conversations.go_on(conversation))
        assert whole.answer.endswith("end<assistant>")
        assert len(whole.answer) > len(turn.answer)
    finally:
        child.kill()
        child.stdout.close()
        child.wait(WAIT_S)
        other.close()


@pytest.mark.models
def test_a_real_answer_that_was_cut_goes_on_to_the_uncut_one_and_evaluates_one_token(full: Engine) -> None:
    story = "Write a short story about a drill."
    asked(full, story, overrides={"max_tokens": 1})  # so that both find the prompt evaluated, in the very same steps
    whole = asked(full, story, overrides={"max_tokens": 48})[1][0]
    conversation, (cut,) = asked(full, story, overrides={"max_tokens": 16})
    assert cut.timings.finish == "length"
    for times in (1, 2):
        turn = finished(full.conversations.go_on(conversation))
        assert turn.continued == times
    assert turn.answer == whole.answer
    assert turn.answer_tokens == whole.answer_tokens
    assert turn.timings.evaluated_tokens == cut.timings.evaluated_tokens + 2
    assert len(turn.sentences) == len(whole.sentences)
    after = asked(full, "Who designed its motor?", conversation=conversation)[1][0]
    assert after.plan is not None
    assert turn.plan is not None
    assert after.plan.tokens[: turn.plan.count() + 48] == [*turn.plan.tokens, *turn.answer_tokens]


@pytest.mark.models
def test_a_real_branch_evaluates_only_what_is_its_own(full: Engine) -> None:
    conversation, (first, second) = asked(full, QUESTION, "Who designed its motor?", overrides={"max_tokens": 24})
    assert first.plan is not None
    edited = finished(full.conversations.edit(conversation, second.id, "Where was its motor designed?"))
    assert edited.plan is not None
    before = [*first.plan.tokens, *first.answer_tokens]
    assert edited.plan.tokens[: len(before)] == before
    assert edited.timings.evaluated_tokens <= edited.plan.count() - len(before) + 1
    again = finished(full.conversations.regenerate(conversation))
    assert (again.answer, again.timings.evaluated_tokens) == (edited.answer, 1), "the same greedy answer from one token"


@pytest.mark.models
def test_a_replay_with_the_real_model_is_the_same_and_says_so_of_another_window(full: Engine) -> None:
    conversation, (turn,) = asked(full, QUESTION, overrides={"max_tokens": 24})
    assert differences(full, conversation, turn) == (True, ())
    full.apply({"n_ctx": 256}, wait=True)
    same, lines = differences(full, conversation, turn)
    assert same or any("256" in line for line in lines)


@pytest.mark.models
def test_an_answer_begun_by_another_model_does_not_go_on(full: Engine, models_dir: Path) -> None:
    conversation, (cut,) = asked(full, QUESTION, overrides={"max_tokens": 4})
    full.apply({"model_path": models_dir / "SmolLM2-135M-Instruct.Q4_1.gguf"}, wait=True)
    with pytest.raises(LocalRagError, match=r"was begun by SmolLM2-135M-Instruct\.Q8_0"):
        full.conversations.go_on(conversation)
    assert list(full.conversation(conversation).turns) == [cut]
    lines = differences(full, conversation, cut)[1]
    assert any("The model changed" in line for line in lines)


@pytest.mark.models
def test_the_model_may_write_the_follow_up_anew_before_anything_is_searched_for(full: Engine) -> None:
    conversation, (first,) = asked(full, QUESTION, overrides={"max_tokens": 24})
    turn = asked(full, "And who designed its motor?", conversation=conversation, overrides={"rewrite": "model"})[1][0]
    assert turn.searched
    assert turn.evidence
    assert turn.plan is not None
    assert first.plan is not None
    assert turn.timings.evaluated_tokens < turn.plan.count() - first.plan.count(), "what it rewrote from is not evaluated again"
