"""Bytes to text."""

import codecs
import random

import pytest

from localrag.documents.decode import decode
from localrag.errors import DocumentError

KOREAN = "문서에서 답을 찾습니다. 요청하신 웹 페이지를 찾을 수 없습니다. 똠방각하와 펲시콜라.\r\n"
JAPANESE = "今日は天気がいいので、散歩に行きました。とても楽しかったです。\n"
GERMAN = "Größere Übungen für Anfänger, müßig und schön: Äpfel, Öl, Straße.\n"


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
    ],
)
def test_a_byte_order_mark_decides_and_is_dropped(mark: bytes, encoding: str) -> None:
    assert decode(mark + KOREAN.encode(encoding), "a.txt") == KOREAN


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("text", ["Plain ASCII words.\n", KOREAN, JAPANESE + "x\n" * 3, "a"])
def test_wide_encodings_are_read_without_a_mark(encoding: str, text: str) -> None:
    assert decode(text.encode(encoding), "a.txt") == text


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("text", [JAPANESE, "日本語\n", "はい\n", "ひらがなとカタカナだけです。\n", "中文字符很多。\n" * 20])
def test_wide_text_with_next_to_no_zeros_is_read_without_a_mark(encoding: str, text: str) -> None:
    assert decode(text.encode(encoding), "a.txt") == text


@pytest.mark.parametrize("data", [b"line one\nline\0two\n", b"a,b\n1,\0 2\n", ("한국어 문장\0입니다.." * 3).encode()])
def test_text_with_a_stray_zero_does_not_become_chinese(data: bytes) -> None:
    for odd_or_even in (data, data + b"\n"):
        with pytest.raises(DocumentError, match="binary data"):
            decode(odd_or_even, "a.txt")


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (JAPANESE, "iso2022_jp"),
        ("半角 ｶﾅ です\n", "iso2022_jp_ext"),
        (KOREAN.replace("똠", "").replace("펲", ""), "iso2022_kr"),
        (f'<meta charset="iso-2022-jp"><p>{JAPANESE}</p>', "iso2022_jp"),
    ],
)
def test_seven_bit_sets_are_read_declared_or_not(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding), "a.html") == text


def test_a_character_outside_a_seven_bit_set_spoils_only_itself() -> None:
    data = JAPANESE.encode("iso2022_jp") * 2
    assert decode(b"\x1b$B-!\x1b(B" + data, "a.txt") == "\ufffd" + JAPANESE * 2


@pytest.mark.parametrize(
    "text",
    ["\x1b(B\x1b[mreset", "one\r\ntwo\rthree\n\n", "", "\n", " \t", "a\x0cb", "\x1b[1mbold\x1b[0m and the rest of the text"],
)
def test_utf8_comes_out_unchanged_line_breaks_included(text: str) -> None:
    assert decode(text.encode(), "a.txt") == text


@pytest.mark.parametrize(
    ("text", "encoding"),
    [(KOREAN, "cp949"), (JAPANESE, "cp932"), (JAPANESE, "euc-jp"), (GERMAN, "cp1252")],
)
def test_undeclared_legacy_text_is_detected(text: str, encoding: str) -> None:
    assert decode((text * 5).encode(encoding), "a.txt") == text * 5


@pytest.mark.parametrize(
    "text",
    [
        "He said “yes” – it’s €5. " * 20,
        "He said “yes”",
        "Café à Zürich",
        "naïve",
        "Noël",
        "Größe",
        "© 2020 Acme",
        "Où êtes-vous ?",
        "name,price\nitem0,€0\nitem1,€1\nitem2,€2\n",
    ],
)
def test_short_western_text_is_not_taken_for_a_rare_set(text: str) -> None:
    assert decode(text.encode("cp1252"), "a.txt") == text


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Привет мир", "koi8-r"),
        ("name,value\nцена,100\n", "cp1251"),
        ("version 1.2.3: исправлена ошибка in the parser module of the program", "cp1251"),
        ("The Hebrew word שלום means peace.", "cp1255"),
        ("Η ταχεία αλεπού πηδά πάνω από τον τεμπέλη σκύλο. SQL.", "cp1253"),
        ("مرحبا بالعالم هذا نص عربي للاختبار. CPU", "cp1256"),
        ("Zażółć gęślą jaźń. Příliš žluťoučký kůň. ", "cp1250"),
        ("Lietuvių kalba yra graži, ačiū už pagalbą.", "cp1257"),
        ("Türkçe karakterler: ğüşıöç. İstanbul'da güzel bir gün geçirdik.", "cp1254"),
        ("The Korean word 안녕하세요 means hello.", "cp949"),
        ("The Chinese word 中文 means Chinese language text.", "gb18030"),
    ],
)
def test_other_scripts_among_ascii_stay_detected(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding), "a.txt") == text


@pytest.mark.parametrize(
    ("head", "encoding"),
    [
        ('<meta charset="euc-kr">', "cp949"),
        ("<meta http-equiv='Content-Type' content='text/html; charset=ks_c_5601-1987'>", "cp949"),
        ('<?xml version="1.0" encoding="Shift_JIS"?>', "cp932"),
        ("<meta charset=iso-8859-1>", "cp1252"),
    ],
)
def test_a_declared_charset_is_tried_as_what_browsers_make_of_it(head: str, encoding: str) -> None:
    text = head + {"cp949": "펲시", "cp932": "①今日", "cp1252": "“été” €"}[encoding]
    assert decode(text.encode(encoding), "a.html") == text


def test_the_carriers_charset_wins_over_the_one_in_the_text() -> None:
    data = "<meta charset=cp1252>가나다".encode("euc-kr")
    assert decode(data, "a.html", "euc-kr").endswith("가나다")


@pytest.mark.parametrize("charset", ["utf-16", "unicode", "no-such-charset", "hex", "", "rot13", "\x00"])
def test_an_impossible_charset_is_passed_over(charset: str) -> None:
    assert decode(("é" + GERMAN * 5).encode("cp1252"), "a.txt", charset) == "é" + GERMAN * 5


def test_utf8_with_one_broken_byte_stays_utf8() -> None:
    data = (KOREAN * 20).encode()
    assert decode(data[:-4], "cut.txt").startswith(KOREAN)


@pytest.mark.parametrize(
    "data",
    [
        random.Random(1).randbytes(4096),
        random.Random(2).randbytes(301),
        b"text with a zero\0 in it, but otherwise fine",
        b"\x01\x02\x03\x04 ok",
        b"\0" * 100,
    ],
)
def test_binary_content_is_refused_in_a_sentence_with_the_name(data: bytes) -> None:
    with pytest.raises(DocumentError, match=r"^a\.bin holds binary data.*\.$"):
        decode(data, "a.bin")
