"""Embeddings of a server: what is sent, what is done with strange answers, what is said when it fails, where the key goes."""

from __future__ import annotations

import email.utils
import json
import logging
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from pydantic import SecretStr

from localrag.embeddings.endpoint import base_address
from localrag.embeddings.registry import load_embeddings
from localrag.embeddings.server import CHARS_PER_REQUEST, TEXTS_PER_REQUEST, ServerEmbeddings, halves
from localrag.errors import EmbeddingError
from localrag.settings import DocumentSettings
from tests.tools.embedding_server import DIMENSION, MODEL, Reply, Served, embedding_server, good, json_reply, vector
from tests.tools.llama_server_process import free_port
from tests.tools.trickling_server import trickling_server

KEY = "sk-very-secret-0123456789"


@pytest.fixture
def served() -> Iterator[Served]:
    with embedding_server() as running:
        yield running


@pytest.fixture
def model(served: Served) -> Iterator[ServerEmbeddings]:
    loaded = ServerEmbeddings(served.address, timeout_s=3.0)
    served.asked.clear()
    yield loaded
    loaded.close()


def failure(model: ServerEmbeddings, text: str = "a text") -> str:
    """The one sentence (or two) said when a text cannot be embedded."""
    with pytest.raises(EmbeddingError) as caught:
        model.embed_texts([text])
    said = str(caught.value)
    assert "\n" not in said
    assert said.endswith(".")
    return said


def error(message: str, status: int) -> Reply:
    return json_reply({"error": {"message": message, "type": "whatever", "code": status}}, status)


def inputs(served: Served) -> list[str]:
    return [text for body in served.asked for text in body["input"]]


def same(row: Any, text: str) -> bool:
    wanted = np.array(vector(text))
    return bool(row @ wanted / np.linalg.norm(wanted) > 0.9999)


def test_vectors_are_those_of_the_server_at_length_one(model: ServerEmbeddings) -> None:
    rows = model.embed_texts(["one lamp", "two windows"])
    assert rows.shape == (2, DIMENSION)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1.0, atol=1e-6)
    assert same(rows[0], "one lamp")
    assert same(rows[1], "two windows")
    assert model.embed_texts([]).shape == (0, DIMENSION)
    assert model.embed_question("one lamp").shape == (DIMENSION,)


def test_the_model_is_the_first_the_server_lists_unless_one_is_named(served: Served) -> None:
    listed = ServerEmbeddings(served.address)
    assert (listed.name, listed.identity) == (MODEL, f"server:{MODEL}:{DIMENSION}")
    assert listed.languages == {"en"}
    served.paths.clear()
    named = ServerEmbeddings(served.address, "bge-m3")
    assert (named.name, named.languages) == ("bge-m3", None)
    assert "/v1/models" not in served.paths
    assert {body["model"] for body in served.asked} == {MODEL, "bge-m3"}


def test_the_identity_is_the_model_and_not_the_place() -> None:
    """So a server that moves keeps its collections; a folder in the name of a file is part of the place."""
    seen = set()
    for name in (r"C:\models\bge-m3-q8_0.gguf", "/srv/other/bge-m3-q8_0.gguf", "bge-m3-q8_0.gguf"):
        with embedding_server() as served:
            model = ServerEmbeddings(served.address, name)
            seen.add((model.identity, model.name))
            assert served.asked[-1]["model"] == name
            model.close()
    assert seen == {(f"server:bge-m3-q8_0.gguf:{DIMENSION}", "bge-m3-q8_0.gguf")}


def test_prefixes_are_those_of_the_models_family(served: Served) -> None:
    model = ServerEmbeddings(served.address, "nomic-embed-text:latest")
    served.asked.clear()
    model.embed_question("where?")
    model.embed_texts(["here"])
    model.embed_sentences(["there"])
    assert inputs(served) == ["search_query: where?", "search_document: here", "search_document: there"]
    model.close()


