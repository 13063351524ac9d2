"""llama.cpp, loaded once: its log in our logging, its models and vocabularies behind two small classes.

llama.cpp contexts are not thread-safe; a model's weights and vocabulary are, and may serve several contexts.
"""

from __future__ import annotations

import collections
import ctypes
import functools
import logging
import os
import re
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

from localrag.errors import ModelLoadError
from localrag.models.gguf_file import read_gguf
from localrag.models.loaded_files import LoadedFiles
from localrag.models.memory import parts
from localrag.models.waiting_threads import SecondTeam, WaitingThreads, bind, chosen_here, own_cores, prepare_environment

logger = logging.getLogger("localrag.llamacpp")

GGML_LOG_WARN, GGML_LOG_ERROR = 3, 4  # enum ggml_log_level in ggml.h
LOAD_MODES = {(False, False): 0, (True, False): 1, (False, True): 2, (True, True): 3}
"""enum llama_load_mode in llama.h, by whether the file is mapped and whether it is locked into memory."""
BPE = 2
"""enum llama_vocab_type in llama.h: the only one whose tokenizer parts a text by regular expressions."""
_LONG_RUN = re.compile(r"\S{8000}|\s{8000}")
"""Where a long text without a break is cut for them: std::regex needs stack for every character of a run, and in 0.3.36 about
26,500 of them overflow the usual 8 MB."""
_recent: collections.deque[str] = collections.deque(maxlen=40)
_kept: list[Any] = []  # C callbacks that llama.cpp holds must never be collected


@functools.cache
def llama_library() -> ModuleType:
    """Import llama_cpp and send its log to the logger `localrag.llamacpp`.

    llama-cpp-python's own `verbose=False` redirects file descriptors 1 and 2 of the whole process; a log callback
    keeps other threads' output whole and lets a failed load say why.
    """
    prepare_environment()
    import llama_cpp

    def receive(level: int, text: bytes, _data: Any) -> None:
        line = text.decode("utf-8", "replace").strip()
        if line and level in (GGML_LOG_WARN, GGML_LOG_ERROR):
            _recent.append(line)
        if line:
            logger.debug("%s", line)  # what matters of it becomes the sentence of an error

    callback = llama_cpp.llama_log_callback(receive)
    _kept.append(callback)
    llama_cpp.llama_log_set(callback, ctypes.c_void_p(0))
    llama_cpp.llama_backend_init()
    if b"AMX_INT8 = 1" in llama_cpp.llama_print_system_info():
        _leave_amx_alone(llama_cpp)
    library: ModuleType = llama_cpp
    return library


def _leave_amx_alone(llama_cpp: Any) -> None:
    """Let every model be loaded without llama.cpp's kernels for Intel's AMX, and so without its other repacked weights.

    GCC 12 drops most of what they write before `ldtilecfg` reads it (its intrinsic declares 8 of 64 bytes as read), and the
    first prompt ends the process. The Makefile compiles without them; others may not have.
    """
    defaults = llama_cpp.llama_model_default_params

    def without_amx() -> Any:
        params = defaults()
        params.use_extra_bufts = False
        return params

    for module in (llama_cpp, llama_cpp.llama_cpp):  # the second is where llama-cpp-python's own classes look
        module.llama_model_default_params = without_amx


@functools.cache
def waiting_threads() -> WaitingThreads:
    """How this process's llama.cpp threads wait; who set libgomp's variables keeps them as they are."""
    parallel = bind(llama_library().llama_cpp._lib) if chosen_here() else None
    return WaitingThreads(SecondTeam(parallel, len(own_cores())) if parallel else None)


def last_complaint() -> str:
    """The last warning or error llama.cpp logged that says something, or an empty string."""
    for line in reversed(_recent):
        _, _, said = line.partition(": ")
        if said and "failed to load model" not in line and "exiting" not in line:
            return said.removeprefix("error loading model: ").strip()
    return ""


