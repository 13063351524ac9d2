"""`python -m localrag conversations`: what it prints, does, and refuses in one sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from localrag.__main__ import main
from localrag.chat.export import read_export
from localrag.chat.store import ConversationStore
from localrag.types import Turn


@pytest.fixture
def talk(tmp_path: Path) -> str:
    """A conversation in the data directory of the test."""
    store = ConversationStore(tmp_path / "data" / "conversations.sqlite")
    conversation = store.create("default")
    store.save_turn(conversation, Turn("t1", "How long is the warranty?", "It is 31 months."))
    store.save_turn(conversation, Turn("t2", "And of the saw?", "12 months."))
    store.close()
    return conversation


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[dict[str, Any]], str]:
    status = main(["conversations", "--json", *arguments])
    said = capsys.readouterr()
    return status, [json.loads(line) for line in said.out.splitlines()], said.err


def test_conversations_are_listed(talk: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, (line,), _ = run(capsys)
    assert status == 0
    assert (line["conversation"], line["title"], line["collection"], line["questions"]) == (
        talk,
        "How long is the warranty?",
        "default",
        2,
    )
    assert main(["conversations"]) == 0
    assert "(default, 2 questions)" in capsys.readouterr().out


def test_words_are_found(talk: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, (line,), _ = run(capsys, "--search", "31 MONTH")
    assert (status, line["conversation"], line["turn"], line["words"]) == (0, talk, "t1", ["31", "month"])
    assert run(capsys, "--search", "elephant")[:2] == (0, [])


@pytest.mark.parametrize("kind", ["html", "md", "json"])
def test_a_conversation_is_exported(talk: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    path = tmp_path / f"talk.{kind}"
    status, (line,), _ = run(capsys, "--export", talk[:8], str(path))
    assert (status, line["file"], line["bytes"]) == (0, str(path), path.stat().st_size)
    text = path.read_text("utf-8")
    assert "It is 31 months." in text
    if kind == "json":
        assert len(read_export(text).turns) == 2


def test_a_conversation_is_exported_into_a_folder_under_its_title(
    talk: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, (line,), _ = run(capsys, "--export", talk, str(tmp_path))
    assert (status, line["file"]) == (0, str(tmp_path / "How long is the warranty.html"))


def test_a_conversation_is_renamed_and_deleted(talk: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "--rename", talk, "Warranties")[1][0]["title"] == "Warranties"
    assert run(capsys)[1][0]["title"] == "Warranties"
    assert run(capsys, "--delete", talk)[1] == [{"conversation": talk, "status": "deleted"}]
    assert run(capsys)[1] == []


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--delete", "nobody"], "No conversation has the id nobody"),
        (["--export", "TALK", "talk.pdf"], "names no kind of file"),
        (["--export", "TALK", "/no/such/folder/talk.md"], "cannot be written"),
        (["--rename", "TALK", " "], "this one 0"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    talk: str, capsys: pytest.CaptureFixture[str], arguments: list[str], why: str
) -> None:
    status, lines, error = run(capsys, *(talk if a == "TALK" else a for a in arguments))
    assert (status, lines) == (1, [])
    assert why in error
    assert error.count("\n") == 1
