"""Terms of texts in many languages: what a question and a passage have in common."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from localrag.documents.words import LONGEST, STEMMERS, terms


@pytest.mark.parametrize(
    ("language", "asked", "written"),
    [
        ("en", "approaches", "approach"),
        ("en", "DECOMPOSED", "decomposing"),
        ("es", "intercepción", "INTERCEPCION"),
        ("de", "Häuser", "hauser"),
        ("fr", "naïves", "naive"),
        ("ru", "книги", "книга"),
        ("", "ﬁle", "file"),
        ("ko", "은행", "은행"),
        ("hi", "किताबें", "किताबों"),
        ("xx", "Straße", "STRASSE"),
    ],
)
def test_forms_of_a_word_are_one_term(language: str, asked: str, written: str) -> None:
    assert terms(asked, language) == terms(written, language) != []


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("黑豹队", ["黑豹", "豹队"]),
        ("시중은행의 e커머스", ["시중", "중은", "은행", "행의", "e", "커머", "머스"]),
        ("東京タワー2", ["東京", "京タ", "タワ", "ワー", "2"]),
        ("แมว", ["แม", "มว"]),
        ("水", ["水"]),
    ],
)
def test_scripts_without_spaces_become_pairs_of_characters(text: str, pairs: list[str]) -> None:
    assert terms(text, "zh") == pairs


def test_vowel_signs_stay_in_their_words() -> None:
    assert terms("हिन्दी में", "") == ["हिन्दी", "में"]


@pytest.mark.parametrize("text", ["", " \n\t", "?!… — “”", "\x00\x01", "🙂🙂", "_ __"])
def test_what_has_no_words_has_no_terms(text: str) -> None:
    assert terms(text, "en") == []


def test_numbers_are_terms_and_no_term_has_a_space_or_a_sign_of_ascii() -> None:
    assert terms("In 1963 (31.5 %): a-b_c", "en") == ["in", "1963", "31", "5", "a", "b", "c"]
    assert all(term.isalnum() for term in terms("".join(map(chr, range(128))), "en"))


def test_what_is_too_long_for_a_word_is_cut() -> None:
    assert terms("x" * 10_000, "") == ["x" * LONGEST]


@pytest.mark.parametrize("language", sorted(STEMMERS))
def test_every_language_has_its_stemmer(language: str) -> None:
    assert terms("localrag", language)


def test_many_threads_get_the_same_stems() -> None:
    words = [f"{stem}{end}" for stem in ("decompos", "approach", "relat", "connect") for end in ("ed", "ing", "es", "ion")]
    wanted = [terms(word, "en") for word in words]
    wrong: list[str] = []

    def work(number: int) -> None:
        for word, right in zip(words, wanted, strict=True):
            if terms(f"{word}", "en") != right or not terms(f"{word}{number}x", "en"):
                wrong.append(word)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert not wrong