@pytest.mark.parametrize("ending", ["", "/", "/v1", "/v1/", "/v1/embeddings"])
def test_an_address_may_be_written_in_any_usual_way(served: Served, ending: str) -> None:
    model = ServerEmbeddings(f" {served.address}{ending} ")
    assert same(model.embed_question("lamp"), "lamp")
    assert set(served.paths) == {"/v1/models", "/v1/embeddings"}
    model.close()


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("", "Set embedding_server"),
        ("127.0.0.1:8080", "http://host:port"),
        ("ftp://127.0.0.1/v1", "http://host:port"),
        ("http://", "address"),
        ("http://[::1", "address"),
        ("http://me:hidden@127.0.0.1/v1", "a key belongs in LOCALRAG_EMBEDDING_API_KEY"),
        ("http://127.0.0.1/v1?key=hidden", "a key belongs in LOCALRAG_EMBEDDING_API_KEY"),
    ],
)
def test_an_address_that_is_none_is_said(address: str, said: str) -> None:
    with pytest.raises(EmbeddingError, match=said) as caught:
        ServerEmbeddings(address)
    assert "hidden" not in str(caught.value)


def test_a_longer_path_is_kept() -> None:
    assert base_address("https://example.org/team/openai/v1/") == "https://example.org/team/openai/v1"
    assert base_address("http://[::1]:8080") == "http://[::1]:8080/v1"


def test_requests_stay_small(served: Served, model: ServerEmbeddings) -> None:
    texts = [f"text number {number}" for number in range(2 * TEXTS_PER_REQUEST + 5)] + ["x" * CHARS_PER_REQUEST, "y" * 900] * 2
    rows = model.embed_texts(texts)
    assert inputs(served) == texts
    assert all(len(body["input"]) <= TEXTS_PER_REQUEST for body in served.asked)
    sizes = [sum(map(len, body["input"])) for body in served.asked]
    assert max(sizes) <= CHARS_PER_REQUEST
    assert len(sizes) == 7
    assert all(same(row, text) for row, text in zip(rows, texts, strict=True))


def test_texts_that_are_no_json_or_nothing_reach_the_server_as_text(served: Served, model: ServerEmbeddings) -> None:
    model.embed_texts(["", "half \ud83d pair", 'quote " and \\ and \x00'])
    assert inputs(served) == [" ", "half ? pair", 'quote " and \\ and \x00']


def test_the_order_is_that_of_the_indices(served: Served, model: ServerEmbeddings) -> None:
    def backwards(texts: list[str]) -> Reply:
        content = json.loads(good(texts)[2])
        content["data"].reverse()
        return json_reply(content)

    served.answer = backwards
    texts = ["one", "two two", "three three three", "four"]
    assert all(same(row, text) for row, text in zip(model.embed_texts(texts), texts, strict=True))


def test_no_indices_mean_the_order_of_the_texts(served: Served, model: ServerEmbeddings) -> None:
    served.answer = lambda texts: json_reply({"data": [{"embedding": vector(text)} for text in texts]})
    assert same(model.embed_texts(["one", "two"])[1], "two")


@pytest.mark.parametrize(
    "content",
    [
        {"data": []},
        {"data": [{"index": 0, "embedding": [1.0] * DIMENSION}] * 2},
        {"data": [{"index": 1, "embedding": [1.0] * DIMENSION}]},
        {"data": [{"index": "0", "embedding": [1.0] * DIMENSION}]},
        {"data": [{"index": 0, "embedding": "AACAPw=="}]},
        {"data": [{"index": 0, "embedding": [[1.0] * DIMENSION, [2.0] * 3]}]},
        {"data": [{"index": 0, "embedding": [[1.0] * DIMENSION] * 2}]},
        {"data": [{"index": 0, "embedding": []}]},
        {"data": [{"index": 0, "embedding": [0.0] * DIMENSION}]},
        {"data": [{"index": 0, "embedding": [float("nan")] * DIMENSION}]},
        {"data": [{"index": 0, "embedding": [None] * DIMENSION}]},
        {"data": [{"index": 0}]},
        {"data": ["text"]},
        {"data": {"index": 0}},
        {"embedding": [1.0]},
        [],
        None,
        "text",
        3,
    ],
)
def test_an_answer_of_another_shape_is_said(served: Served, model: ServerEmbeddings, content: Any) -> None:
    served.answer = lambda _: json_reply(content)
    said = failure(model)
    assert served.address in said
    assert "vector" in said


