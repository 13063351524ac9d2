"""The word lists as sets and maps, each made once, when it is first looked into."""

from __future__ import annotations

from functools import lru_cache

from localrag.chat.claim_words import CLASSES, FUNCTION_WORDS, IRREGULAR, NEGATIONS, QUANTITIES, SAME
from localrag.chat.number_words import UNITS
from localrag.chat.opposite_words import OPPOSITES
from localrag.documents.words import terms


@lru_cache(maxsize=1)
def function_words() -> dict[str, frozenset[str]]:
    """By language."""
    return {code: frozenset(words.split()) for code, words in FUNCTION_WORDS.items()}


@lru_cache(maxsize=1)
def negation_words() -> dict[str, frozenset[str]]:
    """By language."""
    return {code: frozenset(words.split()) for code, words in NEGATIONS.items()}


@lru_cache(maxsize=1)
def quantities() -> dict[str, frozenset[str]]:
    """The words of each quantity."""
    return {name: frozenset(words.split()) for name, words in QUANTITIES.items()}


@lru_cache(maxsize=1)
def irregular() -> dict[str, str]:
    """English verb forms to their base."""
    rows = [row.split() for row in IRREGULAR.replace("\n", ";").split(";") if row.strip()]
    return {form: row[0] for row in rows for form in row[1:]}


@lru_cache(maxsize=1)
def opposites() -> dict[str, tuple[str, int]]:
    """Words and their stems to the pair they belong to and the side of it, 1 or -1."""
    found: dict[str, tuple[str, int]] = {}
    for line in OPPOSITES.strip().splitlines():
        for sign, side in zip((1, -1), line.split("|"), strict=True):
            for word in side.split():
                stems = {word, *(s for code in ("en", "de", "es", "fr") if len(s := "".join(terms(word, code))) > 3)}
                for stem in stems:
                    found.setdefault(stem, ("~" + line.split()[0], sign))
    return found


@lru_cache(maxsize=1)
def same() -> dict[str, str]:
    """Stems to what their synonyms are compared by."""
    found: dict[str, str] = {}
    for line in SAME.strip().splitlines():
        for word in line.split():
            found.setdefault(terms(word, "en")[0], "=" + line.split()[0])
    return found


@lru_cache(maxsize=1)
def unit_of() -> dict[str, str]:
    """Words of units to the unit."""
    rows = [row.split() for row in UNITS.replace("\n", "|").split("|") if row.strip()]
    return {word: "#" + row[0] for row in rows for word in row}


@lru_cache(maxsize=1)
def class_of() -> dict[str, frozenset[str]]:
    """Words by the closed classes they belong to: another member of a class says something else."""
    found: dict[str, set[str]] = {}
    for number, line in enumerate(CLASSES):
        for word in line.split():
            for form in (word, word + "s"):
                found.setdefault(form, set()).add(f"{number} {word}")
    return {word: frozenset(classes) for word, classes in found.items()}
