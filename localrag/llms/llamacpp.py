"""GGUF models in this process, through llama.cpp."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from langchain_core.language_models import BaseChatModel

from localrag.errors import ModelFileError
from localrag.llms.base import GenerationStats, LoadedModel, Piece
from localrag.llms.chat_format import ChatFormat
from localrag.llms.chat_model import ModelChat
from localrag.llms.llama_context import LlamaContext
from localrag.models.gguf_file import GGUFFile, read_gguf
from localrag.models.identity import fingerprint
from localrag.models.llama_library import Model
from localrag.models.memory import check_fits
from localrag.settings import AnswerSettings, ModelSettings
from localrag.types import Prompt


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
        self._model = Model(header.path, settings.n_gpu_layers, settings.use_mmap, settings.use_mlock)
        try:
            self.context = LlamaContext(self._model, settings)
            texts = (self._model.token_text(self._model.bos), self._model.token_text(self._model.eos))
            self.format = ChatFormat(header.chat_template, *texts)
        except Exception:
            self.close()
            raise
        self.n_ctx = self.context.n_ctx
        self.stop: tuple[str, ...] = self.format.stop
        self.llm: BaseChatModel = ModelChat.over(self)

    def parts(self, roles: Sequence[str]) -> list[str | int]:
        return self.format.parts(roles)

    def tokenize(self, text: str, *, special: bool = False) -> list[int]:
        return self._model.tokenize(text, special=special)

    def bos_tokens(self, first: Sequence[int]) -> list[int]:
        """The BOS token, when the vocabulary wants one and the template did not write it (never twice)."""
        wanted = self._model.add_bos and self._model.bos >= 0
        return [self._model.bos] if wanted and list(first[:1]) != [self._model.bos] else []

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
