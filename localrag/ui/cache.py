"""The one engine of this process, shared by every browser session."""

from __future__ import annotations

import threading

import streamlit as st

from localrag.engine import Engine, open_engine
from localrag.privacy import silence_telemetry
from localrag.settings import load_settings


@st.cache_resource(show_spinner="Opening your documents")
def get_engine() -> Engine:
    """Open the engine at the first call and begin loading the model in the background."""
    silence_telemetry()
    engine = open_engine(load_settings())
    _close_at_exit(engine)
    return engine


def _close_at_exit(engine: Engine) -> None:
    """Let a server that is stopped end its work in order, so that it goes on where it was at the next start.

    `atexit` is too late for that: pools of threads take no more work by then, and an ingestion would fail half-way.
    """
    register = getattr(threading, "_register_atexit", None)
    if register is not None:
        register(engine.close)
