"""The header reader: what it tells of sound files, and that every damaged one gives a sentence."""

from __future__ import annotations

import random
import struct
import tracemalloc
from pathlib import Path

import pytest

from localrag.errors import ModelFileError
from localrag.models.catalogue import list_models
from localrag.models.gguf_facts import ArrayInfo
from localrag.models.gguf_file import GGUFFile, read_gguf
from tests.tools.gguf_files import LLAMA, TENSORS, Value, build, text


def read(tmp_path: Path, data: bytes) -> GGUFFile:
    path = tmp_path / "model.gguf"
    path.write_bytes(data)
    return read_gguf(path)


def complaint(tmp_path: Path, data: bytes) -> str:
    with pytest.raises(ModelFileError) as caught:
        read(tmp_path, data)
    said = str(caught.value)
    assert str(tmp_path) in said
    assert said.endswith(".")
    assert "\n" not in said
    return said


@pytest.mark.parametrize("version", [2, 3])
def test_the_facts_of_a_sound_file_are_read(tmp_path: Path, version: int) -> None:
    gguf = read(tmp_path, build(version=version))
    assert (gguf.version, gguf.architecture, gguf.name, gguf.quantisation) == (version, "llama", "Tiny", "Q8_0")
    assert (gguf.n_layers, gguf.n_ctx_train, gguf.n_embd, gguf.n_head, gguf.n_head_kv) == (2, 2048, 64, 4, 2)
    assert (gguf.key_length, gguf.value_length, gguf.n_vocab, gguf.kind) == (16, 16, 300, "chat")
    assert gguf.parameters == 64 * 300 + 3 * 64
    assert gguf.weight_bytes == 64 * 300 // 32 * 34 + 3 * 64 * 4
    assert gguf.chat_template is None
    assert gguf.pooling is None
    start = gguf.value_offsets["tokenizer.ggml.pre"]
    assert gguf.path.read_bytes()[start : start + 6] == b"smollm"


def test_long_arrays_are_skipped_and_short_ones_kept(tmp_path: Path) -> None:
    gguf = read(tmp_path, build(LLAMA | {"llama.attention.head_count_kv": [2, 0], "general.tags": ["a", "b"]}))
    assert gguf.metadata["tokenizer.ggml.tokens"] == ArrayInfo("string", 300)
    assert gguf.metadata["general.tags"] == ["a", "b"]
    assert gguf.n_head_kv == [2, 0]


def test_a_large_vocabulary_costs_no_memory(tmp_path: Path) -> None:
    data = build(LLAMA | {"tokenizer.ggml.tokens": ["word"] * 60_000, "tokenizer.ggml.merges": ["a b"] * 60_000})
    (tmp_path / "model.gguf").write_bytes(data)
    read_gguf(tmp_path / "model.gguf")
    tracemalloc.start()
    gguf = read_gguf(tmp_path / "model.gguf")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert gguf.n_vocab == 60_000
    assert peak < 2_500_000  # the window of the reader, once or twice


def test_without_a_file_type_the_dominating_tensors_decide(tmp_path: Path) -> None:
    metadata = {key: value for key, value in LLAMA.items() if key != "general.file_type"}
    assert read(tmp_path, build(metadata)).quantisation == "Q8_0"
    assert read(tmp_path, build(metadata | {"general.file_type": 1024 + 15})).quantisation == "Q4_K_M"


def test_bytes_that_are_not_utf8_are_tolerated(tmp_path: Path) -> None:
    assert read(tmp_path, build(LLAMA | {"general.name": b"caf\xe9"})).name == "caf\ufffd"


def test_a_value_of_an_unexpected_type_is_as_good_as_absent(tmp_path: Path) -> None:
    gguf = read(tmp_path, build(LLAMA | {"llama.block_count": "two", "general.architecture": "llama", "general.name": 5}))
    assert (gguf.n_layers, gguf.name) == (0, "")


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (b"", "empty"),
        (b"lmgg" + bytes(64), "GGML"),
        (b"fmgg" + bytes(64), "GGMF"),
        (b"tjgg" + bytes(64), "GGJT"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n", "Git LFS"),
        (b"<!DOCTYPE html><html><body>404</body></html>", "web page"),
        (b"\n  <html><body>404</body></html>", "web page"),
        (b"PK\x03\x04" + bytes(64), "ZIP"),
        (struct.pack("<Q", 20) + b'{"__metadata__":{}}  ', "safetensors"),
        (b'{"error": "not found"}', "JSON"),
        (bytes(100), "zeros"),
        (b"hello world, this is text", "not a GGUF file"),
        (b"GG", "not a GGUF file"),
        (b"GGUF", "cut off"),
        (b"GGUF" + struct.pack("<IQQ", 1, 0, 0), "version 1"),
        (b"GGUF" + struct.pack("<IQQ", 9, 0, 0), "version 9"),
        (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "big-endian"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 2**63), "keys"),
        (b"GGUF" + struct.pack("<IQQ", 3, 2**60, 0), "tensors"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 2**40) + bytes(40), "key 1"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("k") + struct.pack("<I", 99) + bytes(40), "type 99"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("k") + struct.pack("<IIQ", 9, 8, 2**61) + bytes(40), "needs"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("k") + struct.pack("<I", 9) + struct.pack("<IQ", 9, 1) * 6, "nested"),
    ],
)
def test_what_is_no_sound_gguf_file_is_named(tmp_path: Path, head: bytes, said: str) -> None:
    assert said in complaint(tmp_path, head)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="not found"):
        read_gguf(tmp_path / "absent.gguf")
    with pytest.raises(ModelFileError, match="folder"):
        read_gguf(tmp_path)
    with pytest.raises(ModelFileError, match="cannot be read"):
        read_gguf(Path("bad\0name.gguf"))


