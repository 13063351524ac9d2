"""Sentence spans of a text in any script: by punctuation within a paragraph, and by lines for lists, headings, tables, code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from localrag.documents.abbreviations import MAYBE, MONTHS, NUMBERED, STARTERS, TITLES
from localrag.documents.lines import Line, marked_lines

# Terminators of UAX #29 (STerm, ATerm) for the scripts in wide use, then closing quotes and brackets, then "[12]" citations.
# Possessive, and never required to be followed by anything: the scan stays linear on "....." and "))))".
_STOP = re.compile("[.!?…‽؟۔።।॥။។。！？．｡‼⁇⁈⁉]++[\"'”’»›)\\]}」』】》〉）］｣*_`]*+(?:\\[[0-9]{1,3}\\])*+")
_CLOSERS = frozenset("\"'”’»›)]}」』】》〉）］｣*_`")
_WIDE = frozenset("。！？．｡")
_WORD_CHARS = 24
_OPENERS = "([{\"'“‘«‹「『（【*_`-–—/"
_HIRAGANA = re.compile("[\u3040-\u309f]")
# Scripts that often leave no space between sentences (Hangul among them, in chats).
_CJK = re.compile("[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff01-\uff60\u1100-\u11ff]")
_ITEM = re.compile(r"\s*(?:[-*+•‣◦▪–][ \t]|\(?(?:\d{1,3}|[a-zA-Z]|[ivxIVX]{1,5})[.)][ \t])")
_ITEM_NUMBER = re.compile(r"\s*(?:[-*+•>|][ \t])?\(?(?:\d{1,3}|[a-zA-Z]|[ivxIVX]{1,5})\.\Z")
_BLOCK = re.compile(r"\s*(?:#{1,6}[ \t]|[>|]|```|~~~|\[\d{1,3}\][ \t]|[-*_=][ \t]?[-*_=][ \t]?[-*_=])")
_UNDERLINE = re.compile(r"\s{0,3}(?:=+|-{2,})\s*\Z")
_CODE_END = ("{", "}", ";", "[", "],", "},")
# Korean dates: "2024. 5. 3."
_DATE = re.compile(r"\d\.[ ]?\d{1,2}\.\Z")
_FIRST_WORD_CHARS = 12


def split_sentences(text: str) -> list[tuple[int, int]]:
    """Spans (start, end) of the sentences: in order, not overlapping, trimmed, together all that is not white space.

    A sentence never crosses a blank line, a list item, heading, table row or line of fenced code; a line break inside a
    paragraph is no border unless the line was plainly ended early. Linear in the length of the text.
    """
    spans: list[tuple[int, int]] = []
    for start, end, is_prose in _blocks(text):
        at = start
        for stop in _stops(text, start, end) if is_prose else ():
            _add(spans, text, at, stop)
            at = stop
        _add(spans, text, at, end)
    return spans


def is_list_item(text: str) -> bool:
    """Whether a sentence begins with a bullet, a number or a letter as items of lists do."""
    return _ITEM.match(text) is not None


def _add(spans: list[tuple[int, int]], text: str, start: int, end: int) -> None:
    piece = text[start:end]
    stripped = piece.strip()
    if stripped:
        begin = start + len(piece) - len(piece.lstrip())
        spans.append((begin, begin + len(stripped)))


def _blocks(text: str) -> Iterator[tuple[int, int, bool]]:
    """Runs of lines that flow into each other; False: a line of code, to be kept whole."""
    run: list[Line] = []
    for line in marked_lines(text):
        if run and (line.code or not line.text.strip() or _is_border(run[-1], line)):
            yield from _flow(run)
            run = []
        if line.code:
            yield line.start, line.end, False
        elif line.text.strip():
            run.append(line)
    if run:
        yield from _flow(run)


def _is_border(line: Line, following: Line) -> bool:
    """Whether what a line is, or the next one is, parts them whatever their lengths."""
    if _UNDERLINE.match(following.text):
        return False
    if _BLOCK.match(following.text):
        return not (following.text.lstrip()[:1] == ">" == line.text.lstrip()[:1])
    if _BLOCK.match(line.text) and line.text.lstrip()[:1] != ">" and line.text.lstrip()[:1] != "[":
        return True
    if " | " in line.text or " | " in following.text or _ITEM.match(following.text):
        return True
    if _is_indented(following.text) and not _ITEM.match(line.text):
        return True
    return line.text.rstrip().endswith(_CODE_END) or _UNDERLINE.match(line.text) is not None


def _is_indented(line: str) -> bool:
    return line.startswith(("    ", "\t"))


def _flow(run: list[Line]) -> Iterator[tuple[int, int, bool]]:
    """Part a run where a line ends although the next word would have fitted, and that word can begin a sentence.

    Lines are wrapped at the width of the longest; an earlier end was meant: a title, an address, a verse, an entry.
    """
    width = max(len(line.text.rstrip()) for line in run)
    start = run[0].start
    for line, following in pairwise(run):
        head = following.text.lstrip()[: _FIRST_WORD_CHARS + 1]
        room = width - len(line.text.rstrip()) - 1
        word = len(head.split(maxsplit=1)[0])
        if room > word and not head[0].islower() and not _UNDERLINE.match(following.text):
            yield start, line.end, True
            start = following.start
    yield start, run[-1].end, True


def _stops(text: str, start: int, end: int) -> Iterator[int]:
    for match in _STOP.finditer(text, start, end):
        if match.end() < end and _ends_sentence(text, start, match.start(), match.end(), end):
            yield match.end()


def _ends_sentence(text: str, start: int, mark: int, after: int, end: int) -> bool:
    """Whether the terminator at `mark`, which with its closing quotes reaches up to `after`, ends a sentence of the block."""
    char, following = text[mark], text[after]
    if char in _WIDE or text[after - 1] in _WIDE:
        return not (text[after - 1] in "」』）｣" and _HIRAGANA.match(following))
    if not following.isspace():
        return _CJK.match(following) is not None and mark > start and _CJK.match(text[mark - 1]) is not None and char in ".!?…"
    rest = text[after : min(end, after + 2 * _WORD_CHARS)].split(maxsplit=1)
    if not rest:
        return True
    next_word = rest[0].lstrip(_OPENERS)
    if not next_word or next_word[0] in ",;:)]":
        return rest[0][0] not in ",;:)]"
    is_single = char == "." and text[mark : mark + 2] != ".."
    word = _word_before(text, start, mark) if is_single else ""
    if next_word[0].islower():
        return _ends_before_small_letter(char, word, is_single, quoted=text[after - 1] in _CLOSERS)
    return not is_single or _full_stop_ends(text, start, mark, word, next_word)


def _word_before(text: str, start: int, mark: int) -> str:
    words = text[max(start, mark - _WORD_CHARS) : mark].rsplit(maxsplit=1)
    return words[-1].lstrip(_OPENERS) if words and not text[mark - 1].isspace() else ""


def _ends_before_small_letter(char: str, word: str, is_single: bool, quoted: bool) -> bool:
    """Before a small letter a quotation and dots go on; "?" and "!" end; a full stop ends only after an ordinary word."""
    if quoted or char not in ".…":
        return not quoted
    lower = word.lower()
    known = lower in TITLES or lower in NUMBERED or lower in MAYBE
    return is_single and len(word) >= 3 and word.isalpha() and not known


def _full_stop_ends(text: str, start: int, mark: int, word: str, next_word: str) -> bool:
    """A single full stop before a capital, a digit or a script without case."""
    lower, following = word.lower(), next_word.rstrip(".,;:!?\"'”’)]")
    if _ITEM_NUMBER.match(text[max(start, mark - 8) : mark + 1]) and not text[start : max(start, mark - 8)].strip():
        return False
    if lower in TITLES:
        return False
    before_number = following[:1].isdigit()
    if lower in NUMBERED and (before_number or (len(lower) < 3 and following.isupper())):
        return False
    if word.isdigit() and len(word) <= 4 and (before_number or following.lower() in MONTHS):
        return False
    if _CJK.match(following) and _DATE.search(text[max(start, mark - 8) : mark + 1]):
        return False
    if len(word) == 1 and word.isalpha() and word.isupper() and not _CJK.match(word):
        return following.lower() in STARTERS
    if lower == "al" or ("." in word and all(len(part) == 1 and part.isalpha() for part in word.split("."))):
        return following.lower() in STARTERS
    return not (lower in MAYBE and (before_number or next_word != next_word.lstrip("(")))
