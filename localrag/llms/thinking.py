"""Reasoning models think aloud before they answer: their thinking and their answer told apart while they write.

Tags as the models' own templates have them (github.com/ggml-org/llama.cpp, models/templates). They count at the very
beginning of what a model writes: further on, a tag is a word of the answer, which may quote a document.
"""

from __future__ import annotations

from dataclasses import dataclass

from localrag.llms.stop_text import StopText, overlap


@dataclass(frozen=True, slots=True)
class Tag:
    """How a family marks its thinking; `before` and `after` may stand around the answer."""

    open: str
    close: str
    before: str = ""
    after: str = ""


TAGS = (
    Tag("<think>", "</think>"),  # Qwen 3, QwQ, DeepSeek R1, SmolLM3, GLM, Kimi and most others
    Tag("<thinking>", "</thinking>"),
    Tag("[THINK]", "[/THINK]"),  # Mistral: Magistral, Ministral
    Tag("<seed:think>", "</seed:think>"),
    Tag("<mm:think>", "</mm:think>"),  # MiniMax
    Tag("<|channel>thought", "<channel|>"),  # Gemma 4
    Tag("<|begin_of_thought|>", "<|end_of_thought|>", "<|begin_of_solution|>", "<|end_of_solution|>"),
    Tag("<|START_THINKING|>", "<|END_THINKING|>", "<|START_RESPONSE|>", "<|END_RESPONSE|>"),  # Cohere Command
    Tag("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),  # gpt-oss
    Tag("<|channel|>final<|message|>", ""),  # gpt-oss that answers at once
)
CONTROL_MARKS = (
    *(text for tag in TAGS[:-2] for text in (tag.open, tag.close, tag.before, tag.after) if text),
    *("<|channel>", "<|channel|>", "<|message|>", "<|start|>", "<|end|>"),
)
"""What may be one control token, which as such has no text, and must be seen to be understood."""


def mentions_thinking(template: str) -> bool:
    """Whether a chat template speaks of tags its model thinks in."""
    return any(tag.open in template for tag in TAGS if tag.close) or "<|channel|>" in template


def opened(prompt: str) -> Tag | None:
    """The tag a prompt ends with, so that what the model writes begins inside its thinking."""
    end = prompt.rstrip()
    return next((tag for tag in TAGS if tag.close and end.endswith(tag.open)), None)


class ThinkingSplit:
    """Feed what a model writes, get back what of it is thinking and what is answer."""

    def __init__(self, prompt: str = "") -> None:
        """`prompt` is what stands before the answer: it may have opened the thinking itself."""
        self._tag = opened(prompt)
        self._where = "thinking" if self._tag else "start"
        self._held = ""
        self._end = StopText(())

    @property
    def inside(self) -> bool:
        """Whether the thinking has begun and not ended."""
        return self._where == "thinking"

    def feed(self, text: str) -> tuple[str, str]:
        """Add streamed text; thinking and answer that can be shown now. What may become a tag is held back."""
        thinking = ""
        self._held += text
        if self._where == "start":
            self._begin()
        if self._where == "thinking":
            thinking = self._think()
        if self._where == "between":
            self._wait_for_answer()
        if self._where != "answer":
            return thinking, ""
        held, self._held = self._held, ""
        return thinking, self._end.feed(held)

    def rest(self) -> tuple[str, str]:
        """What is still held back when the stream ends."""
        held, self._held = self._held, ""
        if self._where == "thinking":
            return held, ""
        return "", (held if self._where == "start" else "") + self._end.rest()

    def _begin(self) -> None:
        begun = self._held.lstrip()
        tag = next((tag for tag in TAGS if begun.startswith(tag.open)), None)
        if tag is not None:
            self._tag, self._held = tag, begun[len(tag.open) :]
            self._where = "thinking" if tag.close else "between"
        elif begun and not any(tag.open.startswith(begun) for tag in TAGS):
            self._where = "answer"

    def _think(self) -> str:
        assert self._tag is not None
        close = self._tag.close
        found = self._held.find(close)
        if found >= 0:
            thinking, self._held = self._held[:found], self._held[found + len(close) :]
            self._where = "between"
            return thinking
        keep = overlap(self._held, close)
        thinking, self._held = self._held[: len(self._held) - keep], self._held[len(self._held) - keep :]
        return thinking

    def _wait_for_answer(self) -> None:
        """Skip white space, and what the family may put around its answer."""
        assert self._tag is not None
        begun, before = self._held.lstrip(), self._tag.before
        if not begun or (before and len(begun) < len(before) and before.startswith(begun)):
            return
        self._held = begun.removeprefix(before).lstrip() if before else begun
        self._end = StopText((self._tag.after,))
        self._where = "answer" if self._held else "between"


def split_thinking(text: str, prompt: str = "") -> tuple[str, str]:
    """The thinking and the answer of a whole text, stripped."""
    split = ThinkingSplit(prompt)
    (thinking, answer), (more, rest) = split.feed(text), split.rest()
    return (thinking + more).strip(), (answer + rest).strip()
