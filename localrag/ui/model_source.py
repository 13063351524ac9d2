"""What runs the model: a file of this machine in this process, a llamafile, or a server that is there."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from localrag.engine import Engine
from localrag.errors import ModelFileError
from localrag.llms.registry import llamafile_log
from localrag.models.starter import STARTER_CHAT
from localrag.settings import field_info
from localrag.ui import sliders, state
from localrag.ui.errors import show_errors

KINDS = {
    "llamacpp": "llama.cpp, in this process",
    "gpt4all": "GPT4All, in this process",
    "llamafile": "a llamafile",
    "server": "a server",
    "fake": "a fake model",
}
SAID = {
    "gpt4all": "GPT4All's llama.cpp is of 2024 and knows no newer models. It takes no seed, and no prompt is reused.",
    "llamafile": "A model and its server in one file. LocalRAG starts it on this machine, and stops it at the end.",
    "server": "Any OpenAI-compatible server: llama-server, vLLM, LM Studio, Ollama. It reads every prompt, passages included.",
}


def choose_kind(engine: Engine) -> str:
    """Draw what may run the model; returns the value of the setting `llm`."""
    now = engine.settings.model.llm
    shown = [kind for kind in KINDS if kind != "fake" or now == "fake"]
    picked: str = st.selectbox(
        "Runs with", shown, shown.index(now), format_func=KINDS.__getitem__, help=field_info("llm").description, key="w_llm"
    )
    if picked in SAID:
        st.caption(SAID[picked])
    return picked


def choose_file(engine: Engine, kind: str) -> Path:
    """Draw the picker of the models folder, with room for any other path.

    Raises:
        ModelFileError: there is no file to choose.
    """
    suffix = ".llamafile" if kind == "llamafile" else ".gguf"
    current = current_file(engine)
    current = current if current is not None and current.suffix.lower() == suffix else None
    bad: set[Path] = set()
    if suffix == ".gguf":
        entries = [entry for entry in engine.models() if entry.kind == "chat" or entry.error]
        files: Sequence[Path] = [entry.path for entry in entries]
        bad = {entry.path for entry in entries if entry.error}
    else:
        files = sorted(engine.settings.models_dir.glob("*.llamafile"))
    options = list(dict.fromkeys([*([current] if current else []), *files]))
    name = lambda path: f"{path.name} (cannot be used)" if path in bad else path.name  # noqa: E731
    picked = st.selectbox("Model file", options, format_func=name, key=sliders.slider_key(f"model_path_{suffix[1:]}"))
    typed = st.text_input(f"or the path of another {suffix} file", placeholder=f"/home/me/models/my-model{suffix}")
    if typed.strip():
        return Path(os.path.expanduser(typed.strip()))
    if picked is None:
        more = "Fetch one under Get a model, or give a path." if suffix == ".gguf" else "Give the path of one."
        raise ModelFileError(f"There is no {suffix} file in {engine.settings.models_dir}. {more}")
    found: Path = picked
    return found


def current_file(engine: Engine) -> Path | None:
    """The model file of the settings: the starter model when none is chosen."""
    starter = engine.settings.models_dir / STARTER_CHAT
    return engine.settings.model.model_path or (starter if starter.exists() else None)


def server_fields(engine: Engine) -> dict[str, Any]:
    """Draw where the server is; the key is kept in memory alone."""
    model = engine.settings.model
    help_of = {name: field_info(name).description for name in ("chat_server", "chat_model")}
    address = st.text_input(
        "Address (chat_server)",
        model.chat_server,
        placeholder="http://127.0.0.1:8080/v1",
        help=help_of["chat_server"],
        key="w_chat_server",
    )
    key = st.text_input(
        "Key (chat_api_key)",
        type="password",
        placeholder="kept" if model.chat_api_key else "none",
        help="Sent to the server alone, and kept until the app stops. LOCALRAG_CHAT_API_KEY gives it for good.",
    )
    values: dict[str, Any] = {"chat_server": address.strip()} | ({"chat_api_key": key} if key else {})
    if st.button("List its models", icon=":material/list:"):
        with show_errors():
            state.keep_server_models(engine.server_models(values))
    options = list(dict.fromkeys(name for name in (model.chat_model, *state.server_models()) if name))
    chosen = st.selectbox(
        "Model (chat_model)",
        options,
        options.index(model.chat_model) if model.chat_model else None,
        accept_new_options=True,
        placeholder="the first it lists",
        help=help_of["chat_model"],
        key="w_chat_model",
    )
    return values | {"chat_model": chosen or ""}


def llamafile_output() -> None:
    """Draw what the llamafile wrote last, where one was started."""
    written = llamafile_log()
    if written:
        with st.expander("What the llamafile writes", icon=":material/terminal:"):
            st.code(written, language=None, wrap_lines=True)
