"""A header's contradictions: each is refused with a sentence before llama.cpp could abort over it."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from localrag.errors import ModelFileError
from localrag.models.catalogue import list_models
from localrag.models.gguf_file import read_gguf
from localrag.models.purpose import why_no_answer
from localrag.models.soundness import check_sound
from localrag.models.soundness_vocabulary import token_fault
from tests.tools.gguf_files import RUNNABLE, RUNNABLE_TENSORS, TensorRow, Value, build

QWEN = {key.replace("llama.", "qwen3."): value for key, value in RUNNABLE.items()} | {"general.architecture": "qwen3"}


def fault(tmp_path: Path, metadata: dict[str, Value], tensors: list[TensorRow] = RUNNABLE_TENSORS) -> str:
    """What is wrong with such a file, empty when nothing is."""
    path = tmp_path / "model.gguf"
    path.write_bytes(build(metadata, tensors))
    try:
        check_sound(read_gguf(path))
    except ModelFileError as exc:
        said = str(exc)
        assert said.startswith(f"Model file is damaged: {path}: ")
        assert said.endswith(". Download it again.")
        return said
    return ""


def without(*keys: str) -> dict[str, Value]:
    return {key: value for key, value in RUNNABLE.items() if key not in keys}


def test_a_sound_model_passes(tmp_path: Path) -> None:
    assert fault(tmp_path, RUNNABLE) == ""
    assert fault(tmp_path, QWEN) == ""
    assert why_no_answer(read_gguf(tmp_path / "model.gguf")) is None


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("block_count", 0, "block_count is 0, 1 to 512"),
        ("block_count", 513, "block_count is 513"),
        ("block_count", 40, "block_count is 40, it has tensors of 2 blocks"),
        ("block_count", 1, "block_count is 1, it has tensors of 2 blocks up to number 1"),
        ("block_count", "two", "block_count is 'two'"),
        ("context_length", 0, "context_length is 0"),
        ("context_length", 2**31, "context_length is 2,147,483,648"),
        ("embedding_length", 0, "embedding_length is 0"),
        ("embedding_length", 128, "embedding_length is 128, its token_embd.weight is 64 wide"),
        ("attention.head_count", 0, "head_count is 0"),
        ("attention.head_count", (5, -4), "head_count is -4"),
        ("attention.head_count", [4, 0], "layer 1 has 0 attention heads over 2"),
        ("attention.head_count", 6, "64 numbers a token cannot be shared out among 6 heads"),
        ("attention.head_count_kv", 0, "head_count_kv is 0"),
        ("attention.head_count_kv", 8, "4 attention heads over 8"),
        ("attention.head_count_kv", 3, "4 attention heads over 3"),
        ("attention.head_count_kv", [2, 3], "layer 1 has 4 attention heads over 3"),
        ("attention.key_length", 0, "length 0"),
        ("attention.value_length", 2**31, "length 2,147,483,648"),
        ("rope.dimension_count", 18, "rope.dimension_count is 18, a head's key has 16"),
        ("rope.dimension_count", 15, "rope.dimension_count is 15"),
        ("rope.scaling.type", "nonsense", "rope.scaling.type is 'nonsense'"),
        ("rope.scaling.factor", math.nan, "rope.scaling.factor is not a number"),
        ("rope.scaling.factor", -2.0, "rope.scaling.factor is -2"),
        ("rope.freq_base", 0.0, "rope.freq_base is 0"),
        ("rope.freq_base", math.inf, "rope.freq_base is inf"),
        ("attention.layer_norm_rms_epsilon", math.nan, "not a number"),
        ("attention.layer_norm_rms_epsilon", -1e-5, "-1e-05"),
        ("attention.layer_norm_rms_epsilon", math.inf, "is inf"),
        ("attention.scale", math.nan, "attention.scale is not a number"),
        ("expert_count", 2000, "0 of 2,000 experts"),
        ("expert_used_count", 2, "2 of 0 experts"),
        ("pooling_type", 99, "pooling_type is 99"),
        ("nextn_predict_layers", 3, "nextn_predict_layers is 3"),
    ],
)
def test_an_impossible_number_is_named(tmp_path: Path, key: str, value: Value, said: str) -> None:
    assert said in fault(tmp_path, RUNNABLE | {f"llama.{key}": value})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"tokenizer.ggml.tokens": ["a"] * 299}, "299 tokens, its token_embd.weight 300"),
        ({"tokenizer.ggml.tokens": []}, "vocabulary is"),
        ({"tokenizer.ggml.tokens": [1, 2, 3]}, "3 times int32"),
        ({"tokenizer.ggml.tokens": "abc"}, "vocabulary is missing"),
        ({"tokenizer.ggml.token_type": [(5, 1)] * 200}, "300 tokens and 200 token_type"),
        ({"tokenizer.ggml.token_type": ["a"] * 300}, "token_type (string)"),
        ({"tokenizer.ggml.scores": [1.0] * 20}, "300 tokens and 20 scores"),
        ({"tokenizer.ggml.scores": 1.0}, "0 scores (no list)"),
        ({"tokenizer.ggml.merges": [1, 2]}, "merges are missing"),
        ({"tokenizer.ggml.bos_token_id": 300}, "bos token is number 300 of a vocabulary of 300"),
        ({"tokenizer.ggml.eos_token_id": (4, 2**32 - 1)}, "eos token is number 4,294,967,295"),
        ({"tokenizer.ggml.model": 7}, "tokenizer.ggml.model is no text"),
        ({"tokenizer.chat_template": ["{{ a }}", "b"]}, "chat template is no text"),
        ({"tokenizer.chat_template": "{{ a }}" * 20_000}, "chat template has 140,000 characters"),
    ],
)
def test_an_impossible_vocabulary_is_named(tmp_path: Path, changes: dict[str, Value], said: str) -> None:
    assert said in fault(tmp_path, RUNNABLE | changes)


@pytest.mark.parametrize(
    "key", ["llama.block_count", "llama.context_length", "llama.embedding_length", "llama.attention.head_count"]
)
def test_a_missing_number_is_named(tmp_path: Path, key: str) -> None:
    assert f"{key.removeprefix('llama.')} is missing" in fault(tmp_path, without(key))


def test_a_missing_vocabulary_is_named(tmp_path: Path) -> None:
    assert "vocabulary is missing" in fault(tmp_path, without("tokenizer.ggml.tokens"))
    assert "names no tokenizer" in fault(tmp_path, without("tokenizer.ggml.model"))
    assert "merges are missing" in fault(tmp_path, without("tokenizer.ggml.merges"))


def test_what_llama_cpp_takes_is_not_refused(tmp_path: Path) -> None:
    """A padding id out of range, more scores than tokens, heads that differ by layer, experts in groups, prediction layers."""
    harmless: list[dict[str, Value]] = [
        {"tokenizer.ggml.padding_token_id": (4, 2**32 - 1)},
        {"tokenizer.ggml.scores": [0.0] * 301},
        {"llama.attention.head_count": [4, 2], "llama.attention.head_count_kv": [2, 0]},
        {
            "llama.expert_count": 8,
            "llama.expert_used_count": 2,
            "llama.expert_group_count": 4,
            "llama.expert_group_used_count": 2,
        },
        {"llama.block_count": 3, "llama.nextn_predict_layers": 1},
        {"llama.rope.scaling.type": "yarn", "llama.rope.scaling.factor": 0.0},
        {"llama.attention.head_count": 3, "llama.attention.head_count_kv": 1, "llama.attention.key_length": 16},
    ]
    for changes in harmless:
        assert fault(tmp_path, RUNNABLE | changes) == "", changes


def test_a_model_without_attention_needs_no_heads(tmp_path: Path) -> None:
    mamba = {key.replace("llama.", "mamba."): value for key, value in RUNNABLE.items() if "head" not in key}
    assert fault(tmp_path, mamba | {"general.architecture": "mamba"}) == ""


def test_files_that_are_no_whole_model_are_not_measured_as_one(tmp_path: Path) -> None:
    for changes in (
        {"general.type": "adapter"},
        {"general.architecture": "unheard-of"},
        {"split.no": (2, 1), "split.count": (2, 2)},
    ):
        assert fault(tmp_path, RUNNABLE | changes | {"llama.block_count": 0}) == ""  # type: ignore[operator]


def test_a_token_that_is_there_twice_is_found(tmp_path: Path) -> None:
    tokens = [f"t{n}" for n in range(300)]
    path = tmp_path / "twice.gguf"
    path.write_bytes(build(RUNNABLE | {"tokenizer.ggml.tokens": [*tokens[:299], "t7"]}, RUNNABLE_TENSORS))
    assert token_fault(read_gguf(path)) == "two tokens of its vocabulary are 't7'"
    reason = why_no_answer(read_gguf(path))
    assert reason is not None
    assert "two tokens of its vocabulary are 't7'" in reason
    path = tmp_path / "empty.gguf"  # llama.cpp gives empty tokens names of their own
    path.write_bytes(build(RUNNABLE | {"tokenizer.ggml.tokens": ["", "", *tokens[2:]]}, RUNNABLE_TENSORS))
    assert token_fault(read_gguf(path)) is None


def test_a_vocabulary_of_control_tokens_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "control.gguf"
    types: list[Value] = [(5, 3)] * 151 + [(5, 1)] * 149
    path.write_bytes(build(RUNNABLE | {"tokenizer.ggml.token_type": types}, RUNNABLE_TENSORS))
    assert token_fault(read_gguf(path)) == "only 149 of the 300 tokens of its vocabulary are text"


def test_the_catalogue_says_which_model_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "good.gguf").write_bytes(build(RUNNABLE, RUNNABLE_TENSORS))
    (tmp_path / "odd.gguf").write_bytes(build(RUNNABLE | {"llama.attention.head_count_kv": 3}, RUNNABLE_TENSORS))
    good, odd = list_models(tmp_path)
    assert (good.kind, good.error) == ("chat", "")
    assert odd.kind == "chat"
    assert "cannot be shared out" in odd.error
