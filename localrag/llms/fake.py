"""A model that repeats the passages it was given: for tests of pages and plumbing, never where answers are judged."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from localrag.llms.base import GenerationStats, Piece, Vocabulary
from localrag.llms.chat_format import ChatFormat
from localrag.settings import AnswerSettings, ModelSettings
from localrag.types import Prompt

_WORD_SECONDS = 0.02
_TEMPLATE = (
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
)


class FakeVocabulary:
    """Tokens are code points, none of them with a meaning of its own."""

    bos = eos = -1
    add_bos = False

    def tokenize(self, text: str, *, special: bool = False) -> list[int]:
        return [ord(character) for character in text]

    def token_text(self, token: int) -> str:
        return chr(token) if token >= 0 else ""

    def is_end(self, token: int) -> bool:
        return False

    def is_control(self, token: int) -> bool:
        return False


class FakeModel:
    """Tokens are code points. Answers with the prompt's last words, one word at a time, and stops when told."""

    name = "fake"
    model_id = "fake"
    stop: tuple[str, ...] = ()
    exact = True
    cached_tokens = 0

    def __init__(self, settings: ModelSettings) -> None:
        self.n_ctx = settings.n_ctx or 4096
        self.format = ChatFormat(_TEMPLATE, "", "")
        self.vocabulary: Vocabulary = FakeVocabulary()
        self._cancelled = threading.Event()
        self.llm: BaseChatModel = FakeChat()

    def parts(self, roles: Sequence[str]) -> list[str | int]:
        parts: list[str | int] = []
        for index, role in enumerate(roles):
            parts += [f"<{role}>", index]
        return [*parts, "<assistant>"]

    def tokenize(self, text: str, *, special: bool = False) -> list[int]:
        return self.vocabulary.tokenize(text)

    def bos_tokens(self, first: Sequence[int]) -> list[int]:
        return []

    def generate(
        self, prompt: Prompt, settings: AnswerSettings, stop: Sequence[str], stats: GenerationStats
    ) -> Iterator[Piece]:
        started = time.perf_counter()
        stats.prompt_tokens = len(prompt.tokens) + len(prompt.begun)
        words = re.findall(r"\S+\s*", "".join(chr(token) for token in prompt.tokens))[-80:]
        if prompt.begun:
            yield Piece("".join(words[: len(prompt.begun)]))
        words = words[len(prompt.begun) :]
        stats.finish = "stop" if len(words) <= settings.max_tokens else "length"
        for word in words[: settings.max_tokens]:
            if self._cancelled.wait(_WORD_SECONDS):
                stats.finish = "cancelled"
                break
            stats.prefill_s = stats.prefill_s or time.perf_counter() - started
            stats.answer_tokens += 1
            yield Piece(word, ord(word[0]))
        stats.generation_s = time.perf_counter() - started - stats.prefill_s

    def cancel(self) -> None:
        self._cancelled.set()

    def reset_cancel(self) -> None:
        self._cancelled.clear()

    def close(self) -> None:
        self._cancelled.set()


class FakeChat(BaseChatModel):
    """The same for LangChain chains: answers with the last message."""

    @property
    def _llm_type(self) -> str:
        return "localrag-fake"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage(content=messages[-1].text))])


def build(settings: ModelSettings) -> FakeModel:
    """A fake model; needs no file."""
    return FakeModel(settings)
