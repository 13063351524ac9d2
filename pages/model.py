"""Model: what the file is, what it needs, and the sliders; nothing changes before Apply."""

import os
from pathlib import Path

import streamlit as st

from localrag.errors import ModelFileError
from localrag.models.gguf_file import read_gguf
from localrag.models.starter import STARTER_CHAT
from localrag.ui import state
from localrag.ui.errors import show_errors
from localrag.ui.get_models import get_models
from localrag.ui.markup import plain
from localrag.ui.model_facts import device_report, model_facts
from localrag.ui.model_form import PROMPTS, answering_sliders, changes, fits, loading_sliders
from localrag.ui.model_state import model_state
from localrag.ui.page import open_page
from localrag.ui.prompt_view import prompt_view

st.set_page_config(layout="wide")
engine = open_page()
st.title("Model", anchor=False)
model_state(engine)


def choose_file() -> Path:
    """The picker of the models folder, with room for any other path."""
    entries = [entry for entry in engine.models() if entry.kind != "embedding"]
    starter = engine.settings.models_dir / STARTER_CHAT
    current = engine.settings.model.model_path or (starter if starter.exists() else None)
    options = list(dict.fromkeys([*([current] if current else []), *(entry.path for entry in entries)]))
    bad = {entry.path for entry in entries if entry.error}
    name = lambda path: f"{path.name} (cannot be used)" if path in bad else path.name  # noqa: E731
    picked = st.selectbox("Model file", options, format_func=name, key="w_model_path")
    typed = st.text_input("or the path of another .gguf file", placeholder="/home/me/models/my-model.Q4_K_M.gguf")
    if not typed.strip() and picked is None:
        raise ModelFileError(
            f"There is no model in {engine.settings.models_dir}. Run `python -m localrag setup`, or give a path."
        )
    return Path(os.path.expanduser(typed.strip())) if typed.strip() else picked


@st.fragment
def controls() -> None:
    """Everything that moves; drawn anew at every move, without the rest of the page."""
    left, right = st.columns([2, 3], gap="large")
    with show_errors():
        with left:
            path = choose_file()
            header = read_gguf(path)
            model_facts(header)
            device_report()
        with right:
            st.subheader("Loading", anchor=False, help="These need the model to be loaded again.")
            values = loading_sliders(engine.settings, header)
            fit = fits(engine, header, values)
            st.subheader("Answering", anchor=False, help="These take effect with the next answer.")
            values |= answering_sliders(engine.settings)
            st.subheader("Prompt", anchor=False)
            values["prompt"] = st.selectbox("prompt", PROMPTS, PROMPTS.index(engine.settings.answer.prompt), key="w_prompt")
            prompt_view(engine, values["prompt"])
            if path != (engine.settings.model.model_path or engine.settings.models_dir / STARTER_CHAT):
                values["model_path"] = path
            pending = changes(engine.settings, values)
            st.caption("Apply changes " + ", ".join(plain(text) for text in pending) if pending else "Nothing is changed yet.")
            if st.button("Apply", type="primary", icon=":material/check:", disabled=not (pending and fit)):
                reloading = engine.apply(values)
                state.notify(
                    "The model is being loaded with the new settings." if reloading else "Applied, from the next answer on."
                )
                st.rerun()


controls()
with st.expander("Get a model", icon=":material/download:", expanded=bool(engine.downloads.jobs)):
    get_models(engine)
