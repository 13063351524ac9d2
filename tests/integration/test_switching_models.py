"""Fifty changes of model: nothing of the ones before stays in memory."""

from __future__ import annotations

import gc
import threading
from pathlib import Path

import psutil
import pytest

from localrag.chat.answering import warm_up
from localrag.errors import LocalRagError
from localrag.llms.worker import ModelWorker
from localrag.models.starter import starter_chat
from localrag.models.trials import Trials
from localrag.settings import ModelSettings

pytestmark = pytest.mark.models

SWITCHES, LIMIT = 50, 100_000_000
WAIT_S = 120.0


def test_fifty_changes_of_model_leave_memory_where_it_was(models_dir: Path, tmp_path: Path) -> None:
    files = (starter_chat(models_dir), models_dir / "SmolLM2-135M-Instruct.Q4_1.gguf")
    worker = ModelWorker(Trials(tmp_path))
    errors: list[LocalRagError | None] = []

    def load(path: Path) -> int:
        done = threading.Event()
        worker.load(ModelSettings(model_path=path, n_ctx=512, n_threads=1), errors.append)
        worker.submit(warm_up)
        worker.submit(lambda _model: done.set())
        assert done.wait(WAIT_S)
        gc.collect()
        return int(psutil.Process().memory_info().rss)

    started = [load(files[at % 2]) for at in range(2)]  # what llama.cpp keeps for good is there after one of each
    ended = [load(files[at % 2]) for at in range(SWITCHES)]
    worker.close()
    assert set(errors) == {None}
    assert abs(max(ended[-2:]) - max(started)) < LIMIT
