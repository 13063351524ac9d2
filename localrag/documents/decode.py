"""Bytes to text: byte order mark, UTF-8, declared character set, detection; binary content is refused."""

from __future__ import annotations

import codecs
import re
import unicodedata

import chardet

from localrag.errors import DocumentError

# Longest first: the UTF-32 mark begins with the UTF-16 one.
_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# What a label means in practice: browsers decode these as their supersets (WHATWG Encoding Standard, "Names and labels").
_SUPERSETS = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "euc_kr": "cp949",
    "shift_jis": "cp932",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "big5": "big5hkscs",
}
_DECLARED = re.compile(rb"""(?:charset|encoding)\s*=\s*["']?\s*([A-Za-z0-9_.:\-]{2,40})""", re.IGNORECASE)
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f-\x84\x86-\x9f]")
# Random bytes read as Latin-1 have 23 % (58 of 256 codes are counted); text has next to none. 2 % lies between, nearer to text.
MAX_CONTROL_SHARE = 0.02
_NOT_ASCII_TEXT = re.compile(rb"[^\t\n\r\f\x20-\x7e]")
# What switches to two bytes a character or to half-width kana in the 7-bit sets of mail and old pages; terminals send neither.
_SHIFTS = re.compile(rb"\x1b(?:\$[@AB]|\$\([CDOPQ]|\$\)C|\(I)")
_SEVEN_BIT = ("iso2022_kr", "iso2022_jp_2", "iso2022_jp_ext", "iso2022_jp_2004")
_HEAD_BYTES = 4096
_SAMPLE_BYTES = 256 * 1024
_ASCII = bytes(range(128))
_ASCII_LETTERS = re.compile(rb"[A-Za-z]")
_LETTER_RUNS = re.compile(r"[^\W\d_]+")
# Polish and Baltic sentences have 0.04 and more; rare sets that are guessed from one accent less than this.
_UNSURE = 0.03


def decode(data: bytes, name: str, charset: str = "") -> str:
    """The text of `data`, unchanged but for a dropped byte order mark; line breaks stay as they are.

    `charset` is what the carrier (HTTP) says; what the first 4 KiB declare (HTML meta, XML declaration) is tried next.
    Raises:
        DocumentError: the bytes are no text, or in no known character set.
    """
    text = _decoded(data, charset)
    if text is None and not _is_binary(data.decode("latin-1")):
        raise DocumentError(
            f"{name} is in a character set that could not be recognised. Save it as UTF-8 text and add it again."
        )
    if text is None or _is_binary(text):
        raise DocumentError(f"{name} holds binary data of an unknown kind, not text. Leave it out, or save it as PDF or text.")
    return text


def _is_binary(text: str) -> bool:
    return "\0" in text or len(_CONTROLS.findall(text)) > MAX_CONTROL_SHARE * len(text)


def _decoded(data: bytes, charset: str) -> str | None:
    for mark, encoding in _BOMS:
        if data.startswith(mark) and (text := _strict(data[len(mark) :], encoding)) is not None:
            return text
    # Before UTF-8: ASCII letters in UTF-16 or UTF-32 are valid UTF-8, with zeros between them.
    if b"\0" in data[:_SAMPLE_BYTES] and (text := _wide(data)) is not None:
        return text
    # Before UTF-8 too: all of it is ASCII.
    if _SHIFTS.search(data) and (text := _seven_bit(data)) is not None:
        return text
    if (text := _strict(data, "utf-8")) is not None:
        return text
    labels = [charset, *(match.decode("ascii") for match in _DECLARED.findall(data[:_HEAD_BYTES]))]
    declared = [encoding for label in labels if (encoding := _known(label))]
    for encoding in declared:
        if (text := _strict(data, encoding)) is not None:
            return text
    return _damaged(data, declared) or _detected(data)


