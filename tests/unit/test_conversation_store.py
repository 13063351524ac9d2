"""Conversations on disk: every field comes back, whatever dies or damages in between."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from localrag.chat.finding import find_turns
from localrag.chat.store import ConversationStore
from localrag.errors import StoreError
from localrag.types import AnswerSentence, Dropped, Evidence, PromptPlan, SearchFilter, Segment, Timings, Turn

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
    assert len(store.history()) == 1
    store.delete(damaged)


def test_a_damaged_word_hides_no_other(store: ConversationStore, tmp_path: Path) -> None:
    conversation = store.create("")
    with sqlite3.connect(tmp_path / "conversations.sqlite") as db:
        db.execute("UPDATE conversations SET title = CAST(x'ff41' AS TEXT), updated = 'no time'")
    db.close()
    assert store.get(conversation).title == "\ufffdA"
    assert [found.title for found in store.conversations()] == ["\ufffdA"]


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


OLD_SCHEMA = """
CREATE TABLE conversations (id TEXT PRIMARY KEY, title TEXT NOT NULL, collection TEXT NOT NULL, updated TEXT NOT NULL);
CREATE TABLE turns (
    id TEXT PRIMARY KEY, conversation_id TEXT NOT NULL REFERENCES conversations(id) ON DELETE CASCADE,
    position INTEGER NOT NULL, body TEXT NOT NULL);
CREATE INDEX turns_by_conversation ON turns (conversation_id, position);
INSERT INTO conversations VALUES ('c', 'Of old', 'default', '2025-01-01T00:00:00+00:00');
INSERT INTO conversations VALUES ('d', 'Damaged', '', '2025-01-01T00:00:00+00:00');
INSERT INTO turns VALUES ('a', 'c', 0, '{"id": "a", "question": "First?", "answer": "The harbour."}');
INSERT INTO turns VALUES ('b', 'c', 1, '{"id": "b", "question": "Second?", "answer": "2", "refused": true}');
INSERT INTO turns VALUES ('e', 'c', 1, '{"id": "e", "question": "Third?", "answer": "3"}');
INSERT INTO turns VALUES ('f', 'd', 0, '{');
"""


def test_a_file_of_the_first_version_opens_with_everything_in_it_and_can_do_what_is_new(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "c.sqlite") as db:
        db.executescript(OLD_SCHEMA)
    db.close()
    for _ in range(2):  # the second time it is of today's form
        opened = ConversationStore(tmp_path / "c.sqlite")
        conversation = opened.get("c")
        assert [turn.question for turn in conversation.turns] == ["First?", "Second?", "Third?"]
        assert (conversation.title, conversation.turns[1].refused, conversation.turns[0].settings) == ("Of old", True, {})
        assert [found.turn_id for found in find_turns(opened.db, "harbour")] == ["a"]
        with pytest.raises(StoreError, match="damaged"):
            opened.get("d")
        opened.close()
    opened = ConversationStore(tmp_path / "c.sqlite")
    opened.save_turn("c", Turn("g", "Other?", ""), after="a")
    assert [turn.id for turn in opened.get("c").turns] == ["a", "g"]
    opened.close()


def test_a_file_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    ConversationStore(tmp_path / "c.sqlite").close()
    with sqlite3.connect(tmp_path / "c.sqlite") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(StoreError, match="format 99"):
        ConversationStore(tmp_path / "c.sqlite")


def tree(store: ConversationStore) -> str:
    """Two branches after the first question: b and c, or d and e; d has a second version, f."""
    conversation = store.create("")
    for turn_id, after in (("a", ""), ("b", "a"), ("c", "b"), ("d", "a"), ("e", "d"), ("f", "a")):
        store.save_turn(conversation, Turn(turn_id, f"{turn_id}?", "yes"), after)
    return conversation


def ids(store: ConversationStore, conversation: str) -> list[str]:
    return [turn.id for turn in store.get(conversation).turns]


def test_a_new_version_hides_the_branch_beside_it_and_either_can_be_shown_again(store: ConversationStore) -> None:
    conversation = tree(store)
    assert ids(store, conversation) == ["a", "f"]
    assert store.get(conversation).versions == {"f": ("b", "d", "f")}
    store.show(conversation, "b")
    assert ids(store, conversation) == ["a", "b", "c"]
    assert store.get(conversation).versions == {"b": ("b", "d", "f")}
    store.show(conversation, "e")  # shows the way to it as well
    assert ids(store, conversation) == ["a", "d", "e"]
    store.save_turn(conversation, Turn("g", "at the end", ""))
    assert ids(store, conversation) == ["a", "d", "e", "g"]
    with pytest.raises(StoreError, match="no turn"):
        store.show(conversation, "x")


def test_the_first_question_can_have_versions_too(store: ConversationStore) -> None:
    conversation = tree(store)
    store.save_turn(conversation, Turn("z", "another beginning", ""), after="")
    assert ids(store, conversation) == ["z"]
    store.show(conversation, "a")
    assert ids(store, conversation) == ["a", "f"]


def test_a_rating_stays_while_the_answer_is_written_anew(store: ConversationStore) -> None:
    conversation = store.create("")
    store.save_turn(conversation, FULL)
    store.rate("t1", "up")
    store.save_turn(conversation, replace(FULL, answer="32 months."))
    assert store.get(conversation).turns[0].rating == "up"
    store.rate("t1", "")
    assert store.get(conversation).turns[0].rating == ""


def test_a_conversation_keeps_its_filters_and_settings(store: ConversationStore, tmp_path: Path) -> None:
    conversation = store.create("default")
    filters = SearchFilter(documents=("d1", "d2"), types=("pdf",), added_from="2026-01-01")
    store.set_filters(conversation, filters)
    store.set_overrides(conversation, {"temperature": 0.5, "prompt": "rlm/rag-prompt"})
    again = ConversationStore(tmp_path / "conversations.sqlite")
    found = again.get(conversation)
    again.close()
    assert (found.filters, found.overrides) == (filters, {"temperature": 0.5, "prompt": "rlm/rag-prompt"})


def test_a_title_given_by_hand_stays(store: ConversationStore) -> None:
    conversation = store.create("")
    store.save_turn(conversation, Turn("t1", "A question", ""))
    assert store.rename(conversation, "  My \n title ") == "My title"
    store.save_turn(conversation, Turn("t2", "Another", ""))
    assert store.get(conversation).title == "My title"
    for title, why in (("", "this one 0"), ("x" * 201, "this one 201")):
        with pytest.raises(StoreError, match=why):
            store.rename(conversation, title)
    with pytest.raises(StoreError, match="no conversation"):
        store.rename("nobody", "A title")


def test_a_turn_of_another_conversation_is_not_had(store: ConversationStore) -> None:
    conversation, other = tree(store), store.create("")
    assert store.turn(conversation, "b").question == "b?"
    with pytest.raises(StoreError, match="no turn b"):
        store.turn(other, "b")
