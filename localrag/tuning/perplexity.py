"""Perplexity on a text that is shipped: how surprised a model is by prose, so that speed bought with quality is seen.

The method is that of llama.cpp's `llama-perplexity` (tools/perplexity of github.com/ggml-org/llama.cpp): windows of 512 tokens,
each evaluated from an empty cache, its second half scored, e to the mean negative log-likelihood. The windows are spaced evenly
so that the end of the text is scored too. The text is ours: English prose, then a paragraph each of Spanish and Korean.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from localrag.errors import GenerationError
from localrag.llms.llama_context import LlamaContext
from localrag.models.llama_library import Model
from localrag.tuning.plan import WINDOW

ROWS = 64
"""Rows of logits worked on at once: a row of a large vocabulary takes a megabyte in 64 bits."""


def prose() -> str:
    """The shipped text, some 2,000 tokens."""
    return Path(__file__).with_name("prose.txt").read_text("utf-8")


def windows(count: int, most: int, size: int = WINDOW) -> list[int]:
    """Where windows start that together cover `count` tokens, evenly spaced, at most `most`; one at 0 for fewer tokens."""
    number = max(1, min(most, math.ceil(count / size)))
    return [round(index * max(0, count - size) / max(1, number - 1)) for index in range(number)]


def perplexity(context: LlamaContext, model: Model, text: str, most_windows: int, size: int = WINDOW) -> float:
    """The perplexity of a text; `context` needs an n_ctx and an n_batch of `size` at least, and forgets what it held.

    Raises:
        GenerationError: the text is too short, or llama.cpp failed.
    """
    tokens = model.tokenize(text, add_special=True)
    if len(tokens) < size:
        raise GenerationError(f"The text has {len(tokens)} tokens, {size} are needed to judge a model by it. Use a longer one.")
    total, count = 0.0, 0
    for start in windows(len(tokens), most_windows, size):
        window = tokens[start : start + size]
        if model.add_bos and model.bos >= 0:
            window[0] = model.bos
        for loss in _losses(context, window):
            total += float(loss.sum())
            count += len(loss)
    return math.exp(total / count)


def _losses(context: LlamaContext, window: list[int]) -> Iterator[np.ndarray[Any, np.dtype[np.float64]]]:
    """The negative log-likelihoods of the tokens in the second half of a window, some rows at a time."""
    first = len(window) // 2
    logits = context.logits(window, first)
    targets = np.asarray(window[first + 1 :])
    for start in range(0, len(targets), ROWS):
        rows = logits[start : min(start + ROWS, len(targets))].astype(np.float64)
        most = rows.max(axis=1)
        sums = np.log(np.exp(rows - most[:, None]).sum(axis=1)) + most
        yield sums - rows[np.arange(len(rows)), targets[start : start + len(rows)]]
