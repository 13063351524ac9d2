"""The Model page through Streamlit's AppTest: sliders, presets, figures."""

from __future__ import annotations

from typing import Any

from streamlit.testing.v1 import AppTest

from localrag.engine import Engine
from tests.integration.test_pages import WAIT_S, app, engine, shown

__all__ = ["app", "engine"]


def labelled(widgets: Any, start: str) -> Any:
    return next(widget for widget in widgets if widget.label.startswith(start))


def text(app: AppTest) -> str:
    return shown(app).replace("\\", "")


def test_a_setting_that_is_not_the_default_is_marked(app: AppTest, engine: Engine) -> None:
    page = app.switch_page("pages/model.py").run()
    assert labelled(page.slider, "max tokens").label == "max tokens"
    labelled(page.slider, "max tokens").set_value(512).run()
    assert "default 256" in labelled(page.slider, "max tokens").label
    assert "max tokens 256 → 512" in text(page)


def test_every_setting_of_an_answer_is_applied(app: AppTest, engine: Engine) -> None:
    page = app.switch_page("pages/model.py").run()
    for name, value in (("min-p", 0.1), ("top-k", 20), ("top-p", 0.5)):
        labelled(page.slider, name).set_value(value)
    labelled(page.number_input, "seed").set_value(7)
    labelled(page.text_area, "stop texts").set_value("END\nQ:\\nA").run()
    labelled(page.button, "Apply").click().run()
    assert not page.exception
    answer = engine.settings.answer
    assert (answer.min_p, answer.top_k, answer.top_p, answer.seed) == (0.1, 20, 0.5, 7)
    assert answer.stop == ("END", "Q:\nA")
    assert "Nothing is changed yet" in text(page)


def test_a_preset_moves_the_sliders_and_apply_takes_it_into_use(app: AppTest, engine: Engine) -> None:
    engine.presets.save("Long", {"max_tokens": 1024, "n_batch": 256})
    page = app.switch_page("pages/model.py").run()
    labelled(page.button, "Load").click().run()
    assert labelled(page.slider, "max tokens").value == 1024
    assert engine.settings.answer.max_tokens == 256
    labelled(page.button, "Apply").click().run()
    assert not page.exception
    assert engine.settings.answer.max_tokens == 1024


def test_what_the_sliders_say_is_kept_as_a_preset(app: AppTest, engine: Engine) -> None:
    page = app.switch_page("pages/model.py").run()
    labelled(page.slider, "temperature").set_value(0.7).run()
    labelled(page.text_input, "Keep what the sliders say").set_value("Warm")
    labelled(page.button, "Keep").click().run()
    assert not page.exception
    assert engine.presets.get("Warm")["temperature"] == 0.7
    assert engine.settings.answer.temperature == 0.0


def test_defaults_move_every_slider_back(app: AppTest, engine: Engine) -> None:
    engine.apply({"temperature": 1.0, "evidence_tokens": 200})
    page = app.switch_page("pages/model.py").run()
    labelled(page.button, "Defaults").click().run()
    assert labelled(page.slider, "temperature").value == 0.0
    labelled(page.button, "Apply").click().run()
    assert engine.settings.answer.temperature == 0.0
    assert engine.settings.retrieval.evidence_tokens == 800


def test_settings_that_do_not_go_together_cannot_be_applied(app: AppTest, engine: Engine) -> None:
    page = app.switch_page("pages/model.py").run()
    labelled(page.selectbox, "KV cache type").set_value("q8_0")
    labelled(page.toggle, "flash attention").set_value(False).run()
    assert "needs flash attention" in text(page)
    assert labelled(page.button, "Apply").disabled


def test_figures_of_the_last_answers_are_shown(app: AppTest, engine: Engine) -> None:
    conversation = engine.new_conversation("default")
    assert engine.ask(conversation, "How long does the tea need?").wait(WAIT_S)
    app.session_state["model_tab"] = "Figures"
    page = app.switch_page("pages/model.py").run()
    assert not page.exception
    labels = [metric.label for metric in page.metric]
    assert {"Memory of the app", "Tokens in the KV cache", "Generation", "First token"} <= set(labels)
    turn = engine.conversation(conversation).turns[0]
    assert f"{turn.timings.evaluated_tokens:,}" in labelled(page.metric, "Evaluated").value


def test_two_settings_are_compared_side_by_side(app: AppTest, engine: Engine) -> None:
    app.session_state["model_tab"] = "Compare"
    page = app.switch_page("pages/model.py").run()
    labelled(page.text_input, "Question").set_value("How long does the tea need?")
    [widget for widget in page.number_input if widget.label == "max tokens"][1].set_value(16)
    labelled(page.button, "Compare").click().run()
    assert not page.exception
    job = engine.comparisons.job
    assert job is not None
    assert job.wait(WAIT_S)
    page.run()
    assert not page.exception
    assert "max_tokens 16" in text(page)
    assert "four minutes" in text(page)
    labelled(page.button, "Delete").click().run()
    assert engine.comparisons.kept() == []


def test_what_a_backend_has_no_place_for_is_grey(app: AppTest) -> None:
    page = app.switch_page("pages/model.py").run()
    labelled(page.selectbox, "Runs with").set_value("gpt4all").run()
    assert not page.exception
    grey = [labelled(page.toggle, "flash attention"), labelled(page.slider, "n_ubatch"), labelled(page.number_input, "seed")]
    assert all(widget.disabled for widget in grey)
    assert not labelled(page.slider, "temperature").disabled
    labelled(page.selectbox, "Runs with").set_value("llamacpp").run()
    assert not labelled(page.toggle, "flash attention").disabled


def test_sliders_stay_where_they_were_applied_while_the_model_is_loaded_anew(app: AppTest, engine: Engine) -> None:
    page = app.switch_page("pages/model.py").run()
    labelled(page.slider, "n_batch").set_value(256).run()
    labelled(page.button, "Apply").click().run()
    assert labelled(page.slider, "n_batch").value == 256
    engine.ask(engine.new_conversation(""), "Hello").wait(WAIT_S)  # behind the load
    page.run()
    assert not page.exception
    assert labelled(page.slider, "n_batch").value == 256
    assert engine.settings.model.n_batch == 256
    assert "Nothing is changed yet" in text(page)
    labelled(page.slider, "n_batch").set_value(512).run()
    assert "n_batch 256 → 512" in text(page)


def test_every_core_is_no_change(app: AppTest) -> None:
    page = app.switch_page("pages/model.py").run()
    assert [widget.label for widget in page.slider if widget.label.startswith("threads")] in ([], ["threads"])
