"""Which documents the table shows, in which order, and what is said of each."""

from __future__ import annotations

import random

import pytest

from localrag.types import DocumentRecord, DocumentStatus
from localrag.ui.documents_table import KINDS, ORDERS, choose, columns, doubts, kind, kinds, ordered, reason


def record(name: str, status: DocumentStatus = "indexed", **values: object) -> DocumentRecord:
    known = {"type": "txt", "chunks": 0 if status != "indexed" else 3, "added": "2026-01-01T00:00:00+00:00"}
    return DocumentRecord(name, "c", f"/docs/{name}", name, status=status, **{**known, **values})  # type: ignore[arg-type]


RECORDS = [
    record("tea.txt", language="en", characters=10),
    record("kava.pdf", language="cs", type="pdf", title="Příručka kávy", characters=900, also=("/old/coffee.pdf",)),
    record("broken.docx", "failed", type="", error="broken.docx is damaged."),
    record("blank.txt", "empty", error="blank.txt holds no text."),
    record("slides.pptx", type="pptx", note="Slide 3 was left out."),
]
DOUBTED = doubts(RECORDS, "all-MiniLM-L6-v2", frozenset({"en"}))


def names(found: list[DocumentRecord]) -> list[str]:
    return [found_record.name for found_record in found]


def test_every_document_is_of_one_kind_and_the_worst_counts() -> None:
    assert kinds(RECORDS, DOUBTED) == dict.fromkeys(KINDS, 1)
    assert kind(record("x", language="cs", note="Half is missing."), DOUBTED) == "read in part"
    assert kind(record("x", "empty", note="A scan."), DOUBTED) == "empty"


def test_a_language_raises_a_doubt_only_where_the_model_is_known_not_to_know_it() -> None:
    assert list(DOUBTED) == ["cs"]
    assert "Czech" in DOUBTED["cs"]
    assert not doubts(RECORDS, "bge-m3", None)
    assert not doubts([record("x", "failed", language="cs")], "all-MiniLM-L6-v2", frozenset({"en"}))


def test_the_reason_is_the_error_the_note_and_the_advice() -> None:
    assert reason(RECORDS[2], DOUBTED) == "Is damaged.", "the column of titles names it"
    assert reason(RECORDS[4], DOUBTED) == "Slide 3 was left out."
    assert reason(RECORDS[1], DOUBTED) == DOUBTED["cs"]
    assert reason(RECORDS[0], DOUBTED) == ""
    both = reason(record("x", language="cs", note="Half is missing."), DOUBTED)
    assert both == f"Half is missing. {DOUBTED['cs']}"


@pytest.mark.parametrize(
    ("words", "found"),
    [("TEA", ["tea.txt"]), ("příručka", ["kava.pdf"]), ("/OLD/", ["kava.pdf"]), ("/docs/", names(RECORDS)), ("nothing", [])],
)
def test_words_are_looked_for_in_name_title_and_every_source(words: str, found: list[str]) -> None:
    assert names(choose(RECORDS, words, (), None, DOUBTED)) == found


def test_filters_by_status_and_type_hold_together() -> None:
    assert names(choose(RECORDS, "", ("failed", "empty"), None, DOUBTED)) == ["broken.docx", "blank.txt"]
    assert names(choose(RECORDS, "", (), "pdf", DOUBTED)) == ["kava.pdf"]
    assert names(choose(RECORDS, "", ("failed",), "unknown", DOUBTED)) == ["broken.docx"]
    assert not choose(RECORDS, "", ("failed",), "pdf", DOUBTED)


def test_problems_come_first_and_equal_ones_keep_their_order() -> None:
    assert names(ordered(RECORDS, "problems first", DOUBTED)) == [
        "broken.docx",
        "blank.txt",
        "slides.pptx",
        "kava.pdf",
        "tea.txt",
    ]
    same = [record(f"{number}.txt") for number in range(20)]
    assert ordered(same, "problems first", ()) == same


@pytest.mark.parametrize("order", list(ORDERS))
def test_an_order_loses_and_doubles_nothing(order: str) -> None:
    shuffled = random.Random(1).sample(RECORDS, len(RECORDS))
    assert sorted(names(ordered(shuffled, order, DOUBTED))) == sorted(names(RECORDS))


def test_the_longest_come_first_when_asked_for() -> None:
    assert names(ordered(RECORDS, "longest first", DOUBTED))[:2] == ["kava.pdf", "tea.txt"]


def test_columns_with_nothing_to_say_are_left_out() -> None:
    table = columns([RECORDS[0]], DOUBTED)
    assert "reason" not in table
    assert "pages" not in table
    assert table["language"] == ["English"]
    assert set(columns(RECORDS, DOUBTED)) >= {"status", "title", "reason", "source", "type", "language", "chunks", "added"}
    assert columns([RECORDS[1]], DOUBTED)["source"] == ["/docs/kava.pdf (and 1 more)"]
