"""`bench model` without a model: which program is taken, how it is called, what is printed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from localrag.commands import tuning
from localrag.commands.tuning import find_llama_bench, model_table
from localrag.errors import ModelFileError
from localrag.models import waiting_threads
from localrag.models.waiting_threads import environment_as_given
from localrag.settings import ModelSettings
from localrag.tuning.model_bench import Lengths, LlamaBench

RESULT = {
    "model": "/m/a.gguf",
    "beside": "llama-bench",
    "settings": {"n_threads": 2, "n_batch": 512, "n_ubatch": 512, "flash_attn": True, "cache_type": "f16", "n_gpu_layers": 0},
    "tokens": {"depth": 300, "prompt": 400, "answer": 64},
    "runs": 5,
    "prefill": {"LocalRAG": {"median": 660.0}, "llama-bench": {"median": 672.0}},
    "generation": {"LocalRAG": {"median": 101.2}, "llama-bench": {"median": 102.0}},
    "ratio": {"prefill": 0.9821, "generation": 0.9922},
    "machine": {"cpu": "A processor", "cores": 2, "others_during": 0.0},
    "warning": "",
}


def test_the_program_that_was_named_is_taken_and_a_missing_one_said(tmp_path: Path) -> None:
    program = tmp_path / "llama-bench"
    with pytest.raises(ModelFileError, match="There is no llama-bench at"):
        find_llama_bench(program)
    program.write_text("")
    assert find_llama_bench(program) == program


def test_else_the_one_on_the_path_and_else_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(tuning.platformdirs, "user_cache_path", lambda *args, **kwargs: tmp_path / "none")
    assert find_llama_bench(None) is None
    program = tmp_path / "llama-bench"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert find_llama_bench(None) == program


def test_it_is_called_with_the_settings_of_the_adapter() -> None:
    settings = ModelSettings(
        model_path=Path("/m/a.gguf"), n_threads=3, n_batch=256, n_ubatch=128, flash_attn=True, cache_type="q8_0", n_gpu_layers=7
    )
    command = " ".join(LlamaBench(Path("/bin/llama-bench"), settings, Lengths()).command)
    assert command == (
        "/bin/llama-bench -m /m/a.gguf -p 400 -n 64 -d 300 -t 3 -b 256 -ub 128 -fa on -ctk q8_0 -ctv q8_0 -ngl 7 -r 4 -o json"
    )


def test_what_is_set_for_our_own_threads_is_not_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOMP_SPINCOUNT", "3000")
    monkeypatch.setattr(waiting_threads, "_added", ["GOMP_SPINCOUNT"])
    given = environment_as_given()
    assert "GOMP_SPINCOUNT" not in given
    assert given["PATH"] == os.environ["PATH"]


def test_the_table_has_both_sides_and_their_ratio() -> None:
    text = "\n".join(model_table(RESULT))
    assert "2 threads, n_batch 512, flash attention, KV f16. Behind 300 tokens" in text
    assert "LocalRAG 660   llama-bench 672   ratio 0.98" in text
    assert "ratio 0.99" in text
