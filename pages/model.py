"""Model: what the file is, what it needs, and the sliders; nothing changes before Apply."""

import streamlit as st

from localrag.ui.compare_view import compare
from localrag.ui.errors import show_errors
from localrag.ui.figures_view import figures
from localrag.ui.get_models import get_models
from localrag.ui.model_settings import model_settings
from localrag.ui.model_state import model_state
from localrag.ui.page import open_page
from localrag.ui.tune_view import tune_model

st.set_page_config(layout="wide")
engine = open_page()
st.title("Model", anchor=False)
with show_errors():
    model_state(engine)
    views = {
        "Settings": model_settings,
        "Tune": tune_model,
        "Get a model": get_models,
        "Compare": compare,
        "Figures": figures,
    }
    # Only the open tab is drawn: the others measure, list and poll.
    first = "Settings" if engine.has_model else "Get a model"
    tabs = st.tabs(list(views), default=first, key="model_tab", on_change="rerun")
    for tab, view in zip(tabs, views.values(), strict=True):
        if tab.open:
            with tab, show_errors():
                view(engine)
