"""Where settings come from, which wins, and what a bad one says."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from localrag.errors import SettingsError
from localrag.settings import (
    APPLIED_FILE,
    FIELD_GROUP,
    GROUP_CLASSES,
    SECRETS,
    TOML_FILE,
    Settings,
    applied_values,
    bounds,
    field_info,
    load_settings,
    save_applied,
)


def load(
    place: Path,
    flags: dict[str, Any] | None = None,
    environ: dict[str, str] | None = None,
    toml: str | None = None,
    applied: dict[str, Any] | None = None,
) -> Settings:
    """Settings as a process in the folder `place` gets them, with its data in `place`/data."""
    if toml is not None:
        (place / TOML_FILE).write_text(toml, "utf-8")
    if applied is not None:
        save_applied(place / "data", applied)
    return load_settings({"data_dir": place / "data"} | (flags or {}), environ or {}, place)


def test_defaults_stand_when_nothing_is_said(tmp_path: Path) -> None:
    assert load(tmp_path).model.n_ctx == field_info("n_ctx").default


def test_each_source_of_settings_wins_over_the_ones_below(tmp_path: Path) -> None:
    sources: list[tuple[str, Any]] = [
        ("toml", "n_ctx = 1001"),
        ("applied", {"n_ctx": 1002}),
        ("environ", {"LOCALRAG_N_CTX": "1003"}),
        ("flags", {"n_ctx": 1004}),
    ]
    given: dict[str, Any] = {}
    for number, (source, value) in enumerate(sources, 1001):
        given[source] = value
        assert load(tmp_path, **given).model.n_ctx == number


def test_a_source_says_nothing_about_what_it_does_not_name(tmp_path: Path) -> None:
    settings = load(tmp_path, {"k": 9}, {"LOCALRAG_TOP_K": "7"}, "seed = 5", {"temperature": 1.5})
    assert (settings.retrieval.k, settings.answer.top_k, settings.answer.seed, settings.answer.temperature) == (9, 7, 5, 1.5)


def test_flags_that_were_not_given_and_empty_variables_count_as_nothing(tmp_path: Path) -> None:
    assert load(tmp_path, {"n_ctx": None}, {"LOCALRAG_N_CTX": ""}).model.n_ctx == 4096


def test_a_toml_file_may_use_groups(tmp_path: Path) -> None:
    settings = load(tmp_path, toml="seed = 3\n[model]\nn_ctx = 777\n[place]\nport = 9000\n")
    assert (settings.answer.seed, settings.model.n_ctx, settings.place.port) == (3, 777, 9000)


def test_the_toml_file_may_name_the_data_directory_whose_applied_settings_count(tmp_path: Path) -> None:
    save_applied(tmp_path / "elsewhere", {"n_ctx": 555})
    (tmp_path / TOML_FILE).write_text(f"data_dir = {json.dumps(str(tmp_path / 'elsewhere'))}", "utf-8")
    assert load_settings({}, {}, tmp_path).model.n_ctx == 555


@pytest.mark.parametrize(
    ("given", "meant"), [("END", ("END",)), ('["A", "B"]', ("A", "B")), ("a,b", ("a,b",)), ("7", ("7",)), ("[", ("[",))]
)
def test_stop_texts_come_from_a_variable_as_one_or_as_a_list(tmp_path: Path, given: str, meant: tuple[str, ...]) -> None:
    settings = load_settings({"data_dir": tmp_path}, {"LOCALRAG_STOP": given}, tmp_path)
    assert settings.answer.stop == meant


def test_variables_of_others_are_left_alone(tmp_path: Path) -> None:
    settings = load(tmp_path, environ={"LOCALRAG_TEST_MODELS": "x", "N_CTX": "1", "OTHER": "y"})
    assert settings.model.n_ctx == 4096


@pytest.mark.parametrize("name", [name for name in FIELD_GROUP if bounds(name) != (None, None)])
def test_bounds_are_enforced_and_known_to_the_widgets(name: str) -> None:
    low, high = bounds(name)
    assert low is not None
    assert high is not None
    for value in (low - 1, high + 1, float("nan")):
        with pytest.raises(SettingsError, match=name):
            Settings().with_values({name: value})
    assert Settings().with_values({name: high}).flat()[name] == high


def test_every_setting_has_a_description_and_a_name_of_its_own() -> None:
    names = [name for cls in GROUP_CLASSES.values() for name in cls.model_fields]
    assert len(names) == len(set(names))
    assert all(field_info(name).description for name in names)
    assert set(Settings().flat()) == set(names)


@pytest.mark.parametrize("toml", ["n_cxt = 5", "[model]\nn_cxt = 5", "[modle]\nn_cxt = 5"])
def test_an_unknown_name_in_the_file_is_named(tmp_path: Path, toml: str) -> None:
    with pytest.raises(SettingsError, match=r"n_cxt.*localrag|localrag.*n_cxt"):
        load(tmp_path, toml=toml)


@pytest.mark.parametrize(
    ("given", "value", "origin"),
    [
        ({"flags": {"n_ctx": -1}}, "-1", "the command line"),
        ({"environ": {"LOCALRAG_N_CTX": "many"}}, "many", "the environment"),
        ({"environ": {"LOCALRAG_N_CTX": "1e400"}}, "1e400", "the environment"),
        ({"applied": {"n_ctx": 10**9}}, "1000000000", APPLIED_FILE),
        ({"toml": "n_ctx = [1, 2]"}, r"\[1, 2\]", TOML_FILE),
        ({"toml": "[model.n_ctx]\nx = 1"}, "x", TOML_FILE),
    ],
)
def test_a_bad_value_gives_one_sentence_that_names_it_and_where_it_stands(
    tmp_path: Path, given: dict[str, Any], value: str, origin: str
) -> None:
    with pytest.raises(SettingsError, match=value) as caught:
        load(tmp_path, **given)
    said = str(caught.value)
    assert "n_ctx" in said
    assert origin in said
    assert "\n" not in said
    assert "validation error" not in said


@pytest.mark.parametrize("toml", ["n_ctx = ", "\x00", "a = 1\na = 2"])
def test_a_damaged_settings_file_is_named(tmp_path: Path, toml: str) -> None:
    with pytest.raises(SettingsError, match=TOML_FILE):
        load(tmp_path, toml=toml)


@pytest.mark.parametrize("content", [b"{", b"[1]", b"\xff\xfe", b"", b"[" * 100_000])
def test_a_damaged_applied_file_is_named_with_what_to_do(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / APPLIED_FILE).write_bytes(content)
    with pytest.raises(SettingsError, match=f"{APPLIED_FILE}.*Delete the file"):
        load(tmp_path)


def test_applied_settings_of_a_newer_version_are_ignored(tmp_path: Path) -> None:
    save_applied(tmp_path, {"n_ctx": 99, "of_the_future": 1})
    assert applied_values(tmp_path) == {"n_ctx": 99}


def test_applied_settings_add_up_and_paths_survive(tmp_path: Path) -> None:
    save_applied(tmp_path / "data", {"n_ctx": 99})
    save_applied(tmp_path / "data", {"model_path": tmp_path / "모델 ü.gguf"})
    settings = load(tmp_path)
    assert (settings.model.n_ctx, settings.model.model_path) == (99, tmp_path / "모델 ü.gguf")


def test_what_cannot_be_written_leaves_the_applied_settings_as_they_were(tmp_path: Path) -> None:
    save_applied(tmp_path, {"n_ctx": 99})
    before = (tmp_path / APPLIED_FILE).read_bytes()
    scratch = (tmp_path / APPLIED_FILE).with_suffix(".tmp")
    scratch.symlink_to("/dev/full")  # opens, and every write fails as on a full disk
    with pytest.raises(SettingsError, match="No space left"):
        save_applied(tmp_path, {"n_ctx": 100})
    assert (tmp_path / APPLIED_FILE).read_bytes() == before
    assert os.listdir(tmp_path) == [APPLIED_FILE]


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_secrets_are_taken_from_everywhere_but_the_applied_settings_and_never_kept(tmp_path: Path, name: str) -> None:
    sources: dict[str, Any] = {
        "environ": {f"LOCALRAG_{name.upper()}": "sesame"},
        "flags": {name: "sesame"},
        "toml": f'{name} = "sesame"',
        "applied": {name: SecretStr("sesame"), "n_ctx": 99},
    }
    for source, given in sources.items():
        settings = load(tmp_path, **{source: given})
        found = settings.flat()[name]
        assert (found.get_secret_value() if found else None) == ("sesame" if source != "applied" else None)
        assert "sesame" not in repr(settings) + str(settings.flat()) + settings.model_dump_json()
        (tmp_path / TOML_FILE).unlink(missing_ok=True)
    save_applied(tmp_path / "data", {name: "sesame"})
    assert b"sesame" not in (tmp_path / "data" / APPLIED_FILE).read_bytes()
    assert load(tmp_path).model.n_ctx == 99


@pytest.mark.parametrize("toml", ["{name} = 12345", "{name} = [12345]", "[documents.{name}]\nx = 12345"])
def test_a_secret_that_cannot_be_used_is_named_and_not_shown(tmp_path: Path, toml: str) -> None:
    for name in SECRETS:
        with pytest.raises(SettingsError, match=name) as caught:
            load(tmp_path, toml=toml.format(name=name))
        assert "12345" not in str(caught.value)


def test_every_secret_is_a_secret() -> None:
    assert {name for name in FIELD_GROUP if "SecretStr" in str(field_info(name).annotation)} == SECRETS


def test_settings_are_frozen_and_a_change_is_a_copy() -> None:
    before = Settings()
    after = before.with_values({"n_ctx": 512})
    assert (before.model.n_ctx, after.model.n_ctx) == (4096, 512)
    with pytest.raises(ValueError, match="frozen"):
        before.model.n_ctx = 5  # type: ignore[misc]
