"""Thinking told from the answer in a stream, however it is cut into pieces."""

from __future__ import annotations

import random

import pytest

from localrag.llms.thinking import TAGS, ThinkingSplit, mentions_thinking, opened, split_thinking

CASES = {
    "<think>\nLet me see.\n</think>\n\nParis.": ("\nLet me see.\n", "Paris."),
    "\n <think></think>Paris.": ("", "Paris."),
    "<thinking>Hm</thinking> Paris <think>.": ("Hm", "Paris <think>."),
    "[THINK]Hm[/THINK]Paris.": ("Hm", "Paris."),
    "<seed:think>Hm</seed:think>Paris.": ("Hm", "Paris."),
    "<|channel>thought\nHm<channel|>Paris.": ("\nHm", "Paris."),
    "<|channel|>analysis<|message|>Hm<|end|><|start|>assistant<|channel|>final<|message|>Paris.": ("Hm", "Paris."),
    "<|channel|>final<|message|>Paris.": ("", "Paris."),
    "<|begin_of_thought|>Hm<|end_of_thought|>\n\n<|begin_of_solution|>\nParis.<|end_of_solution|>": ("Hm", "Paris."),
    "<|START_THINKING|>Hm<|END_THINKING|><|START_RESPONSE|>Paris.<|END_RESPONSE|>": ("Hm", "Paris."),
    "<|begin_of_thought|>Hm<|end_of_thought|>\nParis.": ("Hm", "Paris."),
    "Paris <think>is</think> it.": ("", "Paris <think>is</think> it."),
    "  Paris.": ("", "  Paris."),
    "<b>Paris</b>": ("", "<b>Paris</b>"),
    "<thin": ("", "<thin"),
    "": ("", ""),
    "<think>Never </thi ends": ("Never </thi ends", ""),
    "<think>ends</think>": ("ends", ""),
}


def split(pieces: list[str], prompt: str = "") -> tuple[str, str]:
    state = ThinkingSplit(prompt)
    parts = [state.feed(piece) for piece in pieces]
    parts.append(state.rest())
    return "".join(thinking for thinking, _ in parts), "".join(answer for _, answer in parts)


@pytest.mark.parametrize("text", CASES)
def test_thinking_stands_at_the_beginning_and_nowhere_else(text: str) -> None:
    assert split([text]) == CASES[text]
    assert split(list(text)) == CASES[text]


@pytest.mark.parametrize("seed", range(20))
def test_it_makes_no_difference_how_the_stream_is_cut(seed: int) -> None:
    rng = random.Random(seed)
    for text, expected in CASES.items():
        cuts = sorted(rng.randint(0, len(text)) for _ in range(rng.randint(0, 6)))
        assert split([text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]) == expected


@pytest.mark.parametrize("seed", range(20))
def test_no_text_gets_lost_whatever_a_model_writes(seed: int) -> None:
    rng = random.Random(seed)
    words = [tag.open for tag in TAGS] + [tag.close for tag in TAGS] + ["a", " ", "\n", "<", "|", "think>"]
    for _ in range(200):
        text = "".join(rng.choice(words) for _ in range(rng.randint(0, 8)))
        thinking, answer = split(list(text))
        assert split([text]) == (thinking, answer)
        kept = "".join(thinking.split()) + "".join(answer.split())
        rest = "".join(text.split())
        for character in kept:  # what is left of the text is there, in order
            assert character in rest
            rest = rest[rest.index(character) + 1 :]


def test_half_a_tag_is_never_shown() -> None:
    state = ThinkingSplit()
    assert state.feed("<thi") == ("", "")
    assert state.feed("nk>I w") == ("I w", "")
    assert state.inside
    assert state.feed("onder</th") == ("onder", "")
    assert state.feed("ink>\n") == ("", "")
    assert not state.inside
    assert state.feed("So") == ("", "So")


@pytest.mark.parametrize("prompt", ["<|im_start|>assistant\n<think>\n", "<think>", "x [THINK] "])
def test_a_prompt_that_opens_the_thinking_needs_no_tag_in_the_answer(prompt: str) -> None:
    tag = opened(prompt)
    assert tag is not None
    assert split(["Hm", tag.close, " Paris."], prompt) == ("Hm", "Paris.")
    assert ThinkingSplit(prompt).inside


def test_a_prompt_with_empty_thoughts_opens_none() -> None:
    assert opened("<|im_start|>assistant\n<think>\n\n</think>\n\n") is None
    assert split(["Paris."], "<think>\n\n</think>\n\n") == ("", "Paris.")


def test_a_whole_text_is_split_and_stripped() -> None:
    assert split_thinking("<think>\nHm\n</think>\n\nParis.\n") == ("Hm", "Paris.")
    assert split_thinking(" Paris. ") == ("", "Paris.")


def test_a_template_that_knows_thinking_is_told_by_its_tags() -> None:
    assert mentions_thinking("{% if '</think>' in c %}<think>{% endif %}")
    assert mentions_thinking("<|start|>assistant<|channel|>final")
    assert not mentions_thinking("<|im_start|>")
