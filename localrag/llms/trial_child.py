"""The process in which a model file is loaded for the first time: whatever llama.cpp does over it, the app goes on.

One request comes in as JSON on standard input; lines of JSON go out on standard output. What llama.cpp says goes to standard
error, also when it is the last thing it says.
"""

from __future__ import annotations

import ctypes
import json
import logging
import math
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from localrag.errors import LocalRagError, ModelLoadError, PromptError
from localrag.llms.chat_format import ChatFormat
from localrag.llms.gpt4all_session import GPT4AllSession, load_library
from localrag.models.llama_library import Model, last_complaint, llama_library
from localrag.settings import AnswerSettings

MOST_TOKENS = 48
SEQUENCES = 16
"""Side by side in one context, as the embedding model has them."""
TEMPLATE_BYTES = 300_000_000
CONVERSATIONS = (["system", "user"], ["user", "assistant", "user"])
ANSWERED = 3
SPARE_S = 5
"""Longer than the parent waits before it ends this process, so that an orphan ends too."""
TEXT = "The quick brown fox, 1.5 km on: it's “naïve” Ænima, 한국어 中文 にほん עברית 🦊\n\t½ \u0301 <|im_end|> </s> [INST] "
ODD = "".join(
    [chr(code) for code in range(0x250)]
    + [chr(lead << 6 | more) for lead in range(9, 32) for more in (0x1A, 0x3F)]
    + [chr(lead << 12 | more) for lead in range(16) for more in (0x8A6, 0x90B, 0xABF) if lead != 13]
    + [chr(lead << 18 | more) for lead in range(1, 4) for more in (0x2A5C, 0x13FFF)]
    + ["\ud5ff", "\U00010a5c", "\U0010ffff"]
)
"""Characters with every byte of UTF-8, most of them rare: a vocabulary without one of the bytes ends the process over it."""


def try_model(request: dict[str, Any], say: Callable[[dict[str, Any]], None]) -> None:
    """Load the file, read its whole vocabulary, evaluate a few tokens and render the chat template.

    Raises:
        LocalRagError: the reason why it is of no use.
    """
    model = Model(_path(request["path"]), request["n_gpu_layers"], use_mmap=True, check_tensors=True)
    tokens = _read_vocabulary(model)
    context = _context(model, request)
    if request["pooling"] is not None:
        room = min(request["window"], model.n_ctx_train) - 2
        _embed(model, context, tokens[: max(room, 1)], request["pooling"])
    else:
        _answer(model, context, tokens)
        say({"template": True})
        _render(model, request["template"])


def try_gpt4all(request: dict[str, Any]) -> None:
    """Do with the file what the GPT4All backend does: llama.cpp reads its vocabulary, GPT4All evaluates a text and answers.

    Raises:
        LocalRagError: the reason why it is of no use.
    """
    with suppress(ModelLoadError):  # then the backend does without it
        _read_vocabulary(Model(_path(request["path"]), use_mmap=True, vocab_only=True))
    session = GPT4AllSession(_path(request["gpt4all"]), request["window"], 1, "cpu", 0)
    evaluated = session.evaluate(TEXT, True, 0, MOST_TOKENS, lambda: False)
    for answered in range(ANSWERED):
        if not evaluated or session.draw(AnswerSettings(temperature=0.0), answered) is None:
            return


def _path(spelt: str) -> Path:
    return Path(os.fsdecode(bytes.fromhex(spelt)))


def _read_vocabulary(model: Model) -> list[int]:
    lib = model.lib
    count = int(lib.llama_vocab_n_tokens(model.vocab))
    buffer, size = ctypes.create_string_buffer(1024), 1024
    for token in range(count):
        if lib.llama_token_to_piece(model.vocab, token, buffer, size, 0, True) < 0:
            model.piece(token, special=True)
        model.is_end(token)
    for text in (ODD, TEXT):
        for special in (True, False):
            tokens = model.tokenize(text, special=special, add_special=special)
            if any(not 0 <= token < count for token in tokens):
                raise ModelLoadError(f"{model.path} reads text as tokens that it does not have. Download it again.")
    if not tokens:
        raise ModelLoadError(f"{model.path} cannot read text: its vocabulary gives no tokens. Choose another model.")
    return tokens[:MOST_TOKENS]


def _context(model: Model, request: dict[str, Any]) -> Any:
    params = model.lib.llama_context_default_params()
    pooling, window = request["pooling"], request["window"]
    params.n_ctx = params.n_batch = params.n_ubatch = window if pooling is None else min(window, model.n_ctx_train)
    params.n_threads = params.n_threads_batch = 1
    params.flash_attn_type = 1 if request["flash_attn"] else 0
    if pooling is not None:
        params.embeddings, params.pooling_type = True, pooling
        params.n_seq_max, params.kv_unified = SEQUENCES, True
    context = model.lib.llama_init_from_model(model.pointer, params)
    if not context:
        raise ModelLoadError(
            f"llama.cpp cannot run {model.path}: {last_complaint() or 'no reason given'}. Choose another model."
        )
    return context


