"""Which chat models GPT4All 2.8.2 loads, and a copy for those whose tokenizer it knows under another name only.

Its llama.cpp is of mid-2024. What else it refuses (newer architectures) it says itself when it loads.
"""

from __future__ import annotations

import logging
import re
import shutil
from pathlib import Path

from localrag.errors import ModelFileError
from localrag.models.gguf_file import GGUFFile, read_gguf
from localrag.models.gguf_types import TENSOR_TYPES
from localrag.models.identity import fingerprint

KEY = "tokenizer.ggml.pre"
# Same splitting rules under another name of the same length (llm_load_vocab and llama-vocab.cpp of llama.cpp), so the
# name can be changed in place and no byte after it moves.
KNOWN_AS = {"smollm": "refact"}
# The names llm_load_vocab compares with, as they stand in libllamamodel-mainline of gpt4all 2.8.2.
KNOWN_TOKENIZERS = frozenset(
    {"default", "llama3", "llama-v3", "llama-bpe", "deepseek-llm", "deepseek-coder", "falcon", "mpt", "starcoder"}
    | {"gpt-2", "jina-es", "jina-de", "jina-v2-es", "jina-v2-de", "jina-v2-code", "refact", "command-r", "qwen2"}
    | {"stablelm2", "olmo", "dbrx", "smaug-bpe", "poro-chat", "chatglm-bpe", "viking", "jais"}
)
LAST_TYPE = 33  # GGML_TYPE_Q4_0_8_8, the last in its ggml.h
NEW_TYPES = frozenset(name for number, (name, *_) in TENSOR_TYPES.items() if number > LAST_TYPE)
COPIES = ".gpt4all"

logger = logging.getLogger(__name__)


def why_refused(gguf: GGUFFile) -> str:
    """A clause that says why GPT4All cannot load a model, as far as the header tells; empty when it may."""
    if not gguf.path.name.endswith((".gguf", ".bin")):  # the bindings would look for another name
        return "its name does not end in .gguf"
    name = gguf.pre_tokenizer or ""
    if gguf.tokenizer_model == "gpt2" and name and name not in KNOWN_TOKENIZERS | KNOWN_AS.keys():
        return f"it does not know the tokenizer {name!r}"
    newer = next((tensor.type for tensor in gguf.tensors if tensor.type in NEW_TYPES), "")
    return f"it does not know weights of the type {newer}" if newer else ""


def loadable(gguf: GGUFFile) -> Path:
    """The file itself, or its copy for GPT4All in the folder `.gpt4all` beside it, made when it is not there yet.

    A copy is as large as the model, named after its bytes, and made again whenever it is gone.
    Raises:
        ModelFileError: the copy cannot be written.
    """
    if gguf.pre_tokenizer not in KNOWN_AS:
        return gguf.path
    folder = gguf.path.parent / COPIES
    target = folder / f"{gguf.path.stem}.{fingerprint(gguf.path)[:12]}.bin"  # not .gguf: it is no model of its own
    if _is_copy(target, gguf):
        return target
    try:
        folder.mkdir(exist_ok=True)
        for old in folder.iterdir():
            if re.fullmatch(re.escape(gguf.path.stem) + r"\.[0-9a-f]{12}\.bin(\.tmp)?", old.name):
                old.unlink()  # of an earlier file of this name, or never finished
    except OSError as exc:
        raise ModelFileError(f"The folder {folder} for a GPT4All copy cannot be made: {exc.strerror}. Use llamacpp.") from exc
    logger.info("GPT4All knows the tokenizer of %s under another name: copying it to %s", gguf.path, target)
    return gpt4all_copy(gguf.path, target)


def _is_copy(path: Path, gguf: GGUFFile) -> bool:
    try:
        found = read_gguf(path)
    except ModelFileError:
        return False
    return found.file_size == gguf.file_size and found.pre_tokenizer == KNOWN_AS[gguf.pre_tokenizer or ""]


def gpt4all_copy(source: Path, target: Path) -> Path:
    """Copy a GGUF file with its pre-tokenizer under a name that GPT4All knows; `target` appears whole or not at all.

    Raises:
        ModelFileError: the source is damaged, its tokenizer has no such name, or the copy cannot be written.
    """
    gguf = read_gguf(source)
    old = gguf.pre_tokenizer or ""
    if old not in KNOWN_AS:
        raise ModelFileError(
            f"No GPT4All copy of {source} can be made: its pre-tokenizer is {old!r}. Use the llama.cpp backend."
        )
    new, offset = KNOWN_AS[old].encode(), gguf.value_offsets[KEY]
    scratch = target.with_name(target.name + ".tmp")
    try:
        shutil.copyfile(source, scratch)
        with scratch.open("r+b") as file:
            file.seek(offset)
            if file.read(len(new)) != old.encode():
                raise ModelFileError(f"{source} changed while it was copied. Try again.")
            file.seek(offset)
            file.write(new)
        if read_gguf(scratch).pre_tokenizer != KNOWN_AS[old]:
            raise ModelFileError(f"The GPT4All copy of {source} came out wrong. Try again.")
        scratch.replace(target)
    except OSError as exc:
        raise ModelFileError(
            f"The GPT4All copy {target} cannot be written: {exc.strerror}. Make room or choose another folder."
        ) from exc
    finally:
        scratch.unlink(missing_ok=True)
    return target
