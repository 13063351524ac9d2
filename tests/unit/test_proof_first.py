"""Answers stand still while evidence is looked for and drawn, and never for long."""

from __future__ import annotations

import threading
import time

from localrag.chat import proof_first
from localrag.chat.proof_first import ProofFirst


def waited(first: ProofFirst) -> float:
    started = time.monotonic()
    first.wait()
    return time.monotonic() - started


def test_nobody_searches_and_nobody_waits() -> None:
    assert waited(ProofFirst()) < 0.05


def test_an_answer_goes_on_when_the_last_search_has_ended() -> None:
    first, waits = ProofFirst(), threading.Event()
    with first.searching():
        with first.searching():
            pass
        thread = threading.Thread(target=lambda: (first.wait(), waits.set()))
        thread.start()
        assert not waits.wait(0.1)
    assert waits.wait(5)
    thread.join()


def test_a_page_holds_answers_until_it_is_painted_and_a_later_call_counts() -> None:
    first = ProofFirst()
    first.hold(0.9)
    first.hold(0.1)
    assert 0.05 < waited(first) < 0.8
    assert waited(first) < 0.05


def test_a_search_or_a_page_that_never_ends_holds_nothing_up_for_long() -> None:
    first = ProofFirst()
    first.hold(1e9)
    assert waited(first) < proof_first.LONGEST_S + 0.5
    with first.searching():
        assert waited(first) < proof_first.LONGEST_S + 0.5
        assert waited(first) < 0.05


def test_a_search_that_fails_counts_as_ended() -> None:
    first = ProofFirst()
    try:
        with first.searching():
            raise ValueError
    except ValueError:
        pass
    assert waited(first) < 0.05
