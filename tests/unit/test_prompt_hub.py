"""Hub prompts: the shipped words, and refreshing from a server that may send anything."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from langchain_core.prompts import ChatPromptTemplate

from localrag.errors import PromptError
from localrag.prompts.hub import HUB_NAMES, prompt, refresh

NAME = "rlm/rag-prompt"
WORDS = (
    "You are an assistant for question-answering tasks. Use the following pieces of retrieved context to answer the question."
    " If you don't know the answer, just say that you don't know. Use three sentences maximum and keep the answer concise."
)
NEWER = "Answer from this.\nQuestion: {question}\nContext: {context}\nAnswer:"


def manifest(template: Any = NEWER, **changes: Any) -> dict[str, Any]:
    """What LangSmith answers for a commit of a prompt."""
    prompts = ["langchain", "prompts", "prompt", "PromptTemplate"]
    inner = {
        "lc": 1,
        "type": "constructor",
        "id": prompts,
        "kwargs": {"input_variables": ["context", "question"], "template": template, "template_format": "f-string"},
    }
    message = {
        "lc": 1,
        "type": "constructor",
        "id": ["langchain", "prompts", "chat", "HumanMessagePromptTemplate"],
        "kwargs": {"prompt": inner},
    }
    chat = {
        "lc": 1,
        "type": "constructor",
        "id": ["langchain", "prompts", "chat", "ChatPromptTemplate"],
        "kwargs": {"input_variables": ["context", "question"], "messages": [message | changes]},
    }
    return {"commit_hash": "50442af133e61576e74536c6556cefe1fac147cad032f4377b60c436e6cdcb6e", "manifest": chat, "examples": []}


class Hub:
    """A hub on loopback that answers every request with `body`."""

    def __init__(self) -> None:
        self.body = json.dumps(manifest()).encode()
        self.status, self.headers, self.paths = 200, dict[str, str](), list[str]()
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                hub.paths.append(self.path)
                self.send_response(hub.status)
                for name, value in ({"Content-Length": str(len(hub.body))} | hub.headers).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(hub.body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def hub() -> Iterator[Hub]:
    server = Hub()
    yield server
    server.close()


def test_the_shipped_prompts_are_the_notebooks_words() -> None:
    plain, llama = (prompt(name).messages for name in HUB_NAMES)
    assert plain == (("human", f"{WORDS}\nQuestion: {{question}} \nContext: {{context}} \nAnswer:"),)
    assert llama == (
        ("human", f"[INST]<<SYS>> {WORDS}<</SYS>> \nQuestion: {{question}} \nContext: {{context}} \nAnswer: [/INST]"),
    )


@pytest.mark.parametrize("name", HUB_NAMES)
def test_a_prompt_works_as_a_langchain_template(name: str) -> None:
    template = prompt(name).as_langchain()
    assert isinstance(template, ChatPromptTemplate)
    assert set(template.input_variables) == {"context", "question"}
    assert "Question: a{b} \nContext: c" in str(template.invoke({"question": "a{b}", "context": "c"}).to_messages()[0].content)


def test_an_unknown_prompt_is_named_with_the_known_ones() -> None:
    with pytest.raises(PromptError, match=r"me/other.*rlm/rag-prompt"):
        prompt("me/other")


def test_refreshing_keeps_the_new_words_for_the_next_time(hub: Hub, tmp_path: Path) -> None:
    found = refresh(NAME, tmp_path, hub.url)
    assert hub.paths == ["/commits/rlm/rag-prompt/latest"]
    assert found.messages == (("human", NEWER),)
    assert found.commit is not None
    assert found.commit.startswith("50442af1")
    assert prompt(NAME, tmp_path) == found
    assert prompt("rlm/rag-prompt-llama", tmp_path).messages == prompt("rlm/rag-prompt-llama").messages


def test_a_compressed_reply_and_a_plain_prompt_template_are_understood(hub: Hub, tmp_path: Path) -> None:
    plain = manifest()
    plain["manifest"] = plain["manifest"]["kwargs"]["messages"][0]["kwargs"]["prompt"]
    hub.body, hub.headers = gzip.compress(json.dumps(plain).encode()), {"Content-Encoding": "gzip"}
    assert refresh(NAME, tmp_path, hub.url).messages == (("human", NEWER),)


def deep(levels: int) -> bytes:
    return b'{"manifest":' * levels + b"1" + b"}" * levels


HOSTILE: dict[str, bytes] = {
    "huge": b'{"manifest": "' + b"x" * (2 << 20) + b'"}',
    "gzip bomb": gzip.compress(b" " * (50 << 20)),
    "no json": b"<html>login</html>",
    "nothing": b"",
    "no utf-8": b"\xff\xfe\x00",
    "other json": b"[1, 2, 3]",
    "a number": b"7",
    "no manifest": b"{}",
    "deeply nested": deep(200_000),
    "nested objects": json.dumps(manifest({"lc": 1, "type": "constructor", "id": ["os", "system"], "kwargs": {}})).encode(),
    "a list of templates": json.dumps(manifest([NEWER])).encode(),
    "no template": json.dumps(manifest(None)).encode(),
    "an empty id": json.dumps(manifest(id=[])).encode(),
    "an unknown message": json.dumps(manifest(id=["langchain", "prompts", "chat", "ToolMessage"])).encode(),
    "a secret": json.dumps(manifest({"lc": 1, "type": "secret", "id": ["HOME"]})).encode(),
    "other variables": json.dumps(manifest("{question} {context} {password}")).encode(),
    "missing variables": json.dumps(manifest("{question}")).encode(),
    "an attribute": json.dumps(manifest("{question.__class__} {question} {context}")).encode(),
    "an attribute in braces": json.dumps(manifest("{{{question.__class__.__mro__}}} {question} {context}")).encode(),
    "a huge width": json.dumps(manifest("{question:>9999999999} {context}")).encode(),
    "a conversion": json.dumps(manifest("{question!r} {context}")).encode(),
    "a stray brace": json.dumps(manifest("{question} {context} }")).encode(),
    "an open brace": json.dumps(manifest("{question} {context} {")).encode(),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_is_no_prompt_is_refused_and_the_copy_at_hand_stays(hub: Hub, tmp_path: Path, kind: str) -> None:
    kept = refresh(NAME, tmp_path, hub.url)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    hub.body = HOSTILE[kind]
    hub.headers = {"Content-Encoding": "gzip"} if kind == "gzip bomb" else {}
    with pytest.raises(PromptError, match="stays in use"):
        refresh(NAME, tmp_path, hub.url)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert prompt(NAME, tmp_path) == kept


@pytest.mark.parametrize("status", [302, 403, 404, 500])
def test_a_refusing_hub_is_said(hub: Hub, tmp_path: Path, status: int) -> None:
    hub.status, hub.headers = status, {"Location": "/again"}
    with pytest.raises(PromptError, match="stays in use"):
        refresh(NAME, tmp_path, hub.url)


def test_a_reply_that_breaks_off_is_said(hub: Hub, tmp_path: Path) -> None:
    hub.headers = {"Content-Length": "100000"}
    with pytest.raises(PromptError, match="stays in use"):
        refresh(NAME, tmp_path, hub.url)


def test_a_hub_out_of_reach_is_said(tmp_path: Path) -> None:
    with pytest.raises(PromptError, match="stays in use"):
        refresh(NAME, tmp_path, "http://127.0.0.1:9")


def test_a_folder_that_cannot_be_written_is_said(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PromptError, match="could not be kept"):
        refresh(NAME, tmp_path / "file", hub.url)


@pytest.mark.parametrize("text", ["{", "[]", '{"messages": 1}', '{"messages": [{}], "origin": ""}'])
def test_a_damaged_kept_copy_is_said(tmp_path: Path, text: str) -> None:
    (tmp_path / "rlm_rag-prompt.json").write_text(text)
    with pytest.raises(PromptError, match=r"damaged.*Refresh"):
        prompt(NAME, tmp_path)


def test_a_template_that_was_kept_is_text_and_never_evaluated(hub: Hub, tmp_path: Path) -> None:
    hub.body = json.dumps(manifest("{{0.__class__}} {question} {context} {{% raw %}}")).encode()
    found = refresh(NAME, tmp_path, hub.url)
    filled = found.as_langchain().invoke({"question": "{question.__class__}", "context": "{{7*7}}"}).to_string()
    assert filled == "Human: {0.__class__} {question.__class__} {{7*7}} {% raw %}"
