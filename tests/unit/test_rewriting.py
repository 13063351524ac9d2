"""What is taken of a question that the chat model wrote anew."""

from __future__ import annotations

import pytest

from localrag.chat.rewriting import usable

ASKED = "And its motor?"
BY_RULE = "How long is the warranty of the Kestrel drill? And its motor?"


@pytest.mark.parametrize(
    ("written", "taken"),
    [
        ("How long is the warranty of the Kestrel drill's motor?", "How long is the warranty of the Kestrel drill's motor?"),
        (' Rewritten question: "Who made the motor?" ', "Who made the motor?"),
        ("", BY_RULE),
        (" \n ", BY_RULE),
        ("I am a helpful assistant.", BY_RULE),
        ("The motor " * 100, BY_RULE),
        ("드릴의 motor?", "드릴의 motor?"),
    ],
)
def test_what_the_model_wrote_is_searched_for_unless_it_is_of_no_use(written: str, taken: str) -> None:
    assert usable(written, ASKED, BY_RULE) == taken
