"""The estimate on the Model page against the memory a process really grows by."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from localrag.models.gguf_file import read_gguf
from localrag.models.memory import estimate_memory
from localrag.models.starter import starter_chat
from localrag.setting_groups import CacheType
from localrag.settings import ModelSettings

pytestmark = pytest.mark.models


@pytest.mark.parametrize(
    ("n_ctx", "n_batch", "cache_type", "flash_attn"),
    [
        (512, 512, "f16", True),
        (2048, 128, "f16", True),
        (1024, 512, "q8_0", True),
        (2048, 512, "f16", False),
        (1024, 64, "f32", True),
    ],
)
def test_a_full_window_takes_the_memory_that_was_estimated(
    models_dir: Path, n_ctx: int, n_batch: int, cache_type: CacheType, flash_attn: bool
) -> None:
    settings = ModelSettings(
        model_path=starter_chat(models_dir),
        n_ctx=n_ctx,
        n_batch=n_batch,
        cache_type=cache_type,
        flash_attn=flash_attn,
        n_threads=1,
    )
    assert settings.model_path is not None
    command = [sys.executable, "-m", "tests.tools.resident", settings.model_dump_json()]
    said = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]).stdout
    estimated = estimate_memory(read_gguf(settings.model_path), settings).total
    assert estimated == pytest.approx(int(said.split()[-1]), rel=0.1)
