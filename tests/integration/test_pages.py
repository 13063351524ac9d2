"""Every page through Streamlit's AppTest: plumbing with fake models, started from app.py."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Button

from localrag.documents.source import Source
from localrag.engine import Engine
from localrag.ui.cache import get_engine
from tests.tools.gguf_files import RUNNABLE, RUNNABLE_TENSORS, Value, build

APP = str(Path(__file__).parents[2] / "app.py")
WAIT_S = 30
TEA = "The kettle boils at 100 degrees. The tea needs four minutes."


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, models_dir: Path) -> Iterator[AppTest]:
    """The app on fake models and a data directory of its own, not yet run."""
    for name, value in {"LLM": "fake", "EMBEDDINGS": "fake", "DATA_DIR": tmp_path / "data", "MODELS_DIR": models_dir}.items():
        monkeypatch.setenv(f"LOCALRAG_{name}", str(value))
    st.cache_resource.clear()
    yield AppTest.from_file(APP, default_timeout=WAIT_S)
    get_engine().close()
    st.cache_resource.clear()


@pytest.fixture
def engine(app: AppTest) -> Engine:
    """The engine the app uses, with its model loaded and one document in."""
    app.run()
    engine = get_engine()
    engine.start_model(wait=True)
    job = engine.intake.start("default", [Source("tea.txt", data=TEA.encode())])
    assert job.wait(WAIT_S)
    return engine


def shown(app: AppTest) -> str:
    return "\n".join(
        [*(m.value for m in app.markdown), *(c.value for c in app.caption), *(h.proto.body for h in app.get("html"))]
    )


def conversation_of(app: AppTest) -> str:
    return str(app.query_params["c"])


def test_the_first_visit_invites_a_document_and_a_question(app: AppTest) -> None:
    app.run()
    assert not app.exception
    assert app.title[0].value == "Ask your documents"
    assert "leaves this machine" in shown(app)
    assert app.chat_input


def test_a_question_draws_its_evidence_in_the_same_run(app: AppTest, engine: Engine) -> None:
    app.chat_input[0].set_value("How long does the tea need?").run()
    assert not app.exception
    assert "The tea needs four minutes." in shown(app)
    assert "Evidence · 1 passage" in shown(app)
    assert "tea.txt" in shown(app) or "kettle" in shown(app)


def test_a_finished_answer_stands_under_its_question_after_a_reload(app: AppTest, engine: Engine) -> None:
    app.chat_input[0].set_value("When does the kettle boil?").run()
    conversation = conversation_of(app)
    assert engine.wait(conversation, WAIT_S)
    fresh = AppTest.from_file(APP, default_timeout=WAIT_S)
    fresh.query_params["c"] = conversation
    fresh.run()
    assert not fresh.exception
    assert "When does the kettle boil?" in shown(fresh)
    assert "evaluated, 0 reused" in shown(fresh)


def test_new_chat_opens_an_empty_one_and_the_old_one_is_listed(app: AppTest, engine: Engine) -> None:
    app.chat_input[0].set_value("When does the kettle boil?").run()
    assert engine.wait(conversation_of(app), WAIT_S)
    app.run()
    button = next(b for b in app.sidebar.button if b.label == "New chat")
    button.click().run()
    assert not app.exception
    assert app.title[0].value == "Ask your documents"
    assert "When does the kettle boil?" in [b.label for b in app.sidebar.button]


def test_without_documents_the_model_answers_alone_and_the_page_says_so(app: AppTest, engine: Engine) -> None:
    app.run()
    app.toggle[0].set_value(False).run()
    assert "Without documents" in shown(app)
    app.chat_input[0].set_value("Hello").run()
    assert not app.exception
    assert "Evidence" not in shown(app)


def test_an_unknown_conversation_in_the_address_is_no_error(app: AppTest) -> None:
    app.query_params["c"] = "0" * 32
    app.run()
    assert not app.exception
    assert "deleted" in shown(app)


def test_markup_in_a_question_and_a_document_is_shown_as_text(app: AppTest, engine: Engine) -> None:
    hostile = "<script>alert(1)</script> ![x](http://tracker.invalid/p.png) **bold**"
    engine.intake.start("default", [Source("bad.txt", data=f"Tea {hostile} tea.".encode())]).wait(WAIT_S)
    app.run()
    app.chat_input[0].set_value(f"Tea {hostile}").run()
    assert not app.exception
    bodies = "".join(h.proto.body for h in app.get("html"))
    assert "<script>" not in bodies
    assert "<img" not in bodies
    assert "&lt;script&gt;" in bodies


def test_the_documents_page_lists_deletes_and_makes_collections(app: AppTest, engine: Engine) -> None:
    app.switch_page("pages/documents.py").run()
    assert not app.exception
    assert app.dataframe[0].value["source"].tolist() == ["tea.txt"]
    engine.library.delete_document("default", "tea.txt")
    engine.library.create_collection("Recipes")
    app.run()
    assert "empty" in shown(app)
    app.selectbox[0].set_value("Recipes").run()
    assert not app.exception


def test_a_folder_that_is_not_there_is_one_sentence(app: AppTest, engine: Engine) -> None:
    app.switch_page("pages/documents.py").run()
    field = next(t for t in app.text_input if t.label.startswith("A web address"))
    field.set_value("/no/such/folder")
    next(b for b in app.button if b.label == "Add").click().run()
    assert not app.exception
    assert "There is nothing at /no/such/folder" in app.error[0].value


def test_the_model_page_says_what_the_file_is_and_applies_an_answer_setting(app: AppTest, engine: Engine) -> None:
    app.switch_page("pages/model.py").run()
    assert not app.exception
    assert "134.5 M" in shown(app)
    assert "Memory:" in shown(app)
    slider = next(s for s in app.slider if s.label == "temperature")
    slider.set_value(0.7).run()
    assert "temperature 0.0 → 0.7" in shown(app).replace("\\", "")
    next(b for b in app.button if b.label == "Apply").click().run()
    assert not app.exception
    assert engine.settings.answer.temperature == 0.7


@pytest.mark.parametrize(
    ("changes", "said"), [({"general.type": "adapter"}, "a LoRA adapter"), ({"llama.context_length": 0}, "context_length is 0")]
)
def test_the_model_page_says_why_a_file_cannot_answer(
    app: AppTest, tmp_path: Path, changes: dict[str, Value], said: str
) -> None:
    path = tmp_path / "odd.gguf"
    path.write_bytes(build(RUNNABLE | changes, RUNNABLE_TENSORS))
    app.switch_page("pages/model.py").run()
    next(t for t in app.text_input if t.label.startswith("or the path")).set_value(str(path)).run()
    assert not app.exception
    assert said in app.error[0].value.replace("\\", "")


def test_the_gpu_slider_is_locked_where_llama_cpp_has_no_gpu(app: AppTest, engine: Engine) -> None:
    from localrag.models.devices import devices

    app.switch_page("pages/model.py").run()
    slider = next(s for s in app.slider if s.label == "n_gpu_layers")
    assert slider.disabled == (not devices().gpus)
    assert not devices().reason or devices().reason in shown(app)


def test_no_setting_of_the_tester_leaks_into_the_app(app: AppTest) -> None:
    app.run()
    assert str(get_engine().settings.data_dir) == os.environ["LOCALRAG_DATA_DIR"]


def button(app: AppTest, label: str) -> Button:
    return next(b for b in app.button if b.label == label)


def test_one_document_is_picked_asked_about_and_summarised(app: AppTest, engine: Engine) -> None:
    for number in range(3):
        text = f"Coffee\n\nNumber {number} needs three minutes. The tea is cold."
        assert engine.intake.start("default", [Source(f"coffee {number}.txt", data=text.encode())]).wait(WAIT_S)
    app.run()
    assert "Summarise" not in [b.label for b in app.button]
    box = next(s for s in app.selectbox if s.label == "Document")
    assert (box.value, box.placeholder) == (None, "All documents")
    assert box.options == [*(f"Coffee · coffee {number}.txt" for number in range(3)), f"{TEA} · tea.txt"]
    identity = engine.library.find_document("default", "tea.txt").id
    box.set_value(identity).run()
    app.chat_input[0].set_value("What is cold?").run()
    assert not app.exception
    assert "Evidence · the whole document" in shown(app)
    conversation = conversation_of(app)
    assert engine.wait(conversation, WAIT_S)
    app.run()
    assert next(s for s in app.selectbox if s.label == "Document").value == identity, "it stays picked"
    button(app, "Summarise").click().run()
    assert not app.exception
    assert engine.wait(conversation, WAIT_S)
    app.run()
    assert "Summarise The kettle boils" in shown(app)
    turn = engine.conversation(conversation).turns[-1]
    assert (turn.evidence[0].text, bool(turn.answer)) == (TEA, True)


def test_a_long_summary_shows_how_far_it_is_even_after_a_reload_and_is_stopped(app: AppTest, engine: Engine) -> None:
    engine.apply({"n_ctx": 512}, wait=True)
    text = "The harbour has many boats and every one of them has a bell. " * 200
    assert engine.intake.start("default", [Source("harbour.txt", data=text.encode())]).wait(WAIT_S)
    app.run()
    record = engine.library.find_document("default", "harbour.txt")
    next(s for s in app.selectbox if s.label == "Document").set_value(record.id).run()
    button(app, "Summarise").click().run()
    assert not app.exception
    conversation = conversation_of(app)
    job = engine._queue.job(conversation)
    assert job is not None
    assert job.wait_for_progress(None, WAIT_S)
    fresh = AppTest.from_file(APP, default_timeout=WAIT_S)
    fresh.query_params["c"] = conversation
    fresh.run()
    assert not fresh.exception
    assert any("of 12,199 characters read" in bar.proto.text.replace("\\", "") for bar in fresh.get("progress"))
    button(fresh, "Stop").click().run()
    assert job.wait(WAIT_S)
    fresh.run()
    assert "Stopped before the first word" in shown(fresh)


def test_a_document_s_preview_leads_to_a_question_about_it(app: AppTest, engine: Engine) -> None:
    app.switch_page("pages/documents.py").run()
    record = engine.library.find_document("default", "tea.txt")
    app.session_state[app.dataframe[0].key] = {"selection": {"rows": [0], "columns": [], "cells": []}}
    app.run()
    button(app, "Ask about this document").click().run()
    assert not app.exception
    assert next(s for s in app.selectbox if s.label == "Document").value == record.id


def test_a_question_that_is_too_long_is_said_and_given_back_whole(app: AppTest, engine: Engine) -> None:
    asked = ("When does the kettle boil? " * 800).strip()
    app.chat_input[0].set_value(asked).run()
    assert not app.exception
    assert f"The question has {len(asked):,} characters, 20,000 are allowed" in "\n".join(e.value for e in app.error)
    assert [text.value for text in app.text] == [f"Not asked: {asked}"]