def _answer(model: Model, context: Any, tokens: list[int]) -> None:
    lib = model.lib
    count = int(lib.llama_vocab_n_tokens(model.vocab))
    memory = lib.llama_get_memory(context)
    sampler = lib.llama_sampler_chain_init(lib.llama_sampler_chain_default_params())
    lib.llama_sampler_chain_add(sampler, lib.llama_sampler_init_penalties(count, 64, 1.1, 0.0, 0.0))
    lib.llama_sampler_chain_add(sampler, lib.llama_sampler_init_greedy())
    for _ in range(ANSWERED):
        _decode(model, context, tokens)
        logits = lib.llama_get_logits_ith(context, -1)
        if not logits or not _finite(logits, count):
            raise ModelLoadError(
                f"{model.path} computes values that are no numbers: its weights are damaged. Download it again."
            )
        tokens = [int(lib.llama_sampler_sample(sampler, context, -1))]
        model.piece(tokens[0])
    if memory and not lib.llama_memory_seq_rm(memory, 0, 1, -1):
        lib.llama_memory_clear(memory, True)


def _render(model: Model, template: str | None) -> None:
    """Lay out conversations, in little memory. A template that merely fails says so when it is used, and may be exchanged."""
    _leave(TEMPLATE_BYTES)
    try:
        form = ChatFormat(template, model.token_text(model.bos), model.token_text(model.eos))
        for roles in CONVERSATIONS:
            form.parts(roles)
    except PromptError as exc:
        if isinstance(exc.__cause__, MemoryError):
            raise MemoryError from exc


def _embed(model: Model, context: Any, tokens: list[int], pooling: int) -> None:
    _decode(model, context, tokens)
    vectors = model.lib.llama_get_embeddings_seq(context, 0) if pooling else model.lib.llama_get_embeddings(context)
    if not vectors or not _finite(vectors, model.n_embd):
        raise ModelLoadError(f"{model.path} computes values that are no numbers: its weights are damaged. Download it again.")


def _decode(model: Model, context: Any, tokens: list[int]) -> None:
    array = (ctypes.c_int32 * len(tokens))(*tokens)
    status = model.lib.llama_decode(context, model.lib.llama_batch_get_one(array, len(tokens)))
    if status != 0:
        raise ModelLoadError(
            f"llama.cpp cannot evaluate {model.path} (status {status}): {last_complaint() or 'no reason given'}. "
            "Choose another model."
        )


def _finite(numbers: Any, count: int) -> bool:
    return all(map(math.isfinite, numbers[:count]))


def _limit(request: dict[str, Any]) -> None:
    """No core files; an end when the parent is gone; no more memory of its own than allowed."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, request["limit_s"] + SPARE_S)
    try:
        import resource
    except ImportError:  # Windows: the parent watches the memory alone
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if not request["n_gpu_layers"]:  # a GPU's driver reserves far more than it uses
        resource.setrlimit(resource.RLIMIT_DATA, (request["most_bytes"], request["most_bytes"]))


def _leave(count: int) -> None:
    """Allow this process only so many bytes more than it holds already, where the system can be told so."""
    try:
        import resource

        lines = Path("/proc/self/status").read_text().splitlines()
        held = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmData:"))
        resource.setrlimit(resource.RLIMIT_DATA, (held + count, resource.getrlimit(resource.RLIMIT_DATA)[1]))
    except (ImportError, OSError, StopIteration):
        return


def serve(request: dict[str, Any], replies: BinaryIO) -> None:
    """Say that the library is there, then how the file did."""

    def say(message: dict[str, Any]) -> None:
        replies.write(json.dumps(message).encode() + b"\n")
        replies.flush()

    os.environ["GGML_NO_BACKTRACE"] = "1"  # else an abort starts a debugger
    logging.basicConfig(stream=sys.stderr, level=logging.DEBUG, format="%(message)s")
    llama_library()
    if request["gpt4all"]:
        load_library()
    _limit(request)
    say({"started": True})
    try:
        if request["gpt4all"]:
            try_gpt4all(request)
        else:
            try_model(request, say)
    except LocalRagError as exc:
        say({"reason": str(exc)})
    except MemoryError:
        say({"memory": True})
    else:
        say({"passed": True})
    os._exit(0)  # freeing a model that may be in pieces proves nothing, and takes time


def main() -> None:
    """Keep the real standard output for replies: llama.cpp must not disturb them."""
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    serve(json.load(sys.stdin.buffer), replies)


if __name__ == "__main__":
    main()
