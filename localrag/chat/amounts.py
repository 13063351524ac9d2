"""Dates, clock times, fractions and units in one form, so that "1.5 km" and "1,500 m" are compared and not called different."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from localrag.chat.claim_words import CLASSES
from localrag.chat.lexicon import unit_of
from localrag.chat.number_words import APPROXIMATE, EXACT, EXTENTS, FACTORS, NUMBER_WORDS, NUMBERED, PARTS, PERCENT

if TYPE_CHECKING:
    from localrag.chat.claims import Claim, Token

MONTHS = {code: CLASSES[row].split() for row, code in enumerate(("en", "de", "es", "fr"))}
CLOSE = 0.005
"""Two amounts are the same within this share: what is converted is also rounded."""
APART = 4
"""Words from a number to the next that may be its smaller part: "1 hour and 30 minutes"."""

_ISO = re.compile(r"\b(\d{4})-(\d{2})-(\d{2})\b")
_TWELVE = re.compile(r"\b(\d{1,2})(?:[:.](\d{2}))?\s?([ap])(?:\.\s?m\.|m\b)", re.IGNORECASE)
_UHR = re.compile(r"\b(\d{1,2})(?:[:.](\d{2}))? Uhr\b")
_CLOCK = re.compile(r"\b0(\d:\d{2})\b")
_MONEY = re.compile(r"([€$£]) ?(\d+(?:[.,]\d+)*) ?(k|m|mn|bn)\b")
_MONEY_SCALES = {"k": "thousand", "m": "million", "mn": "million", "bn": "billion"}
_ROMAN = re.compile(r"\b([A-Z][\w]+) (II|III|IV|VI|VII|VIII|IX|XI|XII|XIII|XIV|XV|XVI)\b")
_ROMANS = "I II III IV V VI VII VIII IX X XI XII XIII XIV XV XVI".split()
_FRACTION = re.compile(
    r"(\w+ )?\b(?:an? |one )?(half|(?:an?|one|two|three|four)[ -](?:third|quarter|fifth|tenth)s?)"
    r" (?:of (?!an? )|(?=(?:the|their|all|its|our)\b))",
    re.IGNORECASE,
)
_AND_A_HALF = re.compile(r"\b(\w+) and a half\b", re.IGNORECASE)
_HALF_A = re.compile(r"\bhalf an? (\w+)", re.IGNORECASE)
_AND_MINUTES = re.compile(r"\b(hours?|minutes?|years?|months?|weeks?|days?|feet|foot) and (?=\d)")
_IDIOMS = tuple(
    (re.compile(rf"\b(?:{pattern})", re.IGNORECASE), plain)
    for pattern, plain in (
        (r"between (\S*\d\S*) and (?=\S*\d)", r"from \1 to "),
        (r"at no (?:extra )?(?:cost|charge)\b|free of (?:charge|cost)\b|without (?:any )?(?:charge|cost)\b", "free"),
        (r"so far\b", "until now"),
        (r"any ?more\b", "now"),
        (r"out of (?=service|use|order|stock|print)", "not in "),
        (r"no(?:t)? more than\b|at (?:the )?most\b", "up to"),
        (r"no(?:t)? (?:less|fewer) than\b", "at least"),
        (r"at the same time\b|simultaneously\b", "at once"),
        (r"a quarter of an hour\b", "15 minutes"),
        (r"three quarters of an hour\b", "45 minutes"),
        (r"(?:12 )?noon\b", "12:00"),
        (r"(?:12 )?midnight\b", "0:00"),
        (r"CEO\b", "chief executive"),
        (r"degrees? (?:Celsius|centigrade)\b", "°C"),
        (r"degrees? Fahrenheit\b", "°F"),
    )
)
"""Turns of speech that look like negations, names or other amounts, and how they are compared."""
_HALVES = {"de": re.compile(r"\bdie Hälfte\b"), "es": re.compile(r"\bla mitad\b"), "fr": re.compile(r"\bla moitié\b")}
_DAY = re.compile(r"\b(\d{1,2})([/.])(\d{1,2})\2(\d{4})\b")


def one_form(text: str, language: str) -> str:
    """ISO dates by the name of the month, times by the 24-hour clock, shares in per cent, "€5m" and "II" written out."""
    months = MONTHS.get(language, MONTHS["en"])
    text = _ISO.sub(lambda m: _written(m, months), text)
    text = _UHR.sub(lambda m: f"{m[1]}:{m[2] or '00'}", text)
    text = _MONEY.sub(lambda m: f"{m[1]}{m[2]} {_MONEY_SCALES[m[3]]}", text)
    text = _ROMAN.sub(lambda m: f"{m[1]} {_ROMANS.index(m[2]) + 1}th", text)
    if language == "en":
        text = _TWELVE.sub(_by_24, text)
        text = _AND_A_HALF.sub(_and_a_half, text)
        text = _HALF_A.sub(lambda m: f"0.5 {m[1]}" if m[1].casefold() in unit_of() else m[0], text)
        text = _AND_MINUTES.sub(r"\1 ", text)  # one amount: no clause begins within it
        for pattern, plain in _IDIOMS:
            text = pattern.sub(plain, text)
        text = _FRACTION.sub(_share, text)
    if language in _HALVES:
        text = _HALVES[language].sub("50 %", text)
    return _CLOCK.sub(r"\1", text)


def _written(found: re.Match[str], months: Sequence[str]) -> str:
    month = int(found[2])
    return f"{int(found[3])} {months[month - 1].capitalize()} {found[1]}" if 1 <= month <= 12 else found[0]


def _by_24(found: re.Match[str]) -> str:
    hour = int(found[1])
    if not 1 <= hour <= 12:
        return found[0]
    return f"{hour % 12 + (12 if found[3] in 'pP' else 0)}:{found[2] or '00'}"


def _and_a_half(found: re.Match[str]) -> str:
    low = found[1].casefold()
    whole = low if low.isdigit() else str(NUMBER_WORDS.get(low, ""))
    return f"{whole}.5" if whole else found[0]


def _share(found: re.Match[str]) -> str:
    before, words = found[1] or "", found[2].casefold().replace("-", " ")
    if before.strip().casefold() in PARTS:  # "the second half of the match" is a part of time, no share
        return found[0]
    amount = PERCENT.get(re.sub("^an? ", "one ", words).removesuffix("s"))
    return f"{before}{amount}% of " if amount else found[0]


def is_designation(before: str) -> bool:
    """Whether the number behind a word is no quantity: version 2.10 is not version 2.1."""
    return before in NUMBERED


def day_key(piece: str) -> str:
    """ "5/3/1931" of "05/03/1931", "" of what is no date in figures."""
    found = _DAY.fullmatch(piece)
    return f"{int(found[1])}{found[2]}{int(found[3])}{found[2]}{found[4]}" if found else ""


def figures_of_day(key: str) -> list[str]:
    """Day, month and year of a date in figures, or nothing."""
    return re.split("[/.]", key) if _DAY.fullmatch(key) else []


def base(value: str, unit: str) -> str:
    """An amount in the smallest unit of its kind, as words are compared by; "" for what has none."""
    found = _amount(value, unit)
    return f"{found[0]}{found[1]:.6g}" if found else ""


def _amount(value: str, unit: str) -> tuple[str, float] | None:
    if unit not in FACTORS or not re.fullmatch(r"-?\d+(\.\d+)?", value):
        return None
    kind, factor = FACTORS[unit]
    return kind, float(value) * factor


def converted(token: Token, said: Claim, window: Sequence[Claim]) -> bool:
    """Whether a number stands in the evidence in another unit of its kind."""
    mine = [(kind, value) for tokens, kind, value in _amounts(said) if token in tokens]
    theirs = [(kind, value) for claim in window for _, kind, value in _amounts(claim)]
    return any(k == kind and abs(v - value) <= CLOSE * max(abs(v), abs(value)) for k, v in mine for kind, value in theirs)


def _amounts(claim: Claim) -> Iterator[tuple[tuple[Token, ...], str, float]]:
    """Every amount, and those that a smaller one completes, with the tokens they consist of."""
    found = [(t, a) for t in claim.tokens if t.number and (a := _amount(t.key, t.unit))]
    for token, (kind, value) in found:
        yield (token,), kind, value
    for (one, (kind, value)), (two, (other, rest)) in pairwise(found):
        if kind == other and two.at - one.at <= APART and FACTORS[one.unit][1] > FACTORS[two.unit][1]:
            yield (one, two), kind, value + rest


def same_hour(key: str, there: Sequence[Token]) -> bool:
    """Whether "9:00" stands there as a bare 9, or 9 as "9:00" or "21:00": who says no half of the day leaves it open."""
    hour, _, minutes = key.partition(":")
    if not hour.isdigit() or int(hour) > 24 or (minutes and minutes != "00"):
        return False
    for token in there:
        other, _, rest = token.key.partition(":")
        bare = not (rest or token.unit.startswith("#")) if minutes else rest == "00"
        if bare and other.isdigit() and int(other) % 12 == int(hour) % 12:
            return True
    return False


def another_day(said: Claim, window: Sequence[Claim]) -> bool:
    """A whole date that is none of the evidence's. Where only one is in figures, its day and month may be in either order."""
    theirs = [day for claim in window for day in _days(claim)]
    if not theirs:
        return False
    for figures, meanings in _days(said):
        if not any(figures == other if figures and other else meanings & days for other, days in theirs):
            return True
    return False


