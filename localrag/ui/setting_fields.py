"""One widget for each setting, by its kind: bounds and meaning come from the setting, and what is not the default is marked."""

from __future__ import annotations

from typing import Any, get_args, get_origin

import streamlit as st

from localrag.models.devices import cpu_threads
from localrag.settings import bounds, field_info
from localrag.ui import sliders
from localrag.ui.markup import plain

LABELS = {
    "n_threads": "threads",
    "max_tokens": "max tokens",
    "top_p": "top-p",
    "top_k": "top-k",
    "min_p": "min-p",
    "repeat_penalty": "repeat penalty",
    "evidence_tokens": "evidence",
    "flash_attn": "flash attention",
    "cache_type": "KV cache type",
    "use_mmap": "mmap",
    "use_mlock": "mlock",
    "rope_scaling": "RoPE scaling",
    "rope_freq_base": "RoPE base frequency",
    "rope_freq_scale": "RoPE frequency scale",
    "kept_memory_mb": "memory for conversations (MB)",
    "stop": "stop texts",
    "template": "prompt format",
}
# Lowest, highest and step of a slider, where the setting's own bounds are wider than anybody moves one.
RANGES: dict[str, tuple[float, float, float]] = {
    "n_batch": (32, 2048, 32),
    "n_ubatch": (32, 2048, 32),
    "kept_memory_mb": (0, 8192, 128),
    "temperature": (0.0, 2.0, 0.05),
    "top_p": (0.05, 1.0, 0.05),
    "top_k": (0, 200, 1),
    "min_p": (0.0, 1.0, 0.01),
    "repeat_penalty": (1.0, 2.0, 0.05),
    "max_tokens": (16, 4096, 16),
    "evidence_tokens": (50, 4000, 50),
}
TYPED = frozenset({"seed", "rope_freq_base", "rope_freq_scale"})
"""Numbers that are typed: no slider is fine enough."""


def label(name: str) -> str:
    """What a setting is called on the page."""
    return LABELS.get(name, name)


def field(name: str, value: Any, limits: tuple[float, float, float] | None = None, disabled: bool = False) -> Any:
    """Draw the widget of a setting and return its value. `limits` are lowest, highest and step of its slider."""
    value = sliders.slider_start().get(name, value)
    options: dict[str, Any] = {
        "help": field_info(name).description,
        "key": sliders.slider_key(name),
        "disabled": disabled,
    }
    choices = get_args(field_info(name).annotation) if get_origin(field_info(name).annotation) is not tuple else ()
    if isinstance(value, bool):
        return st.toggle(_marked(name, value), value, **options)
    if isinstance(value, tuple | list):
        return _texts(name, tuple(value), options)
    if choices and isinstance(value, str):
        return st.selectbox(_marked(name, value), choices, choices.index(value), **options)
    if name in TYPED:
        low, high = bounds(name)
        kind = type(value)
        return st.number_input(_marked(name, value), kind(low or 0), None if high is None else kind(high), value, **options)
    low, high, step = limits or RANGES[name]
    kind = int if isinstance(value, int) else float
    low, high = kind(min(low, value)), kind(max(high, value))  # a value beyond the usual is shown as it is
    return st.slider(_marked(name, value), low, high, kind(value), kind(step), **options)


def _texts(name: str, value: tuple[str, ...], options: dict[str, Any]) -> tuple[str, ...]:
    """Several texts, one a line; what stands in them is taken as it is, `\\n` for a line break."""
    written = st.text_area(_marked(name, value), "\n".join(text.replace("\n", "\\n") for text in value), height=70, **options)
    return tuple(line.replace("\\n", "\n") for line in written.splitlines() if line)


def _marked(name: str, value: Any) -> str:
    """The label, with the default beside it where the value is another."""
    value = st.session_state.get(sliders.slider_key(name), value)
    default = field_info(name).default
    if name == "stop":
        value = tuple(value.splitlines()) if isinstance(value, str) else tuple(value)
    if value == default or (name == "n_threads" and value == cpu_threads()):  # every core, whatever it is called
        return label(name)
    said = "on" if default is True else "off" if default is False else "none" if default in ((), "") else ""
    said = "every core" if name == "n_threads" else said or (plain(default) if isinstance(default, str) else f"{default:,}")
    return f"{label(name)} :primary[●] :gray[default {said}]"
