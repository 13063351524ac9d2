"""How firmly something is said: denied, left open, restricted."""

from __future__ import annotations

import pytest

from localrag.chat.claims import parse
from localrag.chat.contradictions import contradiction
from localrag.chat.modality import hedged


def against(sentence: str, evidence: str, language: str = "en") -> str:
    there = parse(evidence, language)
    return contradiction(parse(sentence, language), [there], [there])


def is_hedged(sentence: str, evidence: str) -> bool:
    return hedged(parse(sentence, "en"), [parse(evidence, "en")])


@pytest.mark.parametrize(
    ("sentence", "evidence", "reason"),
    [
        ("The minister resigned.", "The minister denied that he had resigned.", "denied"),
        ("The drug reduced mortality.", "The drug hardly reduced mortality.", "denied"),
        ("The drug reduced mortality.", "It is doubtful whether the drug reduced mortality.", "denied"),
        ("The minister will resign.", "The minister might resign.", "strengthened"),
        ("Visitors must wear gloves.", "Visitors should wear gloves.", "strengthened"),
        ("Everyone may vote.", "Only members may vote.", "strengthened"),
        ("Only members may vote.", "Members and guests may vote.", "strengthened"),
        ("All samples were positive.", "Almost all samples were positive.", "quantities"),
        ("Anna is Karl's teacher.", "Karl is Anna's teacher.", "order"),
        ("It burns colza oil instead of paraffin.", "It burns paraffin instead of colza oil.", "order"),
    ],
)
def test_what_is_said_more_firmly_is_seen(sentence: str, evidence: str, reason: str) -> None:
    assert against(sentence, evidence) == reason


def test_in_german_the_article_says_who_bit_whom() -> None:
    assert against("Der Hund biss den Mann.", "Den Hund biss der Mann.", "de") == "order"
    assert against("Der Hund biss den Mann.", "Den Mann biss der Hund.", "de") == ""


@pytest.mark.parametrize(
    ("sentence", "evidence"),
    [
        ("The minister denied the report.", "The minister denied the report and resigned."),
        ("The minister resigned.", "The minister denied the report and resigned."),
        ("Visitors can pick fruit.", "Visitors may pick fruit."),
        ("It opens in May.", "It opens in May."),
        ("Almost all samples were positive.", "Nearly all samples were positive."),
        ("It is not impossible to recover files.", "It is possible to recover files."),
    ],
)
def test_what_is_said_as_firmly_is_carried(sentence: str, evidence: str) -> None:
    assert against(sentence, evidence) == ""
    assert not is_hedged(sentence, evidence)


@pytest.mark.parametrize(
    ("sentence", "evidence"),
    [
        ("The pill causes headaches.", "The pill may cause headaches."),
        ("The café opens.", "The café opens only in summer."),
        ("The ship takes only cars.", "The ship takes cars."),
    ],
)
def test_what_the_evidence_leaves_open_or_restricts_is_carried_weakly(sentence: str, evidence: str) -> None:
    assert against(sentence, evidence) == ""
    assert is_hedged(sentence, evidence)
