"""One llama.cpp context that embeds: token lists in, unit vectors out. For one thread at a time."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from localrag.embeddings.base import Spans, Vectors, unit
from localrag.embeddings.pooling import POOLING_CODES, end_token, ended
from localrag.errors import EmbeddingError
from localrag.models.llama_library import Model, last_complaint

WINDOW = 512
"""Tokens per input at most; the model's own limit where that is lower. A longer input is embedded in pieces."""
FILL = 256
"""Tokens per evaluation: attention is quadratic over the whole batch, 2,048 measured ten times slower than 256."""
SEQUENCES = 16
POOLING_NONE = 0  # enum llama_pooling_type in llama.h


@dataclass(frozen=True, slots=True)
class Piece:
    """Tokens of one evaluation; those from `lead` on are the text's tokens number `start` to `end`."""

    tokens: list[int]
    lead: int
    start: int
    end: int

    def inside(self, first: int, last: int) -> slice:
        """Where the text's tokens `first` to `last` stand in this piece; empty when they do not."""
        first, last = max(first, self.start), min(last, self.end)
        return slice(self.lead + first - self.start, self.lead + max(first, last) - self.start)


class LlamaEmbedder:
    """A context of its own over a shared model.

    Where a text's vector is the mean of its tokens', the tokens of any part of it give that part's vector, in its context
    (Günther et al., "Late Chunking", 2024): so llama.cpp is asked for tokens, and the means are taken here.
    """

    def __init__(self, model: Model, n_threads: int, pooling: int) -> None:
        """`pooling`: llama.cpp's number of how the model makes one vector of its tokens'.

        Raises:
            EmbeddingError: llama.cpp cannot make the context.
        """
        self.model, self.lib, self.takes_means = model, model.lib, pooling == POOLING_CODES["mean"]
        self.window = min(WINDOW, model.n_ctx_train)
        params = self.lib.llama_context_default_params()
        params.embeddings = True
        params.n_ctx = params.n_batch = params.n_ubatch = self.window
        params.n_seq_max = SEQUENCES
        params.kv_unified = True
        params.n_threads = params.n_threads_batch = n_threads
        params.flash_attn_type = 1
        params.pooling_type = POOLING_NONE if self.takes_means else pooling
        self._end = end_token(pooling, model.eos, lambda text: model.tokenize(text, special=True))
        self.pointer = self.lib.llama_init_from_model(model.pointer, params)
        if not self.pointer:
            raise EmbeddingError(f"{model.path} cannot embed: {last_complaint() or 'not enough memory'}. Choose another model.")
        self._batch = self.lib.llama_batch_init(self.window, 0, 1)
        self._memory = self.lib.llama_get_memory(self.pointer)

    def pieces(self, text: str) -> list[Piece]:
        """A text as pieces of at most `window` tokens, each with the model's own start and end tokens."""
        whole = ended(self.model.tokenize(text, add_special=True), self._end)
        body = self.model.tokenize(text)
        lead = next((at for at in range(3) if whole[at : at + 8] == body[:8]), 0)
        if len(whole) <= self.window:
            return [Piece(whole, lead, 0, len(body))]
        start, end = whole[:lead], whole[lead + len(body) :]
        room = self.window - len(start) - len(end)
        starts = range(0, len(body), room)
        return [Piece(start + body[at : at + room] + end, lead, at, min(at + room, len(body))) for at in starts]

    def embed(self, texts: Sequence[str], spans: Sequence[Spans] = ()) -> tuple[Vectors, list[Vectors]]:
        """Texts as rows in the order given, and their parts at `spans`, one array a text; every row of length 1.

        A text longer than the window is embedded in pieces, and its vector is their mean by tokens. Parts are left out where
        the model's vectors are no means of tokens.
        """
        with_parts = bool(spans) and self.takes_means
        pieces = [self.pieces(text) for text in texts]
        parts = [self._token_ranges(t, s) for t, s in zip(texts, spans, strict=True)] if with_parts else [[]] * len(texts)
        inputs = [(piece, parts[index]) for index, of_text in enumerate(pieces) for piece in of_text]
        sums = iter(self._sums(inputs))
        rows = [sum((next(sums) for _ in of_text[1:]), start=next(sums)) for of_text in pieces]
        whole = np.stack([row[0] for row in rows]) if rows else np.empty((0, self.model.n_embd), np.float32)
        return unit(whole), [unit(row[1:]) for row in rows] if with_parts else []

    def _token_ranges(self, text: str, spans: Spans) -> list[tuple[int, int]]:
        """Which tokens of a text lie in each span of its characters.

        Counted by tokenising what lies between the borders. Where that gives another number of tokens in all than the text in
        one piece (a token across a border), the borders are moved in proportion.
        """
        borders = sorted({at for span in spans for at in span} | {0, len(text)})
        counts = [len(self.model.tokenize(text[a:b])) for a, b in pairwise(borders)]
        total, counted = len(self.model.tokenize(text)), sum(counts)
        ends = np.concatenate(([0], np.cumsum(counts)))
        if counted not in (0, total):
            ends = np.rint(ends * (total / counted)).astype(int)
        at = dict(zip(borders, ends.tolist(), strict=True))
        return [(at[start], at[end]) for start, end in spans]

    def _sums(self, inputs: Sequence[tuple[Piece, list[tuple[int, int]]]]) -> Iterator[Vectors]:
        """For each piece the sum of its tokens' vectors, then of those in each range; evaluations hold up to FILL tokens."""
        group: list[tuple[Piece, list[tuple[int, int]]]] = []
        filled = 0
        for piece, ranges in inputs:
            if group and (filled + len(piece.tokens) > FILL or len(group) == SEQUENCES):
                yield from self._evaluate(group)
                group, filled = [], 0
            group.append((piece, ranges))
            filled += len(piece.tokens)
        if group:
            yield from self._evaluate(group)

    def _evaluate(self, group: Sequence[tuple[Piece, list[tuple[int, int]]]]) -> Iterator[Vectors]:
        batch, at = self._batch, 0
        for sequence, (piece, _) in enumerate(group):
            for position, token in enumerate(piece.tokens):
                batch.token[at] = token
                batch.pos[at] = position
                batch.n_seq_id[at] = 1
                batch.seq_id[at][0] = sequence
                batch.logits[at] = 1
                at += 1
        batch.n_tokens = at
        self.model.files.check()
        if self._memory:
            self.lib.llama_memory_clear(self._memory, True)
        status = self.lib.llama_decode(self.pointer, batch)
        if status != 0:
            raise EmbeddingError(f"{self.model.path} failed to embed {at} tokens (status {status}). Choose another model.")
        if not self.takes_means:
            for sequence, (piece, _) in enumerate(group):
                vector = self._array(self.lib.llama_get_embeddings_seq(self.pointer, sequence), 1)
                yield unit(vector) * len(piece.tokens)
            return
        tokens, at = self._array(self.lib.llama_get_embeddings(self.pointer), at), 0
        for piece, ranges in group:
            end = at + len(piece.tokens)
            yield np.stack([tokens[at:end].sum(axis=0), *(tokens[at:end][piece.inside(*r)].sum(axis=0) for r in ranges)])
            at = end

    def _array(self, address: int, rows: int) -> Vectors:
        """A copy of what llama.cpp holds: its next evaluation writes over it."""
        found = np.ctypeslib.as_array(ctypes.cast(address, ctypes.POINTER(ctypes.c_float)), (rows, self.model.n_embd))
        return np.array(found, dtype=np.float32)

    def close(self) -> None:
        """Free the context."""
        if self.pointer:
            self.lib.llama_batch_free(self._batch)
            self.lib.llama_free(self.pointer)
            self.pointer = None
