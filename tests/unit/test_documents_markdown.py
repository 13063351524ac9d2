"""Markdown: the text unchanged, a mark at every heading."""

import time

import pytest

from localrag.documents.readers import read_document
from localrag.settings import DocumentSettings
from localrag.types import ParsedDocument


def read(text: str, name: str = "guide.md") -> ParsedDocument:
    document = read_document(text.encode(), name, DocumentSettings())
    assert document.text == text
    return document


def places(text: str) -> list[tuple[str, str]]:
    document = read(text)
    return [(text[mark.start :].split("\n")[0].strip(), mark.location) for mark in document.marks]


def test_marks_carry_the_heading_path_at_every_heading() -> None:
    text = "intro\n\n# Guide\n\ntext\n\n## Chat\n\n### Deep ###\n\n## Lab\n\n# Other\n"
    assert places(text) == [
        ("# Guide", "Guide"),
        ("## Chat", "Guide › Chat"),
        ("### Deep ###", "Guide › Chat › Deep"),
        ("## Lab", "Guide › Lab"),
        ("# Other", "Other"),
    ]


def test_setext_headings_count_and_their_mark_is_at_the_text() -> None:
    assert places("Guide\n=====\n\nChat\n----\nbody\n") == [("Guide", "Guide"), ("Chat", "Guide › Chat")]


@pytest.mark.parametrize(
    "text",
    [
        "```\n# no\n```\n",
        "~~~~ py\n# no\n```\n# no\n~~~\n# no\n~~~~\n",
        "    # indented code\n",
        "#hashtag\n",
        "####### seven\n",
        "- item\n---\n",
        "\n---\n",
        "| a |\n|---|\n",
        "| a |\n---\n",
        "text\n\n---\n",
        "> quote\n---\n",
        "---\nname: x\n---\nbody\n",
    ],
)
def test_what_is_no_heading_makes_no_mark(text: str) -> None:
    assert places(text) == []


def test_a_fence_that_is_never_closed_hides_nothing() -> None:
    assert places("```\n# shown\n") == [("# shown", "shown")]


@pytest.mark.parametrize(
    ("heading", "plain"),
    [
        ("# **Bold** and `code`", "Bold and code"),
        ("# [Link](http://x/y) ![img](z.png)", "Link img"),
        ("# snake_case _stress_ {#anchor}", "snake_case stress"),
        ("# C#", "C#"),
        ("# closed ##", "closed"),
        ("#", ""),
    ],
)
def test_locations_are_plain_text(heading: str, plain: str) -> None:
    assert read(heading + "\n").marks[0].location == plain


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ('---\ntitle: "My guide"\ntags: [a]\n---\n# Other\n', "My guide"),
        ("+++\ntitle = 'Toml'\n+++\ntext\n", "Toml"),
        ("## Second\n\n# First\n", "First"),
        ("## Only\n", "Only"),
        ("no heading", "guide"),
        ("---\nnever closed\n# H\n", "H"),
    ],
)
def test_the_title_is_of_the_front_matter_or_the_first_heading_or_the_file(text: str, title: str) -> None:
    assert read(text).title == title


def test_windows_line_breaks_do_not_shift_marks() -> None:
    text = "# A\r\n\r\ntext\r\n\r\n## B\r\n"
    assert [text[mark.start] for mark in read(text).marks] == ["#", "#"]


def test_a_mark_stands_where_the_heading_begins_behind_its_indentation() -> None:
    text = "# A\n\ntext\n\n  ## B\n\n   C\n---\n\ntext\n"
    assert [text[mark.start :][:2] for mark in read(text).marks] == ["# ", "##", "C\n"]


@pytest.mark.parametrize("piece", ["# [", "# *", "# #", "```\n", "a\n=\n", "# a\n", "[](", "`", " ", "> ", "{#"])
def test_hostile_markdown_is_read_in_linear_time(piece: str) -> None:
    text = piece * (200_000 // len(piece))
    started = time.perf_counter()
    read(text)
    assert time.perf_counter() - started < 2.0
