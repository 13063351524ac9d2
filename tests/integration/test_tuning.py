"""Tuning on the starter model: a sweep in its own process from end to end, its perplexities, and every way it can end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from localrag.__main__ import main
from localrag.engine import Engine
from localrag.errors import BusyError, ModelFileError, ModelLoadError
from localrag.models.starter import STARTER_CHAT, STARTER_CHAT_AS_SHIPPED
from localrag.settings import ModelSettings, Settings
from localrag.tuning import copies
from localrag.tuning.jobs import TuneJob
from localrag.tuning.model_bench import Lengths, bench_model
from localrag.tuning.plan import Plan
from localrag.tuning.points import Point
from localrag.tuning.remembered import best
from localrag.tuning.rig import Rig
from tests.tools.llama_server import binary

pytestmark = pytest.mark.models

WAIT_S = 300
TINY = Plan((1,), (64,), (True,), ("f16",), (), runs=1, windows=1, window=64, notebook=False, prompt_tokens=64, answer_tokens=4)
ONE_THREAD = Point(1, flash_attn=True)


@pytest.fixture
def shipped(models_dir: Path) -> Path:
    return models_dir / STARTER_CHAT_AS_SHIPPED


def job_for(path: Path, tmp_path: Path, plan: Plan) -> TuneJob:
    return TuneJob(path, ModelSettings(n_threads=1), plan, tmp_path / "data", tmp_path / "models")


@pytest.fixture
def rig(shipped: Path, tmp_path: Path) -> Iterator[Rig]:
    opened = Rig(shipped, ModelSettings(model_path=shipped), tmp_path, replace(TINY, window=512))
    yield opened
    opened.close()


def test_quality_and_copies_are_what_they_should_be(rig: Rig, tmp_path: Path) -> None:
    as_shipped = rig.perplexity(ONE_THREAD)
    assert 10 < as_shipped < 40
    written = rig.add_copy("Q8_0")
    assert written.type == "Q8_0"
    assert (tmp_path / "Q8_0.gguf").stat().st_size == written.size <= copies.copy_bytes(rig._path, "Q8_0")
    eight = rig.perplexity(replace(ONE_THREAD, quantisation="Q8_0"))
    assert eight == pytest.approx(as_shipped, rel=0.01)  # requantised upwards: the same weights
    rig.drop_copy("Q8_0")
    rig.add_copy("Q4_0")
    assert rig.perplexity(replace(ONE_THREAD, quantisation="Q4_0")) > 1.1 * eight
    rig.drop_copy("Q4_0")
    assert not list(tmp_path.glob("*.gguf"))


def test_f16_and_f32_caches_agree_and_a_cache_of_four_bits_costs_quality(rig: Rig) -> None:
    f16 = rig.perplexity(ONE_THREAD)
    assert rig.perplexity(replace(ONE_THREAD, cache_type="f32")) == pytest.approx(f16, rel=0.001)
    assert rig.perplexity(replace(ONE_THREAD, cache_type="q4_0")) > 1.01 * f16


def test_a_combination_llama_cpp_refuses_has_its_reason(rig: Rig) -> None:
    with pytest.raises(ModelLoadError, match="flash_attn"):
        rig.speed(replace(ONE_THREAD, flash_attn=False, cache_type="q8_0"), generate=True)
    assert rig.speed(ONE_THREAD, generate=True)[0] > 0


def test_a_sweep_is_measured_kept_and_used(shipped: Path, tmp_path: Path) -> None:
    plan = replace(TINY, batches=(512, 64), caches=("f16", "q8_0"), copies=("Q8_0",))
    job = job_for(shipped, tmp_path, plan)
    job.run()
    view = job.snapshot()
    assert view.error == ""
    assert view.finished
    assert view.share == 1.0
    assert {one.stage for one in view.tried} >= {"copies", "batch", "cache", "check"}
    (copy,) = (one for one in view.tried if one.point.quantisation == "Q8_0" and one.stage == "copies")
    assert copy.perplexity is not None
    assert copy.size > 100_000_000
    result = view.result
    assert result is not None
    assert result.load["cores"] >= 1
    assert best(tmp_path / "data", shipped) == result.choice
    files = sorted(path.name for path in (tmp_path / "models").rglob("*"))
    assert files == ([STARTER_CHAT] if result.choice.copy else [])  # the one that won, or none: no scratch stays
    values = result.choice.values(shipped)
    assert values["model_path"] == (result.choice.copy or shipped)


def test_a_cancelled_sweep_ends_at_once_and_leaves_nothing(shipped: Path, tmp_path: Path) -> None:
    job = job_for(shipped, tmp_path, replace(TINY, runs=500, batches=(512, 64), copies=("Q8_0",)))
    thread = threading.Thread(target=job.run)
    thread.start()
    pid = started(job)
    job.cancel()
    assert job.wait(20)
    thread.join()
    assert job.snapshot().cancelled
    assert job.snapshot().result is None
    assert not psutil.pid_exists(pid)
    assert not list((tmp_path / "models").iterdir())
    assert best(tmp_path / "data", shipped) is None


def test_a_job_cancelled_before_it_begins_never_does(shipped: Path, tmp_path: Path) -> None:
    job = job_for(shipped, tmp_path, TINY)
    job.cancel()
    assert job.wait(1)
    job.run()
    assert job.process_id is None
    assert job.snapshot().tried == ()


def test_a_process_that_is_killed_is_one_sentence(shipped: Path, tmp_path: Path) -> None:
    job = job_for(shipped, tmp_path, replace(TINY, runs=500))
    thread = threading.Thread(target=job.run)
    thread.start()
    os.kill(started(job), signal.SIGKILL)
    assert job.wait(20)
    thread.join()
    assert "ended the process that measures it" in job.snapshot().error
    assert "tune again" in job.snapshot().error
    assert job.snapshot().result is None


def started(job: TuneJob) -> int:
    """The number of the child, once it has begun to measure."""
    while not job.snapshot().done:
        assert not job.wait(0.05), job.snapshot().error
    pid = job.process_id
    assert pid is not None
    return pid


def test_without_room_on_the_disk_the_rest_is_tuned(shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from localrag.tuning.child import tune

    free = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: free)
    said: list[dict[str, Any]] = []
    request = {"path": str(shipped), "scratch": str(tmp_path), "settings": ModelSettings(n_threads=1).model_dump(mode="json")}
    tune(request | {"plan": replace(TINY, copies=("Q8_0",)).as_json()}, said.append)
    errors = [line["measured"]["error"] for line in said if "measured" in line and line["measured"]["stage"] == "copies"]
    assert len(errors) == 1
    assert "1 kB are free. Make room, or tune without copies." in errors[0]
    assert "outcome" in said[-2]
    assert not list(tmp_path.glob("*.gguf"))


def test_what_cannot_answer_is_refused_before_anything_starts(models_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="embedding model"):
        job_for(models_dir / "all-MiniLM-L6-v2.F32.gguf", tmp_path, TINY)
    with pytest.raises(ModelFileError, match="not found"):
        job_for(tmp_path / "none.gguf", tmp_path, TINY)


def test_answers_wait_while_the_engine_tunes_and_the_best_is_applied(real_settings: Settings, shipped: Path) -> None:
    settings = real_settings.with_values({"n_threads": 1, "max_tokens": 4})
    engine = Engine(settings)
    try:
        engine.start_model(wait=True)
        job = engine.tunings.start(shipped, engine.model_settings(), plan=replace(TINY, batches=(512, 64)))
        assert engine.tunings.running
        with pytest.raises(BusyError, match="Tuning is running"):
            engine.tunings.start(shipped, engine.model_settings(), plan=TINY)
        conversation = engine.new_conversation("")
        answer = engine.ask(conversation, "Say hello.")
        started(job)
        assert answer.state == "queued"  # nobody disturbs what is measured
        assert job.wait(WAIT_S)
        assert job.snapshot().error == ""
        assert answer.wait(WAIT_S)
        assert answer.turn.answer
        choice = engine.tunings.best(shipped)
        assert choice is not None
        assert engine.apply(choice.values(shipped), wait=True)
        assert engine.settings.model.model_path == shipped
        assert engine.model_state.status == "ready"
    finally:
        engine.close()


def test_an_engine_that_is_closed_ends_its_tuning(real_settings: Settings, shipped: Path) -> None:
    engine = Engine(real_settings)
    job = engine.tunings.start(shipped, engine.model_settings(), plan=replace(TINY, runs=500))
    pid = started(job)
    engine.close()
    assert job.finished
    assert not psutil.pid_exists(pid)


def test_the_adapter_is_measured_beside_llama_bench(shipped: Path, llama_server_binary: Path) -> None:
    said: list[str] = []
    settings = ModelSettings(model_path=shipped, n_threads=1, n_batch=64, n_ctx=256)
    result = bench_model(settings, 1, binary("llama-bench"), said.append, Lengths(32, 32, 8))
    assert said == ["Run 1 of 1 …"]
    assert result["beside"] == "llama-bench"
    assert (result["settings"]["n_threads"], result["settings"]["n_batch"]) == (1, 64)
    for what in ("prefill", "generation"):
        assert set(result[what]) == {"LocalRAG", "llama-bench"}
        assert result["ratio"][what] > 0.05  # other programs may be at work: no promise here


def test_without_llama_bench_the_bare_loop_stands_in(shipped: Path) -> None:
    settings = ModelSettings(model_path=shipped, n_threads=1, n_batch=64, n_ctx=256)
    result = bench_model(settings, 1, None, lambda _line: None, Lengths(32, 0, 8))
    assert result["beside"] == "llama-cpp-python"
    assert result["tokens"] == {"depth": 0, "prompt": 32, "answer": 8}
    assert result["ratio"]["generation"] > 0.05


def test_a_llama_bench_that_measures_nothing_is_one_sentence(
    shipped: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program = tmp_path / "llama-bench"
    program.write_text("#!/bin/sh\necho no such model >&2\nexit 3\n")
    program.chmod(0o755)
    flags = ["--model", str(shipped), "--runs", "1", "--llama-bench"]
    assert main(["bench", "model", *flags, str(tmp_path / "none")]) == 1
    assert "There is no llama-bench at" in capsys.readouterr().err
    settings = ModelSettings(model_path=shipped, n_threads=1, n_batch=64, n_ctx=256)
    with pytest.raises(ModelFileError, match="measured nothing: no such model"):
        bench_model(settings, 1, program, lambda _line: None, Lengths(8, 8, 2))


def test_tune_on_the_command_line_prints_its_steps_and_applies(
    shipped: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("localrag.commands.tuning.full_plan", lambda copies, loss: replace(TINY, loss=loss))
    data = ["--data-dir", str(tmp_path / "data"), "--models-dir", str(tmp_path / "models")]
    assert main(["tune", str(shipped), "--json", "--apply", *data]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert "step" in lines[0]
    assert any("measured" in line for line in lines)
    assert lines[-1]["settings"]["model_path"] == str(shipped)
    assert lines[-1]["result"]["before"]["prefill"]
    applied = json.loads((tmp_path / "data" / "settings.json").read_text())
    assert applied["model_path"] == str(shipped)
    assert main(["tune", str(tmp_path / "none.gguf"), *data]) == 1
    assert "not found" in capsys.readouterr().err
