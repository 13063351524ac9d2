"""Embedding models, in-process, of a server and GPT4All's: the same vectors, nothing cut off, nobody waits."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from localrag.embeddings.base import EmbeddingModel
from localrag.embeddings.gpt4all import GPT4AllEmbeddings
from localrag.embeddings.llama_embedder import LlamaEmbedder
from localrag.embeddings.llamacpp import LlamaCppEmbeddings
from localrag.embeddings.pooling import POOLING_LAST
from localrag.embeddings.registry import load_embeddings
from localrag.embeddings.server import ServerEmbeddings
from localrag.errors import EmbeddingError, ModelFileError
from localrag.library import Library
from localrag.models.llama_library import Model
from localrag.models.starter import starter_chat, starter_embedding
from localrag.settings import DocumentSettings, load_settings
from tests.tools.llama_server_process import llama_server

pytestmark = pytest.mark.models

ENGLISH = "The committee agreed on the budget after a long discussion about the harbour. "
KOREAN = "위원회는 항구에 관한 긴 논의 끝에 예산에 합의했다. "
END = {"english": "Penguins breed on Antarctic ice in winter. ", "korean": "펭귄은 겨울에 남극 얼음 위에서 번식한다. "}
TEXTS = [
    "",
    "a",
    "Paris is the capital of France.",
    "안녕하세요",
    "1,234.56 €",
    "word " * 90,
    "Tasks are decomposed.\n\nThen executed.",
]


@pytest.fixture(scope="module")
def path(models_dir: Path) -> Path:
    return starter_embedding(models_dir)


@pytest.fixture(scope="module")
def ours(path: Path) -> Iterator[LlamaCppEmbeddings]:
    model = LlamaCppEmbeddings(path, workers=2)
    yield model
    model.close()


@pytest.fixture(scope="module")
def theirs(path: Path) -> Iterator[GPT4AllEmbeddings]:
    model = GPT4AllEmbeddings(path, n_threads=1)
    yield model
    model.close()


@pytest.fixture(scope="module")
def address(path: Path, llama_server_binary: Path) -> Iterator[str]:
    """A real llama.cpp server with the same model; its window is the model's own 512 tokens."""
    with llama_server(llama_server_binary, path, "--embeddings", "--pooling", "mean", n_ctx=512) as running:
        yield running


@pytest.fixture(scope="module")
def served(address: str) -> Iterator[ServerEmbeddings]:
    model = ServerEmbeddings(address)
    yield model
    model.close()


@pytest.fixture(params=["llamacpp", "server", "gpt4all"])
def model(request: pytest.FixtureRequest) -> EmbeddingModel:
    """Each backend in turn: the contract below holds for all of them."""
    fixtures = {"llamacpp": "ours", "server": "served", "gpt4all": "theirs"}
    found: EmbeddingModel = request.getfixturevalue(fixtures[request.param])
    return found


def test_the_server_gives_the_same_vectors(ours: EmbeddingModel, served: EmbeddingModel) -> None:
    cosines = (ours.embed_texts(TEXTS) * served.embed_texts(TEXTS)).sum(axis=1)
    assert cosines.min() > 0.999, dict(zip(TEXTS, cosines, strict=True))
    assert ours.embed_question("Where is Paris?") @ served.embed_question("Where is Paris?") > 0.999


def test_every_backend_knows_what_the_model_was_trained_on(model: EmbeddingModel) -> None:
    assert model.languages == {"en"}


def test_a_text_longer_than_the_servers_window_is_near_ours(ours: EmbeddingModel, served: EmbeddingModel) -> None:
    """The pieces are cut at other places, so the vectors are near and not the same."""
    long = [ENGLISH * 60, KOREAN * 20, "unbroken" * 200]
    cosines = (ours.embed_texts(long) * served.embed_texts(long)).sum(axis=1)
    assert cosines.min() > 0.9, cosines


def test_a_server_that_does_not_embed_says_so(llama_server_binary: Path, models_dir: Path) -> None:
    with (
        llama_server(llama_server_binary, starter_chat(models_dir), n_ctx=512) as running,
        pytest.raises(EmbeddingError, match=r"501.*does not support embeddings.*started for embeddings"),
    ):
        ServerEmbeddings(running)


