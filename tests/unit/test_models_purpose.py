"""What a file is good for: every kind is recognised and named, with what to do."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path

import pytest

from localrag.__main__ import main
from localrag.errors import ModelFileError
from localrag.models import llama_names
from localrag.models.gguf_file import GGUFFile, read_gguf
from localrag.models.purpose import why_no_answer, why_no_vectors
from localrag.models.split import read_parts
from tests.tools.gguf_files import RUNNABLE, RUNNABLE_TENSORS, TensorRow, Value, build

BERT: dict[str, Value] = {key.replace("llama.", "bert."): value for key, value in RUNNABLE.items()} | {
    "general.architecture": "bert",
    "bert.pooling_type": 1,
}


def header(tmp_path: Path, changes: dict[str, Value], tensors: list[TensorRow] = RUNNABLE_TENSORS) -> GGUFFile:
    path = tmp_path / "model.gguf"
    path.write_bytes(build(RUNNABLE | changes, tensors))
    return read_gguf(path)


def of_architecture(name: str) -> dict[str, Value]:
    return {key.replace("llama.", f"{name}."): value for key, value in RUNNABLE.items()} | {"general.architecture": name}


@pytest.mark.parametrize(
    ("changes", "kind", "said"),
    [
        (BERT, "embedding", "an embedding model"),
        ({"llama.pooling_type": 3}, "embedding", "an embedding model"),
        ({"llama.pooling_type": 4}, "reranker", "a reranker"),
        ({"general.type": "adapter", "adapter.type": "lora"}, "adapter", "a LoRA adapter"),
        ({"general.architecture": "controlvector"}, "adapter", "a control vector"),
        ({"general.architecture": "clip"}, "projector", "a multimodal projector"),
        ({"general.type": "mmproj"}, "projector", "a multimodal projector"),
        ({"general.type": "imatrix"}, "other", "an importance matrix"),
        ({"general.type": "recipe"}, "other", "a file of the type 'recipe'"),
        (of_architecture("eagle3"), "draft", "a draft model"),
        (of_architecture("wavtokenizer-dec"), "other", "a speech model"),
        (of_architecture("llada"), "chat", "a diffusion model"),
        (of_architecture("t5"), "chat", "an encoder-decoder model"),
        ({"tokenizer.ggml.model": "no_vocab"}, "chat", "without a vocabulary"),
        ({"general.architecture": "warp-drive"}, "other", "does not know the architecture 'warp-drive'"),
        (of_architecture("gptj"), "chat", "does not know the architecture 'gptj'"),
        ({"tokenizer.ggml.model": "runes"}, "chat", "does not know the tokenizer 'runes'"),
        ({"tokenizer.ggml.pre": "runes"}, "chat", "does not know the pre-tokenizer 'runes'"),
    ],
)
def test_what_is_no_chat_model_is_named(tmp_path: Path, changes: dict[str, Value], kind: str, said: str) -> None:
    gguf = header(tmp_path, changes)
    assert gguf.kind == kind
    reason = why_no_answer(gguf)
    assert reason is not None
    assert said in reason
    assert str(gguf.path) in reason
    assert reason.endswith(".")


def test_a_vocabulary_alone_and_a_file_of_nothing_are_named(tmp_path: Path) -> None:
    gguf = header(tmp_path, {}, [])
    assert (gguf.kind, "vocabulary alone" in (why_no_answer(gguf) or "")) == ("vocabulary", True)
    (tmp_path / "empty.gguf").write_bytes(build({}, []))
    assert "no architecture" in (why_no_answer(read_gguf(tmp_path / "empty.gguf")) or "")


def test_a_newer_llama_cpp_may_know_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert llama_names.list_is_current()
    monkeypatch.setattr("localrag.models.purpose.list_is_current", lambda: False)
    assert why_no_answer(header(tmp_path, of_architecture("warp-drive"))) is None


def test_vectors_come_from_embedding_and_chat_models_alone(tmp_path: Path) -> None:
    assert why_no_vectors(header(tmp_path, {})) is None
    assert why_no_vectors(header(tmp_path, {"llama.pooling_type": 1})) is None
    for changes in ({"llama.pooling_type": 4}, {"general.type": "adapter"}, {"general.architecture": "clip"}):
        assert "Choose an embedding model." in (why_no_vectors(header(tmp_path, changes)) or "")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("old.bin", b"lmgg" + bytes(100), "old GGML format"),
        ("old.bin", b"fmgg" + struct.pack("<I", 1) + bytes(100), "only in F16 or F32"),
        ("old.bin", b"tjgg" + struct.pack("<I", 3) + bytes(100), "GGJT version 3"),
        ("old.bin", b"tjgg" + struct.pack("<I", 3) + bytes(100), "convert_llama_ggml_to_gguf.py if it is a LLaMA model"),
        ("lora.bin", b"algg" + bytes(100), "LoRA adapter"),
        ("m.gguf", b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n", "Git LFS pointer"),
        ("m.gguf.part", build(RUNNABLE, RUNNABLE_TENSORS)[:-100], "a download is under way"),
        ("m.gguf.crdownload", build(RUNNABLE, RUNNABLE_TENSORS)[:300], "a download is under way"),
        ("m.gguf", build(RUNNABLE, RUNNABLE_TENSORS)[:-100], "bytes of weights are missing. Download it again."),
        ("m.gguf.part", b"", "a download is under way"),
        ("m.gguf", b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "big-endian"),
        ("m.gguf", build(RUNNABLE | {"llama.attention.head_count": 0}, RUNNABLE_TENSORS), "head_count is 0"),
    ],
)
def test_inspect_gives_one_sentence_and_a_line_for_a_bad_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, data: bytes, said: str
) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    assert main(["inspect", str(path), "--json"]) == 1
    out, err = capsys.readouterr()
    line = json.loads(out)
    assert set(line) == {"path", "runs", "reason"}
    assert (line["path"], line["runs"]) == (str(path), False)
    assert said in line["reason"]
    assert err.strip() == line["reason"]
    assert "\n" not in err.strip()


def test_inspect_tells_of_a_sound_file_that_cannot_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = header(tmp_path, {"general.type": "adapter"}).path
    assert main(["inspect", str(path), "--json"]) == 0
    line = json.loads(capsys.readouterr().out)
    assert (line["runs"], line["kind"], line["architecture"]) == (False, "adapter", "llama")
    assert "a LoRA adapter" in line["reason"]


@pytest.mark.parametrize("kind", [{"general.type": "adapter"}, {"general.architecture": "warp-drive"}])
@pytest.mark.parametrize("value", [(5, -1), (10, 2**64 - 1), math.nan, [], [(5, -3), (5, 2)]])
def test_absurd_numbers_in_what_is_no_model_break_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: dict[str, Value], value: Value
) -> None:
    start = str(kind.get("general.architecture", "llama"))
    for key in ("block_count", "context_length", "embedding_length", "attention.head_count", "attention.head_count_kv"):
        path = header(tmp_path, kind | {f"{start}.{key}": value}).path
        assert main(["inspect", str(path), "--json"]) == 0, key
        line = json.loads(capsys.readouterr().out)
        assert line["reason"], key
        assert min(line["memory"].values()) >= 0, key


# Split models


def write_split(folder: Path, count: int = 3) -> Path:
    """A model in parts, as llama.cpp's gguf-split writes them: all metadata in the first, tensors shared out."""
    rows = [RUNNABLE_TENSORS[n::count] for n in range(count)]
    for number in range(count):
        own: dict[str, Value] = {
            "split.no": (2, number),
            "split.count": (2, count),
            "split.tensors.count": (5, len(RUNNABLE_TENSORS)),
        }
        own = (RUNNABLE | own) if number == 0 else own
        (folder / f"m-{number + 1:05}-of-{count:05}.gguf").write_bytes(build(own, rows[number]))
    return folder / f"m-00001-of-{count:05}.gguf"


