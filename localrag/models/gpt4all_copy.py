"""A copy of a chat model that GPT4All 2.8.2 loads. Its llama.cpp of 2024 does not know newer names of tokenizers."""

from __future__ import annotations

import shutil
from pathlib import Path

from localrag.errors import ModelFileError
from localrag.models.gguf_file import read_gguf

KEY = "tokenizer.ggml.pre"
# Same splitting rules under another name of the same length (llm_load_vocab and llama-vocab.cpp of llama.cpp), so the
# name can be changed in place and no byte after it moves.
KNOWN_AS = {"smollm": "refact"}


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
