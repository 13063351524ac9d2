"""GGUF models in this process, through llama.cpp."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import PrivateAttr

from localrag.errors import ModelFileError, PromptError
from localrag.llms.base import GenerationStats, LoadedModel, Piece, Vocabulary
from localrag.llms.chat_format import ChatFormat
from localrag.llms.format_check import thinking_tokens
from localrag.llms.formats import stop_texts
from localrag.llms.llama_context import LlamaContext
from localrag.llms.template_process import template_process
from localrag.models.gguf_file import GGUFFile, read_gguf
from localrag.models.identity import fingerprint
from localrag.models.llama_library import Model
from localrag.models.memory import check_fits
from localrag.settings import AnswerSettings, ModelSettings
from localrag.types import Prompt

ROLES = {"human": "user", "ai": "assistant", "system": "system", "chat": "user"}


def check(settings: ModelSettings) -> GGUFFile:
    """Look at the file and the memory without loading; `settings.model_path` must be set.

    Raises:
        ModelFileError: no usable GGUF file of a chat model.
        ModelLoadError: it does not fit into memory.
    """
    if settings.model_path is None:
        raise ModelFileError("No model is chosen. Choose a .gguf file on the Model page.")
    header = read_gguf(settings.model_path)
    if header.pooling is not None:
        raise ModelFileError(
            f"{settings.model_path} is an embedding model and cannot answer. Choose a chat model on the Model page."
        )
    check_fits(header, settings)
    return header


def build(settings: ModelSettings) -> LoadedModel:
    """Load the model `settings` names; seconds to minutes.

    Raises:
        ModelFileError, ModelLoadError: with the reason; nothing stays in memory.
    """
    return LlamaCppModel(check(settings), settings)


class LlamaCppModel:
    """A loaded GGUF chat model: weights, one context, and the file's own chat template."""

    exact = True

    def __init__(self, header: GGUFFile, settings: ModelSettings) -> None:
        self.name = header.path.stem
        self.model_id = fingerprint(header.path)
        template_process().prepare()  # starts while the weights are loaded
        self._model = Model(header.path, settings.n_gpu_layers, settings.use_mmap, settings.use_mlock)
        try:
            self.context = LlamaContext(self._model, settings)
            texts = (self._model.token_text(self._model.bos), self._model.token_text(self._model.eos))
            self.format = ChatFormat(header.chat_template, *texts)
            self.context.shown = thinking_tokens(self._model)
        except Exception:
            self.close()
            raise
        self.vocabulary: Vocabulary = self._model
        self.n_ctx = self.context.n_ctx
        self.stop: tuple[str, ...] = ()
        with suppress(PromptError):  # a template that fails says so when it is needed; another format may be chosen
            self.stop = stop_texts(self.format, self._model)
        self.llm: BaseChatModel = LlamaCppChat.over(self)

    def parts(self, roles: Sequence[str]) -> list[str | int]:
        return self.format.parts(roles)

    def tokenize(self, text: str, *, special: bool = False) -> list[int]:
        return self._model.tokenize(text, special=special)

    def bos_tokens(self, first: Sequence[int]) -> list[int]:
        """The BOS token, when the vocabulary wants one and the template did not write it (never twice)."""
        wanted = self._model.add_bos and self._model.bos >= 0
        return [self._model.bos] if wanted and list(first[:1]) != [self._model.bos] else []

    def message_tokens(self, roles: Sequence[str], texts: Sequence[str]) -> list[int]:
        """A whole prompt: template text with control tokens, message texts without."""
        tokens: list[int] = []
        for part in self.parts(roles):
            tokens += self.tokenize(part, special=True) if isinstance(part, str) else self.tokenize(texts[part])
        return self.bos_tokens(tokens) + tokens

    def generate(
        self, prompt: Prompt, settings: AnswerSettings, stop: Sequence[str], stats: GenerationStats
    ) -> Iterator[Piece]:
        return self.context.generate(prompt.tokens, settings, [*stop, *settings.stop], stats)

    def cancel(self) -> None:
        self.context.cancel()

    def reset_cancel(self) -> None:
        self.context.reset_cancel()

    def close(self) -> None:
        """Free the memory: the context first, then the weights."""
        if hasattr(self, "context"):
            self.context.close()
        self._model.close()


class LlamaCppChat(BaseChatModel):
    """The model as a LangChain chat model, for any chain. Not for two threads at once."""

    answer: AnswerSettings = AnswerSettings()
    _loaded: LlamaCppModel = PrivateAttr()

    @classmethod
    def over(cls, loaded: LlamaCppModel, answer: AnswerSettings | None = None) -> LlamaCppChat:
        """A chat model over a loaded one; `close()` of the loaded one ends it."""
        chat = cls(answer=answer or AnswerSettings())
        chat._loaded = loaded
        return chat

    @property
    def _llm_type(self) -> str:
        return "localrag-llamacpp"

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        loaded = self._loaded
        answer = AnswerSettings.model_validate(self.answer.model_dump() | kwargs)
        tokens = loaded.message_tokens([ROLES.get(m.type, "user") for m in messages], [m.text.strip() for m in messages])
        stats = GenerationStats()
        loaded.reset_cancel()
        for piece in loaded.generate(Prompt(tuple(tokens)), answer, [*loaded.stop, *(stop or [])], stats):
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
