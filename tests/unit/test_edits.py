"""Sentences that are one of the evidence but for a few words, and those that only say it in other words."""

from __future__ import annotations

import pytest

from localrag.chat.claims import parse
from localrag.chat.contradictions import contradiction


def against(sentence: str, *evidence: str, language: str = "en") -> str:
    claims = [parse(text, language) for text in evidence]
    return contradiction(parse(sentence, language), claims, claims)


@pytest.mark.parametrize(
    ("sentence", "evidence"),
    [
        (
            "The lamp turns green when it is hot and red when it is cold.",
            ["The lamp turns red when it is hot and green when it is cold."],
        ),
        ("Short courses can be changed to long courses.", ["Long courses can be changed to short courses."]),
        ("The alarm goes on after a few minutes.", ["The alarm goes off after a few minutes."]),
        ("All streets were closed for two days.", ["Some streets were closed for two days."]),
        (
            "The owner may raise the deposit once a year with written notice.",
            ["The owner may raise the rent once a year with written notice.", "The deposit is paid back in June."],
        ),
        (
            "Her only portrait, made in 1958, was sold in 2011.",
            ["Her only portrait, made in 1966, was sold in 2011.", "In 1958 she went to Lima."],
        ),
        ("The farmer found 54 coins in a jar while digging his garden.", ["The farmer found 54 coins in a jar."]),
        ("Ada Holm hired Karl Feld.", ["Karl Feld hired her.", "Ada Holm was a nurse in Bergen."]),
        ("Paul Gent studied under Lena Varga.", ["She studied under Paul Gent.", "Lena Varga was born in Lyon."]),
        ("The alarm is on by default.", ["The alarm is off by default and works only at night."]),
        (
            "Delta Cargo had warned an inspector.",
            ["The shed was open; an inspector had warned it.", "Delta Cargo must pay."],
        ),
        ("Ken Moss won the prize.", ["It won the prize, beating books by Ken Moss."]),
        (
            "The wooden bridge carried trains.",
            ["The iron bridge is old.", "It carried trains.", "A wooden one burned."],
        ),
        ("Damage by hail is not covered.", ["Damage by hail is covered, damage by martens is not."]),
        ("Calls to mobiles are free.", ["Calls to landlines are free, calls to mobiles are not."]),
        ("All customers may cancel.", ["Customers who move abroad may cancel."]),
        ("All of her hymns are still sung.", ["She wrote forty hymns, three of which are still sung."]),
        ("Bo Lund joined the board.", ["The founder, Eva Roth, joined the board, while its manager, Bo Lund, left the firm."]),
    ],
)
def test_an_edit_that_changes_what_is_said_is_seen(sentence: str, evidence: list[str]) -> None:
    assert against(sentence, *evidence) != ""


@pytest.mark.parametrize(
    ("sentence", "evidence"),
    [
        (
            "When it is cold the lamp turns green, and red when it is hot.",
            ["The lamp turns red when it is hot and green when it is cold."],
        ),
        ("Keeping dogs is forbidden.", ["Tenants must not keep dogs."]),
        ("Food is not allowed.", ["Food is banned."]),
        ("The dog was walked by Ada Holm.", ["She walked the dog and fed the cat of Bo Lund.", "Ada Holm was a nurse."]),
        ("Karl Feld was hired by Ada Holm.", ["Ada Holm hired Karl Feld."]),
        ("Lena Varga moved to Lyon with her aunt.", ["Lena Varga was born in Lima in 1931 and moved to Lyon with her aunt."]),
        ("Take the battery out before you change the bit.", ["Remove the battery before changing the bit."]),
        ("Uncooked beans must be cooked before eating.", ["Raw beans must be cooked before eating."]),
        ("The tadpoles take no food and live off their yolk.", ["The tadpoles do not feed; they live off their yolk."]),
        ("The manager approves requests, rather than HR.", ["Requests are approved by the manager, not by HR."]),
        ("After his death the work was completed by Bo Lund.", ["He died before it opened, and Bo Lund completed the work."]),
        ("Once it is cancelled, access ends.", ["When cancelled, access ends."]),
        ("Cash is free at all machines.", ["Cash is available at no cost at all machines."]),
    ],
)
def test_the_same_in_other_words_is_no_contradiction(sentence: str, evidence: list[str]) -> None:
    assert against(sentence, *evidence) == ""
