"""How much resident memory a model takes once its whole window was evaluated: `python -m tests.tools.resident SETTINGS.json`.

Run as a process of its own: only there memory starts from nothing.
"""

from __future__ import annotations

import json
import sys

import psutil

from localrag.llms.base import GenerationStats
from localrag.llms.llamacpp import build
from localrag.models.llama_library import llama_library
from localrag.settings import AnswerSettings, ModelSettings
from localrag.types import Prompt

FIRST_TOKEN, TOKENS = 1000, 20_000  # ordinary ones of the starter model's vocabulary


def grown(settings: ModelSettings) -> int:
    """Bytes this process has grown by, with the model loaded and its window full."""
    llama_library()
    process = psutil.Process()
    before = process.memory_info().rss
    model = build(settings)
    prompt = Prompt(tuple(FIRST_TOKEN + at % TOKENS for at in range(model.n_ctx - 1)))
    for _ in model.generate(prompt, AnswerSettings(temperature=0.0, max_tokens=1), (), GenerationStats()):
        pass
    growth: int = process.memory_info().rss - before
    model.close()
    return growth


if __name__ == "__main__":
    print(grown(ModelSettings.model_validate(json.loads(sys.argv[1]))))
