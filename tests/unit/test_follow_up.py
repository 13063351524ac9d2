"""Which questions can stand alone for the search, and what is searched for where they cannot."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from localrag.chat.follow_up import standalone
from localrag.types import AnswerSentence, Evidence, Turn
from tests.tools.follow_ups import answered, history, rows

ROWS = rows()


def fits(row: dict[str, Any]) -> bool:
    """Whether the search holds what it must and nothing it must not; a question of its own is searched as it is."""
    searched = standalone(row["question"], history(row))
    if row["same"] and searched != row["question"]:
        return False
    folded = searched.casefold()
    held = all(word.casefold() in folded for word in row["must"])
    return held and not any(word.casefold() in folded for word in row["must_not"])


def test_there_are_enough_labelled_follow_ups_in_five_languages() -> None:
    assert len(ROWS) >= 60
    assert sum(row["same"] for row in ROWS) >= 20, "questions of their own, which nothing may be added to"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["question"])
def test_what_is_searched_for_holds_what_it_must(row: dict[str, Any]) -> None:
    assert fits(row), standalone(row["question"], history(row))


def test_the_first_question_is_searched_alone() -> None:
    assert standalone("Why?", []) == "Why?"


def test_names_of_an_answer_that_nothing_supports_are_not_carried_over() -> None:
    turn = answered("Who designed the motor?", "It was designed by Bob Smith.", "unsupported")
    assert "Smith" not in standalone("When was he born?", [turn])
    assert "Smith" in standalone("When was he born?", [answered(turn.question, turn.answer)])


def test_what_the_answer_only_names_is_taken_from_the_evidence_it_rests_on() -> None:
    text = "The ferry calls at Moss, Horten and Larvik. It is blue."
    span = Evidence("d", "d", "d", 10, 10 + len(text), text, 1.0, focus=(10, 53))
    turn = Turn("1", "Where does the ferry call?", "At three harbours.", evidence=(span,))
    assert standalone("And the second one?", [turn]) == "And Horten? ferry call"


def test_an_item_that_no_document_carries_decides_nothing_where_the_evidence_lists_its_own() -> None:
    text = "The agent has planning, memory and tools."
    span = Evidence("d", "d", "d", 0, len(text), text, 1.0, focus=(0, len(text)))
    items = "1. Planning of tasks.\n2. A three-step evaluation.\n3. Benchmarks."
    invented = AnswerSentence("2. A three-step evaluation.", "unsupported")
    turn = Turn("1", "What does the agent have?", items, evidence=(span,), sentences=(invented,))
    assert standalone("And the second one?", [turn]).startswith("And memory?")
    carried = replace(turn, sentences=(replace(invented, support="supported"),))
    assert standalone("And the second one?", [carried]).startswith("And A three-step evaluation?")


def test_a_chain_of_follow_ups_does_not_grow() -> None:
    turns: list[Turn] = [Turn("0", "How long is the warranty of the Kestrel drill?", "")]
    for number in range(1, 12):
        question = f"And what does it do in case {number}?"
        turns.append(Turn(str(number), question, "", searched=standalone(question, turns)))
    assert len(turns[-1].searched.split()) < 50


PIECES = ["a ", "A ", "A", "the ", "the of ", "1. ", "1", "- x\n", "first ", "the first ", "and ", ", ", "it ", "?"]
PIECES += ["왜", "第二", "\n", " ", "\t,", "a1", "¿"]


@pytest.mark.parametrize("piece", PIECES)
def test_hostile_questions_and_answers_take_no_time(piece: str) -> None:
    text = (piece * 20_000)[:20_000]
    started = time.perf_counter()
    standalone(f"And the second one? {text}", [answered(text, text)])
    standalone(text, [answered("What about it?", text)])
    standalone("Does it do the same to her?", [answered(f"does {text}", f"x: {text}")])
    assert time.perf_counter() - started < 3.0