def test_vectors_of_another_size_are_refused(served: Served, model: ServerEmbeddings) -> None:
    served.answer = lambda texts: json_reply({"data": [{"index": i, "embedding": [1.0, 2.0]} for i in range(len(texts))]})
    said = failure(model)
    assert f"of 2 numbers, before that of {DIMENSION}" in said
    assert "its model was changed" in said


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (error("Invalid API Key", 401), "wants a key (401). Put its key into LOCALRAG_EMBEDDING_API_KEY."),
        (error("no", 403), "wants a key (403)"),
        (error('model "x" not found, try pulling it first', 404), 'model "x" not found'),
        (json_reply({"error": "nothing here"}, 404), "embedding_server and embedding_model"),
        (error("This server does not support embeddings. Start it with `--embeddings`", 501), "Start it with `--embeddings`"),
        (error("Pooling type 'none' is not OAI compatible", 400), "Pooling type 'none'"),
        (
            json_reply({"object": "error", "message": "The model does not support Embeddings API"}, 400),
            "not support Embeddings",
        ),
        (json_reply({"detail": "nothing for you"}, 400), "nothing for you"),
        (error("long\n\x1b[31m story " * 100, 400), "long [31m story"),
        ((400, {}, b"\xff\xfe plain words"), "plain words"),
        ((200, {"Content-Type": "text/html"}, b"<!doctype html><title>Welcome</title>"), "answered with a web page"),
        ((404, {"Content-Type": "text/html"}, b"<html>Not Found</html>"), "gives no embeddings here (404)"),
        ((200, {}, b"hello"), "not JSON"),
        ((200, {}, b"[" * 100_000), "not JSON"),
        ((200, {}, b""), "not JSON"),
        ((302, {"Location": "http://u:p@192.0.2.7/v1?key=k"}, b""), "sends on to http://192.0.2.7/v1, which is not followed"),
        ((308, {}, b""), "not followed"),
    ],
)
def test_what_cannot_succeed_is_said_at_once(served: Served, model: ServerEmbeddings, reply: Reply, said: str) -> None:
    served.answer = lambda _: reply
    told = failure(model)
    assert said in told
    assert served.address in told
    assert len(told) < 500
    assert len(served.asked) == 1


def test_a_server_that_is_not_there_is_said_at_once() -> None:
    address = f"http://127.0.0.1:{free_port()}"
    started = time.monotonic()
    with pytest.raises(EmbeddingError, match=f"No embedding server answers at {address}/v1\\. Start it, or correct"):
        ServerEmbeddings(address, timeout_s=30.0)
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("content", [{"data": []}, {"object": "list"}, [], None, {"data": [{"name": "x"}]}])
def test_a_server_that_lists_no_models_is_said(served: Served, content: Any) -> None:
    served.models = lambda: json_reply(content)
    with pytest.raises(EmbeddingError, match=r"lists no models\. Set embedding_model"):
        ServerEmbeddings(served.address)


@pytest.mark.parametrize("status", [429, 502, 503, 504, 0])
def test_a_busy_or_broken_connection_is_tried_again(served: Served, model: ServerEmbeddings, status: int) -> None:
    served.first_then(error("busy", status) if status else (0, {}, b""))
    assert same(model.embed_texts(["lamp"])[0], "lamp")
    assert inputs(served) == ["lamp", "lamp"]


@pytest.mark.parametrize("dated", [False, True])
def test_the_server_says_how_long_to_wait(served: Served, model: ServerEmbeddings, dated: bool) -> None:
    until = email.utils.formatdate(time.time() + 2, usegmt=True) if dated else "1"
    served.first_then(json_reply({}, 429, Retry_After=until))
    started = time.monotonic()
    model.embed_texts(["lamp"])
    assert 0.9 < time.monotonic() - started < 2.5
    assert len(served.asked) == 2


