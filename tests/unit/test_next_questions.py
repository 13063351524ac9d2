"""Questions that wait for their conversation's answer: each is asked once, in its order, or taken back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from localrag.chat.waiting import MOST, Asked, NextQuestions
from localrag.errors import PromptError


def test_they_come_in_their_order_each_in_its_conversation() -> None:
    waiting = NextQuestions()
    first, second, other = Asked("Where?"), Asked("When?"), Asked("Who?")
    for conversation, asked in (("one", first), ("one", second), ("two", other)):
        waiting.keep(conversation, asked)
    assert waiting.of("one") == (first, second)
    assert waiting.take("one") is first
    assert waiting.take("one") is second
    assert waiting.take("one") is None
    assert waiting.of("two") == (other,)


def test_the_same_words_asked_twice_are_two_questions() -> None:
    waiting = NextQuestions()
    once, again = Asked("Where?"), Asked("Where?")
    waiting.keep("one", once)
    waiting.keep("one", again)
    waiting.take_back("one", again)
    waiting.take_back("one", again)
    assert waiting.of("one") == (once,)
    assert waiting.of("one")[0] is once


def test_two_tabs_that_come_at_once_ask_each_question_once() -> None:
    waiting = NextQuestions()
    asked = [Asked(str(number)) for number in range(MOST)]
    for one in asked:
        waiting.keep("one", one)
    with ThreadPoolExecutor(8) as tabs:
        taken = [one for one in tabs.map(waiting.take, ["one"] * 3 * MOST) if one is not None]
    assert sorted(map(id, taken)) == sorted(map(id, asked))


def test_too_many_are_refused_and_none_is_lost() -> None:
    waiting = NextQuestions()
    for number in range(MOST):
        waiting.keep("one", Asked(str(number)))
    with pytest.raises(PromptError, match=f"{MOST} questions wait"):
        waiting.keep("one", Asked("one more"))
    assert len(waiting.of("one")) == MOST
    waiting.forget("one")
    assert waiting.of("one") == ()
