"""A llama.cpp context that evaluates only what is new: prompt in as tokens, text out, stoppable at any moment."""

from __future__ import annotations

import codecs
import ctypes
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from localrag.errors import GenerationError, ModelLoadError
from localrag.llms.base import GenerationStats, Piece
from localrag.llms.drawing import Drawing
from localrag.llms.kept_states import KeptState, KeptStates, common_length
from localrag.llms.stop_text import StopText
from localrag.models.devices import cpu_threads
from localrag.models.llama_library import Model, last_complaint, waiting_threads
from localrag.settings import AnswerSettings, ModelSettings
from localrag.types import Prompt

# enum ggml_type in ggml.h and enum llama_rope_scaling_type in llama.h
CACHE_TYPES = {"f32": 0, "f16": 1, "q4_0": 2, "q4_1": 3, "q5_0": 6, "q5_1": 7, "q8_0": 8, "bf16": 30}
ROPE_SCALING = {"model": -1, "none": 0, "linear": 1, "yarn": 2}
DECODE_ABORTED = 2
WORTH_KEEPING = 64
"""Tokens: fewer are evaluated sooner than a state is copied."""


class LlamaContext:
    """One sequence of tokens in a KV cache. One caller at a time: `generate` holds a lock while it runs."""

    def __init__(self, model: Model, settings: ModelSettings, states: KeptStates | None = None, identity: str = "") -> None:
        """Allocate the KV cache and compute buffers. `states` keeps what was evaluated under the model's `identity`.

        Unless the settings say otherwise RoPE parameters stay untouched, so the file's own apply.
        Raises:
            ModelLoadError: llama.cpp could not create the context.
        """
        self.model, self.lib = model, model.lib
        self.n_threads = settings.n_threads or cpu_threads()
        self._waiting = waiting_threads()
        params = self.lib.llama_context_default_params()
        params.n_ctx = settings.window(model.n_ctx_train)
        params.n_batch = min(settings.n_batch, params.n_ctx)
        params.n_ubatch = min(params.n_batch, settings.n_ubatch)
        params.n_threads = params.n_threads_batch = self.n_threads
        params.flash_attn_type = 1 if settings.flash_attn else 0
        params.type_k = params.type_v = CACHE_TYPES[settings.cache_type]
        params.rope_scaling_type = ROPE_SCALING[settings.rope_scaling]
        params.rope_freq_base, params.rope_freq_scale = settings.rope_freq_base, settings.rope_freq_scale  # 0 is the file's own
        self.pointer = self.lib.llama_init_from_model(model.pointer, params)
        if not self.pointer:
            reason = last_complaint() or "not enough memory"
            raise ModelLoadError(
                f"No context of n_ctx = {params.n_ctx} could be made: {reason}. Choose a smaller n_ctx, or other settings."
            )
        self.n_ctx = int(self.lib.llama_n_ctx(self.pointer))
        self.n_batch = int(params.n_batch)
        self.n_vocab = int(self.lib.llama_vocab_n_tokens(model.vocab))
        self._memory = self.lib.llama_get_memory(self.pointer)
        self.shown: frozenset[int] = frozenset()
        """Control tokens whose text is wanted in the stream, which control tokens else do not have."""
        self._known: dict[int, bytes | None] = {}
        self._evaluated: list[int] = []
        self._states, self._identity, self._conversation = states or KeptStates(None, 0, 0), identity, ""
        self._lock = threading.Lock()
        self._abort_flag = ctypes.create_string_buffer(2)
        self._install_abort()

    def _install_abort(self) -> None:
        # llama.cpp asks this callback after every graph node, hundreds of times a token. A Python callback would take
        # the interpreter lock each time; libc's strlen reads our flag natively: "" is 0 (go on), one byte is 1 (stop).
        strlen = ctypes.cast(ctypes.CDLL(None).strlen, ctypes.c_void_p).value
        self._abort_callback = self.lib.ggml_abort_callback(strlen)
        self.lib.llama_set_abort_callback(self.pointer, self._abort_callback, ctypes.addressof(self._abort_flag))

    @property
    def cached_tokens(self) -> int:
        """Tokens in the KV cache; from any thread."""
        return len(self._evaluated)

    def cancel(self) -> None:
        """Stop the running `generate`; callable from any thread. A cancel before it starts ends it at once."""
        self._abort_flag[0] = b"\x01"

    @property
    def cancelled(self) -> bool:
        return self._abort_flag[0] != b"\0"

    def reset_cancel(self) -> None:
        """Forget an earlier `cancel`; called by the owner of the next answer before it becomes stoppable."""
        self._abort_flag[0] = b"\0"

    def generate(
        self, prompt: Prompt, settings: AnswerSettings, stop: Sequence[str], stats: GenerationStats
    ) -> Iterator[Piece]:
        """Evaluate the prompt from its first new token on, then stream the answer; see `LoadedModel.generate`.

        Raises:
            GenerationError: the prompt leaves no room in the window, or llama.cpp failed.
        """
        tokens = [*prompt.tokens, *prompt.begun]
        with self._lock:
            if len(tokens) >= self.n_ctx:
                raise GenerationError(
                    f"The prompt has {len(tokens)} tokens, the window {self.n_ctx}. Raise n_ctx or ask with fewer passages."
                )
            drawing = Drawing(self.lib, self.n_vocab, settings)
            try:
                stats.prompt_tokens = len(tokens)
                started = time.perf_counter()
                self._change_conversation(prompt)
                if self._prefill(tokens, stats):
                    yield from self._stream(drawing, settings, StopText(stop), stats, started, prompt.begun)
                else:
                    stats.prefill_s = time.perf_counter() - started
                    stats.finish = "cancelled"
            finally:
                drawing.close()

    def read_ahead(self, tokens: Sequence[int], most: int) -> None:
        """Evaluate the beginning of a prompt to come, if at most `most` tokens of it are new; see `ReadsAhead`."""
        with self._lock:
            keep = self._common(tokens)
            few = 0 < len(tokens) - keep <= most and len(tokens) < self.n_ctx
            if few and not self.cancelled and self._forget_from(keep):
                self._decode(tokens[keep:])

    def evaluate(self, tokens: Sequence[int], keep: int = 0) -> float:
        """Seconds to evaluate these tokens behind the first `keep` of those evaluated before, in steps of `n_batch`.

        Raises:
            GenerationError: there is no room for them, it was cancelled, or llama.cpp failed.
        """
        with self._lock:
            if keep + len(tokens) > self.n_ctx or keep > len(self._evaluated) or not (keep == 0 or self._forget_from(keep)):
                raise GenerationError(
                    f"{len(tokens)} tokens do not fit behind {keep} in a window of {self.n_ctx}. Raise n_ctx."
                )
            if keep == 0:
                self._forget_from(0)
            started = time.perf_counter()
            for start in range(0, len(tokens), self.n_batch):
                if not self._decode(tokens[start : start + self.n_batch]):
                    raise GenerationError("The evaluation was cancelled. Start it again.")
            self.lib.llama_synchronize(self.pointer)
            return time.perf_counter() - started

    def logits(self, tokens: Sequence[int], first: int) -> np.ndarray[Any, np.dtype[np.float32]]:
        """The logits of the tokens from `first` on, a row each, evaluated at once from an empty cache.

        They lie in llama.cpp's memory until the next evaluation.
        Raises:
            GenerationError: there are more than `n_batch` tokens, or llama.cpp failed.
        """
        with self._lock:
            if len(tokens) > self.n_batch:
                raise GenerationError(f"{len(tokens)} tokens are more than n_batch = {self.n_batch}. Raise n_batch.")
            self._forget_from(0)
            batch = self.lib.llama_batch_init(len(tokens), 0, 1)
            try:
                batch.n_tokens = len(tokens)
                for at, token in enumerate(tokens):
                    batch.token[at], batch.pos[at], batch.n_seq_id[at], batch.seq_id[at][0] = token, at, 1, 0
                    batch.logits[at] = at >= first
                status = self.lib.llama_decode(self.pointer, batch)
            finally:
                self.lib.llama_batch_free(batch)
            if status != 0:
                self._forget_from(0)
                raise GenerationError(f"llama.cpp stopped with status {status}: {last_complaint() or 'no reason given'}.")
            self._evaluated = list(tokens)
            return np.ctypeslib.as_array(self.lib.llama_get_logits(self.pointer), (len(tokens) - first, self.n_vocab))

    def _change_conversation(self, prompt: Prompt) -> None:
        """Keep what the cache holds of another conversation, and take up what is kept of this one."""
        here = self._common(prompt.tokens)
        if prompt.conversation != self._conversation and len(self._evaluated) - here >= WORTH_KEEPING:
            self.keep()
        wanted = np.asarray(prompt.tokens, dtype=np.int32)
        if kept := self._states.best(prompt.conversation, self._identity, wanted, here + WORTH_KEEPING):
            self._restore(kept)
        self._conversation = prompt.conversation

    def keep(self) -> None:
        """Keep what the cache holds, if it is of a conversation."""
        if not self._conversation or len(self._evaluated) < WORTH_KEEPING:
            return
        size = int(self.lib.llama_state_seq_get_size(self.pointer, 0))
        buffer = (ctypes.c_uint8 * size)()
        written = int(self.lib.llama_state_seq_get_data(self.pointer, buffer, size, 0))
        if written == size:
            tokens = np.asarray(self._evaluated, dtype=np.int32)
            self._states.put(self._conversation, KeptState(self._identity, tokens, bytes(buffer)))

    def _restore(self, kept: KeptState) -> None:
        self.lib.llama_memory_clear(self._memory, True)
        self._evaluated = []
        buffer = (ctypes.c_uint8 * len(kept.data)).from_buffer_copy(kept.data)
        if self.lib.llama_state_seq_set_data(self.pointer, buffer, len(kept.data), 0):
            self._evaluated = kept.tokens.tolist()
        else:  # refused: nothing of it may stay
            self.lib.llama_memory_clear(self._memory, True)

    def _common(self, tokens: Sequence[int]) -> int:
        """How many of these tokens the cache begins with."""
        return common_length(np.asarray(self._evaluated, dtype=np.int32), np.asarray(tokens, dtype=np.int32))

    def _prefill(self, tokens: Sequence[int], stats: GenerationStats) -> bool:
        """Bring the cache to exactly these tokens; False when cancelled on the way."""
        keep = min(self._common(tokens), len(tokens) - 1)  # the last token is always evaluated: its logits start the answer
        if not self._forget_from(keep):
            keep = 0
        stats.reused = keep
        for start in range(keep, len(tokens), self.n_batch):
            if not self._decode(tokens[start : start + self.n_batch]):
                stats.prompt_tokens = len(self._evaluated)
                return False
        return True

    def _stream(
        self,
        drawing: Drawing,
        settings: AnswerSettings,
        stops: StopText,
        stats: GenerationStats,
        started: float,
        begun: Sequence[int],
    ) -> Iterator[Piece]:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        drawing.accept(begun)
        if begun:
            yield Piece("".join(stops.feed(decoder.decode(self.model.piece(token))) for token in begun))
        stats.finish = "length"
        first = 0.0
        while stats.answer_tokens < settings.max_tokens:
            token = drawing.next(self.pointer)
            now = time.perf_counter()
            if not first:
                first, stats.prefill_s = now, now - started
            stats.generation_s = now - first
            spelt = self._spelt(token)
            if spelt is None:
                stats.finish = "stop"
                break
            stats.answer_tokens += 1
            text = stops.feed(decoder.decode(spelt))
            yield Piece(text, token)
            if stops.hit:
                stats.finish, stats.hit_stop_text = "stop", True
                return
            if self.cancelled or (len(self._evaluated) < self.n_ctx and not self._decode([token])):
                stats.finish = "cancelled"
                break
            if len(self._evaluated) >= self.n_ctx:
                break
        rest = stops.feed(decoder.decode(b"", final=True)) + stops.rest()
        if rest:
            yield Piece(rest)

    def _spelt(self, token: int) -> bytes | None:
        """The bytes of a token of the answer, None when it ends it; asked of llama.cpp once."""
        if token not in self._known:
            ends = self.model.is_end(token)
            self._known[token] = None if ends else self.model.piece(token, special=token in self.shown)
        return self._known[token]

    def _decode(self, tokens: Sequence[int]) -> bool:
        """Evaluate some tokens; False when aborted, with the cache as it was before."""
        self.model.files.check()
        self._waiting.look(self.n_threads)
        array = (ctypes.c_int32 * len(tokens))(*tokens)
        status = self.lib.llama_decode(self.pointer, self.lib.llama_batch_get_one(array, len(tokens)))
        if status == 0:
            self._evaluated.extend(tokens)
            return True
        self._forget_from(len(self._evaluated))
        if status == DECODE_ABORTED or self.cancelled:
            return False
        raise GenerationError(f"llama.cpp stopped with status {status}: {last_complaint() or 'no reason given'}. Ask again.")

    def _forget_from(self, keep: int) -> bool:
        """Drop cached tokens from position `keep` on; False when this kind of cache can only be emptied."""
        partial = bool(self.lib.llama_memory_seq_rm(self._memory, 0, keep, -1))
        if not partial:
            self.lib.llama_memory_clear(self._memory, True)
        self._evaluated = list(self._evaluated[: keep if partial else 0])
        return partial

    def close(self) -> None:
        """Free the KV cache and buffers, what they hold being kept; waits for a running answer to end."""
        with self._lock:
            if self.pointer:
                self.keep()
                self.lib.llama_free(self.pointer)
                self.pointer = None
