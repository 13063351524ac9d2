"""Parts of a document: in order, without gaps, none larger than its window, cut where a reader would cut."""

from __future__ import annotations

import random
import re
from itertools import pairwise

import pytest

from localrag.chat.parts import LEAST_ROOM, CutStoppedError, cut_parts
from localrag.errors import PromptError

WORDS = "harbour tide keeper lantern stone granite ledge storm signal fog bell pilot rope cliff cove boat mooring chart".split()
_TOKEN = re.compile(r"\s?\w{1,4}|\s+|[^\w\s]")


def count(text: str) -> int:
    """Like a subword vocabulary: pieces of at most four letters with the space before them, wide characters twice.

    Pieces do not add up: a space belongs to the word after it. Around every text stand three tokens.
    """
    folded = " ".join(text.split())
    wide = sum(ord(character) > 0x2E80 for character in folded)
    return 3 + wide + len(_TOKEN.findall(folded))


def prose(paragraphs: int, seed: int = 1) -> str:
    chance = random.Random(seed)

    def sentence() -> str:
        words = [chance.choice(WORDS) for _ in range(chance.randint(4, 20))]
        return " ".join(words).capitalize() + "."

    return "\n\n".join(" ".join(sentence() for _ in range(chance.randint(1, 7))) for _ in range(paragraphs))


def check(text: str, room: int) -> list[tuple[int, int]]:
    parts = cut_parts(text, count, room)
    assert parts[0][0] == len(text) - len(text.lstrip())
    assert parts[-1][1] == len(text.rstrip())
    assert all(end == start for (_, end), (start, _) in pairwise(parts))
    assert all(count(text[start:end]) <= room for start, end in parts)
    assert all(text[start:end].strip() for start, end in parts)
    return parts


@pytest.mark.parametrize("room", [100, 150, 700])
@pytest.mark.parametrize("seed", range(4))
def test_parts_cover_the_text_in_order_and_each_fits(room: int, seed: int) -> None:
    text = "\n \n" + prose(40, seed) + "\n\n"
    for start, _ in check(text, room)[1:]:
        assert text[:start].rstrip()[-1] == ".", "a sentence was cut"


def test_there_are_no_more_parts_than_needed_and_none_is_tiny() -> None:
    text, room = prose(60), 400
    parts = check(text, room)
    least = -(-count(text) // room)
    assert len(parts) <= least + 1
    sizes = [count(text[start:end]) for start, end in parts]
    assert min(sizes) > 0.4 * max(sizes)


def test_a_text_that_fits_is_one_part() -> None:
    text = "  A short one. With two sentences.\n"
    assert check(text, LEAST_ROOM) == [(2, len(text) - 1)]


def test_a_part_ends_with_a_paragraph_where_one_ends_near_its_end() -> None:
    text = "\n\n".join("The tide keeps the bell. " * 5 for _ in range(30)).strip()
    for start, _ in check(text, 330)[1:]:
        assert text[start - 2 : start] == "\n\n"


@pytest.mark.parametrize(
    "text",
    [
        "항구의 등대지기는 안개가 낀 밤마다 종을 쳤다. " * 60,
        "港の灯台守は霧の夜ごとに鐘を鳴らした。" * 80,
        "灯塔看守人在每个有雾的夜晚都会敲钟并点亮灯火" * 80,
    ],
    ids=["Korean", "Japanese", "Chinese without a full stop"],
)
def test_scripts_without_spaces_are_cut_too(text: str) -> None:
    assert len(check(text, 120)) > 5


@pytest.mark.parametrize("text", ["x" * 20_000, "word " * 4_000, "e\u0301" * 3_000, "\U0001f469\u200d\U0001f680" * 900])
def test_a_giant_sentence_without_an_end_is_cut_and_nothing_of_it_lost(text: str) -> None:
    parts = check(text, 100)
    assert len(parts) > 5
    assert "".join(text[start:end] for start, end in parts) == text.rstrip()


def test_an_empty_text_has_no_parts() -> None:
    assert cut_parts("", count, 100) == []
    assert cut_parts(" \n\t ", count, 100) == []


def test_a_window_without_room_for_text_is_said() -> None:
    with pytest.raises(PromptError, match=r"leaves 12 tokens for text, 48 are needed\. Raise n_ctx"):
        cut_parts("Text.", count, 12)


def test_cutting_stops_when_asked() -> None:
    with pytest.raises(CutStoppedError):
        cut_parts(prose(5), count, 100, lambda: True)