def split_fault(first: Path) -> str:
    with pytest.raises(ModelFileError) as caught:
        why_no_answer(read_gguf(first))
    return str(caught.value)


def test_a_split_model_is_whole_when_all_parts_are_there(tmp_path: Path) -> None:
    first = read_gguf(write_split(tmp_path))
    assert first.kind == "chat"
    assert why_no_answer(first) is None
    assert [part.path.name for part in read_parts(first)] == [f"m-0000{n}-of-00003.gguf" for n in (1, 2, 3)]


def test_a_later_part_names_the_first(tmp_path: Path) -> None:
    write_split(tmp_path)
    assert "part 2 of a model split into 3 files" in split_fault(tmp_path / "m-00002-of-00003.gguf")


def test_missing_renamed_and_foreign_parts_are_named(tmp_path: Path) -> None:
    first = write_split(tmp_path)
    second, third = (tmp_path / f"m-0000{n}-of-00003.gguf" for n in (2, 3))
    kept = second.read_bytes()
    second.write_bytes(third.read_bytes())
    assert "says that it is part 3 of 3, where part 2 of 3 belongs" in split_fault(first)
    second.write_bytes(kept[:-50])
    assert "cut off" in split_fault(first)
    second.write_bytes(
        build({"split.no": (2, 1), "split.count": (2, 3), "general.architecture": "gemma"}, RUNNABLE_TENSORS[1::3])
    )
    assert "belongs to another model (gemma, not llama)" in split_fault(first)
    second.write_bytes(build({"split.no": (2, 1), "split.count": (2, 3)}, RUNNABLE_TENSORS[1:2]))
    assert "do not belong together" in split_fault(first)
    second.unlink()
    assert "A part of the split model is missing" in split_fault(first)
    first.rename(tmp_path / "renamed.gguf")
    assert "has lost its name" in split_fault(tmp_path / "renamed.gguf")


def test_an_absurd_number_of_parts_is_refused(tmp_path: Path) -> None:
    gguf = header(tmp_path, {"split.count": (2, 65_535)})
    with pytest.raises(ModelFileError, match="claims to be split into 65,535 files"):
        read_parts(gguf)
