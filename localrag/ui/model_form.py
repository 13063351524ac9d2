"""The sliders of the Model page. Moving one changes what is shown; only Apply changes what is used."""

from __future__ import annotations

from typing import Any

import streamlit as st

from localrag.engine import Engine
from localrag.errors import ModelLoadError
from localrag.models.devices import cpu_threads, devices
from localrag.models.gguf_file import GGUFFile
from localrag.models.memory import check_fits, estimate_memory
from localrag.settings import ModelSettings, Settings, bounds, field_info
from localrag.ui.markup import plain
from localrag.ui.model_facts import context_in_pages, memory_bar

CTX_STEP, MAX_CTX_SHOWN = 256, 131_072
LABELS = {
    "n_threads": "threads",
    "max_tokens": "max tokens",
    "top_p": "top-p",
    "flash_attn": "flash attention",
    "prompt": "prompt",
    "template": "prompt format",
}


def loading_sliders(settings: Settings, header: GGUFFile) -> dict[str, Any]:
    """Settings that need the model to be loaded again."""
    model = settings.model
    longest = max(CTX_STEP, min(header.n_ctx_train, MAX_CTX_SHOWN))
    values: dict[str, Any] = {}
    values["n_ctx"] = _slider("n_ctx", min(model.n_ctx or longest, longest), CTX_STEP, longest, CTX_STEP)
    st.caption(context_in_pages(values["n_ctx"]))
    values["n_batch"] = _slider("n_batch", min(model.n_batch, 2048), 32, 2048, 32)
    threads = cpu_threads()
    if threads > 1:
        chosen = _slider("n_threads", min(model.n_threads or threads, threads), 1, threads, 1)
        values["n_threads"] = 0 if chosen == threads and not model.n_threads else chosen  # 0 stays "every core"
    report = devices()
    values["n_gpu_layers"] = _slider(
        "n_gpu_layers", min(model.n_gpu_layers, header.n_layers), -1, header.n_layers, 1, disabled=not report.gpus
    )
    if not report.gpus:
        st.caption(report.reason)
        values["n_gpu_layers"] = model.n_gpu_layers
    values["flash_attn"] = st.toggle(LABELS["flash_attn"], model.flash_attn, help=field_info("flash_attn").description)
    return values


def answering_sliders(settings: Settings) -> dict[str, Any]:
    """Settings that take effect with the next answer."""
    answer = settings.answer
    return {
        "temperature": _slider("temperature", answer.temperature, 0.0, 2.0, 0.05),
        "top_p": _slider("top_p", answer.top_p, 0.05, 1.0, 0.05),
        "max_tokens": _slider("max_tokens", min(answer.max_tokens, 4096), 16, 4096, 16),
        "repeat_penalty": _slider("repeat_penalty", answer.repeat_penalty, 1.0, 2.0, 0.05),
        "evidence_tokens": _slider("evidence_tokens", min(settings.retrieval.evidence_tokens, 4000), 50, 4000, 50, "evidence"),
    }


def fits(engine: Engine, header: GGUFFile, values: dict[str, Any]) -> bool:
    """Draw the memory these values need; False, with the slider to move, when they do not fit."""
    model: ModelSettings = engine.settings.with_values(values | {"model_path": header.path}, "the sliders").model
    need = estimate_memory(header, model)
    memory_bar(need, 0)
    try:
        check_fits(header, model)
    except ModelLoadError as exc:
        st.caption(f":material/error: {plain(str(exc))}")
        return False
    return True


def changes(settings: Settings, values: dict[str, Any]) -> list[str]:
    """What Apply would change, in words."""
    now = settings.flat()
    return [f"{LABELS.get(name, name)} {now[name]} → {value}" for name, value in values.items() if now[name] != value]


def _slider(name: str, value: Any, low: Any, high: Any, step: Any, label: str | None = None, disabled: bool = False) -> Any:
    lowest, highest = bounds(name)
    low = low if lowest is None else max(low, type(low)(lowest))
    high = high if highest is None else min(high, type(high)(highest))
    inside = min(max(value, low), high)
    text = label or LABELS.get(name, name)
    return st.slider(text, low, high, inside, step, help=field_info(name).description, disabled=disabled, key=f"w_{name}")
