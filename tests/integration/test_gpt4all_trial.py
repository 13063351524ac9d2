"""The first load of a file for GPT4All in a child process: whatever its library does over it, the app goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from localrag.errors import ModelLoadError
from localrag.llms.base import GenerationStats
from localrag.llms.gpt4all import build
from localrag.models import trials
from localrag.models.gguf_file import GGUFFile
from localrag.models.gpt4all_copy import loadable
from localrag.models.trial import try_model
from localrag.models.trials import FILE, Trials
from localrag.settings import AnswerSettings, ModelSettings
from localrag.types import Prompt
from tests.integration.test_model_trial import Made, made

pytestmark = pytest.mark.models

__all__ = ["made"]


def settings(header: GGUFFile) -> ModelSettings:
    return ModelSettings(llm="gpt4all", model_path=header.path, n_ctx=512)


def test_a_file_is_tried_once_and_answers(made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Path | None] = []

    def counted(header: GGUFFile, *rest: object) -> None:
        seen.append(rest[-1])  # type: ignore[arg-type]
        try_model(header, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(trials, "try_model", counted)
    monkeypatch.setattr(Trials, "_passed", set())
    header = made()
    for _ in range(2):
        model = build(settings(header), Trials(tmp_path))
        try:
            stats = GenerationStats()
            tokens = tuple(model.tokenize("lighthouse"))
            list(model.generate(Prompt(tokens), AnswerSettings(temperature=0.0, max_tokens=4), (), stats))
            assert stats.prompt_tokens == len(tokens)
        finally:
            model.close()
    assert seen == [loadable(header)]
    assert (tmp_path / FILE).is_file()


def test_what_llama_cpp_passed_is_tried_with_gpt4all_all_the_same(made: Made, tmp_path: Path) -> None:
    header = made()
    Trials(tmp_path).ensure(header)
    noted = (tmp_path / FILE).read_text("utf-8")
    Trials(tmp_path).ensure(header, gpt4all=loadable(header))
    assert (tmp_path / FILE).read_text("utf-8") != noted


def test_what_ends_the_process_becomes_a_sentence(made: Made) -> None:
    """A SentencePiece vocabulary without bytes: the library throws out of a C function at the first text that needs one."""
    header = made(tokenizer__ggml__model="llama")
    with pytest.raises(ModelLoadError, match=r"makes GPT4All crash \(SIGABRT\)"):
        build(settings(header), Trials())


def test_a_refusal_is_told(made: Made) -> None:
    header = made()
    with header.path.open("r+b") as file:
        file.truncate(header.path.stat().st_size - 64)
    with pytest.raises(ModelLoadError):
        try_model(header, gpt4all=header.path)


def test_an_assertion_of_gpt4all_itself_is_told(made: Made) -> None:
    """llama.cpp only reads the vocabulary here; what follows from the epsilon happens in GPT4All."""
    header = made(llama__attention__layer_norm_rms_epsilon=-1.0)
    with pytest.raises(ModelLoadError, match=r"makes GPT4All crash \(SIGABRT\)"):
        try_model(header, gpt4all=loadable(header))
