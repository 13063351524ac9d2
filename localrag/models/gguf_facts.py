"""The facts a GGUF header states, by their usual names. Keys: github.com/ggml-org/ggml/blob/master/docs/gguf.md."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from localrag.models.gguf_types import FILE_TYPES, GUESSED, POOLING
from localrag.models.llama_names import DRAFTS, SPEECH

Scalar = int | float | bool | str
ModelKind = Literal["chat", "embedding", "reranker", "adapter", "projector", "vocabulary", "draft", "other"]

# Encoders of llama.cpp that make vectors and cannot generate (src/llama-arch.cpp).
ENCODERS = frozenset(
    {"bert", "modern-bert", "nomic-bert", "nomic-bert-moe", "neo-bert", "jina-bert-v2", "jina-bert-v3", "eurobert"}
    | {"gemma-embedding", "llama-embed", "t5encoder"}
)
# general.type of files that belong to a model (gguf-py/gguf/constants.py, tools/imatrix); llama.cpp's cvector-generator writes
# the architecture "controlvector" instead.
PARTS_OF_MODELS: dict[str, ModelKind] = {"adapter": "adapter", "controlvector": "adapter", "mmproj": "projector"}


@dataclass(frozen=True, slots=True)
class ArrayInfo:
    """An array that was skipped, such as a vocabulary."""

    element_type: str
    length: int


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor; `dims` fastest first, `offset` and `size` in bytes."""

    name: str
    dims: tuple[int, ...]
    type: str
    offset: int
    size: int

    @property
    def elements(self) -> int:
        return math.prod(self.dims)


Value = Scalar | list[Scalar] | ArrayInfo


@dataclass(frozen=True, slots=True)
class Facts:
    """Typed reading of the metadata. A key that is absent or has the wrong type gives 0, "" or None."""

    metadata: dict[str, Value] = field(repr=False)
    tensors: tuple[Tensor, ...] = field(repr=False)

    def text(self, key: str) -> str | None:
        value = self.metadata.get(key)
        return value if isinstance(value, str) else None

    def integer(self, key: str) -> int | None:
        value = self.metadata.get(key)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def of_arch(self, key: str) -> Value | None:
        """The value of `<architecture>.<key>`."""
        return self.metadata.get(f"{self.architecture}.{key}")

    def arch_integer(self, key: str) -> int:
        """The number at `<architecture>.<key>`, of a per-layer array the largest; 0 when absent or negative."""
        value = self.of_arch(key)
        numbers = value if isinstance(value, list) else [value]
        return max((n for n in numbers if isinstance(n, int) and n > 0), default=0)

    @property
    def architecture(self) -> str:
        return self.text("general.architecture") or ""

    @property
    def name(self) -> str:
        return self.text("general.name") or ""

    @property
    def parameters(self) -> int:
        return sum(tensor.elements for tensor in self.tensors)

    @property
    def weight_bytes(self) -> int:
        return sum(tensor.size for tensor in self.tensors)

    @property
    def dominant_type(self) -> str:
        """The tensor type that holds most elements; empty without tensors."""
        held: Counter[str] = Counter()
        for tensor in self.tensors:
            held[tensor.type] += tensor.elements
        return held.most_common(1)[0][0] if held else ""

    @property
    def quantisation(self) -> str:
        stated = self.integer("general.file_type")
        return (
            FILE_TYPES.get(stated & ~GUESSED, self.dominant_type) if stated is not None and stated >= 0 else self.dominant_type
        )

    @property
    def n_ctx_train(self) -> int:
        return self.arch_integer("context_length")

    @property
    def n_layers(self) -> int:
        return self.arch_integer("block_count")

    @property
    def n_embd(self) -> int:
        return self.arch_integer("embedding_length")

    @property
    def n_head(self) -> int:
        return self.arch_integer("attention.head_count")

    @property
    def n_head_kv(self) -> int | list[int]:
        """Key/value heads; a list, one number per layer, when layers differ."""
        value = self.of_arch("attention.head_count_kv")
        if isinstance(value, list):
            return [max(n, 0) if isinstance(n, int) else 0 for n in value]
        return max(value, 0) if isinstance(value, int) else self.n_head

    @property
    def key_length(self) -> int:
        """Numbers in the key of one head."""
        return self.arch_integer("attention.key_length") or (self.n_embd // self.n_head if self.n_head else 0)

    @property
    def value_length(self) -> int:
        """Numbers in the value of one head."""
        return self.arch_integer("attention.value_length") or (self.n_embd // self.n_head if self.n_head else 0)

    @property
    def chat_template(self) -> str | None:
        return self.text("tokenizer.chat_template")

    @property
    def tokenizer_model(self) -> str | None:
        return self.text("tokenizer.ggml.model")

    @property
    def pre_tokenizer(self) -> str | None:
        return self.text("tokenizer.ggml.pre")

    @property
    def licence(self) -> str:
        return self.text("general.license") or ""

    @property
    def pooling(self) -> str | None:
        """How token vectors become one: none, mean, cls, last or rank; None when the file does not say."""
        stated = self.of_arch("pooling_type")
        return POOLING.get(stated) if isinstance(stated, int) else None

    @property
    def n_vocab(self) -> int:
        tokens = self.metadata.get("tokenizer.ggml.tokens")
        if isinstance(tokens, ArrayInfo):
            return tokens.length
        return len(tokens) if isinstance(tokens, list) else self.arch_integer("vocab_size")

    @property
    def split_count(self) -> int:
        """Files this model is split into; 1 when it is whole."""
        return max(self.integer("split.count") or 1, 1)

    @property
    def kind(self) -> ModelKind:
        """By the header: `pooling_type` or an encoder architecture makes vectors, a causal model with a vocabulary chats."""
        stated = self.text("general.type") or "model"
        belonging = PARTS_OF_MODELS.get(stated) or PARTS_OF_MODELS.get(self.architecture)
        if belonging or self.architecture == "clip":
            return belonging or "projector"
        if stated != "model" or (self.integer("split.no") or 0) > 0:
            return "other"
        if not self.tensors and self.split_count == 1:
            return "vocabulary" if self.n_vocab else "other"
        if self.architecture in DRAFTS or self.architecture in SPEECH:
            return "draft" if self.architecture in DRAFTS else "other"
        if self.pooling == "rank":
            return "reranker"
        if self.architecture in ENCODERS or self.pooling in ("mean", "cls", "last"):
            return "embedding"
        return "chat" if self.n_layers and self.n_vocab and self.tokenizer_model else "other"
