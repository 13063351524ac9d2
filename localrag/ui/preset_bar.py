"""Presets: the sliders' values under a name, to be loaded, exported and imported; and back to the defaults."""

from __future__ import annotations

from typing import Any

import streamlit as st

from localrag.engine import Engine
from localrag.presets import PRESET_FIELDS
from localrag.settings import Settings
from localrag.ui import sliders, state
from localrag.ui.errors import show_errors


def preset_bar(engine: Engine, values: dict[str, Any]) -> None:
    """Draw the presets; `values` are what the sliders say now. Loading one moves the sliders, Apply takes it into use."""
    with st.container(horizontal=True, vertical_alignment="center"):
        with st.popover("Presets", icon=":material/bookmarks:", type="tertiary"), show_errors():
            _presets(engine, values)
        st.button(
            "Defaults",
            icon=":material/restart_alt:",
            type="tertiary",
            help="Moves every slider to its default; Apply takes that into use",
            on_click=_start_with_defaults,
        )


def _presets(engine: Engine, values: dict[str, Any]) -> None:
    names = engine.presets.names()
    if names:
        chosen = st.selectbox("Preset", names, key="preset_name")
        with st.container(horizontal=True):
            if st.button("Load", icon=":material/download_done:", help="Moves the sliders; nothing is in use before Apply"):
                sliders.start_sliders(engine.presets.get(chosen))
                st.rerun()
            st.download_button(
                "Export",
                lambda: engine.presets.exported(chosen),
                f"{chosen}.json",
                "application/json",
                icon=":material/ios_share:",
                on_click="ignore",
            )
            if st.button("Delete", icon=":material/delete:"):
                engine.presets.delete(chosen)
                st.rerun()
    with st.form("preset", border=False, clear_on_submit=True):
        name = st.text_input("Keep what the sliders say as", placeholder="Long answers", max_chars=60)
        if st.form_submit_button("Keep", icon=":material/bookmark_add:") and name.strip():
            engine.presets.save(name, {field: values[field] for field in PRESET_FIELDS if field in values})
            st.rerun()
    file = st.file_uploader("Import", type="json", key=f"preset_file_{state.upload_round()}", max_upload_size=1)
    if file is not None:
        engine.presets.import_text(file.getvalue().decode("utf-8", "replace"))
        state.next_upload_round()
        st.rerun()


def _start_with_defaults() -> None:
    defaults = Settings().flat()
    sliders.start_sliders({name: defaults[name] for name in PRESET_FIELDS})
