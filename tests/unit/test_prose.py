"""What a model or a document wrote never becomes markup of ours, and marks land on their sentences."""

from __future__ import annotations

import random
import re

import pytest

from localrag.chat.prose import answer, circled, passage
from localrag.types import AnswerSentence
from localrag.ui.markup import plain

ALLOWED_TAGS = {
    "div", "p", "span", "mark", "strong", "em", "code", "pre", "ul", "ol", "li", "blockquote", "br", "hr",
    "h1", "h2", "h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td",
}  # fmt: skip
HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "![pixel](http://tracker.invalid/p.png)",
    "![pixel][1]\n\n[1]: http://tracker.invalid/p.png",
    "[click](javascript:alert(1)) and [more](http://tracker.invalid)",
    "<http://tracker.invalid>",
    "<iframe src='http://tracker.invalid'></iframe><style>@import url(http://tracker.invalid)</style>",
    "`<b>` ``` <i> ```",
    "**bold <u>not underlined</u>**",
    "a\ue010\ue100b\ue011",
    "| a | b |\n|---|---|\n| <script> | ![x](http://tracker.invalid) |",
]


def tags(html: str) -> set[str]:
    return {name.lower() for name in re.findall(r"<\s*/?\s*([a-zA-Z0-9]+)", html)}


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_written_by_a_model_becomes_an_active_tag(text: str) -> None:
    html = answer(text, [AnswerSentence(text, "supported", (0,))])
    assert tags(html) <= ALLOWED_TAGS
    assert not re.search(r"<[^>]*\b(src|href|onerror|onload)\s*=", html)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_passage_is_shown_as_it_stands(text: str) -> None:
    html = passage(text, (0, min(3, len(text))))
    assert tags(html) <= {"div", "mark"}


def test_random_markup_never_gets_through() -> None:
    chance = random.Random(3)
    pieces = ["<", ">", "![", "](", "http://x.invalid", ")", "script", "`", "**", "\n", "- ", "&lt;", '"', "'", "a b."]
    for _ in range(500):
        text = "".join(chance.choice(pieces) for _ in range(chance.randint(1, 30)))
        html = answer(text, [AnswerSentence(text, "weak", (0,))])
        assert tags(html) <= ALLOWED_TAGS, text
        assert not re.search(r"<[^>]*\b(src|href)\s*=", html), text


def test_each_sentence_gets_the_mark_of_its_support() -> None:
    text = "Water boils. It is blue! The moon is cheese."
    html = answer(
        text,
        [
            AnswerSentence("Water boils.", "supported", (0, 2)),
            AnswerSentence("It is blue!", "weak", (1,)),
            AnswerSentence("The moon is cheese.", "unsupported"),
        ],
    )
    assert re.search(r"underline solid[^>]*>Water boils\.</span><span[^>]*> ①③</span>", html)
    assert re.search(r"underline dotted[^>]*>It is blue!</span><span[^>]*> ②</span>", html)
    assert re.search(r"The moon is cheese\.</span><span[^>]*>not in the documents</span>", html)


def test_marks_leave_lists_and_headings_what_they_are() -> None:
    text = "## Facts\n\n1. One is odd.\n2. Two is even.\n"
    html = answer(text, [AnswerSentence(t, "supported", (0,)) for t in ("## Facts", "1. One is odd.", "2. Two is even.")])
    assert html.count("<li>") == 2
    assert "<strong>" in html


def test_code_stays_code() -> None:
    text = "Run this:\n\n```python\nprint(1)\n```\n\nDone."
    html = answer(text, [AnswerSentence(t, "weak", (0,)) for t in ("Run this:", "```python", "print(1)", "```", "Done.")])
    assert '<pre><code class="language-python">print(1)\n</code></pre>' in html
    assert html.count("underline dotted") == 2


def test_the_same_sentence_twice_is_marked_twice() -> None:
    html = answer("Yes. Yes.", [AnswerSentence("Yes.", "supported", (0,)), AnswerSentence("Yes.", "weak", (1,))])
    assert "solid" in html
    assert "dotted" in html
    assert "①" in html
    assert "②" in html


def test_numbers_have_a_sign_as_far_as_there_are_signs() -> None:
    assert [circled(n) for n in (1, 20, 21)] == ["①", "⑳", "(21)"]


def test_plain_text_survives_streamlits_markdown() -> None:
    assert plain("a*b_c :red[x] $y$ <b>\n# z") == r"a\*b\_c \:red\[x\] \$y\$ \<b\> \# z"
