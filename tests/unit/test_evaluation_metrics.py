"""The figures of an evaluation: worked by hand, and against their definitions on random ranges."""

from __future__ import annotations

import math
import random
import statistics

import numpy as np
import pytest

from localrag.evaluation.gold import Place
from localrag.evaluation.metrics import (
    Characters,
    Ranking,
    characters,
    estimate,
    rank_documents,
    rank_passages,
    ranks,
    separation,
)


def place(start: int, end: int, document: str = "a") -> Place:
    return Place(document, start, end)


def test_characters_worked_by_hand() -> None:
    # Expected 100 to 200 and 180 to 220: E = 120. Given 150 to 250 and 240 to 260: T = 120, H = 150 to 220 = 70, U = 50.
    found = characters([place(150, 250), place(240, 260)], [[place(100, 200)], [place(180, 220)]])
    assert found == pytest.approx((70 / 120, 70 / 120, 70 / 170))


def test_what_two_passages_share_counts_twice_in_what_was_given_and_once_in_what_was_found() -> None:
    found = characters([place(0, 100), place(0, 100)], [[place(0, 100)]])
    assert found == pytest.approx((1.0, 0.5, 0.5))


def test_the_same_range_of_another_document_is_nothing() -> None:
    assert characters([place(0, 100, "b")], [[place(0, 100)]]) == (0.0, 0.0, 0.0)


def test_nothing_given_is_nothing_found() -> None:
    assert characters([], [[place(0, 10)]]) == (0.0, 0.0, 0.0)


def test_of_several_places_of_a_text_the_one_found_best_counts() -> None:
    item = [place(0, 10), place(500, 510), place(0, 10, "b")]
    assert characters([place(500, 520)], [item]) == pytest.approx((1.0, 0.5, 0.5))
    assert characters([place(0, 10, "b")], [item]) == (1.0, 1.0, 1.0)


@pytest.mark.parametrize("seed", range(20))
def test_characters_are_those_of_their_definition_on_random_ranges(seed: int) -> None:
    chance = random.Random(seed)

    def some(count: int) -> list[Place]:
        starts = [(chance.randrange(300), chance.choice("ab")) for _ in range(count)]
        return [place(start, start + chance.randint(1, 80), document) for start, document in starts]

    def signs(places: list[Place]) -> set[tuple[str, int]]:
        return {(one.document_id, at) for one in places for at in range(one.start, one.end)}

    given, wanted = some(chance.randint(1, 6)), some(chance.randint(1, 4))
    expected, hit = len(signs(wanted)), len(signs(given) & signs(wanted))
    total = sum(one.end - one.start for one in given)
    by_definition = Characters(hit / expected, hit / total, hit / (total + expected - hit))
    assert characters(given, [[one] for one in wanted]) == pytest.approx(by_definition)


def test_a_passage_reaches_every_item_it_overlaps_and_touching_is_no_overlap() -> None:
    found = rank_passages([place(0, 10), place(10, 30), place(5, 15, "b")], [[place(8, 12)], [place(29, 40), place(0, 6, "b")]])
    assert found == Ranking((frozenset({0}), frozenset({0, 1}), frozenset({1})), 2)
    assert rank_passages([place(0, 10)], [[place(10, 20)]]).reached == (frozenset(),)


def test_a_document_stands_where_its_first_passage_does() -> None:
    found = rank_documents([place(0, 1), place(0, 1, "b"), place(5, 6)], [frozenset("b"), frozenset("ca")])
    assert found == Ranking((frozenset({1}), frozenset({0})), 2)


def test_ranks_worked_by_hand() -> None:
    nothing, first, second, both = frozenset[int](), frozenset({0}), frozenset({1}), frozenset({0, 1})
    found = ranks(
        [
            Ranking((nothing, first, nothing, second), 2),  # the second item is behind k
            Ranking((both, first), 2),
            Ranking((nothing, nothing), 1),
            Ranking((), 3),
            Ranking((nothing, nothing, nothing, first), 3),  # two were missed: they stand in the ideal order
        ],
        k=3,
    )
    gain = [1 / math.log2(place + 1) for place in range(1, 12)]
    assert found[0] == pytest.approx((1.0, 1 / 2, (gain[1] + gain[3]) / (gain[0] + gain[1]), 1 / 2))
    assert found[1] == pytest.approx((1.0, 1.0, 1.0, 1.0))
    assert found[2] == (0.0, 0.0, 0.0, 0.0)
    assert found[3] == (0.0, 0.0, 0.0, 0.0)
    assert found[4] == pytest.approx((0.0, 1 / 4, gain[3] / sum(gain[:3]), 0.0))
    assert ranks([], k=3) == []


@pytest.mark.parametrize("seed", range(10))
def test_ranks_are_those_of_their_definition_on_random_rankings(seed: int) -> None:
    chance = random.Random(seed)
    items, k = chance.randint(1, 5), chance.randint(1, 12)
    reached = tuple(
        frozenset(chance.sample(range(items), chance.choice((0, 0, 1, items)))) for _ in range(chance.randint(1, 15))
    )
    relevant = [bool(one) for one in reached]
    all_relevant = sum(relevant) + len(set(range(items)).difference(*reached))
    gains = [1 / math.log2(at + 2) for at in range(10)]
    expected = (
        float(any(relevant[:k])),
        1 / (relevant.index(True) + 1) if any(relevant) else 0.0,
        sum(gain for gain, is_one in zip(gains, relevant, strict=False) if is_one) / sum(gains[:all_relevant]),
        len(frozenset().union(*reached[:k])) / items,
    )
    assert ranks([Ranking(reached, items)], k)[0] == pytest.approx(expected)


def test_hundreds_of_passages_keep_their_order() -> None:
    order = tuple(frozenset({0}) if at == 149 else frozenset[int]() for at in range(300))
    assert ranks([Ranking(order, 1)], 150)[0] == pytest.approx((1.0, 1 / 150, 0.0, 1.0))


def test_an_interval_holds_its_value_and_is_that_of_its_seed() -> None:
    values = [float(value) for value in np.random.default_rng(7).random(200)]
    found = estimate(values, seed=3)
    assert found == estimate(values, seed=3)
    assert found != estimate(values, seed=4)
    assert found.value == pytest.approx(statistics.fmean(values))
    error = 1.96 * statistics.stdev(values) / math.sqrt(200)  # what theory says of a mean of many
    assert found.high - found.value == pytest.approx(error, rel=0.15)
    assert found.value - found.low == pytest.approx(error, rel=0.15)
    assert found.questions == 200


def test_a_median_has_an_interval_too() -> None:
    found = estimate([1.0, 2.0, 3.0, 4.0, 100.0], statistic=np.median)
    assert (found.value, found.questions) == (3.0, 5)
    assert 1.0 <= found.low <= 3.0 <= found.high <= 100.0


def test_one_question_has_no_interval_to_speak_of() -> None:
    assert (estimate([0.25]).low, estimate([0.25]).high) == (0.25, 0.25)


def test_separation_is_the_share_of_pairs_in_order() -> None:
    assert separation([0.9, 0.5, 0.3], [0.4, 0.5]).value == pytest.approx((2 + 1.5 + 0) / 6)
    assert separation([0.9, 0.8], [0.1]).value == 1.0
    found = separation([0.9, 0.5, 0.3, 0.6], [0.4, 0.5, 0.2])
    assert found.low <= found.value <= found.high <= 1.0
    assert found.questions == 7
