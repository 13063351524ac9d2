"""An evaluation in the background: how far it is, what comes of it, and how it ends early."""

from __future__ import annotations

import threading

import pytest

from localrag.errors import QuestionSetError
from localrag.evaluation.evaluate import Searching
from localrag.evaluation.jobs import EvaluationJob
from localrag.evaluation.question_sets import Expected, Question, QuestionSet, as_jsonl
from localrag.types import DocumentRecord, Evidence, SearchResult

WAIT_S = 20
TEXT = "The kettle boils at 100 degrees. The tea needs four minutes."
RECORD = DocumentRecord("d1", "default", "/tea.txt", "tea.txt", characters=len(TEXT))
QUESTIONS = QuestionSet(
    "tea",
    (
        Question("How hot?", (Expected(("tea.txt",), "The kettle boils at 100 degrees."),)),
        Question("How long?", (Expected(("tea.txt",), "The tea needs four minutes."),)),
    ),
)


def found(start: int, end: int) -> SearchResult:
    span = Evidence("d1", "/tea.txt", "tea.txt", start, end, TEXT[start:end], 1.0)
    return SearchResult("", (span,), 0.9, 0.01)


def searching(answer: SearchResult) -> Searching:
    return Searching(lambda question: answer, [RECORD], lambda document: TEXT, count_tokens=lambda text: len(text.split()))


def test_two_settings_are_compared_on_the_same_questions() -> None:
    job = EvaluationJob(lambda: QUESTIONS, [searching(found(0, 32)), searching(found(0, len(TEXT)))])
    job.run()
    view = job.snapshot()
    assert (view.finished, view.error, view.cancelled) == (True, "", False)
    assert (view.done, view.total) == (4, 4)
    assert [report.figures["characters"]["recall"].value for report in view.reports] == [0.5, 1.0]
    change = view.changes["characters"]["recall"]
    assert change.value == 0.5
    assert change.low <= 0.5 <= change.high
    assert view.changes["cost"]["tokens"].value == 5
    assert view.changes["cost"]["seconds"].value == 0


def test_the_same_settings_differ_by_nothing() -> None:
    job = EvaluationJob(lambda: QUESTIONS, [searching(found(0, 32))] * 2)
    job.run()
    changes = [one for group in job.snapshot().changes.values() for one in group.values()]
    assert changes
    assert {(one.value, one.low, one.high) for one in changes} == {(0.0, 0.0, 0.0)}


def test_cancelling_ends_it_before_the_next_question() -> None:
    asked, go_on = threading.Event(), threading.Event()

    def find(question: str) -> SearchResult:
        asked.set()
        assert go_on.wait(WAIT_S)
        return found(0, 32)

    job = EvaluationJob(lambda: QUESTIONS, [Searching(find, [RECORD], lambda document: TEXT)] * 2)
    thread = threading.Thread(target=job.run)
    thread.start()
    assert asked.wait(WAIT_S)
    assert not job.snapshot().finished
    job.cancel()
    go_on.set()
    assert job.wait(WAIT_S)
    thread.join()
    view = job.snapshot()
    assert view.cancelled
    assert view.reports == ()
    assert view.done == 1


def test_questions_that_do_not_fit_the_documents_are_one_sentence() -> None:
    stray = QuestionSet("stray", (Question("Who?", (Expected(("nobody.txt",)),)),))
    job = EvaluationJob(lambda: stray, [searching(found(0, 32))] * 2)
    job.run()
    assert "nobody.txt" in job.snapshot().error


def test_what_goes_wrong_in_a_library_ends_the_job_and_is_said(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> QuestionSet:
        raise RuntimeError("out of paper")

    job = EvaluationJob(broken, [searching(found(0, 32))])
    job.run()
    assert job.snapshot().finished
    assert "out of paper" in job.snapshot().error
    assert "an evaluation failed" in caplog.text


def test_a_set_without_questions_to_make_is_said() -> None:
    def none() -> QuestionSet:
        raise QuestionSetError("No question can be made.")

    job = EvaluationJob(none, [searching(found(0, 32))])
    job.run()
    assert job.snapshot().error == "No question can be made."


def test_a_set_as_lines_is_what_is_read_again() -> None:
    from localrag.evaluation.question_files import parse_question_set

    again = parse_question_set(as_jsonl(QUESTIONS).encode(), "tea.jsonl")
    assert [question.text for question in again.questions] == ["How hot?", "How long?"]
    assert again.questions[1].expected[0].text == "The tea needs four minutes."
