"""The sliders of the Model page. Moving one changes what is shown; only Apply changes what is used."""

from __future__ import annotations

from typing import Any

import streamlit as st

from localrag.engine import Engine
from localrag.errors import LocalRagError
from localrag.llms.registry import unsupported
from localrag.models.devices import cpu_threads, devices
from localrag.models.gguf_file import GGUFFile
from localrag.models.memory import CTX_STEP, check_fits, estimate_memory
from localrag.settings import SECRETS, Settings
from localrag.ui.markup import plain
from localrag.ui.model_facts import context_in_pages, memory_bar
from localrag.ui.setting_fields import field, label

MAX_CTX_SHOWN = 131_072
STRETCHED = 4
"""With RoPE scaling the window may be this many times the trained one."""


def loading_fields(settings: Settings, header: GGUFFile, llm: str) -> dict[str, Any]:
    """Settings that need the model to be loaded again; what this backend has no place for is grey."""
    model, without = settings.model, unsupported(llm)
    stretch = STRETCHED if model.rope_scaling in ("linear", "yarn") else 1
    longest = max(CTX_STEP, min(stretch * header.n_ctx_train, MAX_CTX_SHOWN))
    values: dict[str, Any] = {}
    values["n_ctx"] = field("n_ctx", min(model.n_ctx or longest, longest), (CTX_STEP, longest, CTX_STEP))
    st.caption(context_in_pages(values["n_ctx"]))
    values["n_batch"] = field("n_batch", model.n_batch)
    values["n_threads"] = _threads(model.n_threads)
    values["n_gpu_layers"] = _gpu_layers(model.n_gpu_layers, header.n_layers)
    values["flash_attn"] = field("flash_attn", model.flash_attn, disabled="flash_attn" in without)
    with st.expander("Advanced", icon=":material/tune:"):
        for name in ("n_ubatch", "cache_type", "use_mmap", "use_mlock", "rope_scaling", "rope_freq_base", "rope_freq_scale"):
            values[name] = field(name, getattr(model, name), disabled=name in without)
        if without:
            st.caption("GPT4All has no place for what is grey here.")
    return values


def _threads(chosen: int) -> int:
    threads = cpu_threads()
    if threads == 1:
        return chosen
    picked = int(field("n_threads", min(chosen or threads, threads), (1, threads, 1)))
    return 0 if picked == threads and not chosen else picked  # 0 stays "every core"


def _gpu_layers(chosen: int, layers: int) -> int:
    report = devices()
    picked = int(field("n_gpu_layers", min(chosen, layers), (-1, layers, 1), disabled=not report.gpus))
    if report.gpus:
        return picked
    st.caption(report.reason)
    return chosen


def answering_fields(settings: Settings, llm: str) -> dict[str, Any]:
    """Settings that take effect with the next answer; what this backend has no place for is grey."""
    answer, without = settings.answer, unsupported(llm)
    values = {name: field(name, getattr(answer, name)) for name in ("temperature", "max_tokens", "repeat_penalty")}
    values["evidence_tokens"] = field("evidence_tokens", settings.retrieval.evidence_tokens)
    with st.expander("Sampling", icon=":material/casino:"):
        for name in ("top_k", "top_p", "min_p", "seed", "stop"):
            values[name] = field(name, getattr(answer, name), disabled=name in without)
        st.caption("One stop text a line. At temperature 0 the likeliest word is taken, and the first four mean nothing.")
    return values


def fits(engine: Engine, header: GGUFFile, values: dict[str, Any]) -> bool:
    """Draw the memory these values need; False, with what to change, when they do not fit or do not go together."""
    try:
        model = engine.settings.with_values(values | {"model_path": header.path}, "the sliders").model
        memory_bar(estimate_memory(header, model), 0)
        check_fits(header, model)
    except LocalRagError as exc:
        st.caption(f":material/error: {plain(str(exc))}")
        return False
    return True


def changes(settings: Settings, values: dict[str, Any]) -> dict[str, Any]:
    """What Apply would change, by the settings' names."""
    now = settings.flat()
    return {name: value for name, value in values.items() if _comparable(now[name]) != _comparable(value)}


def change_text(settings: Settings, changed: dict[str, Any]) -> str:
    """What Apply would change, in words."""
    now = settings.flat()
    pairs = (
        f"{label(name)} (hidden)" if name in SECRETS else f"{label(name)} {_said(now[name])} → {_said(value)}"
        for name, value in changed.items()
    )
    return ", ".join(plain(pair) for pair in pairs)


def _comparable(value: Any) -> Any:
    return round(value, 6) if isinstance(value, float) else tuple(value) if isinstance(value, list) else value


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list | tuple):
        return ", ".join(map(repr, value)) or "none"
    return f"{value:,}" if isinstance(value, int) else str(value if value not in (None, "") else "none")
