"""Scores of sentences from their own meaning and words, and those around them."""

from __future__ import annotations

import numpy as np
import pytest

from localrag.documents.ledger import Passage
from localrag.embeddings.fake import FakeEmbeddings
from localrag.retrieval.candidates import Found
from localrag.retrieval.sentence_scores import EMBEDDED_NOW, score_sentences, sentences_of
from localrag.types import Chunk

MODEL = FakeEmbeddings()


def found(text: str, number: int = 0, start: int = 0, document: str = "d", cosine: float = 0.5, bm25: float = 0.0) -> Found:
    chunk = Chunk(f"{document}-{number}", document, number, start, start + len(text), text)
    return Found(Passage(chunk, f"{document}.txt", document, "en"), 0.5, cosine, bm25, ("meaning",))


def test_sentences_stand_in_document_order_whatever_order_their_passages_were_found_in() -> None:
    late, early = found("Third one. Fourth one.", 1, 24), found("First one. Second one.", 0, 0)
    pool, vectors = sentences_of([late, early], {}, MODEL, MODEL.embed_question("one"))
    assert [s.text for s in pool] == ["First one.", "Second one.", "Third one.", "Fourth one."]
    assert [s.start for s in pool] == [0, 11, 24, 35]
    assert vectors.shape == (4, MODEL.dimension)


def test_a_sentence_of_two_overlapping_passages_is_there_once() -> None:
    text = "First one. Second one."
    pool, _ = sentences_of([found(text), found(text[11:], 1, 11)], {}, MODEL, MODEL.embed_question("one"))
    assert [s.text for s in pool] == ["First one.", "Second one."]


def test_stored_vectors_are_used_and_without_them_only_a_few_passages_are_embedded() -> None:
    question = MODEL.embed_question("zebra")
    hits = [found(f"Animal {n} is a zebra.", n, 100 * n, cosine=0.25) for n in range(EMBEDDED_NOW + 2)]
    known = {"d-0": ([(0, 21)], MODEL.embed_texts(["zebra"]))}
    pool, vectors = sentences_of(hits, known, MODEL, question)
    assert pool[0].cosine == pytest.approx(1.0)
    assert [s.cosine for s in pool[1:]].count(0.25) == 1  # its passage's similarity, and a row of zeros
    assert not vectors[-1].any()


def test_words_in_the_sentence_weigh_most_then_those_around_it() -> None:
    text = "The drill is here. It weighs little. Rain fell on the hills. Nothing else happened there."
    pool, _ = sentences_of([found(text, bm25=2.0)], {}, MODEL, MODEL.embed_question("x"))
    scores = score_sentences(pool, {"drill": 3.0}, 0.0)
    assert scores[0] > scores[1] > scores[3]
    assert scores.max() <= 1.0


def test_rare_terms_weigh_more() -> None:
    pool, _ = sentences_of([found("A heron stood. An otter swam.")], {}, MODEL, MODEL.embed_question("x"))
    scores = score_sentences(pool, {"heron": 1.0, "otter": 5.0}, 0.0)
    assert scores[1] > scores[0]


def test_by_meaning_alone_words_do_not_count_and_without_known_words_meaning_decides() -> None:
    pool, _ = sentences_of([found("A heron stood. An otter swam.")], {}, MODEL, MODEL.embed_question("otter swam"))
    by_meaning = score_sentences(pool, {"heron": 9.0}, 1.0)
    assert by_meaning[1] > by_meaning[0]
    assert np.allclose(score_sentences(pool, {}, 0.4), by_meaning)


def test_no_sentences_have_no_scores() -> None:
    assert score_sentences([], {"a": 1.0}, 0.5).size == 0