def test_a_server_with_a_key_takes_ours_and_no_other(path: Path, llama_server_binary: Path, tmp_path: Path) -> None:
    """Through the settings and the library, as the app does it."""
    flags = ("--embeddings", "--pooling", "mean", "--api-key", "right-key")
    with llama_server(llama_server_binary, path, *flags, n_ctx=512) as running:
        given = {"data_dir": tmp_path / "data", "embeddings": "server", "embedding_server": running}
        for key, accepted in (("right-key", True), ("wrong-key", False)):
            library = Library(load_settings(given, {"LOCALRAG_EMBEDDING_API_KEY": key}, tmp_path))
            if accepted:
                assert library.embeddings().dimension == 384
            else:
                with pytest.raises(EmbeddingError, match="does not accept the key"):
                    library.embeddings()
            library.close()


def test_both_backends_give_the_same_vectors(ours: EmbeddingModel, theirs: EmbeddingModel) -> None:
    texts = [text for text in TEXTS if text]
    cosines = (ours.embed_texts(texts) * theirs.embed_texts(texts)).sum(axis=1)
    assert cosines.min() > 0.99, dict(zip(texts, cosines, strict=True))


def test_both_backends_are_the_same_model_by_name(ours: EmbeddingModel, theirs: EmbeddingModel) -> None:
    """So a collection built with one is searched with the other."""
    assert (ours.identity, ours.dimension) == (theirs.identity, theirs.dimension)
    assert ours.dimension == 384


def test_vectors_have_length_one_and_the_shape_promised(model: EmbeddingModel) -> None:
    rows = model.embed_texts(TEXTS)
    assert rows.shape == (len(TEXTS), model.dimension)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1.0, atol=1e-5)
    question = model.embed_question("Where is Paris?")
    assert question.shape == (model.dimension,)
    assert np.linalg.norm(question) == pytest.approx(1.0, abs=1e-5)
    assert model.embed_texts([]).shape == (0, model.dimension)


def test_rows_come_in_the_order_of_the_texts(model: EmbeddingModel) -> None:
    texts = [f"{n} is a number. " * (1 + n * 7 % 23) for n in range(40)]
    rows = model.embed_texts(texts)
    for number in (0, 1, 17, 22, 39):
        assert rows[number] @ model.embed_texts([texts[number]])[0] > 0.999


@pytest.mark.parametrize("language", ["english", "korean"])
def test_the_end_of_a_long_text_counts(model: EmbeddingModel, language: str) -> None:
    size = 2500 if isinstance(model, GPT4AllEmbeddings) else 5000  # GPT4All takes seconds for more
    body = ({"english": ENGLISH, "korean": KOREAN}[language] * 200)[:size]
    plain, other_end = model.embed_texts([body, body[:-300] + (END[language] * 20)[:300]])
    assert plain @ other_end < 0.9999
    topic = model.embed_texts([END[language]])[0]
    assert topic @ other_end > topic @ plain


def test_no_length_loses_its_end(ours: LlamaCppEmbeddings) -> None:
    """Around the window of 512 tokens and its multiples, every token is in exactly one piece."""
    for count in (1, 100, 509, 510, 511, 512, 513, 1019, 1020, 1021, 3000):
        text = " ".join(["word"] * count)
        pieces = ours._question.pieces(text)
        inner = [token for piece in pieces for token in piece.tokens[1:-1]]
        assert inner == ours._model.tokenize(text)
        assert all(len(piece.tokens) <= 512 and piece.tokens[0] == 101 and piece.tokens[-1] == 102 for piece in pieces)
        assert [(piece.start, piece.end) for piece in pieces] == list(pairwise([*range(0, count, 510), count]))


def test_the_sentences_of_a_passage_are_read_in_their_context(ours: LlamaCppEmbeddings) -> None:
    first, second = "The lamp burned rapeseed oil.", "It was replaced by paraffin in 1872."
    text = f"{first} {second}"
    spans = [(0, len(first)), (len(first) + 1, len(text)), (0, len(text))]
    vectors, sentences = ours.embed_passages([text, "Another text."], [spans, [(0, 13)]])
    np.testing.assert_allclose(vectors, ours.embed_texts([text, "Another text."]), atol=1e-6)
    assert [rows.shape for rows in sentences] == [(3, 384), (1, 384)]
    assert sentences[0][2] @ vectors[0] > 0.98  # all of its tokens but the two special ones
    alone = ours.embed_texts([first, second])
    for row, same, other in ((0, 0, 1), (1, 1, 0)):
        assert sentences[0][row] @ alone[same] > sentences[0][row] @ alone[other]
    question = ours.embed_question("Which year did paraffin come?")
    assert sentences[0][1] @ question > sentences[0][0] @ question


