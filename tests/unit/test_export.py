"""A conversation as a file: everything in it, nothing that runs or fetches, and JSON that comes back whole."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from localrag.chat.export import exported, file_name, read_export, save_export
from localrag.chat.store import ConversationStore
from localrag.errors import StoreError
from localrag.types import AnswerSentence, Conversation, Dropped, Evidence, PromptPlan, Segment, Timings, Turn

HOSTILE = (
    "<script>alert(1)</script> ]]> <!-- --> </style></title> ![x](http://t.invalid/a.png) <img src=//t.invalid onerror=x> &amp;"
)
PASSAGE = f"Before it. The warranty is 31 months. {HOSTILE}"
SAFE_TAGS = set(
    "html head meta title style body header main article section details summary h1 h2 p div span mark pre code strong em"
    " ul ol li table thead tbody tr th td blockquote br hr".split()
)


def turn() -> Turn:
    answer = f"It is 31 months. {HOSTILE} [a link](javascript:alert(1))\n\n1. one\n2. two"
    return Turn(
        id="t1",
        question=f"How long? {HOSTILE}",
        answer=answer,
        evidence=(
            Evidence("d", "/a/b.txt", f"b {HOSTILE}", 100, 100 + len(PASSAGE), PASSAGE, 0.9, "Guide › <b>", 3, (111, 137)),
            Evidence("d", "/a/b.txt", "b.txt", 0, 6, "aside.", 0.1, given=False),
        ),
        sentences=(AnswerSentence("It is 31 months.", "supported", (0,), 0.9),),
        plan=PromptPlan((Segment("question", HOSTILE, (1, 2)),), 2048, 64, (Dropped("history", "x", "the window is full"),)),
        timings=Timings(0.1, 0.2, 0.3, 4, 3, 2, 1.5, 20.0, "length"),
        model="SmolLM2",
        model_id="m",
        asked="2026-01-01T00:00:00+00:00",
        confidence=0.75,
        mode="documents",
        searched="How long is the warranty?",
        settings={"temperature": 0.5, "max_tokens": 64, "prompt": "chat"},
    )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ConversationStore]:
    opened = ConversationStore(tmp_path / "c.sqlite")
    yield opened
    opened.close()


@pytest.fixture
def conversation(store: ConversationStore) -> Conversation:
    identity = store.create("default")
    store.save_turn(identity, Turn("t0", "Former version", "Old answer."), "")
    store.save_turn(identity, turn(), "")
    store.save_turn(identity, Turn("t2", "And alone?", "Yes.", mode="chat"))
    store.rename(identity, f"A title {HOSTILE}")
    return store.get(identity)


class Page(HTMLParser):
    """What a browser would see: tags with their attributes, and the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_html_page_runs_nothing_and_fetches_nothing(store: ConversationStore, conversation: Conversation) -> None:
    page = Page(exported(store, conversation, "html"))
    assert {tag for tag, _ in page.tags} <= SAFE_TAGS
    for tag, attributes in page.tags:
        assert not {"src", "href", "srcset", "action", "data", "background"} & attributes.keys(), tag
        assert not any(name.startswith("on") for name in attributes), tag
        assert "url(" not in (attributes.get("style") or "")
    assert "alert(1)" in page.text, "shown as text"
    policy = [a.get("content") or "" for t, a in page.tags if t == "meta" and a.get("http-equiv") == "Content-Security-Policy"]
    assert policy[0].startswith("default-src 'none'")
    style = re.findall(r"<style>(.*?)</style>", exported(store, conversation, "html"), re.DOTALL)
    assert len(style) == 1
    assert "url(" not in style[0]
    assert "@import" not in style[0]


def test_the_html_page_shows_answers_marks_evidence_settings_and_figures(
    store: ConversationStore, conversation: Conversation
) -> None:
    text = exported(store, conversation, "html")
    page = Page(text)
    for shown in (
        "It is 31 months.",
        "①",
        "Guide › <b>",
        "page 3",
        "Searched for: How long is the warranty?",
        "Version 2 of 2",
        "temperature 0.5",
        "confidence 0.75",
        "2 answer tokens at 20/s",
        "ended at the longest answer",
        "model SmolLM2",
        "Passages the model did not read",
        "Without documents: nothing in this answer is checked",
        "Left out: history, because the window is full",
    ):
        assert shown in page.text, shown
    assert re.search(r"<mark [^>]*>The warranty is 31 months\.</mark>", text)
    assert "text-decoration:underline solid" in text
    assert "prefers-color-scheme: dark" in text
    assert "Former version" not in page.text


def test_markdown_brings_no_html_and_no_image(store: ConversationStore, conversation: Conversation) -> None:
    text = exported(store, conversation, "md")
    assert not re.search(r"(?<!\\)<[A-Za-z/!?]", text)
    assert not re.search(r"(?<!\\)!\[", text)
    assert "It is 31 months. [1]" in text
    assert "**The warranty is 31 months.**" in text
    assert text.startswith("# A title ")


def test_json_holds_all_branches_and_comes_back_whole(store: ConversationStore, conversation: Conversation) -> None:
    text = exported(store, conversation, "json")
    back = read_export(text)
    assert (back.id, back.title, back.collection) == (conversation.id, conversation.title, "default")
    assert [(t.turn.id, t.after, t.shown) for t in back.turns] == [("t0", "", False), ("t1", "", True), ("t2", "t1", True)]
    assert [t.turn for t in back.turns if t.shown] == list(conversation.turns)
    assert json.loads(text)["format"] == "localrag-conversation"
    for broken in ("", "{}", "[]", text.replace("localrag-conversation", "another")):
        with pytest.raises(ValueError):  # noqa: PT011 - pydantic's error is one, and says what is wrong
            read_export(broken)


def test_the_file_is_named_after_the_title(conversation: Conversation) -> None:
    assert re.fullmatch(r"A title[\w .-]*\.html", file_name(conversation, "html"))
    assert file_name(Conversation("i", "/../?", ""), "md") == "conversation.md"


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    save_export("text \ud800", tmp_path / "a.html")
    assert (tmp_path / "a.html").read_text("utf-8") == "text ?"
    with pytest.raises(StoreError, match="cannot be written"):
        save_export("text", tmp_path / "nowhere" / "a.html")
    assert [path.name for path in tmp_path.iterdir()] == ["a.html"]
