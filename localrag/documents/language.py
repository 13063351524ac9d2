"""Which language a text is in, and whether an embedding model was trained on it."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

SAMPLE_CHARS = 5_000
MIN_LETTERS = 20
"""Fewer letters of a script that several languages share say too little."""
MIN_CERTAIN = 2
"""Letters that are enough where the script alone says the language."""
CERTAIN = 0.6
"""Least probability that is believed. Measured on 8,820 beginnings of 30 to 120 characters, English and Spanish: 89% are named
and 10 wrongly (0.5: 92% and 31; 0.7: 85% and 4). From 200 characters on 99.9% are named, none wrongly."""
KANA_SHARE = 0.05
SYLLABLE_WEIGHT = 2
"""One sign of Hangul, Kana or Han says as much as two letters: Korean full of English terms is still Korean."""

NAMES = {
    "af": "Afrikaans", "am": "Amharic", "ar": "Arabic", "az": "Azerbaijani", "be": "Belarusian", "bg": "Bulgarian",
    "bn": "Bengali", "bs": "Bosnian", "ca": "Catalan", "cs": "Czech", "cy": "Welsh", "da": "Danish", "de": "German",
    "el": "Greek", "en": "English", "eo": "Esperanto", "es": "Spanish", "et": "Estonian", "eu": "Basque", "fa": "Persian",
    "fi": "Finnish", "fr": "French", "ga": "Irish", "gl": "Galician", "gu": "Gujarati", "he": "Hebrew", "hi": "Hindi",
    "hr": "Croatian", "hu": "Hungarian", "hy": "Armenian", "id": "Indonesian", "is": "Icelandic", "it": "Italian",
    "ja": "Japanese", "ka": "Georgian", "kk": "Kazakh", "km": "Khmer", "kn": "Kannada", "ko": "Korean", "ku": "Kurdish",
    "ky": "Kyrgyz", "la": "Latin", "lo": "Lao", "lt": "Lithuanian", "lv": "Latvian", "mk": "Macedonian", "ml": "Malayalam",
    "mn": "Mongolian", "mr": "Marathi", "ms": "Malay", "mt": "Maltese", "my": "Burmese", "ne": "Nepali", "nl": "Dutch",
    "no": "Norwegian", "or": "Odia", "pa": "Punjabi", "pl": "Polish", "ps": "Pashto", "pt": "Portuguese", "ro": "Romanian",
    "ru": "Russian", "si": "Sinhala", "sk": "Slovak", "sl": "Slovenian", "so": "Somali", "sq": "Albanian", "sr": "Serbian",
    "sv": "Swedish", "sw": "Swahili", "ta": "Tamil", "te": "Telugu", "th": "Thai", "tl": "Tagalog", "tr": "Turkish",
    "ug": "Uyghur", "uk": "Ukrainian", "ur": "Urdu", "uz": "Uzbek", "vi": "Vietnamese", "xh": "Xhosa", "yo": "Yoruba",
    "zh": "Chinese", "zu": "Zulu",
}  # fmt: skip

# Scripts by the first word of a letter's Unicode name, with the languages written in them that are told apart.
_SCRIPTS = {
    "HANGUL": "ko", "HIRAGANA": "ja", "KATAKANA": "ja", "CJK": "zh", "THAI": "th", "LAO": "lo", "KHMER": "km", "MYANMAR": "my",
    "HEBREW": "he", "GREEK": "el", "ARMENIAN": "hy", "GEORGIAN": "ka", "ETHIOPIC": "am", "BENGALI": "bn", "GUJARATI": "gu",
    "GURMUKHI": "pa", "ORIYA": "or", "TAMIL": "ta", "TELUGU": "te", "KANNADA": "kn", "MALAYALAM": "ml", "SINHALA": "si",
    "ARABIC": "ar fa ur ps ug ku", "CYRILLIC": "ru uk be bg sr mk kk ky mn", "DEVANAGARI": "hi mr ne",
}  # fmt: skip
_SYLLABLES = frozenset({"HANGUL", "HIRAGANA", "KATAKANA", "CJK"})
_NOT_LATIN = frozenset(code for codes in _SCRIPTS.values() for code in codes.split()) - {"sr", "ku"}
_ADDRESS = re.compile(r"\S*(?:://|@|www\.)\S*")


def detect_language(text: str) -> str:
    """The ISO 639-1 code of the language most of a text is in; "" when there is too little text to say, or it is none."""
    sample = _sample(text)
    scripts = Counter(_script(sign) for sign in sample if sign.isalpha())
    letters = scripts.total()
    weights = {script: count * (SYLLABLE_WEIGHT if script in _SYLLABLES else 1) for script, count in scripts.items()}
    script = max(weights, key=weights.__getitem__, default="")
    if script in _SYLLABLES:
        signs = {name: scripts[name] for name in _SYLLABLES}
        kana = signs["HIRAGANA"] + signs["KATAKANA"]
        if sum(signs.values()) < MIN_CERTAIN:
            return ""
        # Japanese is written with Han and Kana, and never with Han alone for long; old Korean texts mix Han in.
        return "ja" if kana > KANA_SHARE * sum(signs.values()) and kana > signs["HANGUL"] else _SCRIPTS[script]
    codes = _SCRIPTS.get(script, "").split() if script else []
    if len(codes) == 1:
        return codes[0] if letters >= MIN_CERTAIN else ""
    if letters < MIN_LETTERS:
        return ""
    return _likeliest(sample, frozenset(codes) or NAMES.keys() - _NOT_LATIN)


def understands(languages: frozenset[str] | None, language: str) -> bool:
    """Whether a model of these languages (None: many) suits texts of this one; what is not known raises no doubt."""
    return languages is None or not language or language in languages


def advice(model_name: str, language: str, languages: frozenset[str] | None = None) -> str:
    """What to tell who adds a text that the embedding model does not `understand`; `languages`: those it knows."""
    known = " and ".join(sorted(NAMES.get(code, code) for code in languages or ()))
    knows = f"knows {known} only" if known else "may not know every language"
    return (
        f"{model_name} {knows} and this text is {NAMES.get(language, language)}: questions may miss it;"
        " choose a multilingual embedding model, for example multilingual-e5 or bge-m3 as GGUF."
    )


def _sample(text: str) -> str:
    """At most SAMPLE_CHARS of a text from its beginning, middle and end, without addresses, which are of no language."""
    if len(text) > SAMPLE_CHARS:
        part, middle = SAMPLE_CHARS // 3, len(text) // 2
        text = "\n".join((text[:part], text[middle - part // 2 : middle + part // 2], text[-part:]))
    return _ADDRESS.sub(" ", unicodedata.normalize("NFKC", text))  # full-width letters are letters


@functools.lru_cache(4096)
def _script(sign: str) -> str:
    return re.split("[ -]", unicodedata.name(sign, ""))[0]


def _likeliest(sample: str, codes: frozenset[str] | set[str]) -> str:
    """The likeliest of these languages, if it is likely enough among all of the script."""
    shares = {code: share for code, share in _identifier().rank(sample) if code in codes}
    best = max(shares, key=shares.__getitem__)
    return best if shares[best] >= CERTAIN * sum(shares.values()) and shares[best] > 0 else ""


@functools.cache
def _identifier() -> LanguageIdentifier:
    """py3langid's model of naive Bayes: 0.7 s to load, so only once it is needed. Finding changes nothing in it."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
