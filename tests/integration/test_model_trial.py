"""The first load of a file in a child process: what kills the child, and what is remembered of what passed."""

from __future__ import annotations

import json
import math
import os
import signal
import struct
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from localrag.embeddings.llamacpp import LlamaCppEmbeddings
from localrag.errors import EmbeddingError, GenerationError, LocalRagError, ModelLoadError
from localrag.llms.base import GenerationStats
from localrag.llms.llamacpp import LlamaCppModel, build, check
from localrag.llms.worker import ModelWorker
from localrag.models import trial, trials
from localrag.models.gguf_file import GGUFFile, read_gguf
from localrag.models.llama_library import Model
from localrag.models.trial import try_model
from localrag.models.trials import FILE, Trials
from localrag.settings import AnswerSettings, ModelSettings
from localrag.types import Prompt
from tests.tools.gguf_files import RUNNABLE, RUNNABLE_TENSORS, Value
from tests.tools.gguf_files import build as written

pytestmark = pytest.mark.models

Made = Callable[..., GGUFFile]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Writes a tiny model with changes to its metadata."""

    def make(**changes: Value) -> GGUFFile:
        path = tmp_path / "tiny.gguf"
        named = {key.replace("__", "."): value for key, value in changes.items()}
        path.write_bytes(written(RUNNABLE | named, RUNNABLE_TENSORS))
        return read_gguf(path)

    return make


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Which files went through a real trial; nothing is remembered from other tests."""
    seen: list[Path] = []

    def counted(header: GGUFFile, *rest: int | None) -> None:
        seen.append(header.path)
        try_model(header, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(trials, "try_model", counted)
    monkeypatch.setattr(Trials, "_passed", set())
    return seen


def children() -> set[int]:
    """The trial processes of this one that still run."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            status = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(status[1]) == os.getpid() and trial.CHILD in (folder / "cmdline").read_text():
                found.add(int(folder.name))
        except OSError:
            continue
    return found


def refused(header: GGUFFile, pooling: int | None = None) -> str:
    with pytest.raises(ModelLoadError) as caught:
        try_model(header, pooling)
    said = str(caught.value)
    assert str(header.path) in said
    assert said.endswith(".")
    assert "\n" not in said
    assert not children()
    return said


def test_a_model_that_runs_passes(made: Made) -> None:
    header = made()
    try_model(header)
    try_model(header, 0)
    assert not children()


def test_a_crash_is_told_with_the_last_words_of_llama_cpp(made: Made) -> None:
    said = refused(made(tokenizer__ggml__tokens=["same"] * 300))
    assert "crash (SIGABRT): GGML_ASSERT(id_to_token.size() == token_to_id.size()) failed" in said
    said = refused(made(llama__attention__layer_norm_rms_epsilon=-1.0))
    assert "GGML_ASSERT(eps >= 0.0f) failed" in said


def test_an_exception_that_would_end_the_process_is_told(made: Made) -> None:
    """A SentencePiece vocabulary without bytes: llama.cpp throws out of a C function at the first text that needs one."""
    assert "crash (SIGABRT): unordered_map::at" in refused(made(tokenizer__ggml__model="llama"))


def test_a_refusal_is_told_with_its_reason(made: Made) -> None:
    assert "unknown pre-tokenizer type: 'runes'" in refused(made(tokenizer__ggml__pre="runes"))
    assert "blk.0.ffn_gate.weight' has wrong shape" in refused(made(llama__feed_forward_length=64))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_weights_that_are_no_numbers_are_told(made: Made, value: float) -> None:
    header = made()
    norm = next(tensor for tensor in header.tensors if tensor.name == "blk.1.ffn_norm.weight")
    with header.path.open("r+b") as file:
        file.seek(header.data_offset + norm.offset)
        file.write(struct.pack("<f", value))
    assert "tensors with invalid data" in refused(header)


def test_a_template_that_eats_memory_ends_its_own_process_alone_and_is_no_reason_to_refuse_the_model(made: Made) -> None:
    try_model(made(tokenizer__chat_template="{{ 'x' * 10**10 }}"))


def test_a_template_that_merely_fails_is_no_reason_to_refuse_the_model(made: Made) -> None:
    try_model(made(tokenizer__chat_template="{{ raise_exception('no') }}"))


def test_a_file_that_takes_too_long_is_told_and_its_process_ended(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "LIMIT_S", 0.0)
    monkeypatch.setattr(trial, "START_S", 0.02)  # while it still imports
    assert "did not load and answer within" in refused(made())


def test_a_file_that_takes_too_much_memory_is_told_and_its_process_ended(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "SPARE_BYTES", -100_000_000)  # not even what it has at the start
    assert "of memory when it was tried" in refused(made())


def test_a_process_that_is_killed_from_outside_is_told(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be the system, which ends what takes too much memory."""
    watch = trial._own_bytes

    def end(pid: int) -> int:
        os.kill(pid, signal.SIGKILL)
        return watch(pid)

    monkeypatch.setattr(trial, "_own_bytes", end)  # asked for once it has started
    assert "crash (SIGKILL)" in refused(made())


def test_a_library_that_is_not_there_is_told(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    header = made()
    monkeypatch.setattr(trial, "CHILD", "localrag.llms.no_such_module")
    with pytest.raises(ModelLoadError, match=r"llama\.cpp cannot be loaded: .*no_such_module"):
        try_model(header)


def test_what_passed_is_not_tried_again(made: Made, tried: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    header = made()
    Trials(tmp_path / "data").ensure(header)
    Trials(tmp_path / "data").ensure(header)
    assert len(tried) == 1
    monkeypatch.setattr(Trials, "_passed", set())  # as in another process
    Trials(tmp_path / "data").ensure(header)
    assert len(tried) == 1
    Trials(tmp_path / "data").ensure(header, 0)  # for vectors it is another matter
    assert len(tried) == 2
    monkeypatch.setattr(trials, "_version", lambda _package: "0.0.1")
    Trials(tmp_path / "data").ensure(header)
    assert len(tried) == 3
    note = json.loads((tmp_path / "data" / FILE).read_text())
    assert {entry["path"] for entry in note.values()} == {str(header.path)}


def test_a_changed_file_is_tried_again(made: Made, tried: list[Path], tmp_path: Path) -> None:
    Trials(tmp_path / "data").ensure(made())
    header = made(tokenizer__ggml__tokens=["same"] * 300)
    with pytest.raises(ModelLoadError, match="crash"):
        Trials(tmp_path / "data").ensure(header)
    with pytest.raises(ModelLoadError, match="crash"):
        Trials(tmp_path / "data").ensure(header)
    assert len(tried) == 3


def test_a_damaged_note_costs_a_trial_and_nothing_else(made: Made, tried: list[Path], tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / FILE).write_text("[not json")
    Trials(tmp_path / "data").ensure(made())
    assert len(tried) == 1
    assert len(json.loads((tmp_path / "data" / FILE).read_text())) == 1


def test_the_starter_models_need_no_trial(models_dir: Path, tried: list[Path], tmp_path: Path) -> None:
    for path in models_dir.glob("*.gguf"):
        Trials(tmp_path / "data").ensure(read_gguf(path))
    assert tried == []


def test_a_file_that_would_end_the_app_leaves_the_model_before_in_use(made: Made, tmp_path: Path) -> None:
    header = made(tokenizer__ggml__model="llama")
    worker, errors = ModelWorker(Trials(tmp_path / "data")), list[LocalRagError | None]()
    try:
        worker.load(ModelSettings(llm="fake"), errors.append)
        worker.load(ModelSettings(model_path=header.path, n_ctx=512, n_threads=1), errors.append)
        while len(errors) < 2:
            worker.count_tokens("")
        assert errors[0] is None
        assert "crash" in str(errors[1])
        assert worker.state.status == "ready"
        assert worker.count_tokens("still here")
    finally:
        worker.close()


def test_embedding_models_are_tried_too(made: Made, tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match="crash"):
        LlamaCppEmbeddings(made(tokenizer__ggml__model="llama").path, 1, Trials(tmp_path / "data"))
    with pytest.raises(EmbeddingError, match="reranker"):
        LlamaCppEmbeddings(made(llama__pooling_type=4).path, 1, Trials(tmp_path / "data"))


def test_llama_cpps_own_reason_reaches_the_sentence(made: Made) -> None:
    with pytest.raises(ModelLoadError, match="unknown pre-tokenizer type: 'runes'"):
        Model(made(tokenizer__ggml__pre="runes").path)


# The file of a loaded model


@pytest.fixture(params=[False, True], ids=["read", "mapped"])
def loaded(made: Made, request: pytest.FixtureRequest) -> Iterator[LlamaCppModel]:
    settings = ModelSettings(model_path=made().path, n_ctx=512, n_threads=1, n_batch=64, use_mmap=request.param)
    model = LlamaCppModel(check(settings), settings)
    yield model
    model.close()


def answer(model: LlamaCppModel) -> list[int]:
    pieces = model.generate(Prompt(tuple(model.tokenize("a b c"))), AnswerSettings(max_tokens=4), (), GenerationStats())
    return [piece.token for piece in pieces if piece.token is not None]


def test_a_deleted_file_keeps_answering_and_is_told(loaded: LlamaCppModel, made: Made, tmp_path: Path) -> None:
    assert loaded.notice == ""
    before = answer(loaded)
    path = tmp_path / "tiny.gguf"
    path.unlink()
    assert answer(loaded) == before
    assert f"{path} was deleted" in loaded.notice
    made()
    assert answer(loaded) == before
    assert f"{path} was replaced" in loaded.notice


@pytest.mark.parametrize("how", ["shorter", "empty", "other bytes"])
def test_a_file_that_is_written_to_while_loaded_is_a_sentence_and_no_crash(
    loaded: LlamaCppModel, tmp_path: Path, how: str, request: pytest.FixtureRequest
) -> None:
    before = answer(loaded)
    path = tmp_path / "tiny.gguf"
    os.utime(path, ns=(1, 1))
    assert answer(loaded), "another time alone does no harm"
    with path.open("r+b") as file:
        if how == "other bytes":
            file.seek(-8, os.SEEK_END)
            file.write(b"\xff" * 8)
        else:
            file.truncate(0 if how == "empty" else path.stat().st_size // 2)
    if request.node.callspec.params["loaded"]:
        with pytest.raises(GenerationError, match="was written to while it was in use"):
            answer(loaded)
    else:
        assert answer(loaded) == before
        assert f"{path} was replaced by another file" in loaded.notice


def test_a_long_text_without_a_break_is_tokenized(made: Made) -> None:
    """llama.cpp parts it by a recursive regular expression, which overflowed the stack from 26,500 characters on."""
    model = Model(made(tokenizer__ggml__pre="tekken").path)
    with closing(model):
        for text in ("a" * 100_000, " " * 100_000, "x y " * 5_000 + "b" * 50_000 + " end"):
            tokens = model.tokenize(text)
            assert b"".join(map(model.piece, tokens)).decode() == text
            assert model.tokenize(text, add_special=True)[-len(tokens) :] == tokens


def test_a_model_that_computes_no_numbers_says_so(loaded: LlamaCppModel, made: Made, tmp_path: Path) -> None:
    header = made()
    norm = header.tensors[-1]
    with header.path.open("r+b") as file:
        file.seek(header.data_offset + norm.offset)
        file.write(struct.pack("<f", math.nan) * 64)
    settings = ModelSettings(model_path=header.path, n_ctx=512, n_threads=1)
    model = LlamaCppModel(check(settings), settings)  # past the trial
    try:
        with pytest.raises(GenerationError, match="no numbers: its weights are damaged"):
            answer(model)
    finally:
        model.close()
    with pytest.raises(ModelLoadError, match="invalid data"):
        build(settings)
