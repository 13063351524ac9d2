"""Sentences into spans: within the budget, merged with their neighbours, never twice."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from localrag.documents.ledger import Passage
from localrag.retrieval.candidates import Found
from localrag.retrieval.sentence_scores import Sentence
from localrag.retrieval.spans import Budget, choose
from localrag.types import Chunk


def sentences(*texts: str, document: str = "d", gap: int = 1) -> list[Sentence]:
    """Sentences of one passage, so many characters apart."""
    whole = (" " * gap).join(texts)
    found = Found(
        Passage(Chunk(f"{document}-0", document, 0, 0, len(whole), whole), f"{document}.txt", document, "en"), 1, 1, 1, ()
    )
    pool, at = [], 0
    for text in texts:
        pool.append(Sentence(found, at, at + len(text), text, 0.5))
        at += len(text) + gap
    return pool


def text_between(first: Sentence, last: Sentence) -> str:
    return first.found.passage.chunk.text[first.start : last.end]


def chosen(
    pool: list[Sentence], scores: list[float], least: float, budget: Budget, blocked: frozenset[int] = frozenset()
) -> list[tuple[int, int]]:
    order = sorted(range(len(scores)), key=lambda at: -scores[at])
    return choose(pool, scores, order, least, budget, text_between, blocked)


LONG = "This sentence is much longer than what would be taken along without being chosen for itself."


def test_neighbours_become_one_span_and_others_do_not() -> None:
    pool = sentences("One is here.", "Two is here.", LONG, "Four is here.")
    assert chosen(pool, [0.9, 0.8, 0.1, 0.7], 0.5, Budget()) == [(0, 1), (3, 3)]


def test_a_short_sentence_between_two_chosen_ones_is_taken_with_them() -> None:
    pool = sentences("One is here.", "Short.", "Three is here.")
    assert chosen(pool, [0.9, 0.1, 0.8], 0.5, Budget()) == [(0, 2)]


def test_sentences_far_apart_in_the_document_stay_apart() -> None:
    pool = sentences("One is here.", "Two is here.", gap=200)
    assert chosen(pool, [0.9, 0.8], 0.5, Budget()) == [(0, 0), (1, 1)]


def test_the_end_of_one_document_never_joins_the_beginning_of_another() -> None:
    pool = sentences("One is here.", document="a") + sentences("Two is here.", document="b")
    assert chosen(pool, [0.9, 0.8], 0.5, Budget()) == [(0, 0), (1, 1)]


def test_the_rest_is_left_out_when_it_adds_too_little() -> None:
    pool = sentences("One is here.", LONG, "Three is here.")
    assert chosen(pool, [0.9, 0.44, 0.46], 0.45, Budget()) == [(0, 0), (2, 2)]


def test_one_that_does_not_fit_is_left_out_and_the_next_is_tried() -> None:
    pool = sentences("One is here.", LONG, "Three is here.")
    assert chosen(pool, [0.7, 0.9, 0.8], 0.0, Budget(30)) == [(0, 0), (2, 2)]


def test_the_same_words_are_not_taken_twice() -> None:
    pool = sentences("All rights reserved.", LONG, "all  rights reserved.")
    assert chosen(pool, [0.9, 0.0, 0.8], 0.5, Budget()) == [(0, 0)]


def test_what_was_taken_before_is_in_no_other_span() -> None:
    pool = sentences("One is here.", "Two is here.", "Three is here.")
    assert chosen(pool, [0.9, 0.8, 0.7], 0.5, Budget(), frozenset({1})) == [(0, 0), (2, 2)]


def test_a_bullet_of_one_word_is_taken_with_the_sentence_that_leads_in() -> None:
    pool = sentences("It has several parts that work together:", "- Planning", "- Memory", LONG)
    assert chosen(pool, [0.1, 0.2, 0.9, 0.1], 0.5, Budget()) == [(0, 2)]


def test_a_bullet_that_nothing_leads_in_is_taken_with_what_it_leads_in_itself() -> None:
    pool = sentences("- Planning", "- Subgoals: the agent breaks down large tasks.", LONG)
    assert chosen(pool, [0.9, 0.1, 0.1], 0.5, Budget()) == [(0, 1)]


def test_a_bullet_between_two_items_is_taken_with_the_one_it_leads_in() -> None:
    pool = sentences(
        "- Reflection: the agent learns from its own mistakes.", "- Memory", "- Short-term: what is in the prompt."
    )
    assert chosen(pool, [0.1, 0.9, 0.1], 0.5, Budget()) == [(1, 2)]


def test_words_that_are_no_bullet_are_taken_for_themselves() -> None:
    pool = sentences(LONG, "Planning", LONG)
    assert chosen(pool, [0.1, 0.9, 0.1], 0.5, Budget()) == [(1, 1)]


def test_a_bullet_beside_what_was_taken_before_is_no_span_of_its_own() -> None:
    pool = sentences("It has several parts that work together:", "- Planning", LONG)
    assert chosen(pool, [0.9, 0.8, 0.1], 0.5, Budget(), frozenset({0, 2})) == []


def test_a_word_that_stands_alone_is_an_answer() -> None:
    pool = sentences("Paris")
    assert chosen(pool, [0.9], 0.5, Budget()) == [(0, 0)]


def test_the_best_bullet_comes_alone_where_its_list_has_no_room_and_another_does_not() -> None:
    pool = sentences("It has several parts that work together:", "- Planning")
    assert chosen(pool, [0.1, 0.9], 0.5, Budget(20)) == [(1, 1)]
    pool = sentences("One is here.", document="e") + pool
    assert chosen(pool, [0.95, 0.1, 0.9], 0.5, Budget(40)) == [(0, 0)]


def test_a_list_is_not_taken_whole_when_it_is_long() -> None:
    pool = sentences(*(f"- Thing {n}" for n in range(200)))
    [(first, last)] = chosen(pool, [0.9 if n == 100 else 0.1 for n in range(200)], 0.5, Budget())
    assert first < 100 <= last
    assert len(text_between(pool[first], pool[last])) < 400


def test_no_span_crosses_a_heading() -> None:
    pool = sentences("One is here.", "Section two", "Two is here.")
    pool[1] = replace(pool[1], is_heading=True)
    assert chosen(pool, [0.9, 0.0, 0.8], 0.5, Budget()) == [(0, 0), (2, 2)]


def test_the_best_is_taken_anyway_where_a_budget_says_so_and_the_rest_keeps_to_it() -> None:
    pool = sentences(LONG, "Two is here.", gap=90) + sentences("Three is here.", document="e")
    scores = [0.9, 0.8, 0.7]
    assert chosen(pool, scores, 0.5, Budget(10)) == []
    assert chosen(pool, scores, 0.5, Budget(10, best_anyway=True)) == [(0, 0)]
    assert chosen(pool, scores, 0.5, Budget(12, best_anyway=True)) == [(0, 0), (1, 1)]


@pytest.mark.parametrize("seed", range(30))
def test_spans_fit_the_budget_and_do_not_overlap(seed: int) -> None:
    chance = random.Random(seed)
    pool = [
        one
        for document in ("a", "b", "c")
        for one in sentences(
            *(f"{document}{n} " + "x" * chance.randrange(1, 90) for n in range(12)),
            document=document,
            gap=chance.choice((1, 3, 90)),
        )
    ]
    scores = [chance.random() for _ in pool]
    blocked = frozenset(chance.sample(range(len(pool)), 4))
    cost = chance.choice((len, lambda text: 3 + len(text) // 4))  # tokens of a span are not the sum of its sentences'
    limit = chance.randrange(20, 900)
    spans = chosen(pool, scores, chance.random() * 0.6, Budget(limit, cost), blocked)
    inside = [at for first, last in spans for at in range(first, last + 1)]
    assert len(inside) == len(set(inside))
    assert not blocked & set(inside)
    assert all(pool[first].document_id == pool[last].document_id for first, last in spans)
    assert sum(cost(text_between(pool[first], pool[last])) for first, last in spans) <= limit
    assert spans == sorted(spans)
