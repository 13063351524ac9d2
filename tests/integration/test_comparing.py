"""Two sides on one question with the starter models: same passages, both answers, and the model before is back after."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest

from localrag.chat.comparison_picture import comparison_svg
from localrag.documents.source import Source
from localrag.engine import Engine
from localrag.errors import BusyError, LocalRagError, PromptError
from localrag.models.starter import starter_chat
from localrag.settings import load_settings

pytestmark = pytest.mark.models

WAIT_S = 120.0
DRILL = "The Kestrel drill has a warranty of 31 months. It weighs 1.4 kg. Its motor was designed in Oslo by Ada Berg."
QUESTION = "How long is the warranty of the Kestrel drill?"


@pytest.fixture
def engine(tmp_path: Path, models_dir: Path) -> Iterator[Engine]:
    places = {"data_dir": tmp_path, "models_dir": models_dir, "n_ctx": 1024, "n_threads": 1, "max_tokens": 24}
    opened = Engine(load_settings(places, {}, tmp_path))
    opened.library.claim_writing()
    assert opened.intake.start("tools", [Source("drill.txt", data=DRILL.encode())]).wait(WAIT_S)
    opened.start_model(wait=True)
    yield opened
    opened.close()


def test_two_models_answer_the_same_question_from_the_same_passages(engine: Engine, models_dir: Path) -> None:
    other = models_dir / "SmolLM2-135M-Instruct.Q4_1.gguf"
    before = engine.model_state
    job = engine.comparisons.start(QUESTION, "tools", [{}, {"model_path": other, "max_tokens": 8}], engine.settings)
    with pytest.raises(BusyError):
        engine.comparisons.start(QUESTION, "tools", [{}, {}], engine.settings)
    assert job.wait(WAIT_S)
    (kept,) = engine.comparisons.kept()
    first, second = kept.sides
    assert (first.model, second.model) == (starter_chat(models_dir).stem, other.stem)
    assert "31 months" in first.answer
    assert {sentence.support for sentence in first.sentences} <= {"supported", "weak", "unsupported"}
    assert 0 < second.timings.answer_tokens <= 8
    assert first.memory > second.memory > 0
    assert kept.evidence[0].name == "drill"
    assert engine.ask(engine.new_conversation(""), "Hello").wait(WAIT_S)
    assert engine.model_state == before


def test_a_side_that_cannot_load_says_why_and_the_other_answers(engine: Engine, tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + bytes(100))
    assert engine.comparisons.start(QUESTION, "tools", [{"model_path": broken}, {}], engine.settings).wait(WAIT_S)
    first, second = engine.comparisons.kept()[0].sides
    assert "broken.gguf" in first.error
    assert "31 months" in second.answer


def test_a_comparison_that_is_cancelled_is_not_kept(engine: Engine) -> None:
    job = engine.comparisons.start("Write a long story.", "", [{"max_tokens": 900}, {}], engine.settings)
    engine.comparisons.cancel()
    assert job.wait(WAIT_S)
    assert engine.comparisons.kept() == []
    with pytest.raises(PromptError, match="empty"):
        engine.comparisons.start("  ", "", [{}, {}], engine.settings)
    with pytest.raises(LocalRagError, match="n_ctx"):
        engine.comparisons.start("Hello?", "", [{"n_ctx": -1}, {}], engine.settings)


def test_the_picture_is_whole_xml_and_holds_both_answers(engine: Engine) -> None:
    question = "Is <b>5 < 6</b> & “that” \x07 true?"
    assert engine.comparisons.start(question, "tools", [{}, {"temperature": 0.5}], engine.settings).wait(WAIT_S)
    comparison = engine.comparisons.kept()[0]
    root = ET.fromstring(comparison_svg(comparison))
    drawn = " ".join("".join(text.itertext()) for text in root.iter("{http://www.w3.org/2000/svg}text"))
    assert "<b>5" in drawn
    assert "temperature 0.5" in drawn
    for side in comparison.sides:
        assert side.answer.split()[0] in drawn
    assert "31 months" in drawn
    assert not root.findall(".//{http://www.w3.org/2000/svg}image")
