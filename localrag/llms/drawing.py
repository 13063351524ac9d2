"""Drawing the next token from a context's logits.

llama.cpp's own chain copies the whole vocabulary into a list of candidates for every token and looks each of them up among the
penalised: 265 µs for the starter model's 49,152 tokens, of the 7,700 µs a token takes, more for larger vocabularies. The
penalty is put into the logits themselves here, for the tokens that have one, and the likeliest token is found where they lie:
15 µs, and the same token. What is written in Python here costs several times what it costs in a loop of its own, for every
token's evaluation throws it out of the processor's cache.
"""

from __future__ import annotations

import ctypes
import math
from collections import deque
from collections.abc import Iterable
from typing import Any

import numpy as np

from localrag.errors import GenerationError
from localrag.settings import AnswerSettings

PENALTY_LAST_N = 64
Logits = np.ndarray[Any, np.dtype[np.float32]]


class Drawing:
    """llama.cpp's usual order: penalties, top-k, top-p, min-p, temperature, draw. One answer long; not for two threads.

    Only tokens of the answer are penalised: words of the evidence must stay easy to quote.
    """

    def __init__(self, lib: Any, n_vocab: int, settings: AnswerSettings) -> None:
        self._lib, self._n_vocab = lib, n_vocab
        self._penalty = float(np.float32(settings.repeat_penalty))
        self._recent: deque[int] = deque(maxlen=PENALTY_LAST_N)
        self._logits: Logits = np.empty(0, np.float32)
        self._address = 0
        self._chain = self._sampler(settings) if settings.temperature > 0.0 else None

    def next(self, context: Any) -> int:
        """The next token, from the logits of the last token that was evaluated.

        Raises:
            GenerationError: there are none, or no numbers, which damaged weights bring.
        """
        token, logit = self._likeliest(context) if self._chain is None else self._drawn(context)
        if not math.isfinite(logit):
            raise GenerationError("The model computes values that are no numbers: its weights are damaged. Choose another.")
        self._recent.append(token)
        return token

    def accept(self, tokens: Iterable[int]) -> None:
        """Count tokens of the answer that were drawn before it was cut."""
        self._recent.extend(tokens)

    def _likeliest(self, context: Any) -> tuple[int, float]:
        logits = self._penalised(context)
        token = int(logits.argmax())
        return token, float(logits[token])

    def _drawn(self, context: Any) -> tuple[int, float]:
        if self._penalty > 1.0:
            self._penalised(context)
        token = int(self._lib.llama_sampler_sample(self._chain, context, -1))
        return token, float(self._lib.llama_get_logits_ith(context, -1)[token])

    def _penalised(self, context: Any) -> Logits:
        """The logits where llama.cpp keeps them; those of recent tokens made less likely as its penalty sampler does."""
        pointer = self._lib.llama_get_logits_ith(context, -1)
        if not pointer:
            raise GenerationError("llama.cpp gave no logits for the last token. Ask again.")
        if self._penalty > 1.0:
            for token in set(self._recent):  # one by one: numpy's way to arrays of them takes longer than they do
                value = pointer[token]
                pointer[token] = value * self._penalty if value <= 0 else value / self._penalty
        address = ctypes.addressof(pointer.contents)
        if address != self._address:  # and numpy takes longer to wrap memory than to find its largest number
            self._logits, self._address = np.ctypeslib.as_array(pointer, (self._n_vocab,)), address
        return self._logits

    def _sampler(self, settings: AnswerSettings) -> object:
        lib = self._lib
        chain = lib.llama_sampler_chain_init(lib.llama_sampler_chain_default_params())

        def add(sampler: object) -> None:
            lib.llama_sampler_chain_add(chain, sampler)

        if settings.top_k:
            add(lib.llama_sampler_init_top_k(settings.top_k))
        add(lib.llama_sampler_init_top_p(settings.top_p, 1))
        add(lib.llama_sampler_init_min_p(settings.min_p, 1))
        add(lib.llama_sampler_init_temp(settings.temperature))
        seed = settings.seed if settings.seed >= 0 else 0xFFFFFFFF  # LLAMA_DEFAULT_SEED: a random one
        add(lib.llama_sampler_init_dist(seed))
        return chain

    def close(self) -> None:
        """Free the chain."""
        if self._chain is not None:
            self._lib.llama_sampler_free(self._chain)
            self._chain = None