def test_missing_weights_are_counted(tmp_path: Path) -> None:
    data = build()
    weights = 20_416 + 3 * 64 * 4  # the matrix, padded to 32 bytes, and the norms
    assert f"1,000 of {weights:,} bytes of weights are missing" in complaint(tmp_path, data[:-1000])


def test_a_cut_header_is_named_at_every_length(tmp_path: Path) -> None:
    data = build()
    end = data.index(b"output_norm.weight")
    for length in range(4, end, 97):
        assert "cut off" in complaint(tmp_path, data[:length])


@pytest.mark.parametrize(
    ("tensors", "offsets", "said"),
    [
        (TENSORS[:2], [0, 32], "starts at byte 32"),
        (TENSORS[:2], [0, 2**50], "starts at byte"),
        ([("a", (33,), 8)], None, "impossible shape"),
        ([("a", (2**40, 2**40), 0)], [0], "impossible shape"),
        ([("a", (32,), 4)], None, "type 4"),
        ([("a", (1, 1, 1, 1, 1), 0)], None, "5 dimensions"),
        ([("a", (8,), 0), ("a", (8,), 0)], None, "same name"),
    ],
)
def test_impossible_tensors_are_named(tmp_path: Path, tensors: list, offsets: list[int] | None, said: str) -> None:
    data = build(tensors=tensors, offsets=offsets) if tensors[0][1] != (2**40, 2**40) else header_only(tensors)
    assert said in complaint(tmp_path, data)


def header_only(tensors: list) -> bytes:
    name, dims, kind = tensors[0]
    out = b"GGUF" + struct.pack("<IQQ", 3, 1, 0) + text(name)
    return out + struct.pack("<I", len(dims)) + struct.pack(f"<{len(dims)}Q", *dims) + struct.pack("<IQ", kind, 0) + bytes(64)


def test_two_values_for_one_key_are_refused(tmp_path: Path) -> None:
    data = build({"general.name": "a"}, [])
    entry = data[24 : 24 + len(text("general.name")) + 4 + len(text("a"))]
    assert "there twice" in complaint(tmp_path, data[:16] + struct.pack("<Q", 2) + entry * 2)


def test_a_wrong_alignment_is_refused(tmp_path: Path) -> None:
    assert "alignment" in complaint(tmp_path, build(LLAMA | {"general.alignment": 33}))


def test_mutated_headers_give_a_result_or_a_sentence(tmp_path: Path) -> None:
    rng = random.Random(7)
    data = build()
    header = data.index(b"output_norm.weight") + 60
    outcomes = {True: 0, False: 0}
    for _ in range(300):
        mutated = bytearray(data)
        for _ in range(rng.choice((1, 1, 2, 8))):
            mutated[rng.randrange(4, header)] = rng.choice((0, 1, 9, 127, 255, rng.randrange(256)))
        if rng.random() < 0.2:
            del mutated[rng.randrange(len(mutated)) :]
        try:
            gguf = read(tmp_path, bytes(mutated))
            assert gguf.kind in ("chat", "embedding", "other")
            assert gguf.key_length >= 0
            outcomes[True] += 1
        except ModelFileError as exc:
            assert str(exc)  # noqa: PT017
            outcomes[False] += 1
    assert min(outcomes.values()) > 20


def test_the_catalogue_tells_chat_from_embedding_models_and_keeps_broken_ones(tmp_path: Path) -> None:
    bert: dict[str, Value] = {"general.architecture": "bert", "bert.pooling_type": 1, "bert.block_count": 1}
    qwen = {k.replace("llama.", "qwen3."): v for k, v in LLAMA.items()} | {
        "general.architecture": "qwen3",
        "qwen3.pooling_type": 3,
    }
    (tmp_path / "sub").mkdir()
    (tmp_path / ".download").mkdir()
    for name, data in {
        "b.gguf": build(),
        "a.GGUF": build(bert),
        "sub/c.gguf": build(qwen),
        "d.gguf": b"PK\x03\x04",
        "e-00002-of-00002.gguf": build(),
        ".download/f.gguf": build(),
        "notes.txt": b"x",
    }.items():
        (tmp_path / name).write_bytes(data)
    entries = list_models(tmp_path)
    assert [(entry.path.name, entry.kind) for entry in entries] == [
        ("a.GGUF", "embedding"),
        ("b.gguf", "chat"),
        ("c.gguf", "embedding"),
        ("d.gguf", "other"),
    ]
    assert "ZIP" in entries[3].error
    assert entries[1].summary == "Tiny · llama · 19,392 parameters · Q8_0 · context 2,048 · " + f"{len(build()) / 1e3:.0f} kB"
    (tmp_path / "d.gguf").write_bytes(build(LLAMA | {"general.name": "Repaired"}))
    assert "Repaired" in list_models(tmp_path)[3].summary
    assert list_models(tmp_path / "absent") == []