def test_a_pause_longer_than_the_time_left_is_not_waited_for(served: Served, model: ServerEmbeddings) -> None:
    served.answer = lambda _: json_reply({"error": "rate limit"}, 429, Retry_After="3600")
    started = time.monotonic()
    assert "stays busy (429: rate limit)" in failure(model)
    assert time.monotonic() - started < 1


def test_patience_ends_with_the_time_limit(served: Served) -> None:
    # The third answer comes after 0.75 s, the next pause would take 1 s: between them is room for a busy machine.
    model = ServerEmbeddings(served.address, timeout_s=1.7)
    for reply, said in (
        (error("Loading model", 503), "stays busy (503: Loading model)"),
        ((0, {}, b""), "broke the connection"),
    ):
        served.asked.clear()
        served.answer = lambda _, reply=reply: reply  # type: ignore[misc]
        started = time.monotonic()
        assert said in failure(model)
        assert time.monotonic() - started < 2.4
        assert 2 <= len(served.asked) <= 4  # each pause is twice the one before
    model.close()


def test_a_server_that_does_not_answer_is_given_up(served: Served) -> None:
    model = ServerEmbeddings(served.address, timeout_s=0.3)
    over = threading.Event()

    def slow(texts: list[str]) -> Reply:
        over.wait(10)
        return good(texts)

    served.answer = slow
    try:
        started = time.monotonic()
        assert "did not answer within 0.3 s. Raise embedding_timeout_s" in failure(model)
        assert time.monotonic() - started < 2
    finally:
        over.set()
        model.close()


def test_closing_ends_the_wait_for_a_busy_server(served: Served) -> None:
    model = ServerEmbeddings(served.address, timeout_s=60.0)
    asked = threading.Event()

    def busy(_: list[str]) -> Reply:
        asked.set()
        return json_reply({}, 503, Retry_After="30")

    served.answer = busy
    said: list[str] = []
    worker = threading.Thread(target=lambda: said.append(failure(model)))
    worker.start()
    assert asked.wait(5)
    model.close()
    worker.join(5)
    assert not worker.is_alive()
    assert "was given up" in said[0]


def test_a_question_does_not_wait_for_documents(served: Served, model: ServerEmbeddings) -> None:
    arrived, over = threading.Event(), threading.Event()

    def answer(texts: list[str]) -> Reply:
        if texts == ["document"]:
            arrived.set()
            over.wait(10)
        return good(texts)

    served.answer = answer
    worker = threading.Thread(target=model.embed_texts, args=(["document"],))
    worker.start()
    try:
        assert arrived.wait(5)
        assert same(model.embed_question("question"), "question")
        assert same(model.embed_sentences(["sentence"])[0], "sentence")
        assert worker.is_alive()
    finally:
        over.set()
        worker.join()


TOO_LONG = [
    error("input (600 tokens) is too large to process. increase the physical batch size (current batch size: 512)", 500),
    error("input (9 tokens) is larger than the max context size (8 tokens). skipping", 400),
    error("This model's maximum context length is 512 tokens. However, you requested 600 tokens", 400),
    json_reply(
        {"error": "Input validation error: `inputs` must have less than 512 tokens. Given: 600", "error_type": "x"}, 413
    ),
    json_reply({"error": "`inputs` must have less than 512 tokens. Given: 600", "error_type": "Validation"}, 422),
    error("the input length exceeds the context length", 400),
    (413, {}, b"Payload Too Large"),
]


