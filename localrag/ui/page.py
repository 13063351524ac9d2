"""What every page begins with: the engine and the sidebar, or one sentence when the data cannot be opened."""

from __future__ import annotations

import streamlit as st

from localrag.engine import Engine
from localrag.ui import state
from localrag.ui.cache import get_engine
from localrag.ui.errors import show_errors
from localrag.ui.markup import plain
from localrag.ui.sidebar import sidebar


def open_page(with_sidebar: bool = True) -> Engine:
    """Open the engine and draw the sidebar, unless the page does that later; ends the page when there is no engine."""
    engine: Engine | None = None
    with show_errors():
        opened: Engine = get_engine()
        if with_sidebar:
            sidebar(opened)
        engine = opened
    if engine is None:
        st.stop()
    if notice := state.take_notice():
        st.toast(plain(notice))
    return engine