def test_sentences_are_told_apart_beyond_the_window(ours: LlamaCppEmbeddings) -> None:
    """A passage embedded in several pieces: a sentence far behind the window has the vector of what it says."""
    parts = ["The ship sailed on over a grey sea. " * 80, "Bread is baked from flour and water.", " Snow fell." * 100]
    text = "".join(parts)
    start = len(parts[0])
    _, sentences = ours.embed_passages([text], [[(0, start), (start, start + len(parts[1]))]])
    question = ours.embed_question("How is bread made?")
    assert sentences[0][1] @ question > sentences[0][0] @ question + 0.1


def test_sentences_of_langchain_are_the_same_vectors(model: EmbeddingModel) -> None:
    np.testing.assert_allclose(model.embed_documents(["Paris"])[0], model.embed_texts(["Paris"])[0], atol=1e-6)
    np.testing.assert_allclose(model.embed_query("Paris"), model.embed_question("Paris"), atol=1e-6)
    np.testing.assert_allclose(model.embed_sentences(["Paris"])[0], model.embed_texts(["Paris"])[0], atol=1e-3)


def test_near_meanings_are_near(model: EmbeddingModel) -> None:
    paris, drill = model.embed_texts(["Paris is the capital of France.", "The drill has a warranty of 31 months."])
    question = model.embed_question("How long is the guarantee of the tool?")
    assert question @ drill > question @ paris + 0.2


def test_a_question_does_not_wait_for_documents(ours: LlamaCppEmbeddings) -> None:
    ended = threading.Event()

    def documents() -> None:
        ours.embed_texts([ENGLISH * 6] * 80)
        ended.set()

    worker = threading.Thread(target=documents)
    worker.start()
    try:
        for _ in range(3):
            ours.embed_question("What about the harbour?")
            ours.embed_sentences(["One.", "Two."])
        assert not ended.is_set()
    finally:
        worker.join()


def test_any_thread_may_embed_at_any_time(model: EmbeddingModel) -> None:
    expected = model.embed_texts(["Paris", "London"])
    wrong: list[int] = []

    def work(number: int) -> None:
        for _ in range(5):
            question = model.embed_question("Paris")
            rows = model.embed_texts(["Paris", "London"])
            if rows[0] @ expected[0] < 0.999 or rows[1] @ expected[1] < 0.999 or question @ expected[0] < 0.999:
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("backend", ["llamacpp", "gpt4all"])
def test_a_missing_file_is_said_and_nothing_is_fetched(backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[object] = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *address, **_: tried.append(address))
    monkeypatch.setattr(socket.socket, "connect", lambda _self, address: tried.append(address))
    settings = DocumentSettings.model_validate({"embeddings": backend})
    with pytest.raises(ModelFileError, match=r"all-MiniLM-L6-v2\.gguf2\.f16\.gguf"):
        load_embeddings(settings, tmp_path / "all-MiniLM-L6-v2.gguf2.f16.gguf")
    assert tried == []
    assert list(tmp_path.iterdir()) == []


def test_a_text_whose_last_token_is_taken_ends_with_the_end_token_in_every_piece(models_dir: Path) -> None:
    """SmolLM2 stands in for Qwen3-Embedding: it has <|endoftext|>, its EOS is <|im_end|>, and nothing is appended."""
    model = Model(starter_chat(models_dir))
    embedder = LlamaEmbedder(model, 1, POOLING_LAST)
    try:
        (end,) = model.tokenize("<|endoftext|>", special=True)
        assert end != model.eos
        for text in ("", "Paris", "word " * 2000):
            pieces = embedder.pieces(text)
            inputs = [piece.tokens for piece in pieces]
            assert all(i[-1] == end and i.count(end) == 1 and len(i) <= embedder.window for i in inputs)
            assert [token for tokens in inputs for token in tokens[:-1]] == model.tokenize(text)
        (near, far), _ = embedder.embed(["Paris", "London"])
        assert np.linalg.norm(near) == pytest.approx(1.0, abs=1e-5)
        assert near @ far < 0.9999
    finally:
        embedder.close()
        model.close()


def test_a_model_without_pooling_is_pooled_by_mean(models_dir: Path) -> None:
    """Any GGUF model gives vectors of its own width, of length one."""
    model = LlamaCppEmbeddings(starter_chat(models_dir), workers=1)
    try:
        rows = model.embed_texts(["Paris", "London"])
        assert rows.shape == (2, model.dimension)
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1.0, atol=1e-5)
    finally:
        model.close()