def _days(claim: Claim) -> Iterator[tuple[str, frozenset[tuple[int, int, int]]]]:
    """The dates of a sentence: as figures if it is written in figures, and what (year, month, day) it can mean."""
    months = MONTHS.get(claim.language, MONTHS["en"])
    words = [t.word for t in claim.tokens]
    for at, token in enumerate(claim.tokens):
        if token.number and figures_of_day(token.key):
            one, two, year = (int(part) for part in figures_of_day(token.key))
            both = {(year, two, one)} | ({(year, one, two)} if "/" in token.key else set())
            yield token.key, frozenset(day for day in both if day[1] <= 12)
        elif token.word in months:
            near = [t for t in claim.tokens[max(0, at - 2) : at + 4] if t.number]
            years = [int(t.key) for t in near if t.at > at and t.key.isdigit() and len(t.key) == 4]
            days = [int(k) for t in near if (k := t.key.lstrip("o")).isdigit() and 1 <= int(k) <= 31 and abs(t.at - at) <= 2]
            if years and days and words[at - 1 : at] != ["and"]:
                yield "", frozenset((years[0], months.index(token.word) + 1, day) for day in days)


def only_about(said: Claim, window: Sequence[Claim]) -> bool:
    """ "Exactly 50" for "about 50"."""
    exact = {t.key for before, t in pairwise(said.tokens) if t.number and before.word in EXACT}
    return any(t.number and t.key in exact and before.word in APPROXIMATE for c in window for before, t in pairwise(c.tokens))