def _strict(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except (UnicodeError, LookupError):
        return None


def _known(label: str) -> str:
    """Python's name of a declared character set, "" when it has none or cannot be meant.

    A label that could be read as ASCII to be found is not UTF-16 or UTF-32, whatever it says.
    """
    try:
        # Decoding a letter sorts out Python's codecs that are no character sets (hex, rot13).
        b"a".decode(label := label.strip().replace("ks_c_5601-1987", "cp949") or "?")
        name = codecs.lookup(label).name
    except (LookupError, ValueError):
        return ""
    return "" if name.startswith(("utf-16", "utf-32", "utf-8")) else _SUPERSETS.get(name, name)


def _seven_bit(data: bytes) -> str | None:
    """ISO-2022 of Japan or Korea: characters stand as pairs of ASCII between escape sequences."""
    for encoding in _SEVEN_BIT:
        # Those of Japan drop the announcement of the Korean set and pass its codes on.
        if (text := _strict(data, encoding)) is not None and "\x0e" not in text:
            return text
    # Makers' own characters, such as digits in circles, are in none of Python's codecs; the text around them is good.
    text = data.decode("iso2022_jp_ext", "replace")
    return text if data.isascii() and text.count("\ufffd") * 50 < len(text) else None


def _wide(data: bytes) -> str | None:
    """UTF-16 or UTF-32 without a mark: zeros stand at one place of every unit only, and nearly all characters exist."""
    sample = data[: _SAMPLE_BYTES & ~3]
    if len(data) % 4 == 0 and sample[2::4].count(0) + sample[1::4].count(0) > len(sample) // 4:
        for encoding in ("utf-32-le", "utf-32-be"):
            if (text := _strict(data, encoding)) is not None and _plausible(text):
                return text
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    encoding = "utf-16-le" if odd > even else "utf-16-be"
    if len(data) % 2 == 0 and min(even, odd) * 20 <= max(even, odd) and not _is_narrow(data, sample):
        text = _strict(data, encoding)
        if text is not None and _plausible(text):
            return text
    return None


def _is_narrow(data: bytes, sample: bytes) -> bool:
    """Whether it is text of single bytes in which a few zeros stray: read in pairs, such bytes make Chinese characters."""
    # Kana are ASCII in both bytes, the upper of them always the digit 0.
    is_kana = max(sample[0::2].count(b"0"), sample[1::2].count(b"0")) * 4 > len(sample)
    if is_kana or sample.count(0) * 4 >= len(sample):
        return False
    rest = sample.replace(b"\0", b"")
    foreign = len(_NOT_ASCII_TEXT.findall(rest))
    if foreign * 20 <= len(rest):
        return True
    # Text of East Asia in UTF-16 is no valid UTF-8, short pieces apart; those have control characters for bytes.
    text = _strict(data, "utf-8")
    return text is not None and not _is_binary(text.replace("\0", ""))


def _plausible(text: str) -> bool:
    sample = text[:20_000]
    strange = sum(unicodedata.category(char) in {"Cn", "Co", "Cs", "Cc"} and char not in "\t\n\r\f" for char in sample)
    return strange <= MAX_CONTROL_SHARE * len(sample)


def _damaged(data: bytes, declared: list[str]) -> str | None:
    """UTF-8 or the declared character set with a few broken bytes, which become U+FFFD."""
    text = data.decode("utf-8", "replace")
    broken = text.count("\ufffd")
    # In another encoding hardly any two bytes happen to form a UTF-8 character; in damaged UTF-8 nearly all do.
    whole = sum(text.count(char) for char in set(text) if ord(char) > 127 and char != "\ufffd")
    if whole > 10 * broken:
        return text
    for encoding in declared:
        text = data.decode(encoding, "replace")
        if text.count("\ufffd") * 200 < len(text):
            return text
    return None


def _detected(data: bytes) -> str | None:
    sample = data[:_SAMPLE_BYTES]
    found = chardet.detect(sample)
    label = found["encoding"]
    if not label:
        return None
    try:
        name = codecs.lookup(label).name
    except LookupError:
        return None
    encoding = _SUPERSETS.get(name, name)
    if _is_western(sample, encoding, found["confidence"]) and (text := _strict(data, "cp1252")) is not None:
        return text
    if (text := _strict(data, encoding)) is not None:
        return text
    return data.decode(encoding, "replace")


def _is_western(sample: bytes, encoding: str, confidence: float) -> bool:
    """Whether a detected single-byte set is a wrong guess at English, French, German: a few accents and curly quotes."""
    ascii_letters = len(_ASCII_LETTERS.findall(sample))
    text = sample.decode(encoding, "replace")
    if ascii_letters <= len(sample.translate(None, _ASCII)) or len(text) < len(sample):
        return False
    # As EBCDIC, what reads well as ASCII is nonsense.
    if len(_ASCII_LETTERS.findall(text.encode("ascii", "ignore"))) < ascii_letters:
        return True
    runs = [match[0] for match in _LETTER_RUNS.finditer(text) if not match[0].isascii()]
    letters = "".join(char for run in runs for char in run if char > "\x7f")
    if sum(unicodedata.name(char, "").startswith("LATIN") for char in letters) * 2 > len(letters):
        return confidence < _UNSURE
    # Other scripts have words of their own; here their letters stand alone or in the middle of words in ASCII.
    strange = sum(len(run) == 1 or _ASCII_LETTERS.search(run.encode("ascii", "ignore")) is not None for run in runs)
    return strange * 2 > len(runs)
