"""With no model, no document and no answer every page and tab says so, and where to go on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from localrag.ui.cache import get_engine

APP = str(Path(__file__).parents[2] / "app.py")
WAIT_S = 30


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[AppTest]:
    """The app as it is where nothing was ever fetched or added."""
    (tmp_path / "models").mkdir()
    for name, value in {"EMBEDDINGS": "fake", "DATA_DIR": tmp_path / "data", "MODELS_DIR": tmp_path / "models"}.items():
        monkeypatch.setenv(f"LOCALRAG_{name}", str(value))
    st.cache_resource.clear()
    yield AppTest.from_file(APP, default_timeout=WAIT_S)
    get_engine().close()
    st.cache_resource.clear()


def shown(app: AppTest) -> str:
    parts = [*(one.value for one in app.markdown), *(one.value for one in app.caption), *(one.value for one in app.error)]
    return "\n".join(part.replace("\\", "") for part in parts)


def links(app: AppTest) -> list[str]:
    """Links on the page itself; the sidebar has its own."""
    return [one.proto.label for one in app.main.get("page_link")]


def test_chat_without_a_model_leads_to_the_model_page(app: AppTest) -> None:
    app.run()
    assert not app.exception
    assert "No model is loaded. Choose one, or get one" in shown(app)
    assert links(app) == ["Model"]


@pytest.mark.parametrize(
    ("page", "said", "link"), [("documents", "is empty. Add a file", None), ("lab", "nothing to search yet", "Documents")]
)
def test_an_empty_page_says_what_to_do(app: AppTest, page: str, said: str, link: str | None) -> None:
    app.run()
    app.switch_page(f"pages/{page}.py").run()
    assert not app.exception
    assert said in shown(app)
    assert link is None or link in links(app)


@pytest.mark.parametrize(
    ("tab", "said"),
    [
        ("Settings", "Fetch one under Get a model, or give a path."),
        ("Tune", "Choose one under Settings."),
        ("Get a model", "of memory are free now"),
        ("Compare", "Comparisons are kept here"),
        ("Figures", "Ask something, and its figures stand here."),
    ],
)
def test_an_empty_tab_of_the_model_page_says_what_to_do(app: AppTest, tab: str, said: str) -> None:
    app.run()
    app.session_state["model_tab"] = tab
    app.switch_page("pages/model.py").run()
    assert not app.exception
    assert said in shown(app)