def another_thing(said: Claim, window: Sequence[Claim]) -> bool:
    """ "250 g of plums" for "250 g of flour"."""
    theirs = [amount for claim in window for amount in _things(claim)]
    for key, unit, thing in _things(said):
        same = [other for k, u, other in theirs if (k, u) == (key, unit)]
        if same and not any(thing.startswith(other[:4]) for other in same):
            return True
    return False


def _things(claim: Claim) -> Iterator[tuple[str, str, str]]:
    """The amounts of something: the number, its unit, and of what."""
    for t in claim.tokens:
        after = claim.tokens[t.at + 1 : t.at + 4]
        kind = FACTORS.get(t.unit, ("", 0))[0]
        if t.number and kind in ("mass", "volume") and len(after) == 3 and after[1].word == "of" and after[2].content:
            yield t.key, t.unit, after[2].key


def another_extent(said: Claim, window: Sequence[Claim]) -> bool:
    """ "120 metres wide" for "120 metres long"."""
    theirs = dict(_extents(window))
    return any(
        key in theirs and theirs[key] != extent and (key, extent) not in _extents(window) for key, extent in _extents([said])
    )


def _extents(claims: Sequence[Claim]) -> list[tuple[str, str]]:
    """The lengths of sentences with what they are the length of."""
    return [
        (t.key, EXTENTS[after.word])
        for claim in claims
        for t in claim.tokens
        if t.number and FACTORS.get(t.unit, ("",))[0].endswith("length")
        for after in claim.tokens[t.at + 1 : t.at + 3]
        if after.word in EXTENTS
    ]
