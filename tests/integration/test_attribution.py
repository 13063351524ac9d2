"""Support computed with the real embedding model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from localrag.chat.attribution import attribute
from localrag.embeddings.llamacpp import LlamaCppEmbeddings
from localrag.models.starter import starter_embedding
from localrag.types import AnswerSentence, Evidence

pytestmark = pytest.mark.models

PASSAGES = (
    "The Kestrel drill has a warranty of 31 months. It weighs 1.4 kg. Its motor was designed in Oslo by Ada Berg.",
    "The Merlin saw was first sold in 1998. Its blade turns at 4,200 revolutions per minute.",
    "Batteries are charged in 50 minutes. Never charge them below 5 degrees.",
)
EVIDENCE = tuple(Evidence("d", "/d", "d", at * 500, at * 500 + len(text), text, 0.5) for at, text in enumerate(PASSAGES))


@pytest.fixture(scope="module")
def model(models_dir: Path) -> Iterator[LlamaCppEmbeddings]:
    loaded = LlamaCppEmbeddings(starter_embedding(models_dir), workers=1)
    yield loaded
    loaded.close()


def judged(model: LlamaCppEmbeddings, answer: str) -> tuple[AnswerSentence, ...]:
    return attribute(answer, EVIDENCE, model)


@pytest.mark.parametrize(
    ("sentence", "passage"),
    [
        ("The Kestrel drill has a warranty of 31 months.", 0),
        ("It weighs 1.4 kg.", 0),
        ("The Merlin saw was first sold in 1998.", 1),
        ("Never charge them below 5 degrees.", 2),
        ("1. The Merlin saw was first sold in 1998.", 1),
    ],
)
def test_a_sentence_of_the_evidence_is_supported_by_its_passage(model: LlamaCppEmbeddings, sentence: str, passage: int) -> None:
    (found,) = judged(model, sentence)
    assert (found.text, found.support, found.evidence[0]) == (sentence, "supported", passage)


@pytest.mark.parametrize(
    "sentence",
    [
        "The Kestrel drill has a warranty of 13 months.",
        "The Kestrel drill has a warranty of 31.5 months.",
        "It weighs 1.5 kg.",
        "The Merlin saw was first sold in 1989.",
        "Its blade turns at 4,300 revolutions per minute.",
        "The blade turns at 42 revolutions per minute.",
    ],
)
def test_a_changed_number_is_never_supported(model: LlamaCppEmbeddings, sentence: str) -> None:
    (found,) = judged(model, sentence)
    assert found.support == "unsupported"


@pytest.mark.parametrize("sentence", ["Penguins breed on Antarctic ice.", "The president resigned after the vote."])
def test_a_sentence_about_something_else_is_unsupported_and_cites_nothing(model: LlamaCppEmbeddings, sentence: str) -> None:
    (found,) = judged(model, sentence)
    assert (found.support, found.evidence) == ("unsupported", ())


def test_a_paraphrase_is_nearer_than_nonsense(model: LlamaCppEmbeddings) -> None:
    near, far = judged(model, "The drill's warranty lasts 31 months.\n\nParrots can imitate human speech.")
    assert near.score > far.score + 0.3
    assert near.support != "unsupported"


def test_each_sentence_of_an_answer_is_judged_by_itself_and_none_is_lost(model: LlamaCppEmbeddings) -> None:
    answer = "The Merlin saw was first sold in 1998. It can fly to the moon. Batteries are charged in 50 minutes."
    found = judged(model, answer)
    assert [sentence.text for sentence in found] == [
        "The Merlin saw was first sold in 1998.",
        "It can fly to the moon.",
        "Batteries are charged in 50 minutes.",
    ]
    assert [sentence.support for sentence in found] == ["supported", "unsupported", "supported"]
    assert all(index < len(EVIDENCE) for sentence in found for index in sentence.evidence)
    assert all(0.0 <= sentence.score <= 1.0 for sentence in found)


def test_without_evidence_nothing_is_supported_and_an_empty_answer_has_no_sentences(model: LlamaCppEmbeddings) -> None:
    assert [sentence.support for sentence in attribute("It is so. Really.", [], model)] == ["unsupported", "unsupported"]
    assert judged(model, "") == ()
    assert judged(model, " \n ") == ()


def test_a_whole_document_is_compared_by_its_likeliest_sentences(model: LlamaCppEmbeddings) -> None:
    """The sentence that carries an answer is found among thousands, and so is the part it stands in."""
    filler = [f"The clerk of office {number} filed a report on the weather of that day." for number in range(3_000)]
    parts = [" ".join(filler[at : at + 1_000]) for at in range(0, 3_000, 1_000)]
    parts[1] += " The lamp of the tower burned rapeseed oil until 1871. " + "x" * 30_000
    evidence = [Evidence("d", "/d", "d", at, at + len(text), text, 1.0) for at, text in enumerate(parts)]
    burned, painted = attribute("The lamp burned rapeseed oil until 1871. It was painted green.", evidence, model)
    assert (burned.support, burned.evidence[0]) == ("supported", 1)
    assert painted.support == "unsupported"
