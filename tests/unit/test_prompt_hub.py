"""Hub prompts: the shipped words, pulling from a server that may send anything, and the library they are kept in."""

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
from localrag.prompts.hub import HUB_NAMES, HubPrompt, prompt, pull
from localrag.prompts.library import PromptLibrary

NAME = "rlm/rag-prompt"
COMMIT = "50442af133e61576e74536c6556cefe1fac147cad032f4377b60c436e6cdcb6e"
WORDS = (
    "You are an assistant for question-answering tasks. Use the following pieces of retrieved context to answer the question."
    " If you don't know the answer, just say that you don't know. Use three sentences maximum and keep the answer concise."
)
NEWER = "Answer from this.\nQuestion: {question}\nContext: {context}\nAnswer:"


def manifest(template: Any = NEWER, form: str = "f-string", **changes: Any) -> dict[str, Any]:
    """What LangSmith answers for a commit of a prompt."""
    prompts = ["langchain", "prompts", "prompt", "PromptTemplate"]
    inner = {
        "lc": 1,
        "type": "constructor",
        "id": prompts,
        "kwargs": {"input_variables": ["context", "question"], "template": template, "template_format": form},
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
    return {"commit_hash": COMMIT, "manifest": chat, "examples": []}


def refresh(folder: Path, url: str) -> HubPrompt:
    """Pull the newest words and keep them, as the page does after a review."""
    library = PromptLibrary(folder)
    return library.keep(library.pull(NAME, url), NAME)


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


def test_what_was_pulled_and_kept_is_there_the_next_time(hub: Hub, tmp_path: Path) -> None:
    found = refresh(tmp_path, hub.url)
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
    assert refresh(tmp_path, hub.url).messages == (("human", NEWER),)


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
    "another commit": json.dumps(manifest() | {"commit_hash": ""}).encode(),
    "jinja": json.dumps(manifest("{{ question }} {{ context }}", form="jinja2")).encode(),
    "a mustache section": json.dumps(manifest("{{#question}}{{context}}{{/question}}", form="mustache")).encode(),
    "a mustache partial": json.dumps(manifest("{{> context}} {{question}}", form="mustache")).encode(),
    "an open mustache": json.dumps(manifest("{{context}} {{question}} {{", form="mustache")).encode(),
    "new mustache delimiters": json.dumps(manifest("{{=<% %>=}} {{context}} {{question}}", form="mustache")).encode(),
    "an answer at the end": json.dumps(manifest(id=["langchain", "prompts", "chat", "AIMessagePromptTemplate"])).encode(),
    "megabytes of words": json.dumps(manifest("{question} {context}" + "x" * 200_000)).encode(),
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
    kept = refresh(tmp_path, hub.url)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    hub.body = HOSTILE[kind]
    hub.headers = {"Content-Encoding": "gzip"} if kind == "gzip bomb" else {}
    with pytest.raises(PromptError, match=r"^The prompt rlm/rag-prompt .*\.$") as caught:
        pull(f"{NAME}:{COMMIT[:12]}", hub.url)
    assert len(str(caught.value)) < 600
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert prompt(NAME, tmp_path) == kept


@pytest.mark.parametrize("status", [302, 403, 404, 500])
def test_a_refusing_hub_is_said(hub: Hub, tmp_path: Path, status: int) -> None:
    hub.status, hub.headers = status, {"Location": "/again"}
    with pytest.raises(PromptError, match="stays in use"):
        refresh(tmp_path, hub.url)


def test_a_reply_that_breaks_off_is_said(hub: Hub, tmp_path: Path) -> None:
    hub.headers = {"Content-Length": "100000"}
    with pytest.raises(PromptError, match="stays in use"):
        refresh(tmp_path, hub.url)


def test_a_hub_out_of_reach_is_said(tmp_path: Path) -> None:
    with pytest.raises(PromptError, match="stays in use"):
        refresh(tmp_path, "http://127.0.0.1:9")


def test_a_folder_that_cannot_be_written_is_said(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PromptError, match="could not be kept"):
        refresh(tmp_path / "file", hub.url)


@pytest.mark.parametrize("text", ["{", "[]", '{"messages": 1}', '{"messages": [{}], "origin": ""}'])
def test_a_damaged_kept_copy_is_said(tmp_path: Path, text: str) -> None:
    (tmp_path / "rlm_rag-prompt.json").write_text(text)
    with pytest.raises(PromptError, match=r"damaged.*Delete it"):
        prompt(NAME, tmp_path)
    library = PromptLibrary(tmp_path)
    assert library.names() == list(HUB_NAMES)
    library.delete(NAME)
    assert library.get(NAME) == prompt(NAME)


def test_a_template_that_was_kept_is_text_and_never_evaluated(hub: Hub, tmp_path: Path) -> None:
    hub.body = json.dumps(manifest("{{0.__class__}} {question} {context} {{% raw %}}")).encode()
    found = refresh(tmp_path, hub.url)
    filled = found.as_langchain().invoke({"question": "{question.__class__}", "context": "{{7*7}}"}).to_string()
    assert filled == "Human: {0.__class__} {question.__class__} {{7*7}} {% raw %}"


@pytest.mark.parametrize(
    ("reference", "path"),
    [
        ("rlm/rag-prompt", "/commits/rlm/rag-prompt/latest"),
        (" rlm/rag-prompt:latest ", "/commits/rlm/rag-prompt/latest"),
        ("rlm/rag-prompt:50442af1", "/commits/rlm/rag-prompt/50442af1"),
        (f"rlm/rag-prompt:{COMMIT}", f"/commits/rlm/rag-prompt/{COMMIT}"),
    ],
)
def test_a_prompt_is_pulled_by_name_and_commit_and_nothing_is_kept(hub: Hub, tmp_path: Path, reference: str, path: str) -> None:
    found = PromptLibrary(tmp_path / "prompts").pull(reference, hub.url)
    assert hub.paths == [path]
    assert (found.name, found.commit, found.variables()) == (NAME, COMMIT, ["context", "question"])
    assert list(tmp_path.iterdir()) == []


def test_another_commit_than_the_one_asked_for_is_refused(hub: Hub) -> None:
    with pytest.raises(PromptError, match="not abcdef12"):
        pull("rlm/rag-prompt:abcdef12", hub.url)


@pytest.mark.parametrize(
    "reference",
    [
        "",
        "rag-prompt",
        "rlm/rag-prompt:",
        "rlm/../x",
        "rlm/a/b",
        "rlm/a?x=1",
        "rlm/a:zzz",
        "../commits/x",
        "rlm/a b",
        "RLM/a",
        "ä/b",
    ],
)
def test_what_names_no_prompt_sends_no_request(hub: Hub, reference: str) -> None:
    with pytest.raises(PromptError, match="names no prompt"):
        pull(reference, hub.url)
    assert hub.paths == []


def test_mustache_becomes_the_same_words(hub: Hub) -> None:
    words = "{{! a comment }}Use {a: 1}.\nQ: {{question}} C: {{{ context }}} again {{& question }}"
    hub.body = json.dumps(manifest(words, form="mustache")).encode()
    found = pull(NAME, hub.url)
    filled = found.as_langchain().invoke({"question": "why", "context": "<&>"}).to_string()
    assert filled == "Human: Use {a: 1}.\nQ: why C: <&> again why"


def test_the_library_keeps_edits_under_a_name_of_ones_own_and_works_offline(hub: Hub, tmp_path: Path) -> None:
    library = PromptLibrary(tmp_path)
    pulled = library.pull(NAME, hub.url)
    same = library.keep(pulled, "mine")
    assert (same.edited, same.commit) == (False, COMMIT)
    edited = library.keep(pulled, "my own/prompt 2", [("system", "Be brief."), ("human", "{context}\n{question}")])
    assert edited.edited
    hub.close()
    again = PromptLibrary(tmp_path)
    assert again.names() == [*HUB_NAMES, "mine", "my own/prompt 2"]
    assert again.get("my own/prompt 2") == edited
    assert again.get("mine").messages == pulled.messages
    again.delete("mine")
    assert again.names() == [*HUB_NAMES, "my own/prompt 2"]
    with pytest.raises(PromptError, match="no prompt named mine"):
        again.get("mine")
    with pytest.raises(PromptError, match="No prompt named mine"):
        again.delete("mine")


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b/c", "chat", "CHAT", ".hidden", "a\\b", "a\nb", "x" * 70, "a/", "a."])
def test_a_name_that_is_none_keeps_nothing(tmp_path: Path, name: str) -> None:
    library = PromptLibrary(tmp_path / "prompts")
    with pytest.raises(PromptError, match="is no name for a prompt"):
        library.keep(prompt(NAME), name)
    assert not (tmp_path / "prompts").exists()
    with pytest.raises(PromptError, match="There is no prompt named"):
        library.get(name)


def test_two_names_never_share_a_file(tmp_path: Path) -> None:
    library = PromptLibrary(tmp_path)
    library.keep(prompt(NAME), "a/b")
    with pytest.raises(PromptError, match="A prompt named a/b is kept"):
        library.keep(prompt(NAME), "a_b")


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [("human", "")],
        [("human", "{context}")],
        [("human", "{context} {question} {")],
        [("human", "{context}{question}x" * 9999)],
    ],
)
def test_an_edit_that_cannot_be_used_leaves_what_was_kept(tmp_path: Path, messages: list[tuple[str, str]]) -> None:
    library = PromptLibrary(tmp_path)
    kept = library.keep(prompt(NAME), "mine")
    with pytest.raises(PromptError, match="The prompt mine"):
        library.keep(kept, "mine", messages)
    assert library.get("mine") == kept
