"""What a chat model is to the rest of the house. One file beside this one per backend."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from langchain_core.language_models import BaseChatModel

from localrag.llms.chat_format import ChatFormat
from localrag.settings import AnswerSettings
from localrag.types import FinishReason, Prompt


@dataclass(frozen=True, slots=True)
class Piece:
    """A bit of streamed answer. `token` is None for text that was held back and comes out at the end."""

    text: str
    token: int | None = None


@dataclass(slots=True)
class GenerationStats:
    """Filled while an answer is made. Seconds; `reused` prompt tokens were already in the KV cache."""

    prompt_tokens: int = 0
    reused: int = 0
    prefill_s: float = 0.0
    answer_tokens: int = 0
    generation_s: float = 0.0
    finish: FinishReason | None = None
    hit_stop_text: bool = False
    """The last tokens spell a stop text that is not part of the answer."""

    @property
    def evaluated(self) -> int:
        """Prompt tokens that had to be evaluated."""
        return self.prompt_tokens - self.reused

    @property
    def prefill_rate(self) -> float:
        """Prompt tokens evaluated per second."""
        return self.evaluated / self.prefill_s if self.prefill_s else 0.0

    @property
    def generation_rate(self) -> float:
        """Answer tokens per second, after the first (which falls out of the prompt's evaluation)."""
        return (self.answer_tokens - 1) / self.generation_s if self.generation_s and self.answer_tokens > 1 else 0.0


class PromptFormat(Protocol):
    """Turns roles and texts into tokens; what the prompt plan needs of a model."""

    n_ctx: int
    stop: tuple[str, ...]
    exact: bool
    """Whether `tokenize` gives the model's own tokens; else as many tokens as are expected, of no meaning but their number."""

    def parts(self, roles: Sequence[str]) -> list[str | int]:
        """Template texts (str) and message indices (int), in prompt order."""
        ...

    def tokenize(self, text: str, *, special: bool = False) -> list[int]:
        """Token ids; control tokens only for `special` text, which is never a document's or a user's."""
        ...

    def bos_tokens(self, first: Sequence[int]) -> list[int]:
        """What must stand before a prompt that begins with these tokens."""
        ...


class LoadedModel(PromptFormat, Protocol):
    """A model in memory. Only one thread may call `generate`; `cancel` may be called from any."""

    name: str
    model_id: str
    llm: BaseChatModel

    @property
    def cached_tokens(self) -> int:
        """Tokens that lie evaluated in the KV cache now; 0 where that is not known. From any thread."""
        ...

    def generate(
        self, prompt: Prompt, settings: AnswerSettings, stop: Sequence[str], stats: GenerationStats
    ) -> Iterator[Piece]:
        """Evaluate the prompt and stream the answer, filling `stats`. A backend takes the prompt's tokens or its messages.

        Of an answer that the prompt has `begun`, that text comes first, then what is new.
        It is the one that would have come uncut, where that does not hang on chance. `stats` and `max_tokens` count what is
        new, `stats.prompt_tokens` the prompt with what was begun.
        Raises:
            GenerationError: the prompt does not fit or the model failed.
        """
        ...

    def cancel(self) -> None:
        """End the running `generate` within 100 ms, during prompt evaluation too."""
        ...

    def reset_cancel(self) -> None:
        """Forget an earlier `cancel`; called before an answer becomes stoppable."""
        ...

    def close(self) -> None:
        """Free the memory."""
        ...


class Vocabulary(Protocol):
    """The tokens of a model; special ids are -1 where there is none."""

    bos: int
    eos: int
    add_bos: bool

    def tokenize(self, text: str, *, special: bool = False) -> list[int]:
        """Token ids; control tokens only for `special` text."""
        ...

    def token_text(self, token: int) -> str:
        """How the vocabulary spells a token, control tokens included; "" for -1."""
        ...

    def is_end(self, token: int) -> bool:
        """Whether the model ends its answer with this token."""
        ...

    def is_control(self, token: int) -> bool:
        """Whether it is a sign to the model, and no text."""
        ...


@runtime_checkable
class TemplatedModel(LoadedModel, Protocol):
    """A model that takes tokens, so that any template can be put around the messages. A server that has its own is none."""

    format: ChatFormat
    vocabulary: Vocabulary


@runtime_checkable
class ReadsAhead(LoadedModel, Protocol):
    """A model with a cache of ours, in which a prompt can be begun before it is asked."""

    def read_ahead(self, tokens: Sequence[int], most: int) -> None:
        """Evaluate the beginning of a prompt to come, if at most `most` tokens are new; GenerationError if it fails."""
        ...
