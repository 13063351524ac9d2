"""Scores of sentences from their own meaning and words, and those around them."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

from localrag.documents.ledger import Passage
from localrag.documents.places import Places
from localrag.embeddings.fake import FakeEmbeddings
from localrag.retrieval.candidates import Found
from localrag.retrieval.sentence_scores import EMBEDDED_NOW, Sentence, score_sentences, sentences_of
from localrag.types import Chunk

MODEL = FakeEmbeddings()
NOWHERE = defaultdict[str, Places](Places)


def found(text: str, number: int = 0, start: int = 0, document: str = "d", cosine: float = 0.5, bm25: float = 0.0) -> Found:
    chunk = Chunk(f"{document}-{number}", document, number, start, start + len(text), text)
    return Found(Passage(chunk, f"{document}.txt", document, "en"), 0.5, cosine, bm25, ("meaning",))


def test_sentences_stand_in_document_order_whatever_order_their_passages_were_found_in() -> None:
    late, early = found("Third one. Fourth one.", 1, 24), found("First one. Second one.", 0, 0)
    pool, vectors = sentences_of([late, early], {}, MODEL, MODEL.embed_question("one"), NOWHERE)
    assert [s.text for s in pool] == ["First one.", "Second one.", "Third one.", "Fourth one."]
    assert [s.start for s in pool] == [0, 11, 24, 35]
    assert vectors.shape == (4, MODEL.dimension)


def test_a_sentence_of_two_overlapping_passages_is_there_once() -> None:
    text = "First one. Second one."
    pool, _ = sentences_of([found(text), found(text[11:], 1, 11)], {}, MODEL, MODEL.embed_question("one"), NOWHERE)
    assert [s.text for s in pool] == ["First one.", "Second one."]


def test_of_a_sentence_and_a_part_of_it_the_whole_one_stays() -> None:
    text = "The otter swims in the river."
    for cut in (found(text[10:], 1, 10), found(text[:20], 1, 0)):
        pool, vectors = sentences_of([cut, found(text)], {}, MODEL, MODEL.embed_question("one"), NOWHERE)
        assert [s.text for s in pool] == [text]
        assert len(vectors) == 1


def test_stored_vectors_are_used_and_without_them_only_a_few_passages_are_embedded() -> None:
    question = MODEL.embed_question("zebra")
    hits = [found(f"Animal {n} is a zebra.", n, 100 * n, cosine=0.25) for n in range(EMBEDDED_NOW + 2)]
    known = {"d-0": ([(0, 21)], MODEL.embed_texts(["zebra"]))}
    pool, vectors = sentences_of(hits, known, MODEL, question, NOWHERE)
    assert pool[0].cosine == pytest.approx(1.0)
    assert [s.cosine for s in pool[1:]].count(0.25) == 1  # its passage's similarity, and a row of zeros
    assert not vectors[-1].any()


def test_words_in_the_sentence_weigh_most_then_those_around_it() -> None:
    text = "The drill is here. It weighs little. Rain fell on the hills. Nothing else happened there."
    pool, _ = sentences_of([found(text, bm25=2.0)], {}, MODEL, MODEL.embed_question("x"), NOWHERE)
    scores = score_sentences(pool, {"drill": 3.0}, 0.0)
    assert scores[0] > scores[1] > scores[3]
    assert scores.max() <= 1.0


def test_rare_terms_weigh_more() -> None:
    pool, _ = sentences_of([found("A heron stood. An otter swam.")], {}, MODEL, MODEL.embed_question("x"), NOWHERE)
    scores = score_sentences(pool, {"heron": 1.0, "otter": 5.0}, 0.0)
    assert scores[1] > scores[0]


def test_by_meaning_alone_words_do_not_count_and_without_known_words_meaning_decides() -> None:
    pool, _ = sentences_of([found("A heron stood. An otter swam.")], {}, MODEL, MODEL.embed_question("otter swam"), NOWHERE)
    by_meaning = score_sentences(pool, {"heron": 9.0}, 1.0)
    assert by_meaning[1] > by_meaning[0]
    assert np.allclose(score_sentences(pool, {}, 0.4), by_meaning)


def test_no_sentences_have_no_scores() -> None:
    assert score_sentences([], {"a": 1.0}, 0.5).size == 0


def headed(text: str, *titles: str, bm25: float = 0.0) -> list[Sentence]:
    """The sentences of a document in which these lines are headings of one level each deeper."""
    starts = tuple(text.index(f"\n{title}\n") + 1 for title in titles)
    paths = tuple((" › ".join(titles[: n + 1]), None) for n in range(len(titles)))
    places = {"d": Places(starts, paths, frozenset(starts))}
    return sentences_of([found(text, bm25=bm25)], {}, MODEL, MODEL.embed_question("x"), places)[0]


DRILLS = """
Tools

Here is the first of it. Another one follows it.

Drill

It weighs little. Rain fell. Wind blew. Snow lay.
"""


def test_sentences_know_their_headings_and_which_they_are() -> None:
    pool = headed(DRILLS, "Tools", "Drill")
    assert [(s.text, s.headings) for s in pool if s.is_heading] == [("Tools", "Tools"), ("Drill", "Tools › Drill")]
    assert [s.headings for s in pool if not s.is_heading] == ["Tools"] * 2 + ["Tools › Drill"] * 4


def test_a_heading_counts_for_all_of_its_section_and_for_nothing_before_it() -> None:
    pool = headed(DRILLS, "Tools", "Drill")
    by_text = dict(zip((s.text for s in pool), score_sentences(pool, {"drill": 3.0}, 0.0), strict=True))
    assert by_text["Another one follows it."] == by_text["Here is the first of it."] == 0.0
    assert min(by_text[text] for text in ("It weighs little.", "Rain fell.", "Wind blew.", "Snow lay.")) > 0.2


def test_the_headings_above_count_as_well() -> None:
    pool = headed(DRILLS, "Tools", "Drill")
    assert all(score_sentences(pool, {"tool": 3.0}, 0.0) > 0)


def test_words_beyond_a_heading_are_not_around_a_sentence() -> None:
    pool = headed("\nHerons\n\nA heron stood here.\n\nOtters\n\nIt swam there.\n", "Herons", "Otters")
    scores = score_sentences(pool, {"swam": 3.0}, 0.0)
    assert [score > 0 for score in scores] == [False, False, False, True]
