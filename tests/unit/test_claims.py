"""Numbers, negations, names and roles taken literally, without a model."""

from __future__ import annotations

import pytest

from localrag.chat.claims import bare, guess_language, parse
from localrag.chat.contradictions import contradiction


def against(sentence: str, *evidence: str, language: str = "en") -> str:
    claims = [parse(text, language) for text in evidence]
    return contradiction(parse(sentence, language), claims[:1], claims)


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("It cost 1,250 euros.", "1250", "#€"),
        ("It cost 1.2 million dollars.", "1200000", "#$"),
        ("It weighs twenty-five kilograms.", "25", "#kg"),
        ("It grew by 7.5%.", "7.5", "#%"),
        ("It sold two dozen.", "24", ""),
        ("The fifth century.", "o5", "#century"),
        ("It was -5 °C.", "-5", "#c"),
        ("It was \u22125.5 °C.", "-5.5", "#c"),
        ("It needs 5 µg.", "5", "#µg"),
    ],
)
def test_a_number_is_read_with_its_unit_in_digits_or_words(text: str, value: str, unit: str) -> None:
    (token,) = [token for token in parse(text, "en").tokens if token.number]
    assert (token.key, token.unit) == (value, unit)


def test_a_range_holds_no_negative_number() -> None:
    for text in ("From 2001-2005.", "From 2001 -2005.", "From 2001 - 2005."):
        assert [token.key for token in parse(text, "en").tokens if token.number] == ["2001", "2005"]


@pytest.mark.parametrize(
    ("sentence", "evidence", "reason"),
    [
        ("The mill employs 52 people.", "The mill employs 25 people.", "numbers"),
        ("The race is 12 miles long.", "The race is 12 km long.", "numbers"),
        ("It reached -5 °C.", "It reached 5 °C.", "numbers"),
        ("Plan A costs 12 euros.", "Plan B costs 12 euros, plan A costs 9 euros.", "names"),
        ("The gate is not locked.", "The gate is locked.", "negation"),
        ("The seal is broken.", "The seal is unbroken.", "negation"),
        ("The shop sold in Perth is old.", "The shop sold in Cairns is old.", "names"),
        ("Smith defeated Jones.", "Jones defeated Smith.", "order"),
        ("Jones was defeated by Smith.", "Jones defeated Smith.", "order"),
        ("Tea costs more than coffee.", "Coffee costs more than tea.", "order"),
        ("Prices fell sharply.", "Prices rose sharply.", "opposites"),
        ("All members voted.", "Some members voted.", "quantities"),
        ("The fair opens in June.", "The fair opens in July.", "classes"),
    ],
)
def test_what_contradicts_is_seen_and_named(sentence: str, evidence: str, reason: str) -> None:
    assert against(sentence, evidence) == reason


@pytest.mark.parametrize(
    ("sentence", "evidence"),
    [
        ("Smith was defeated by Jones.", "Jones defeated Smith."),
        ("Coffee costs less than tea.", "Tea costs more than coffee."),
        ("The mill employs twelve people.", "The mill employs 12 people."),
        ("The gate is never locked.", "The gate is not locked."),
        ("Food is not allowed.", "Food is forbidden."),
        ("After working for three years she left.", "She left after three years of work."),
        ("Jones lent Smith a boat.", "Smith borrowed a boat from Jones."),
    ],
)
def test_other_words_for_the_same_are_no_contradiction(sentence: str, evidence: str) -> None:
    assert against(sentence, evidence) == ""


def test_list_signs_emphasis_and_citations_claim_nothing() -> None:
    assert bare("2. **Press** the `red` button [3].") == "Press the red button ."


def test_the_language_is_guessed_by_its_commonest_words() -> None:
    texts = (
        "The cat is on the roof.",
        "Die Katze ist auf dem Dach.",
        "El gato está en el tejado.",
        "고양이가 지붕에 있다.",
        "猫在屋顶上。",
    )
    assert [guess_language(text) for text in texts] == ["en", "de", "es", "ko", "zh"]
