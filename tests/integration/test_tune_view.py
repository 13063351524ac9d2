"""Tuning on the Model page through Streamlit's AppTest: asked for, on its way, its outcome, and the one click that uses it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from localrag.engine import Engine
from localrag.models.starter import STARTER_CHAT
from localrag.tuning.plan import Plan
from localrag.tuning.points import Measured, default_point
from localrag.tuning.remembered import TunedChoice, TuneResult, machine_id, remember
from tests.integration.test_pages import app, engine, shown

__all__ = ["app", "engine"]
pytestmark = pytest.mark.models
LONG = Plan(
    (1,), (64,), (True,), ("f16",), (), runs=500, windows=1, window=64, notebook=False, prompt_tokens=64, answer_tokens=4
)


@pytest.fixture
def page(app: AppTest, engine: Engine) -> AppTest:
    app.session_state["model_tab"] = "Tune"
    return app.switch_page("pages/model.py").run()


def button(page: AppTest, key: str) -> object:
    return next(one for one in page.button if one.key == key)


def tuned(engine: Engine, models_dir: Path, warning: str = "") -> TuneResult:
    """A result of this machine for the starter model, kept as a sweep keeps it."""
    default = default_point(engine.settings.model)
    before = Measured(default, "check", (300.0,), (60.0,), 18.10, 1.0)
    after = Measured(replace(default, n_batch=256, n_ubatch=256), "check", (450.0,), (63.0,), 18.14, 0.7)
    refused = Measured(replace(default, flash_attn=False, cache_type="q4_0"), "cache", error="It needs flash attention.")
    tried = (before, refused, after)
    result = TuneResult(
        STARTER_CHAT, TunedChoice(after.point), before, after, None, tried, machine_id(), "2026-11-23T10:00:00", warning
    )
    remember(engine.settings.data_dir, models_dir / STARTER_CHAT, result)
    return result


def test_nothing_is_measured_before_it_is_asked_for(page: AppTest, engine: Engine) -> None:
    assert not page.exception
    assert "About two minutes" in shown(page)
    assert button(page, "tune")
    assert not [one for one in page.button if one.key == "use_tuning"]
    assert engine.tunings.job is None


def test_what_was_found_is_shown_and_used_with_one_click(page: AppTest, engine: Engine, models_dir: Path) -> None:
    tuned(engine, models_dir, "This machine is busy (1 core): figures may be off by half or more.")
    page.run()
    assert not page.exception
    text = re.sub(r"\\", "", shown(page))
    assert "prompts 1.50 times as fast as with the default settings" in text
    assert "perplexity 18.10 → 18.14 (+0.2 %)" in text
    assert "This machine is busy (1 core)" in text
    assert "It changes" in text
    assert "n_batch 512 → 256" in text
    notes = list(page.dataframe[0].value["note"])
    assert "It needs flash attention." in notes
    page.run()
    button(page, "use_tuning").click().run()  # type: ignore[attr-defined]
    assert not page.exception
    assert engine.settings.model.n_batch == 256
    page.run()
    assert "These settings are in use." in shown(page)
    assert button(page, "use_tuning").disabled  # type: ignore[attr-defined]


def test_a_sweep_on_its_way_is_shown_and_can_be_cancelled(page: AppTest, engine: Engine, models_dir: Path) -> None:
    job = engine.tunings.start(models_dir / STARTER_CHAT, engine.model_settings(), plan=LONG)
    while not job.snapshot().done:
        assert not job.wait(0.05), job.snapshot().error
    page.run()
    assert not page.exception
    assert not [one for one in page.button if one.key == "tune"]
    button(page, "cancel_tuning").click().run()  # type: ignore[attr-defined]
    assert job.wait(20)
    page.run()
    assert not page.exception
    assert "Cancelled. Nothing was changed." in shown(page)
    assert button(page, "tune")


def test_a_sweep_that_fails_says_why(page: AppTest, engine: Engine, models_dir: Path) -> None:
    import os
    import signal

    job = engine.tunings.start(models_dir / STARTER_CHAT, engine.model_settings(), plan=LONG)
    while job.process_id is None or not job.snapshot().done:
        assert not job.wait(0.05), job.snapshot().error
    os.kill(job.process_id, signal.SIGKILL)
    assert job.wait(20)
    page.run()
    assert any("ended the process that measures it" in one.value.replace("\\", "") for one in page.error)