@pytest.mark.parametrize("refusal", TOO_LONG)
def test_a_text_too_long_for_the_server_is_cut_and_averaged(served: Served, model: ServerEmbeddings, refusal: Reply) -> None:
    served.answer = lambda texts: refusal if max(map(len, texts)) > 200 else good(texts)
    long = "The lamp burns. " * 30 + "Penguins swim far. " * 30
    rows = model.embed_texts(["short", long, "also short"])
    assert same(rows[0], "short")
    assert same(rows[2], "also short")
    pieces = [text for text in inputs(served) if len(text) <= 200 and "short" not in text]
    assert "".join(pieces) == long  # every character in exactly one piece, in order
    assert all(piece.rstrip().endswith(".") for piece in pieces)
    wanted = np.sum([len(piece) * np.array(vector(piece)) / np.linalg.norm(vector(piece)) for piece in pieces], axis=0)
    assert rows[1] @ wanted / np.linalg.norm(wanted) > 0.9999
    assert np.linalg.norm(rows[1]) == pytest.approx(1.0, abs=1e-6)


def test_each_piece_has_the_prefix(served: Served) -> None:
    model = ServerEmbeddings(served.address, "e5-base")
    served.asked.clear()
    served.answer = lambda texts: TOO_LONG[0] if len(texts[0]) > 60 else good(texts)
    model.embed_texts(["word " * 20])
    assert inputs(served) == ["passage: " + "word " * 20, "passage: " + "word " * 10, "passage: " + "word " * 10]
    model.close()


def test_a_server_that_takes_nothing_is_said_and_not_asked_for_ever(served: Served, model: ServerEmbeddings) -> None:
    served.answer = lambda _: error("input is too long", 400)
    assert "takes no input of this size (400: input is too long). Give it a larger window" in failure(model, "word " * 2000)
    assert len(served.asked) < 20
    assert "takes no input" in failure(model, "x")
    assert "takes no input" in failure(model, "   ")


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("One sentence. Another sentence.", "One sentence. "),
        ("하나의 문장이다。또 하나의 문장이다。", "하나의 문장이다。"),
        ("no sentence ends here at all", "no sentence "),
        ("x" * 10, "x" * 5),
        ("A. " + "x" * 20, "A. " + "x" * 8),
        ("", ""),
    ],
)
def test_a_text_is_cut_where_it_hurts_least(text: str, first: str) -> None:
    assert halves(text) == (first, text[len(first) :])


def test_the_key_is_sent_to_the_server_and_told_to_nobody(
    served: Served, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    settings = DocumentSettings.model_validate(
        {"embeddings": "server", "embedding_server": served.address, "embedding_api_key": f" {KEY}\n"}
    )
    model = load_embeddings(settings, None)  # type: ignore[arg-type]  # a server needs no file
    assert {headers.get("Authorization") for headers in served.headers} == {f"Bearer {KEY}"}
    told = [repr(settings), str(settings), repr(model), repr(vars(model))]
    for reply in (
        error(f"wrong key {KEY}", 401),
        error(f"bad {KEY}", 400),
        error(KEY, 404),
        (302, {"Location": f"/{KEY}?{KEY}"}, b""),
    ):
        served.answer = lambda _, reply=reply: reply  # type: ignore[misc]
        with pytest.raises(EmbeddingError) as caught:
            model.embed_question("lamp")
        told.append(str(caught.value))
    assert "does not accept the key (401)" in told[4]
    out, err = capfd.readouterr()
    assert KEY not in "".join([*told, caplog.text, out, err])
    model.close()


def test_without_a_key_none_is_sent_and_nothing_of_the_environment(
    served: Served, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password hidden\n", "utf-8")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    model = ServerEmbeddings(served.address, key=SecretStr(""))
    assert all("Authorization" not in headers for headers in served.headers)
    model.close()


@pytest.mark.parametrize("key", ["two words", "line\nend", "schlüssel", "a\x00b"])
def test_a_key_that_cannot_be_sent_is_said_without_saying_it(served: Served, key: str) -> None:
    with pytest.raises(EmbeddingError, match="Copy the key again") as caught:
        ServerEmbeddings(served.address, key=SecretStr(key))
    assert key not in str(caught.value)
    assert served.paths == []


def test_a_server_whose_headers_trickle_in_is_given_up() -> None:
    with trickling_server() as address:
        started = time.monotonic()
        with pytest.raises(EmbeddingError, match=r"did not answer within 0\.5 s"):
            ServerEmbeddings(address, timeout_s=0.5)
        assert time.monotonic() - started < 3.0
