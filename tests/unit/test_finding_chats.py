"""Looking for words in all conversations."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from localrag.chat.finding import find_turns
from localrag.chat.store import ConversationStore
from localrag.types import Turn


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ConversationStore]:
    opened = ConversationStore(tmp_path / "c.sqlite")
    yield opened
    opened.close()


@pytest.fixture
def drill(store: ConversationStore) -> str:
    """A conversation with turns in several languages."""
    conversation = store.create("")
    said = [
        ("How long is the warranty?", "It is 31 months. The Größe is 4 cm."),
        ("보증 기간은 얼마나 됩니까?", "보증 기간은 31개월입니다."),
        ("保修期多长？", "保修期为三十一个月。"),
        ("¿Cuánto dura la garantía?", "La garantía dura 31 meses."),
    ]
    for number, (question, answer) in enumerate(said):
        store.save_turn(conversation, Turn(f"t{number}", question, answer, asked=f"2026-01-0{number + 1}"))
    return conversation


def turns(store: ConversationStore, wanted: str) -> list[str]:
    return [found.turn_id for found in find_turns(store.db, wanted) if found.turn_id]


@pytest.mark.parametrize(
    ("wanted", "where"),
    [
        ("WARRANTY", ["t0"]),
        ("warr mon", ["t0"]),
        ("grosse", ["t0"]),
        ("große", ["t0"]),
        ("grösse", ["t0"]),
        ("groß", ["t0"]),
        ("garantia", ["t3"]),
        ("31 meses", ["t3"]),
        ("보증", ["t1"]),
        ("기간", ["t1"]),
        ("간", ["t1"]),
        ("월", ["t1"]),
        ("三十一", ["t2"]),
        ("一三", []),
        ("期", ["t2"]),
        ("warranty 보증", []),
        ("arranty", []),
        ('" OR 1 --', []),
        ("* ( NEAR", []),
        ("", []),
        ("?!", []),
    ],
)
def test_words_are_found_in_any_language_and_when_only_begun(
    store: ConversationStore, drill: str, wanted: str, where: list[str]
) -> None:
    assert turns(store, wanted) == where


def test_what_is_found_names_conversation_and_turn_and_marks_the_words(store: ConversationStore, drill: str) -> None:
    store.rename(drill, "About the drill")
    (found,) = find_turns(store.db, "Garantia MESES")
    assert (found.conversation_id, found.title, found.turn_id, found.asked) == (drill, "About the drill", "t3", "2026-01-04")
    assert [found.excerpt[start:end] for start, end in found.marks] == ["garantía", "meses"]


def test_a_title_is_found_too_and_stands_first(store: ConversationStore, drill: str) -> None:
    other = store.create("")
    store.save_turn(other, Turn("x", "A question about months", "Yes."))
    store.rename(drill, "Questions of all kinds")
    title, turn = find_turns(store.db, "question")
    assert (title.conversation_id, title.turn_id, title.marks) == (drill, "", ((0, 8),))
    assert (turn.conversation_id, turn.turn_id) == (other, "x")


def test_a_long_answer_is_cut_around_the_word(store: ConversationStore) -> None:
    conversation = store.create("")
    store.save_turn(conversation, Turn("t", "q", "early " * 100 + "needle " + "late " * 100))
    (found,) = find_turns(store.db, "needle")
    assert found.excerpt.startswith("… ")
    assert found.excerpt.endswith(" …")
    assert [found.excerpt[start:end] for start, end in found.marks] == ["needle"]
    assert len(found.excerpt) < 200


def test_what_is_written_anew_or_deleted_is_found_as_it_is_now(store: ConversationStore, drill: str) -> None:
    store.save_turn(drill, Turn("t0", "How long?", "Forever."))
    assert turns(store, "warranty") == []
    assert turns(store, "forever") == ["t0"]
    store.delete(drill)
    assert find_turns(store.db, "forever") == []


def test_nothing_of_a_deleted_conversation_stays_in_the_file(store: ConversationStore, tmp_path: Path) -> None:
    conversation = store.create("")
    store.save_turn(conversation, Turn("t", "Where is the zanzibarian treasure?", "Under the quixotically old oak."))
    store.delete(conversation)
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"zanzibar" not in kept
    assert b"quixotic" not in kept
