"""The model's thread: first come, first served; a bad model never costs the good one, a bad task never the thread."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from localrag.errors import LocalRagError, ModelFileError
from localrag.llms.base import GenerationStats, LoadedModel
from localrag.llms.worker import ModelWorker
from localrag.settings import AnswerSettings, ModelSettings
from localrag.types import Prompt

FAKE = ModelSettings(llm="fake", n_ctx=1234)
WAIT_S = 10


@pytest.fixture
def worker() -> Iterator[ModelWorker]:
    started = ModelWorker()
    yield started
    started.close()


def load(worker: ModelWorker, settings: ModelSettings) -> LocalRagError | None:
    results: queue.Queue[LocalRagError | None] = queue.Queue()
    worker.load(settings, results.put)
    return results.get(timeout=WAIT_S)


def model_now(worker: ModelWorker) -> LoadedModel | None:
    results: queue.Queue[LoadedModel | None] = queue.Queue()
    worker.submit(results.put)
    return results.get(timeout=WAIT_S)


def test_tasks_run_in_the_order_they_came_on_one_thread(worker: ModelWorker) -> None:
    ran: list[tuple[int, int]] = []
    for number in range(50):
        worker.submit(lambda _model, number=number: ran.append((number, threading.get_ident())))  # type: ignore[misc]
    model_now(worker)
    assert [number for number, _ in ran] == list(range(50))
    assert len({thread for _, thread in ran}) == 1
    assert ran[0][1] != threading.get_ident()


def test_without_a_model_a_task_gets_none(worker: ModelWorker) -> None:
    assert model_now(worker) is None
    assert worker.state.status == "none"


def test_a_loaded_model_is_described(worker: ModelWorker) -> None:
    assert load(worker, FAKE) is None
    assert (worker.state.status, worker.state.name, worker.state.n_ctx, worker.state.error) == ("ready", "fake", 1234, "")


def test_a_model_is_changed_between_two_tasks(worker: ModelWorker) -> None:
    seen: list[int] = []
    load(worker, FAKE)
    worker.submit(lambda model: seen.append(model.n_ctx if model else 0))
    worker.load(FAKE.model_copy(update={"n_ctx": 99}))
    worker.submit(lambda model: seen.append(model.n_ctx if model else 0))
    model_now(worker)
    assert seen == [1234, 99]


def test_a_failing_change_returns_to_the_model_before(worker: ModelWorker, tmp_path: Path) -> None:
    load(worker, FAKE)
    error = load(worker, ModelSettings(model_path=tmp_path / "missing.gguf"))
    assert isinstance(error, ModelFileError)
    model = model_now(worker)
    assert model is not None
    assert model.n_ctx == 1234
    assert (worker.state.status, worker.state.name) == ("ready", "fake")
    assert "missing.gguf" in worker.state.error
    assert load(worker, FAKE) is None
    assert worker.state.error == ""


def test_a_first_model_that_fails_leaves_none_and_says_why(worker: ModelWorker, tmp_path: Path) -> None:
    (tmp_path / "broken.gguf").write_bytes(b"GGUF" + b"\xff" * 100)
    assert load(worker, ModelSettings(model_path=tmp_path / "broken.gguf")) is not None
    assert model_now(worker) is None
    assert worker.state.status == "failed"
    assert "broken.gguf" in worker.state.error


def test_a_task_that_fails_does_not_end_the_thread(worker: ModelWorker) -> None:
    def fail(_model: LoadedModel | None) -> None:
        raise RuntimeError("boom")

    load(worker, FAKE)
    worker.submit(fail)
    assert model_now(worker) is not None


def test_closing_ends_the_answer_drops_what_is_queued_and_ends_the_thread() -> None:
    worker = ModelWorker()
    load(worker, FAKE)
    begun, stats, ran = threading.Event(), GenerationStats(), list[int]()

    def answer(model: LoadedModel | None) -> None:
        assert model is not None
        for _ in model.generate(Prompt(tuple(model.tokenize("word " * 80))), AnswerSettings(), (), stats):
            begun.set()

    worker.submit(answer)
    worker.submit(lambda _model: ran.append(1))
    assert begun.wait(WAIT_S)
    worker.close()
    assert (stats.finish, ran) == ("cancelled", [])
    assert "model" not in {thread.name for thread in threading.enumerate()}


def test_cancelling_without_a_model_does_nothing(worker: ModelWorker) -> None:
    worker.cancel()
    assert model_now(worker) is None
