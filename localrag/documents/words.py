"""A text as the terms it is searched by: words by their stems, and characters in pairs where words are not set apart.

Stems are Snowball's (https://snowballstem.org). Overlapping pairs of characters are what works for Chinese, Japanese and
Korean without a dictionary: Nie, Gao, Zhang & Zhou, "On the Use of Words and N-grams for Chinese Information Retrieval" (2000).
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Callable
from functools import lru_cache

import snowballstemmer

UNSPACED = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f\u1780-\u17ff"  # Burmese, Khmer
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff"  # Japanese
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"  # Han
    "\u1100-\u11ff\uac00-\ud7af"  # Korean is spaced, but its particles stick to the words
)
STEMMERS = {
    "ar": "arabic",
    "ca": "catalan",
    "cs": "czech",
    "da": "danish",
    "de": "german",
    "el": "greek",
    "en": "english",
    "es": "spanish",
    "et": "estonian",
    "eo": "esperanto",
    "eu": "basque",
    "fa": "persian",
    "fi": "finnish",
    "fr": "french",
    "ga": "irish",
    "hi": "hindi",
    "hu": "hungarian",
    "hy": "armenian",
    "id": "indonesian",
    "it": "italian",
    "lt": "lithuanian",
    "ne": "nepali",
    "nl": "dutch",
    "no": "norwegian",
    "nb": "norwegian",
    "pl": "polish",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sr": "serbian",
    "sv": "swedish",
    "ta": "tamil",
    "tr": "turkish",
    "yi": "yiddish",
}
"""Languages by their ISO 639-1 code, as `language.detect_language` names them."""

LONGEST = 64
"""Letters of a word that count: what is longer is no word."""
_MARKS = (
    "\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed"  # accents, Hebrew and Arabic vowels
    "\u0900-\u0963\u0966-\u0dff"  # India's scripts: vowel signs are no letters to `re`
)
_PIECE = re.compile(rf"[{UNSPACED}]+|(?:(?![{UNSPACED}])[^\W_]|[{_MARKS}])+")
_UNSPACED = re.compile(f"[{UNSPACED}]")
_ACCENTS = re.compile("[\u0300-\u036f]")
_lock = threading.Lock()  # a stemmer keeps the word it works at


def terms(text: str, language: str) -> list[str]:
    """The terms of a text in order, with repeats; `language` is an ISO 639-1 code, or empty when it is not known."""
    found: list[str] = []
    for piece in _PIECE.findall(unicodedata.normalize("NFKC", text).casefold()):
        if _UNSPACED.match(piece):
            found += [piece[at : at + 2] for at in range(len(piece) - 1)] or [piece]
        else:
            found.append(_stem(piece[:LONGEST], language))
    return found


@lru_cache(maxsize=200_000)
def _stem(word: str, language: str) -> str:
    stemmer = _stemmer(language)
    if stemmer is not None and not word.isdigit():
        with _lock:
            word = stemmer(word)
    # Without accents: questions are often typed without them. Marks of other scripts change the letter, and stay.
    return unicodedata.normalize("NFC", _ACCENTS.sub("", unicodedata.normalize("NFD", word)))


@lru_cache(maxsize=64)
def _stemmer(language: str) -> Callable[[str], str] | None:
    name = STEMMERS.get(language)
    if name is None:
        return None
    stem: Callable[[str], str] = snowballstemmer.stemmer(name).stemWord
    return stem
