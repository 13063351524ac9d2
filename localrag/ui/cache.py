"""The one engine of this process, shared by every browser session."""

from __future__ import annotations

import streamlit as st

from localrag.engine import Engine, open_engine
from localrag.privacy import silence_telemetry
from localrag.settings import load_settings


@st.cache_resource(show_spinner="Opening your documents")
def get_engine() -> Engine:
    """Open the engine at the first call and begin loading the model in the background."""
    silence_telemetry()
    return open_engine(load_settings())
