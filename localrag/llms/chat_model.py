"""Any loaded model as a LangChain chat model, for any chain."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import PrivateAttr

from localrag.llms.base import GenerationStats, LoadedModel, PromptFormat
from localrag.settings import AnswerSettings
from localrag.types import Prompt, Role

ROLES: dict[str, Role] = {"human": "user", "ai": "assistant", "system": "system", "chat": "user"}


def prompt_of(model: PromptFormat, messages: Sequence[tuple[Role, str]]) -> Prompt:
    """A whole prompt: template text with control tokens, message texts without.

    Raises:
        PromptError: the model's template refuses these roles.
    """
    tokens: list[int] = []
    for part in model.parts([role for role, _ in messages]):
        tokens += model.tokenize(part, special=True) if isinstance(part, str) else model.tokenize(messages[part][1])
    return Prompt((*model.bos_tokens(tokens), *tokens), tuple(messages))


class ModelChat(BaseChatModel):
    """A loaded model, streaming. Not for two threads at once."""

    answer: AnswerSettings = AnswerSettings()
    _loaded: LoadedModel = PrivateAttr()

    @classmethod
    def over(cls, loaded: LoadedModel, answer: AnswerSettings | None = None) -> ModelChat:
        """A chat model over a loaded one; `close()` of the loaded one ends it."""
        chat = cls(answer=answer or AnswerSettings())
        chat._loaded = loaded
        return chat

    @property
    def _llm_type(self) -> str:
        return "localrag"

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        loaded = self._loaded
        answer = AnswerSettings.model_validate(self.answer.model_dump() | kwargs)
        prompt = prompt_of(loaded, [(ROLES.get(message.type, "user"), message.text.strip()) for message in messages])
        stats = GenerationStats()
        loaded.reset_cancel()
        for piece in loaded.generate(prompt, answer, [*loaded.stop, *(stop or [])], stats):
            chunk = ChatGenerationChunk(message=AIMessageChunk(content=piece.text))
            if run_manager:
                run_manager.on_llm_new_token(piece.text, chunk=chunk)
            yield chunk
        details = {
            "finish_reason": stats.finish,
            "evaluated_tokens": stats.evaluated,
            "prefill_rate": stats.prefill_rate,
            "generation_rate": stats.generation_rate,
        }
        usage = UsageMetadata(
            input_tokens=stats.prompt_tokens,
            output_tokens=stats.answer_tokens,
            total_tokens=stats.prompt_tokens + stats.answer_tokens,
        )
        yield ChatGenerationChunk(
            message=AIMessageChunk(content="", response_metadata=details, usage_metadata=usage, chunk_position="last")
        )

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        whole: AIMessageChunk | None = None
        for chunk in self._stream(messages, stop, run_manager, **kwargs):
            whole = chunk.message if whole is None else whole + chunk.message  # type: ignore[assignment]
        assert whole is not None  # the closing chunk always comes
        message = AIMessage(
            content=whole.content, response_metadata=whole.response_metadata, usage_metadata=whole.usage_metadata
        )
        return ChatResult(generations=[ChatGeneration(message=message)])
