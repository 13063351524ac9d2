"""What commands print for people: no character of a file steers the terminal, every sentence of an answer has its mark."""

from __future__ import annotations

import json

import pytest

from localrag.chat.marks import marked
from localrag.commands.output import complain, say, say_json, say_text
from localrag.types import AnswerSentence, Turn

HOSTILE = "a\x1b]0;x\x07b\x9b2Jc\u202ed\u2066e\x7f"
HARMLESS = "a\\x1b]0;x\\x07b\\x9b2Jc\\u202ed\\u2066e\\x7f"


def test_what_steers_a_terminal_is_shown_as_an_escape(capsys: pytest.CaptureFixture[str]) -> None:
    for print_it in (say, say_text):
        print_it(HOSTILE)
        assert capsys.readouterr().out == HARMLESS + "\n"
    complain(HOSTILE)
    assert capsys.readouterr().err == HARMLESS + "\n"


def test_a_name_with_line_breaks_is_one_row_and_a_text_keeps_its_lines(capsys: pytest.CaptureFixture[str]) -> None:
    say("indexed  one\ntwo\rthree\r\nfour\t한글 é")
    assert capsys.readouterr().out == "indexed  one\\ntwo\\rthree\\r\\nfour\t한글 é\n"
    say_text("one\r\ntwo\nthree\rfour\t한글 é")
    assert capsys.readouterr().out == "one\r\ntwo\nthree\\rfour\t한글 é\n"


def test_json_holds_what_was_there(capsys: pytest.CaptureFixture[str]) -> None:
    say_json({"name": HOSTILE})
    assert json.loads(capsys.readouterr().out) == {"name": HOSTILE}


def test_every_sentence_of_an_answer_has_its_mark() -> None:
    sentences = (
        AnswerSentence("It is hot.", "supported", (0, 2)),
        AnswerSentence("---", "unsupported"),
        AnswerSentence("It is hot.", "weak", (1,)),
        AnswerSentence("Buy it.", "unsupported"),
    )
    turn = Turn("t", "?", "It is hot.\n\n---\nIt is hot. Buy it.\n", sentences=sentences)
    assert marked(turn) == "It is hot. [1, 3]\n\n---\nIt is hot. [weak: 2] Buy it. [not in the documents]\n"
