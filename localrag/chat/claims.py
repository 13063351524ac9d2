"""A sentence taken apart into what can be compared literally: words by their stems, names, numbers with units, negations."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise

from localrag.chat.amounts import base, day_key, is_designation, one_form
from localrag.chat.claim_words import CLAUSE_WORDS, PREPOSITIONS
from localrag.chat.lexicon import function_words, irregular, negation_words, opposites, quantities, same, unit_of
from localrag.chat.number_words import NUMBER_WORDS, ORDINALS, SCALES
from localrag.documents.words import UNSPACED, terms

_SIGN = r"(?:(?<![\w.,:)%°])(?<!\d )[-−])?"  # a minus, and not the dash of a range
_TOKEN = re.compile(
    rf"[{UNSPACED}]+|\d{{1,2}}/\d{{1,2}}/\d{{4}}|{_SIGN}\d+(?:[.,:]\d+)*(?:st|nd|rd|th)?(?![^\W\d_])"
    rf"|[^\W_](?:(?![{UNSPACED}])[\w]|[-'’](?=\w))*|[%€$£¥°]|[,;:.!?()—–]"
)
_DIGITS = re.compile(r"[-−]?\d+(?:[.,:]\d+)*(?:st|nd|rd|th)?\Z")
_UNSPACED = re.compile(f"[{UNSPACED}]")
_HAN_NUMBER = re.compile("[一二三四五六七八九十百千万亿两]{1,}|\\d+(?:[.,:]\\d+)*")
_LEAD = re.compile(r"^\s*(?:(?:\d+[.)]|[-*•+>]|#{1,6})\s+)+")
_MARKDOWN = re.compile(r"\*\*|__|`|\[\d{1,3}\](?!\()")
_FIELDS = re.compile(r"(?<=[^\W\d])[,;](?=\d)|(?<=\d)[,;](?=[^\W\d])|[,;](?=[,;])")
SCOPE = 4
"""Content words that a negation reaches."""
INSTEAD = frozenset(
    {("rather", "than"), ("instead", "of"), ("free", "of"), ("free", "from"), ("anstatt", "der"), ("anstatt", "des")}
)
"""Words that deny what follows them."""
ALMOST = frozenset("almost nearly virtually practically fast casi presque".split())


@dataclass(frozen=True, slots=True)
class Token:
    """A word in its place; `key` is what words are compared by, `sign` -1 for the other side of a pair of opposites."""

    word: str
    key: str
    at: int
    clause: int
    sign: int = 1
    content: bool = False
    name: bool = False
    number: bool = False
    capital: bool = False
    unit: str = ""
    role: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Claim:
    """A sentence taken apart."""

    text: str
    language: str
    tokens: tuple[Token, ...]
    negations: tuple[int, ...]
    quantities: frozenset[str]
    keys: frozenset[str] = field(default=frozenset())

    def content(self, clause: int | None = None) -> list[Token]:
        return [t for t in self.tokens if t.content and clause in (None, t.clause)]


def bare(text: str) -> str:
    """A sentence without its list sign, emphasis and citations."""
    return _MARKDOWN.sub("", _LEAD.sub("", text)).strip()


def guess_language(text: str) -> str:
    """The language by its commonest words; loads nothing."""
    signs = len(_UNSPACED.findall(text))
    if signs * 3 > len(text):
        return "ko" if re.search("[가-힣]", text) else "ja" if re.search("[\u3040-\u30ff]", text) else "zh"
    words = re.findall(r"\w+", text.casefold())
    counts = {code: sum(word in known for word in words) for code, known in function_words().items()}
    best = max(counts, key=counts.__getitem__)
    return best if counts[best] else "en"


@lru_cache(maxsize=4_096)
def parse(text: str, language: str) -> Claim:
    """Take a sentence apart."""
    pieces = _TOKEN.findall(_set_apart(one_form(text, language)))
    tokens: list[Token] = []
    negations: list[int] = []
    clause, before, skip = 0, "", 0
    negative = negation_words().get(language, negation_words()["en"])
    for at, piece in enumerate(pieces):
        low = piece.casefold().replace("’", "'")
        if skip:
            skip -= 1
            continue
        listed = (
            low in ("and", "und", "y", "et")
            and tokens
            and tokens[-1].capital
            and pieces[at + 1 : at + 2] != []
            and (pieces[at + 1][0].isupper())
        )
        ends = low in ",;:.!?()—–" and not (low == "." and at + 1 < len(pieces) and pieces[at + 1][0].islower())  # "Co. in"
        if ends or (low in CLAUSE_WORDS and not listed):
            clause += 1
        if low in negative or low.endswith("n't"):
            following = pieces[at + 1].casefold() if at + 1 < len(pieces) else ""
            if following not in ("only", "just", "until", "least"):
                negations.append(len(tokens))
        elif (low, pieces[at + 1].casefold() if at + 1 < len(pieces) else "") in INSTEAD:
            negations.append(len(tokens))
        value, used = ("", 0) if low == "second" and before in ("a", "per", "each", "every") else _value(pieces, at, language)
        if value:
            skip = used - 1
            unit = _unit(pieces, at, used, before, language)
            tokens.append(Token(low, value, len(tokens), clause, content=True, number=True, unit=unit, role=_role(tokens)))
        elif _UNSPACED.match(piece):
            for term in terms(piece, language):
                tokens.append(Token(term, term, len(tokens), clause, content=True))
        else:
            first = before in ("", ".", "!", "?")
            letter = not first and _is_designation(tokens[-1], piece, pieces[at + 1 : at + 3])
            tokens.append(_designation(low, tokens, clause) if letter else _word(piece, low, tokens, clause, language, first))
        before = piece.casefold()
    keys = frozenset(base(t.key, t.unit) or t.key for t in tokens if t.content)
    return Claim(text, language, tuple(tokens), tuple(negations), quantities_of(tokens), keys)


def quantities_of(tokens: Sequence[Token]) -> frozenset[str]:
    """What the words say of how many: "all", "most", "none" and so on; almost all is most."""
    found = set()
    for before, token in pairwise((None, *tokens)):
        almost = before is not None and before.word in ALMOST
        for name, words in quantities().items():
            if token is not None and token.word in words:
                found.add("most" if almost and name == "all" else name)
    return frozenset(found)


def _set_apart(text: str) -> str:
    """A row of comma- or semicolon-separated values with its delimiters as spaces, so that no two fields are one number."""
    for sign in ",;":
        if f"{sign} " not in text and any(match.group() == sign for match in _FIELDS.finditer(text)):
            text = text.replace(sign, " ")
    return text


def _is_designation(before: Token, piece: str, following: list[str]) -> bool:
    """Whether a capital letter names one of several: "model A", "vitamin D"; not an initial, an article or "I"."""
    if len(piece) != 1 or not piece.isupper() or not before.content or before.number:
        return False
    if following[:1] == ["."]:
        return len(following) == 1  # "than plan A." at the end, but "John F. Kennedy"
    return piece not in "AI" or not following or (before.capital and piece == "A") or following[0] in (",", ";", ")", ":")


def _designation(low: str, tokens: list[Token], clause: int) -> Token:
    return Token(low, low, len(tokens), clause, content=True, name=True, capital=True, role=_role(tokens))


def _word(piece: str, low: str, tokens: list[Token], clause: int, language: str, first: bool) -> Token:
    common = function_words().get(language, frozenset())
    stripped = re.sub(r"'s?$", "", low)
    content = piece[0].isalnum() and stripped not in common and stripped not in CLAUSE_WORDS and not low.endswith("n't")
    content = content or (piece == "May" and not first)
    odd = any(sign.isdigit() for sign in piece) or any(sign.isupper() for sign in piece[1:]) or "_" in piece
    capital = piece[0].isupper() and not first
    if language == "de":  # every noun has a capital: a name stands after another one
        capital = capital and bool(tokens) and tokens[-1].content and tokens[-1].capital
    name = content and (odd or capital)
    key, sign = _key(stripped, language)
    if name:
        key, sign = terms(stripped, "")[0] if len(terms(stripped, "")) == 1 else stripped, 1
        key = _key(stripped, language)[0] if not odd else key
    content = content or key.startswith("~")
    role = _role(tokens) if content else frozenset()
    if content and stripped != low:
        role |= {"'s"}
    return Token(low, key, len(tokens), clause, sign, content, name, capital=piece[0].isupper(), role=role)


def _role(tokens: list[Token]) -> frozenset[str]:
    """The prepositions, or the German "den", a word stands behind, past articles and one adjective or name before it."""
    found: set[str] = set()
    for seen, token in enumerate(reversed(tokens)):
        preposition = token.word in PREPOSITIONS or (seen == 0 and token.word == "den" and not token.content)  # German: whom
        if seen == 3 or not token.word[0].isalnum() or (found and token.content and not preposition):
            break
        if preposition:
            found.add(token.word)
        elif token.content and not token.name and seen > 0:
            break
        elif token.name:
            return token.role
    return frozenset(found)


def key_of(word: str, language: str) -> str:
    """What a word is compared by."""
    return _key(word, language)[0]


@lru_cache(maxsize=50_000)
def _key(word: str, language: str) -> tuple[str, int]:
    if word in ALMOST:  # or "nearly" would be "near"
        return same()["about"], 1
    base = irregular().get(word, word) if language == "en" else word
    found = terms(base, language)
    stem = found[0] if len(found) == 1 else base
    for candidate in (word, base, stem):
        if candidate in opposites():
            return opposites()[candidate]
    return same().get(stem, stem), 1


def _value(pieces: list[str], at: int, language: str) -> tuple[str, int]:
    """A number in canonical digits and how many pieces it takes; "" when there is none."""
    low = pieces[at].casefold()
    if language != "es" and low == "once":  # eleven in Spanish
        often = at + 1 < len(pieces) and pieces[at + 1].casefold() in ("a", "per", "every", "each", "daily", "weekly")
        return ("1", 1) if often else ("", 0)
    if day_key(low):
        return day_key(low), 1
    if _DIGITS.match(low):
        digits = re.sub("(?:st|nd|rd|th)$", "", low.lstrip("-−"))
        sign = "-" if low[0] in "-−" else ""
        if re.fullmatch(r"\d{1,3}(,\d{3})+(\.\d+)?", digits):
            digits = digits.replace(",", "")
        elif re.fullmatch(r"\d{1,3}(\.\d{3})+", digits) and language != "en":
            digits = digits.replace(".", "")
        digits = digits.replace(",", ".") if digits.count(",") == 1 else digits
        if low[-1].isalpha():
            return f"o{sign}{digits}", 1
        if at and is_designation(pieces[at - 1].casefold()):
            return f"{sign}{digits}", 1
        scale = SCALES.get(pieces[at + 1].casefold()) if at + 1 < len(pieces) else None
        if scale and re.fullmatch(r"\d+(\.\d+)?", digits):
            return f"{sign}{float(digits) * scale:.15g}", 2
        return f"{sign}{float(digits):.15g}" if re.fullmatch(r"\d+(\.\d+)?", digits) else f"{sign}{digits}", 1
    parts = [part for piece in pieces[at : at + 4] for part in [piece.casefold()]]
    total, current, used = 0, 0, 0
    for part in parts:
        halves = part.split("-")
        if all(half in NUMBER_WORDS for half in halves):
            if current and (current % 100 < 20 or current % 10):
                break
            current += sum(NUMBER_WORDS[half] for half in halves)
        elif part in SCALES and (used or part in ("dozen", "hundred", "thousand", "million")):
            total, current = total + max(1, current) * SCALES[part], 0
        else:
            break
        used += 1
    if pieces[at + max(0, used - 1)].casefold().split("-")[-1] in ORDINALS:
        return f"o{total + current}", used
    return (str(total + current), used) if used and total + current > 1 else ("", 0)


def _unit(pieces: list[str], at: int, used: int, before: str, language: str) -> str:
    """What a number counts: a unit ("#kg"), the next word, or nothing."""
    units = unit_of()
    following = [piece.casefold() for piece in pieces[at + used : at + used + 3]]
    if following[:1] == ["°"]:
        following = ["".join(following[:2])]
    if before in units and not (following and following[0] in units):  # "€5", but "1 hour 30 minutes"
        return units[before]
    for word in following[:2]:
        if word in units:
            return units[word]
        if not word[0].isalnum() or word in function_words().get(language, ()):
            return ""
    return _key(following[0], language)[0] if following else ""


def han_numbers(text: str) -> set[str]:
    """Numbers of an unspaced text, in digits or signs."""
    return {number for number in _HAN_NUMBER.findall(text) if number not in ("一", "千", "万", "百")} | (
        {"星期一"} if "星期一" in text else set()
    )
