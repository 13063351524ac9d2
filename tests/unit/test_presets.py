"""Presets: kept whole or not at all, and of use on another machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from localrag.errors import SettingsError
from localrag.presets import PRESET_FIELDS, Presets


@pytest.fixture
def presets(tmp_path: Path) -> Presets:
    return Presets(tmp_path)


def test_a_preset_is_kept_under_its_name_until_it_is_deleted(presets: Presets, tmp_path: Path) -> None:
    presets.save("  Long   answers ", {"max_tokens": 1024, "temperature": 0.5, "stop": ("END",)})
    again = Presets(tmp_path)
    assert again.names() == ["Long answers"]
    assert again.get("Long answers") == {"max_tokens": 1024, "temperature": 0.5, "stop": ["END"]}
    again.delete("Long answers")
    assert presets.names() == []


def test_an_exported_preset_is_the_same_after_it_is_imported(presets: Presets, tmp_path: Path) -> None:
    presets.save("Careful", {"temperature": 0.0, "n_ctx": 2048, "cache_type": "q8_0", "flash_attn": True})
    elsewhere = Presets(tmp_path / "elsewhere")
    assert elsewhere.import_text(presets.exported("Careful")) == ["Careful"]
    assert elsewhere.get("Careful") == presets.get("Careful")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no presets"),
        ("[1]", "holds no presets"),
        ('{"localrag_presets": {"a": {"n_ctx": -5}}}', "n_ctx = -5"),
        ('{"localrag_presets": {"a": {"model_path": "/etc/passwd"}}}', "model_path is no setting of a preset"),
        ('{"localrag_presets": {"a": {"chat_api_key": "x"}}}', "chat_api_key is no setting"),
        ('{"localrag_presets": {"": {}}}', "cannot be named"),
        ('{"localrag_presets": {"a": {"seed": 1}, "a ": {"seed": 2}}}', "the same name"),
        ('{"localrag_presets": {"a": {"n_ctx": 1' + "0" * 4_000 + "}}}", r"n_ctx = 10{59}… \("),
        ('{"localrag_presets": {"a": {"stop": ["\\ud800"]}}}', "holds no presets"),
        ("[" * 100_000, "holds no presets"),
        (" " * 1_000_001, "holds no presets"),
    ],
)
def test_what_is_no_preset_is_refused_in_a_sentence_and_nothing_is_kept(presets: Presets, text: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        presets.import_text(text)
    assert presets.names() == []


def test_one_bad_preset_keeps_all_of_a_file_out(presets: Presets) -> None:
    text = json.dumps({"localrag_presets": {"good": {"seed": 1}, "bad": {"top_p": 7}}})
    with pytest.raises(SettingsError, match="top_p = 7"):
        presets.import_text(text)
    assert presets.names() == []


def test_a_damaged_file_is_named(presets: Presets, tmp_path: Path) -> None:
    (tmp_path / "presets.json").write_text("{")
    with pytest.raises(SettingsError, match=r"presets\.json"):
        presets.names()
    with pytest.raises(SettingsError):
        presets.save("a", {"seed": 1})
    assert (tmp_path / "presets.json").read_text() == "{"


def test_no_preset_names_a_model_or_a_secret() -> None:
    assert {"n_ctx", "temperature", "evidence_tokens"} <= set(PRESET_FIELDS)
    assert not {"model_path", "llm", "chat_api_key", "chat_server"} & set(PRESET_FIELDS)
