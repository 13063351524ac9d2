"""Going back to a conversation with the starter model: nothing is evaluated twice, and the answer is the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from localrag.llms.base import GenerationStats
from localrag.llms.chat_model import prompt_of
from localrag.llms.kept_states import KeptStates
from localrag.llms.llamacpp import LlamaCppModel, check
from localrag.models.starter import starter_chat
from localrag.settings import AnswerSettings, ModelSettings
from localrag.types import Prompt, Role

pytestmark = pytest.mark.models

GREEDY = AnswerSettings(temperature=0.0, max_tokens=16)
FACTS = "The Kestrel drill has a warranty of 31 months. It weighs 1.4 kg. Its motor was designed in Oslo by Ada Berg. " * 4
MB = 1_000_000


@pytest.fixture
def settings(models_dir: Path) -> ModelSettings:
    return ModelSettings(model_path=starter_chat(models_dir), n_ctx=1024, n_threads=1)


@pytest.fixture
def states(tmp_path: Path) -> KeptStates:
    return KeptStates(tmp_path / "states", 200 * MB, 200 * MB)


@pytest.fixture
def model(settings: ModelSettings, states: KeptStates) -> Iterator[LlamaCppModel]:
    loaded = LlamaCppModel(check(settings), settings, states)
    yield loaded
    loaded.close()


def prompt(model: LlamaCppModel, conversation: str, *texts: str) -> Prompt:
    roles: list[Role] = ["user", "assistant"] * len(texts)
    messages: list[tuple[Role, str]] = [("system", "You are a helpful assistant."), *zip(roles, texts, strict=False)]
    return replace(prompt_of(model, messages), conversation=conversation)


def answer(model: LlamaCppModel, asked: Prompt) -> tuple[str, GenerationStats]:
    stats = GenerationStats()
    return "".join(piece.text for piece in model.generate(asked, GREEDY, (), stats)), stats


def talk(model: LlamaCppModel, interrupt: bool) -> tuple[str, GenerationStats]:
    """Two turns about the drill, with another conversation in between or not."""
    first = prompt(model, "drill", f"{FACTS}How long is the warranty?")
    said, _ = answer(model, first)
    if interrupt:
        answer(model, prompt(model, "tide", "Tides follow the moon. " * 40 + "What do tides follow?"))
    return answer(model, prompt(model, "drill", f"{FACTS}How long is the warranty?", said, "Who designed its motor?"))


def test_going_back_to_a_conversation_evaluates_only_what_is_new_and_answers_alike(model: LlamaCppModel) -> None:
    alone, plain = talk(model, interrupt=False)
    model.context._forget_from(0)
    between, stats = talk(model, interrupt=True)
    assert between == alone
    assert stats.evaluated == plain.evaluated
    assert stats.evaluated < stats.prompt_tokens / 3


def test_a_conversation_goes_on_after_a_restart(settings: ModelSettings, states: KeptStates, tmp_path: Path) -> None:
    before = LlamaCppModel(check(settings), settings, states)
    expected, plain = talk(before, interrupt=False)
    first = prompt(before, "drill", f"{FACTS}How long is the warranty?")
    before.context._forget_from(0)
    said, _ = answer(before, first)
    before.close()
    states.close()
    assert [path.name for path in (tmp_path / "states").iterdir()] == ["drill.state"]
    after = LlamaCppModel(check(settings), settings, KeptStates(tmp_path / "states", 200 * MB, 200 * MB))
    asked = prompt(after, "drill", f"{FACTS}How long is the warranty?", said, "Who designed its motor?")
    again, stats = answer(after, asked)
    after.close()
    assert again == expected
    assert stats.evaluated == plain.evaluated


def test_a_window_of_another_size_starts_over(settings: ModelSettings, states: KeptStates, model: LlamaCppModel) -> None:
    talk(model, interrupt=False)
    model.context.keep()
    larger = settings.model_copy(update={"n_ctx": 1536})
    other = LlamaCppModel(check(larger), larger, states)
    _, stats = answer(other, prompt(other, "drill", f"{FACTS}How long is the warranty?"))
    other.close()
    assert stats.reused == 0
