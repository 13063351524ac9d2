"""GGUF models in this process, through llama.cpp."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator, Sequence
from contextlib import suppress

from langchain_core.language_models import BaseChatModel

from localrag.errors import ModelFileError, PromptError
from localrag.llms.base import GenerationStats, LoadedModel, Piece, Vocabulary
from localrag.llms.chat_format import ChatFormat
from localrag.llms.chat_model import ModelChat
from localrag.llms.format_check import thinking_tokens
from localrag.llms.formats import stop_texts
from localrag.llms.kept_states import KeptStates, identity_of
from localrag.llms.llama_context import LlamaContext
from localrag.llms.template_process import template_process
from localrag.models.gguf_file import GGUFFile, read_gguf
from localrag.models.identity import fingerprint
from localrag.models.llama_library import Model
from localrag.models.memory import check_fits
from localrag.models.purpose import why_no_answer
from localrag.models.trials import Trials
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
    reason = why_no_answer(header)
    if reason is not None:
        raise ModelFileError(reason)
    check_fits(header, settings)
    return header


def build(settings: ModelSettings, trials: Trials | None = None, states: KeptStates | None = None) -> LoadedModel:
    """Load the model `settings` names, after its trial when it is new here; seconds to minutes.

    `states` keeps evaluated conversations.

    Raises:
        ModelFileError, ModelLoadError: with the reason; nothing stays in memory.
    """
    header = check(settings)
    (trials or Trials()).ensure(header, None, settings.n_gpu_layers, settings.flash_attn)
    return LlamaCppModel(header, settings, states)


class LlamaCppModel:
    """A loaded GGUF chat model: weights, one context, and the file's own chat template."""

    exact = True

    def __init__(self, header: GGUFFile, settings: ModelSettings, states: KeptStates | None = None) -> None:
        self.name = header.path.stem
        self.model_id = fingerprint(header.path)
        template_process().prepare()  # starts while the weights are loaded
        self._model = Model(header.path, settings.n_gpu_layers, settings.use_mmap, settings.use_mlock)
        try:
            self.context = LlamaContext(self._model, settings, states, _identity(self.model_id, settings))
            texts = (self._model.token_text(self._model.bos), self._model.token_text(self._model.eos))
            self.format = ChatFormat(header.chat_template, *texts)
            self.context.shown = thinking_tokens(self._model)
        except Exception:
            self.close()
            raise
        self.vocabulary: Vocabulary = self._model
        self.n_ctx, self._wanted_ctx = self.context.n_ctx, settings.n_ctx
        self.stop: tuple[str, ...] = ()
        with suppress(PromptError):  # a template that fails says so when it is needed; another format may be chosen
            self.stop = stop_texts(self.format, self._model)
        self.llm: BaseChatModel = ModelChat.over(self)

    @property
    def cached_tokens(self) -> int:
        return self.context.cached_tokens

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
        return self.context.generate(prompt, settings, [*stop, *settings.stop], stats)

    def read_ahead(self, tokens: Sequence[int], most: int) -> None:
        self.context.read_ahead(tokens, most)

    @property
    def note(self) -> str:
        """A sentence when the window is smaller than it was set; else empty."""
        if self.n_ctx >= self._wanted_ctx:
            return ""
        return (
            f"The window has {self.n_ctx:,} tokens, all the model was trained for, not the {self._wanted_ctx:,} that were set."
            " RoPE scaling reaches further."
        )

    @property
    def notice(self) -> str:
        """What happened to its file since it was loaded, in a sentence; empty when nothing did."""
        return self._model.files.notice

    def cancel(self) -> None:
        self.context.cancel()

    def reset_cancel(self) -> None:
        self.context.reset_cancel()

    def close(self) -> None:
        """Free the memory: the context first, then the weights."""
        if hasattr(self, "context"):
            self.context.close()
        self._model.close()


def _identity(model_id: str, settings: ModelSettings) -> str:
    """All that a state of the KV cache depends on: what computes it, and how its numbers are laid out."""
    names = ("n_ctx", "flash_attn", "cache_type", "rope_scaling", "rope_freq_base", "rope_freq_scale", "n_gpu_layers")
    version = importlib.metadata.version("llama-cpp-python")
    return identity_of({"model": model_id, "llama-cpp-python": version} | {name: getattr(settings, name) for name in names})
