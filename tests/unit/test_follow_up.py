"""Which questions can stand alone for the search."""

from __future__ import annotations

import pytest

from localrag.chat.follow_up import standalone
from localrag.types import Turn

TURNS = [Turn("1", "Who wrote the manual?", "Ada."), Turn("2", "What is the warranty of the drill?", "31 months.")]


@pytest.mark.parametrize(
    "question",
    ["And of the saw?", "Why?", "How long is it?", "What about batteries", "in Germany?", "Compare the second one", "왜?"],
)
def test_a_question_that_leans_is_searched_after_the_one_before(question: str) -> None:
    assert standalone(question, TURNS) == f"What is the warranty of the drill? {question}"


@pytest.mark.parametrize("question", ["How many watts has the Kestrel saw?", "Who designed the orbital sander in 1931?"])
def test_a_question_of_its_own_is_searched_alone(question: str) -> None:
    assert standalone(question, TURNS) == question


def test_the_first_question_is_searched_alone() -> None:
    assert standalone("Why?", []) == "Why?"
