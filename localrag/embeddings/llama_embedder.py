"""One llama.cpp context that embeds: token lists in, unit vectors out. For one thread at a time."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import numpy as np

from localrag.embeddings.base import Vectors, unit
from localrag.embeddings.pooling import end_token, ended
from localrag.errors import EmbeddingError
from localrag.models.llama_library import Model, last_complaint

WINDOW = 512
"""Tokens per input at most; the model's own limit where that is lower. A longer input is embedded in pieces."""
FILL = 256
"""Tokens per evaluation: attention is quadratic over the whole batch, 2,048 measured ten times slower than 256."""
SEQUENCES = 16


class LlamaEmbedder:
    """A context of its own over a shared model."""

    def __init__(self, model: Model, n_threads: int, pooling: int) -> None:
        """`pooling`: llama.cpp's number. Raises EmbeddingError when llama.cpp cannot make the context."""
        self.model, self.lib = model, model.lib
        self.window = min(WINDOW, model.n_ctx_train)
        params = self.lib.llama_context_default_params()
        params.embeddings = True
        params.n_ctx = params.n_batch = params.n_ubatch = self.window
        params.n_seq_max = SEQUENCES
        params.kv_unified = True
        params.n_threads = params.n_threads_batch = n_threads
        params.flash_attn_type = 1
        params.pooling_type = pooling
        self._end = end_token(pooling, model.eos, lambda text: model.tokenize(text, special=True))
        self.pointer = self.lib.llama_init_from_model(model.pointer, params)
        if not self.pointer:
            raise EmbeddingError(f"{model.path} cannot embed: {last_complaint() or 'not enough memory'}. Choose another model.")
        self._batch = self.lib.llama_batch_init(self.window, 0, 1)
        self._memory = self.lib.llama_get_memory(self.pointer)

    def pieces(self, text: str) -> list[list[int]]:
        """A text as token lists of at most `window` tokens, each with the model's own start and end tokens."""
        whole = ended(self.model.tokenize(text, add_special=True), self._end)
        if len(whole) <= self.window:
            return [whole]
        body = self.model.tokenize(text)
        lead = next((at for at in range(3) if whole[at : at + 8] == body[:8]), 0)
        start, end = whole[:lead], whole[lead + len(body) :]
        room = self.window - len(start) - len(end)
        return [start + body[at : at + room] + end for at in range(0, len(body), room)]

    def embed(self, inputs: Sequence[Sequence[int]]) -> Vectors:
        """Embed token lists, filling evaluations up to FILL tokens; rows in the order given, of length 1."""
        rows = np.empty((len(inputs), self.model.n_embd), np.float32)
        group: list[int] = []
        filled = 0
        for index, tokens in enumerate(inputs):
            if group and (filled + len(tokens) > FILL or len(group) == SEQUENCES):
                self._evaluate(inputs, group, rows)
                group, filled = [], 0
            group.append(index)
            filled += len(tokens)
        if group:
            self._evaluate(inputs, group, rows)
        return unit(rows)

    def _evaluate(self, inputs: Sequence[Sequence[int]], group: list[int], rows: Vectors) -> None:
        batch, at = self._batch, 0
        for sequence, index in enumerate(group):
            for position, token in enumerate(inputs[index]):
                batch.token[at] = token
                batch.pos[at] = position
                batch.n_seq_id[at] = 1
                batch.seq_id[at][0] = sequence
                batch.logits[at] = 1
                at += 1
        batch.n_tokens = at
        if self._memory:
            self.lib.llama_memory_clear(self._memory, True)
        status = self.lib.llama_decode(self.pointer, batch)
        if status != 0:
            raise EmbeddingError(f"{self.model.path} failed to embed {at} tokens (status {status}). Choose another model.")
        for sequence, index in enumerate(group):
            vector = self.lib.llama_get_embeddings_seq(self.pointer, sequence)
            address = ctypes.cast(vector, ctypes.POINTER(ctypes.c_float))
            rows[index] = np.ctypeslib.as_array(address, (self.model.n_embd,))

    def close(self) -> None:
        """Free the context."""
        if self.pointer:
            self.lib.llama_batch_free(self._batch)
            self.lib.llama_free(self.pointer)
            self.pointer = None
