"""Conversations on disk: every field comes back, whatever dies or damages in between."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from localrag.chat.store import ConversationStore
from localrag.errors import StoreError
from localrag.types import AnswerSentence, Dropped, Evidence, PromptPlan, Segment, Timings, Turn

FULL = Turn(
    id="t1",
    question="Wie lang? 얼마나 \U0001f642\n\0",
    answer="31 months.",
    evidence=(Evidence("d", "/a/ü.txt", "ü.txt", 3, 9, "31 mon", 0.75, "Guide › Chat", 4, (3, 9)),),
    sentences=(AnswerSentence("31 months.", "supported", (0,), 0.9),),
    plan=PromptPlan(
        (Segment("evidence", "31 mon", (1, 2, 3), 0), Segment("question", "?", (4,))),
        2048,
        64,
        (Dropped("history", "x", "full"),),
        ("\n",),
    ),
    timings=Timings(0.1, 0.2, 0.3, 4, 3, 2, 1.5, 2.5, "length"),
    model="m",
    model_id="abc",
    answer_tokens=(9, 8, 7),
    asked="2026-01-01T00:00:00+00:00",
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ConversationStore]:
    opened = ConversationStore(tmp_path / "conversations.sqlite")
    yield opened
    opened.close()


def test_a_turn_comes_back_as_it_was_after_a_restart(store: ConversationStore, tmp_path: Path) -> None:
    conversation = store.create("default")
    store.save_turn(conversation, FULL)
    again = ConversationStore(tmp_path / "conversations.sqlite")
    try:
        assert list(again.get(conversation).turns) == [FULL]
        assert again.get(conversation).collection == "default"
    finally:
        again.close()


def test_saving_a_turn_again_replaces_it_in_its_place(store: ConversationStore) -> None:
    conversation = store.create("")
    for number in range(3):
        store.save_turn(conversation, Turn(f"t{number}", f"q{number}", ""))
    store.save_turn(conversation, Turn("t1", "q1", "now answered"))
    assert [(turn.id, turn.answer) for turn in store.get(conversation).turns] == [
        ("t0", ""),
        ("t1", "now answered"),
        ("t2", ""),
    ]


def test_the_first_question_becomes_a_short_title(store: ConversationStore) -> None:
    conversation = store.create("")
    assert store.conversations() == []
    store.save_turn(conversation, Turn("t1", "  What\n is " + "very " * 30 + "long?", ""))
    store.save_turn(conversation, Turn("t2", "Another", ""))
    title = store.get(conversation).title
    assert title.startswith("What is very very")
    assert title.endswith("…")
    assert len(title) <= 60


def test_the_conversation_used_last_stands_first(store: ConversationStore) -> None:
    ids = [store.create("") for _ in range(3)]
    for number, conversation in enumerate(ids):
        store.save_turn(conversation, Turn(f"t{number}", "q", ""))
    assert [conversation.id for conversation in store.conversations()] == ids[::-1]


def test_deleting_a_conversation_takes_its_turns_along(store: ConversationStore, tmp_path: Path) -> None:
    gone, kept = store.create(""), store.create("")
    store.save_turn(gone, FULL)
    store.save_turn(kept, replace(FULL, id="t2"))
    store.delete(gone)
    with pytest.raises(StoreError, match=gone):
        store.get(gone)
    with sqlite3.connect(tmp_path / "conversations.sqlite") as db:
        assert [row[0] for row in db.execute("SELECT id FROM turns")] == ["t2"]
    db.close()


def test_an_answer_to_a_deleted_conversation_is_refused(store: ConversationStore) -> None:
    conversation = store.create("")
    store.delete(conversation)
    with pytest.raises(StoreError):
        store.save_turn(conversation, FULL)


def test_the_collection_of_a_conversation_can_change(store: ConversationStore) -> None:
    conversation = store.create("one")
    store.set_collection(conversation, "two")
    assert store.get(conversation).collection == "two"


@pytest.mark.parametrize("body", ["", "{", "[]", '{"id": 1}', '{"id": "t", "question": "q", "answer": "a", "plan": 5}'])
def test_a_damaged_turn_is_said_and_the_other_conversations_work(store: ConversationStore, tmp_path: Path, body: str) -> None:
    damaged, sound = store.create(""), store.create("")
    store.save_turn(damaged, FULL)
    store.save_turn(sound, replace(FULL, id="t2"))
    with sqlite3.connect(tmp_path / "conversations.sqlite") as db:
        db.execute("UPDATE turns SET body = ? WHERE id = 't1'", (body,))
    db.close()
    with pytest.raises(StoreError, match=f"{damaged} is damaged"):
        store.get(damaged)
    assert len(store.get(sound).turns) == 1
    assert len(store.conversations()) == 2
    store.delete(damaged)


@pytest.mark.parametrize("content", [b"no database at all" * 100, b"SQLite format 3\0" + b"\xff" * 4096])
def test_a_file_that_is_no_database_is_said(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "c.sqlite").write_bytes(content)
    with pytest.raises(StoreError, match=r"c\.sqlite"):
        ConversationStore(tmp_path / "c.sqlite")


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be opened"):
        ConversationStore(tmp_path / "file" / "c.sqlite")


def test_two_processes_write_the_same_conversations(store: ConversationStore, tmp_path: Path) -> None:
    conversation = store.create("")
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from localrag.chat.store import ConversationStore\nfrom localrag.types import Turn\n"
        "store = ConversationStore(Path(sys.argv[1]))\n"
        "for n in range(40): store.save_turn(sys.argv[2], Turn(f'other-{n}', 'q', 'a'))\nstore.close()\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "conversations.sqlite"), conversation]
    with subprocess.Popen(command, cwd=Path(__file__).parents[2]) as other:
        for number in range(40):
            store.save_turn(conversation, Turn(f"own-{number}", "q", "a"))
        assert other.wait(30) == 0
    ids = [turn.id for turn in store.get(conversation).turns]
    assert sorted(ids) == sorted([f"{who}-{n}" for who in ("own", "other") for n in range(40)])
    assert [i for i in ids if i.startswith("own")] == [f"own-{n}" for n in range(40)]