class Model:
    """Weights and vocabulary of one GGUF file."""

    def __init__(
        self,
        path: Path,
        n_gpu_layers: int = 0,
        use_mmap: bool = False,
        use_mlock: bool = False,
        check_tensors: bool = False,
        vocab_only: bool = False,
    ) -> None:
        """Load the file, or with `vocab_only` its vocabulary alone, whose `n_ctx_train` and `n_embd` mean nothing.

        `check_tensors` reads all weights and refuses those that are no numbers.

        Raises:
            ModelFileError: missing, truncated, or not a GGUF file.
            ModelLoadError: llama.cpp refused it; the message holds llama.cpp's reason.
        """
        self.path = path
        self.files = LoadedFiles(parts(read_gguf(path)), mapped=use_mmap)
        self.lib = llama_library()
        params = self.lib.llama_model_default_params()
        params.n_gpu_layers, params.load_mode = n_gpu_layers, LOAD_MODES[use_mmap, use_mlock]
        params.check_tensors, params.vocab_only = check_tensors, vocab_only
        _recent.clear()
        self.pointer = self.lib.llama_model_load_from_file(os.fsencode(path), params)
        if not self.pointer:
            self.files.close()
            reason = last_complaint() or "no reason given"
            raise ModelLoadError(f"llama.cpp cannot load {path}: {reason}. Choose another .gguf file on the Model page.")
        self.vocab = self.lib.llama_model_get_vocab(self.pointer)
        self._parted_by_regex = self.lib.llama_vocab_type(self.vocab) == BPE
        self.add_bos = bool(self.lib.llama_vocab_get_add_bos(self.vocab))
        self.bos = int(self.lib.llama_vocab_bos(self.vocab))
        self.eos = int(self.lib.llama_vocab_eos(self.vocab))
        self.n_ctx_train = int(self.lib.llama_model_n_ctx_train(self.pointer))
        self.n_embd = int(self.lib.llama_model_n_embd(self.pointer))

    def tokenize(self, text: str, *, special: bool = False, add_special: bool = False) -> list[int]:
        """Token ids of a text. `special` turns marker text such as <|im_end|> into control tokens: never for documents."""
        cuts = [match.end() for match in _LONG_RUN.finditer(text)] if self._parted_by_regex else []
        if not cuts:
            return self._tokenize(text, special, add_special)
        parts_of_it = [text[start:end] for start, end in pairwise([0, *cuts, len(text)]) if end > start]
        found = [token for part in parts_of_it for token in self._tokenize(part, special, add_special=False)]
        before = [self.bos] if add_special and self.add_bos else []
        after = [self.eos] if add_special and self.lib.llama_vocab_get_add_eos(self.vocab) else []
        return [*before, *found, *after]

    def _tokenize(self, text: str, special: bool, add_special: bool) -> list[int]:
        data = text.encode("utf-8", "replace")
        room = len(data) + 8
        buffer = (ctypes.c_int32 * room)()
        count = self.lib.llama_tokenize(self.vocab, data, len(data), buffer, room, add_special, special)
        if count < 0:
            buffer = (ctypes.c_int32 * -count)()
            count = self.lib.llama_tokenize(self.vocab, data, len(data), buffer, -count, add_special, special)
        return list(buffer[:count])

    def piece(self, token: int, *, special: bool = False) -> bytes:
        """The bytes a token stands for; a character may be spread over several tokens."""
        buffer = ctypes.create_string_buffer(64)
        size = self.lib.llama_token_to_piece(self.vocab, token, buffer, 64, 0, special)
        if size < 0:
            buffer = ctypes.create_string_buffer(-size)
            size = self.lib.llama_token_to_piece(self.vocab, token, buffer, -size, 0, special)
        return buffer.raw[:size]

    def token_text(self, token: int) -> str:
        """How the vocabulary spells a token, for a template's bos_token and eos_token."""
        return self.piece(token, special=True).decode("utf-8", "replace") if token >= 0 else ""

    def is_end(self, token: int) -> bool:
        """Whether the model ends its answer with this token."""
        return bool(self.lib.llama_vocab_is_eog(self.vocab, token))

    def is_control(self, token: int) -> bool:
        """Whether it is a sign to the model, and no text."""
        return bool(self.lib.llama_vocab_is_control(self.vocab, token))

    def close(self) -> None:
        """Free the weights; every context made from them must be closed first."""
        if self.pointer:
            self.lib.llama_model_free(self.pointer)
            self.pointer = None
            self.files.close()
