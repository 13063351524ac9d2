"""Sentence spans."""

import random
import time

import pytest

from localrag.documents.sentences import split_sentences


def sentences(text: str) -> list[str]:
    return [text[start:end] for start, end in split_sentences(text)]


@pytest.mark.parametrize(
    "expected",
    [
        ["Dr. Smith went to the U.S. in 1999.", "He met J. Smith at No. 5, see Fig. 3.", "Pi is 3.14."],
        ["Is it?", "Yes!", "It is so…", "Wait... what?!", "Good."],
        ['"Stop!" he said.', '"Really?"', "She nodded.", "(He had gone.)", "They left."],
        ["Acme Inc. said so.", "We met at 5 p.m. on Monday.", "Smith et al. (2023) agree.", "We use e.g. Python."],
        ["See https://a.b/c.d?x=1&y=2.0 for v1.2.3 of node.js.", "Version 2.0.", "Next one."],
        ["It was shown.[1]", "And again.[2][3]", "Then no more."],
        ["They moved to the U.S.", "The firm grew.", "So did I.", "The U.S. Army did not."],
        ["small letters end it too.", "because people write that.", "done"],
        ["Am 3. Oktober war es so, z.B. hier.", "Das ist das Ende."],
        ["안녕하세요.", "저는 학생입니다.", "2024. 5. 3. 서울에서 만났다.", "좋아요!"],
        ["नमस्ते।", "यह है।"],
        ["هل هذا صحيح؟", "نعم."],
        ["We chose plan B.", "But then what?", "E. coli and S. Müller did it."],
    ],
)
def test_sentences_end_where_a_reader_would_say(expected: list[str]) -> None:
    assert sentences(" ".join(expected)) == expected


@pytest.mark.parametrize(
    "expected",
    [
        ["今日は天気がいい。", "「行こう。」と彼は言った。", "終わり！", "次の文です"],
        ["他说：“你好。”", "然后走了。", "好吗？", "好。"],
        ["좋아요.", "그리고 가요!", "네"],
    ],
)
def test_cjk_sentences_need_no_space_between_them(expected: list[str]) -> None:
    assert sentences("".join(expected)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One line\n\nanother", ["One line", "another"]),
        ("A sentence that is wrapped\nover two lines. Next.", ["A sentence that is wrapped\nover two lines.", "Next."]),
        ("wrapped in\r\nWindows style.", ["wrapped in\r\nWindows style."]),
        ("1. First. More.\n2. Second\n(a) third\n- x\n* y", ["1. First.", "More.", "2. Second", "(a) third", "- x", "* y"]),
        ("# Title\ntext goes\non", ["# Title", "text goes\non"]),
        ("Title\n=====\ntext", ["Title\n=====", "text"]),
        ("| a. B | c |\n|---|---|\n| d | e |\ntext", ["| a. B | c |", "|---|---|", "| d | e |", "text"]),
        ("a. X | b\nc | d", ["a. X | b", "c | d"]),
        ("> quoted text goes\n> on here.", ["> quoted text goes\n> on here."]),
        ("```py\nx = 1. Y\n\nz\n```\nafter", ["```py", "x = 1. Y", "z", "```", "after"]),
        ("def f():\n    return 1.\n    # Two", ["def f():", "return 1.", "# Two"]),
        ("Bob Smith\n12 Long Road\nThis is the line that shows how wide the lines are.", 3),
        ("a { b; }\nC", ["a { b; }", "C"]),
        ("", []),
        (" \n\t\u00a0\n ", []),
        (".", ["."]),
    ],
)
def test_lines_part_sentences_only_where_they_mean_something(text: str, expected: list[str] | int) -> None:
    found = sentences(text)
    assert (len(found) if isinstance(expected, int) else found) == expected


def test_a_quotation_with_dots_and_brackets_inside_stays_one_sentence() -> None:
    text = (
        'Task decomposition can be done (1) by LLM with simple prompting like "Steps for XYZ.\\n1.", "What are the subgoals '
        'for achieving XYZ?", (2) by using task-specific instructions; e.g. "Write a story outline." for writing a novel, '
        "or (3) with human inputs."
    )
    assert sentences(f"{text} Another one.") == [text, "Another one."]


ALPHABETS = (
    "abc XYZ.!? \n\"')(1.2",
    "가나다 라마.!? \n·",
    "今日は。！？「」、\n ",
    "אבג דה. \n",
    "#-*>|`= \n1.a~",
    "é\u0301\u200d👩 .\u2028\r\n\x0b\x1c",
)


@pytest.mark.parametrize("alphabet", ALPHABETS)
def test_spans_are_ordered_trimmed_and_cover_all_that_is_not_space(alphabet: str) -> None:
    chance = random.Random(alphabet)
    for _ in range(150):
        text = "".join(chance.choices(alphabet, k=chance.randrange(120)))
        at = 0
        for start, end in split_sentences(text):
            assert at <= start < end
            assert text[start:end] == text[start:end].strip()
            assert not text[at:start].strip()
            at = end
        assert not text[at:].strip()


@pytest.mark.parametrize(
    "piece", ["a.", "(", "x", ". ", ".", ".)", "\n", "a\n", "A. ", "```\n", " ", "> a\n", "가. ", "。", "- ", "# a\n", '"']
)
def test_hostile_text_takes_linear_time(piece: str) -> None:
    text = piece * (200_000 // len(piece))
    started = time.perf_counter()
    split_sentences(text)
    assert time.perf_counter() - started < 2.0
