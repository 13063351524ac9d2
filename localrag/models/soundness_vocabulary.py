"""A vocabulary's header, checked against itself, and its tokens, which llama.cpp wants to be all different."""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterator
from pathlib import Path

from localrag.errors import ModelFileError
from localrag.models.gguf_facts import ArrayInfo, Facts
from localrag.models.gguf_file import GGUFFile
from localrag.models.llama_names import WITHOUT_VOCABULARY

TOKENS, TYPES = "tokenizer.ggml.tokens", "tokenizer.ggml.token_type"
TEXT_TYPES = (1, 4, 6)  # normal, user-defined, byte: LLAMA_TOKEN_TYPE in llama.h
MERGING = ("gpt2", "hybriddna", "whitespace", "gemma4")
WITHOUT_MERGES = "kimi-k2"
LONGEST_TEMPLATE = 100_000
"""Characters; the longest in use have some 20,000. Compiling half a million takes 13 s and 300 MB."""
LENGTHS = struct.Struct("<Q")
ARRAY_HEAD = 12  # bytes: the type of the elements and their count


def vocabulary_faults(gguf: Facts) -> Iterator[str]:
    """What of the vocabulary llama.cpp could not use, as clauses; nothing for a file that states that it has none."""
    template = gguf.metadata.get("tokenizer.chat_template")
    if template is not None and not isinstance(template, str):
        yield "its chat template is no text"
    elif template is not None and len(template) > LONGEST_TEMPLATE:
        yield f"its chat template has {len(template):,} characters"
    model = gguf.metadata.get("tokenizer.ggml.model")
    if not isinstance(model, str):
        yield "its tokenizer.ggml.model is no text" if model is not None else "it names no tokenizer"
        return
    if model in WITHOUT_VOCABULARY:
        return
    element, length = _array(gguf, TOKENS)
    if element != "string" or not length:
        held = f"{length:,} times {element}" if length else "empty"
        yield f"its vocabulary is {held if element else 'missing'}"
        return
    for name, kinds in {"scores": ("float32", "int32"), "token_type": ("int32",)}.items():
        key = f"tokenizer.ggml.{name}"
        if key in gguf.metadata:
            other, count = _array(gguf, key)
            if count < length or other not in kinds:
                yield f"its vocabulary has {length:,} tokens and {count:,} {name} ({other or 'no list'})"
    if model in MERGING and gguf.pre_tokenizer != WITHOUT_MERGES and _array(gguf, "tokenizer.ggml.merges")[0] != "string":
        yield "its tokenizer.ggml.merges are missing"
    # llama.cpp ignores other ids that are out of range, and many files in circulation have such a padding id.
    for name in ("bos", "eos"):
        number = gguf.integer(f"tokenizer.ggml.{name}_token_id")
        if number is not None and not 0 <= number < length:
            yield f"its {name} token is number {number:,} of a vocabulary of {length:,}"


def _array(gguf: Facts, key: str) -> tuple[str, int]:
    """Type and number of an array's elements; ("", 0) when it is none."""
    value = gguf.metadata.get(key)
    if isinstance(value, ArrayInfo):
        return value.element_type, value.length
    if not isinstance(value, list):
        return "", 0
    kinds = {str: "string", float: "float32", int: "int32"}  # a short list is kept by its values alone
    return kinds.get(type(value[0]), "bool") if value else "nothing", len(value)


def token_fault(gguf: GGUFFile) -> str | None:
    """What is wrong with the tokens themselves, as a clause, or None. Reads the vocabulary: some 50 ms for 260,000 tokens.

    Two that are the same make llama.cpp end the process: GGML_ASSERT(id_to_token.size() == token_to_id.size()) in
    src/llama-vocab.cpp. Where most are marked as control tokens no answer shows, and every text is searched for each of them.
    Raises:
        ModelFileError: the file cannot be read any more.
    """
    element, length = _array(gguf, TOKENS)
    if element != "string" or gguf.tokenizer_model in WITHOUT_VOCABULARY:
        return None
    places = gguf.value_offsets[TOKENS] + ARRAY_HEAD, gguf.value_offsets.get(TYPES, -ARRAY_HEAD) + ARRAY_HEAD
    try:
        return _token_fault(gguf.path, gguf.path.stat().st_mtime_ns, *places, gguf.data_offset, length)
    except OSError as exc:
        raise ModelFileError(f"Model file cannot be read: {gguf.path} ({exc.strerror}). Choose another one.") from exc


@functools.lru_cache(maxsize=32)
def _token_fault(path: Path, _changed_ns: int, tokens_at: int, types_at: int, end: int, length: int) -> str | None:
    with path.open("rb") as file:
        header = file.read(end)
    repeated = _repeated(header, tokens_at, length)
    if repeated is not None:
        return f"two tokens of its vocabulary are {repeated[:40]!r}"
    if types_at and types_at + 4 * length <= len(header):
        types = struct.unpack_from(f"<{length}i", header, types_at)
        text = sum(types.count(kind) for kind in TEXT_TYPES)
        if text < length / 2:
            return f"only {text:,} of the {length:,} tokens of its vocabulary are text"
    return None


def _repeated(header: bytes, at: int, length: int) -> str | None:
    seen: set[bytes] = set()
    for index in range(length):
        if at + LENGTHS.size > len(header):
            return None  # the file became shorter meanwhile; who loads it will say so
        end = at + LENGTHS.size + LENGTHS.unpack_from(header, at)[0]
        token = header[at + LENGTHS.size : end] or f"[EMPTY_{index}]".encode()
        if token in seen:
            return token.decode("utf-8", "replace")
        seen.add(token)
        at = end
    return None
