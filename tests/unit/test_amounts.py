"""Dates, times, shares and units that are the same in another form, and those that are not."""

from __future__ import annotations

import pytest

from localrag.chat.amounts import one_form
from localrag.chat.claims import parse
from localrag.chat.contradictions import contradiction


def against(sentence: str, evidence: str, language: str = "en") -> str:
    there = parse(evidence, language)
    return contradiction(parse(sentence, language), [there], [there])


@pytest.mark.parametrize(
    ("text", "language", "form"),
    [
        ("It opened on 1931-03-05.", "en", "It opened on 5 March 1931."),
        ("Eröffnet am 1931-03-05.", "de", "Eröffnet am 5 März 1931."),
        ("A part number 2024-99-01 stays.", "en", "A part number 2024-99-01 stays."),
        ("It closes at 5 p.m. on weekdays.", "en", "It closes at 17:00 on weekdays."),
        ("From 9:30 am to 12 pm.", "en", "From 9:30 to 12:00."),
        ("At 12:15 AM.", "en", "At 0:15."),
        ("Um 15 Uhr.", "de", "Um 15:00."),
        ("It cost €5m.", "en", "It cost €5 million."),
        ("Half of the voters and two thirds of the staff.", "en", "50% of the voters and 66.7% of the staff."),
        ("The second half of the match.", "en", "The second half of the match."),
        ("Half an hour, one and a half hours.", "en", "0.5 hour, 1.5 hours."),
        ("A quarter of an hour later, at most 20 degrees Celsius.", "en", "15 minutes later, up to 20 °C."),
    ],
)
def test_a_text_in_one_form(text: str, language: str, form: str) -> None:
    assert one_form(text, language) == form


@pytest.mark.parametrize(
    ("sentence", "evidence"),
    [
        ("The ship is 1.5 km long.", "The ship is 1,500 m long."),
        ("It takes 90 minutes.", "It takes 1 hour and 30 minutes."),
        ("It takes one and a half hours.", "It takes 90 minutes."),
        ("It lasts two weeks.", "It lasts 14 days."),
        ("The tablet has 0.5 g.", "The tablet has 500 mg."),
        ("It starts at 3 pm.", "It starts at 15:00."),
        ("It is open from 9 am to 5 pm.", "It is open from 9 to 5."),
        ("Half of the voters agreed.", "50 % of the voters agreed."),
        ("It opened on 5 March 1931.", "It opened on 03/05/1931."),
        ("It opened on 5 March 1931.", "It opened on March 5th, 1931."),
        ("World War II ended in 1945.", "The Second World War ended in 1945."),
        ("It needs version 2.10.", "It needs version 2.10 or later."),
    ],
)
def test_the_same_in_another_form_is_no_contradiction(sentence: str, evidence: str) -> None:
    assert against(sentence, evidence) == ""


@pytest.mark.parametrize(
    ("sentence", "evidence"),
    [
        ("The ship is 1.5 km long.", "The ship is 150 m long."),
        ("The ship is 120 metres wide.", "The ship is 120 metres long."),
        ("It starts at 5 pm.", "It starts at 5 am."),
        ("It opened on 05/03/1931.", "It opened on 03/05/1931."),
        ("It closed on 3 March 1931.", "It opened on 3 May 1931 and closed on 5 March 1931."),
        ("It needs version 2.1.", "It needs version 2.10."),
        ("Half of the voters agreed.", "Two thirds of the voters agreed."),
        ("A quarter of the staff left.", "A fifth of the staff left."),
        ("Exactly 50 people came.", "About 50 people came."),
        ("It takes 90 minutes.", "It takes 1 hour and 40 minutes."),
    ],
)
def test_another_amount_contradicts(sentence: str, evidence: str) -> None:
    assert against(sentence, evidence) == "numbers"
