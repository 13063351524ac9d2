"""Chunks of whole sentences."""

import hashlib
import random
from itertools import pairwise

import pytest

from localrag.documents.readers import read_document
from localrag.documents.sentences import split_sentences
from localrag.documents.splitter import cut_span, split
from localrag.settings import DocumentSettings
from localrag.types import Chunk, Mark, ParsedDocument

WORDS = {
    "latin": ["alpha", "beta.", "Gamma", "delta!", "e.g.", "3.14", "Dr.", "end?", "x" * 90],
    "korean": ["문서에서", "답을", "찾습니다.", "그리고", "좋아요!", "가" * 90],
    "chinese": ["今天天气很好。", "我们去公园", "走走！", "文" * 90],
    "mixed": ["word", "\n\n", "\n", "# Head\n\n", "- item\n", "안녕.", "終わり。", "👩\u200d👩\u200d👧", "e\u0301" * 40],
}


def random_document(script: str, seed: int) -> ParsedDocument:
    chance = random.Random(f"{script}{seed}")
    text = ""
    marks = []
    for _ in range(chance.randrange(120)):
        if chance.random() < 0.07:
            text += "\n\n"
            marks.append(Mark(len(text), f"Part {len(marks)}"))
            text += f"Part {len(marks)}\n\n"
        text += chance.choice(WORDS[script]) + chance.choice([" ", " ", " ", "", "\n", "\n\n"])
    return ParsedDocument(text, "txt", marks=tuple(marks))


@pytest.mark.parametrize("script", WORDS)
@pytest.mark.parametrize(("chunk_chars", "overlap"), [(50, 0), (120, 30), (500, 100), (60, 5_000)])
def test_chunks_are_exact_trimmed_short_enough_and_cover_every_sentence(script: str, chunk_chars: int, overlap: int) -> None:
    for seed in range(25):
        parsed = random_document(script, seed)
        chunks = split("doc", parsed, chunk_chars, overlap)
        covered = bytearray(len(parsed.text))
        for index, chunk in enumerate(chunks):
            assert chunk.text == parsed.text[chunk.start : chunk.end] == chunk.text.strip()
            assert 0 < len(chunk.text) <= chunk_chars
            assert (chunk.index, chunk.document_id) == (index, "doc")
            covered[chunk.start : chunk.end] = b"\1" * (chunk.end - chunk.start)
        for before, after in pairwise(chunks):
            assert before.start < after.start
            assert before.end < after.end
            assert before.end - after.start <= min(overlap, chunk_chars // 2)
        assert all(
            covered[start:end].count(1) == end - start or end - start > chunk_chars
            for start, end in split_sentences(parsed.text)
        )
        assert all(covered[i] for i, char in enumerate(parsed.text) if not char.isspace())
        assert len({chunk.id for chunk in chunks}) == len(chunks)


def markdown(text: str, chunk_chars: int, overlap: int = 0) -> list[Chunk]:
    return split("d", read_document(text.encode(), "a.md", DocumentSettings()), chunk_chars, overlap)


def test_sentences_are_whole_unless_one_is_too_long() -> None:
    text = "This is one sentence. " * 40
    assert all(chunk.text.endswith("sentence.") and chunk.text.startswith("This") for chunk in markdown(text, 100))


def test_a_heading_ends_a_chunk_that_is_half_full() -> None:
    text = f"# A\n\n{'Words of part A. ' * 4}\n\n# B\n\nShort.\n"
    assert [(chunk.text[:3], chunk.location) for chunk in markdown(text, 130)] == [("# A", "A"), ("# B", "B")]


def test_a_heading_does_not_end_a_chunk_that_is_less_than_half_full() -> None:
    assert len(markdown("# A\n\nTiny.\n\n# B\n\nTiny too.\n", 200)) == 1


def test_a_heading_never_stands_at_the_end_of_a_chunk() -> None:
    text = "Filler sentence here. " * 4 + "\n\n# Next\n\n## Deeper\n\n" + "Body of the next one. " * 4
    for size in range(60, 200):
        assert all(not chunk.text.rstrip().endswith(("# Next", "# Deeper")) for chunk in markdown(text, size))


def test_a_full_chunk_ends_at_its_last_paragraph() -> None:
    first, second = "One two three four. " * 4, "Five six seven. " * 6
    assert markdown(f"{first}\n\n{second}", 120)[0].text == first.strip()


def test_overlap_repeats_whole_sentences_of_the_same_section() -> None:
    chunks = markdown("Alpha beta gamma. Delta epsilon. Zeta eta theta. Iota kappa. Lambda mu nu. Xi omicron pi.", 50, 20)
    assert [chunk.text for chunk in chunks] == [
        "Alpha beta gamma. Delta epsilon. Zeta eta theta.",
        "Zeta eta theta. Iota kappa. Lambda mu nu.",
        "Lambda mu nu. Xi omicron pi.",
    ]
    text = f"# A\n\n{'Aaa bbb. ' * 10}\n\n# B\n\n{'Ccc ddd. ' * 10}"
    assert all("Aaa" not in chunk.text for chunk in markdown(text, 100, 40) if chunk.location == "B")


def test_the_location_is_the_heading_path_where_the_chunk_starts() -> None:
    text = (
        "before\n\n" + "Filler words. " * 10 + "\n\n# Guide\n\n" + "Some words. " * 10 + "\n\n## Chat\n\n" + "More words. " * 20
    )
    assert [chunk.location for chunk in markdown(text, 150)] == ["", "Guide", "Guide › Chat", "Guide › Chat"]


def test_ids_are_the_same_every_time_and_differ_between_documents() -> None:
    parsed = ParsedDocument("Some text. More text.", "txt")
    assert split("a", parsed, 50, 0) == split("a", parsed, 50, 0)
    assert split("a", parsed, 50, 0)[0].id != split("b", parsed, 50, 0)[0].id
    assert len(split("a", parsed, 50, 0)[0].id) == 32


def test_an_empty_document_has_no_chunks() -> None:
    assert split("a", ParsedDocument(" \n ", "txt"), 50, 0) == []


def test_long_spans_are_cut_at_words_and_never_inside_a_letter() -> None:
    assert [("aaa bbb ccc"[a:b]) for a, b in cut_span("aaa bbb ccc", 0, 11, 8)] == ["aaa bbb", "ccc"]
    family = "👩\u200d👩\u200d👧" * 10
    assert all(
        not family[a:b].startswith("\u200d") and not family[a:b].endswith("\u200d")
        for a, b in cut_span(family, 0, len(family), 17)
    )
    accents = "e\u0301" * 30
    assert all(accents[a] == "e" for a, _ in cut_span(accents, 0, len(accents), 7))


def test_a_megabyte_without_a_space_is_split_into_full_chunks() -> None:
    chunks = split("a", ParsedDocument("x" * 1_000_000, "txt"), 500, 100)
    assert [len(chunk.text) for chunk in chunks] == [500] * 2000


def test_the_id_is_the_documented_hash() -> None:
    expected = hashlib.sha256(b"a:0:10:Some text.").hexdigest()[:32]
    assert split("a", ParsedDocument("Some text.", "txt"), 50, 0)[0].id == expected
