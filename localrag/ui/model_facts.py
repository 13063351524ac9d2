"""What a model file is, the memory it needs, and the processor it runs on."""

from __future__ import annotations

import html

import streamlit as st

from localrag.chat.prose import ACCENT, FIGURES
from localrag.models.catalogue import format_count
from localrag.models.devices import devices, install_lines
from localrag.models.gguf_file import GGUFFile
from localrag.models.memory import MemoryNeed, available_memory, format_bytes
from localrag.ui.markup import plain

WORDS_PER_TOKEN, WORDS_PER_PAGE = 0.75, 500  # English prose; other languages need more tokens a word


def model_facts(header: GGUFFile) -> None:
    """What the file is, from its header alone."""
    facts = {
        "Name": header.name,
        "Architecture": header.architecture,
        "Parameters": format_count(header.parameters),
        "Quantisation": header.quantisation,
        "Trained context": f"{header.n_ctx_train:,} tokens",
        "Size": format_bytes(header.file_size),
        "Tokenizer": " · ".join(part for part in (header.tokenizer_model, header.pre_tokenizer) if part),
        "Licence": header.licence,
    }
    rows = "".join(
        f"<dt style='opacity:0.7'>{name}</dt><dd style='margin:0;overflow-wrap:anywhere'>{html.escape(value)}</dd>"
        for name, value in facts.items()
        if value
    )
    st.html(
        f"<dl style='display:grid;grid-template-columns:max-content 1fr;gap:4px 18px;margin:0;padding:0;{FIGURES}'>{rows}</dl>"
    )
    if header.chat_template:
        with st.popover("Chat template", type="tertiary", icon=":material/data_object:"):
            st.code(header.chat_template, language="jinja2", wrap_lines=True)
    else:
        st.caption("The file brings no chat template. Questions are put as “Question: … Answer:”.")


def memory_bar(need: MemoryNeed, in_use: int) -> None:
    """Weights, KV cache and compute buffers against what is free; `in_use` bytes go back when the model at work is released."""
    free = available_memory() + in_use
    whole = max(free, need.total)
    parts = (("weights", need.weights, 1.0), ("KV cache", need.kv, 0.65), ("compute", need.compute, 0.35))
    spans = "".join(
        f"<span title='{name}: {format_bytes(size)}' style='width:{100 * size / whole:.2f}%;min-width:2px;"
        f"background:{ACCENT};opacity:{shade}'></span>"
        for name, size, shade in parts
    )
    said = " + ".join(f"{name} {format_bytes(size)}" for name, size, _ in parts)
    frame = "display:flex;height:12px;border-radius:4px;overflow:hidden;background:rgba(128,128,128,0.22)"
    text = f"{format_bytes(need.total)} of {format_bytes(free)} free"
    st.html(
        f"<div style='{FIGURES}'><div style='font-weight:600'>Memory: {text}</div>"
        f"<div role='img' aria-label='{text}' style='{frame};margin:4px 0'>{spans}</div>"
        f"<div style='opacity:0.8'>{said}</div></div>"
    )


def context_in_pages(n_ctx: int) -> str:
    """A context window in words and pages of English text."""
    words = int(n_ctx * WORDS_PER_TOKEN)
    pages = max(1, round(words / WORDS_PER_PAGE))
    return (
        f"{n_ctx:,} tokens hold about {words:,} English words: {pages:,} page{'s' * (pages > 1)} of passages, chat and answer."
    )


def device_report() -> None:
    """What llama.cpp reports of this machine, and how to get GPU support where there is none."""
    report = devices()
    if report.gpus:
        for device in report.gpus:
            st.markdown(f":material/memory: {plain(device.name)} · {plain(device.description)}")
    else:
        st.caption(report.reason)
        with st.popover("Install with GPU support", type="tertiary", icon=":material/download:"):
            for name, line in install_lines().items():
                st.caption(name)
                st.code(line, language="bash", wrap_lines=True)
    with st.popover("What llama.cpp reports", type="tertiary", icon=":material/info:"):
        st.code(report.system_info, language=None, wrap_lines=True)
