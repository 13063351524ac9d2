"""Which model, and how it is loaded and asked: left what it is, right what moves."""

from __future__ import annotations

from typing import Any

import streamlit as st

from localrag.engine import Engine
from localrag.errors import ModelFileError
from localrag.llms.registry import check_model
from localrag.models.catalogue import header_of
from localrag.models.purpose import why_no_answer
from localrag.ui import sliders, state
from localrag.ui.errors import draw_error, show_errors
from localrag.ui.model_facts import device_report, model_facts
from localrag.ui.model_form import answering_fields, change_text, changes, fits, loading_fields
from localrag.ui.model_source import choose_file, choose_kind, current_file, llamafile_output, server_fields
from localrag.ui.preset_bar import preset_bar
from localrag.ui.prompt_form import prompt_controls


def model_settings(engine: Engine) -> None:
    """Draw everything that moves, and what applies it, which stays in sight."""
    if engine.model_state.status != "loading":
        sliders.settle_sliders()
    left, right = st.columns([2, 3], gap="large")
    with show_errors(_draw_in_sight):
        values: dict[str, Any] = {}
        fit, header = True, None
        with left:
            values["llm"] = choose_kind(engine)
            if values["llm"] == "server":
                values |= server_fields(engine)
            else:
                path = choose_file(engine, values["llm"])
                if path != current_file(engine):
                    values["model_path"] = path
                if values["llm"] == "llamafile":
                    check_model(engine.settings.model.model_copy(update={"llm": "llamafile", "model_path": path}))
                    llamafile_output()
                else:
                    header = header_of(path)
                    model_facts(header)
                    device_report()
                    if (reason := why_no_answer(header)) is not None:
                        raise ModelFileError(reason)
        with right:
            if header is not None:
                st.header("Loading", anchor=False, help="These need the model to be loaded again.")
                values |= loading_fields(engine.settings, header, values["llm"])
                fit = fits(engine, header, values)
            st.header("Answering", anchor=False, help="These take effect with the next answer.")
            values |= answering_fields(engine.settings, values["llm"])
            st.header("Prompt", anchor=False)
            values |= prompt_controls(engine)
            preset_bar(engine, values)
        _apply(engine, values, fit)


def _draw_in_sight(sentence: str) -> None:
    """Draw an error where Apply stands: the end of the page may be scrolled away."""
    with st.bottom:
        draw_error(sentence)


def _apply(engine: Engine, values: dict[str, Any], fit: bool) -> None:
    changed, idle = changes(engine.settings, values), engine.model_state.status in ("none", "failed")
    text = "No model is in use. Apply loads it." if idle else "Nothing is changed yet."
    with st.bottom, st.container(horizontal=True, vertical_alignment="center", gap="small"):
        pressed = st.button("Apply", icon=":material/check:", disabled=not ((changed or idle) and fit))
        st.caption(f"Apply changes {change_text(engine.settings, changed)}." if changed else text, width="stretch")
    if pressed:
        reloading = engine.apply(changed or {"llm": values["llm"]})
        sliders.start_sliders(values if reloading else None, applied=reloading)
        state.notify("The model is being loaded with the new settings." if reloading else "Applied, from the next answer on.")
        st.rerun()
