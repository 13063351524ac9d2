"""Tiny GGUF files, written as the specification describes them: github.com/ggml-org/ggml/blob/master/docs/gguf.md."""

from __future__ import annotations

import struct
from typing import Any

from localrag.models.gguf_types import SCALARS

Value = bool | int | float | str | bytes | list[Any] | tuple[int, Any]
"""A tuple is a value with the number of its GGUF type."""
TensorRow = tuple[str, tuple[int, ...], int]
LLAMA: dict[str, Value] = {
    "general.architecture": "llama",
    "general.name": "Tiny",
    "general.file_type": 7,
    "llama.block_count": 2,
    "llama.context_length": 2048,
    "llama.embedding_length": 64,
    "llama.attention.head_count": 4,
    "llama.attention.head_count_kv": 2,
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.ggml.pre": "smollm",
    "tokenizer.ggml.tokens": [f"t{n}" for n in range(300)],
    "tokenizer.ggml.merges": ["t 1", "t 2"],
}
NORMS: list[TensorRow] = [(f"blk.{n}.attn_norm.weight", (64,), 0) for n in range(2)]
TENSORS: list[TensorRow] = [("token_embd.weight", (64, 300), 8), *NORMS, ("output_norm.weight", (64,), 0)]
SIZES = {0: (1, 4), 1: (1, 2), 8: (32, 34)}


def text(value: str | bytes) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(data)) + data


def typed(value: Value) -> tuple[int, bytes]:
    if isinstance(value, tuple):
        return value[0], struct.pack(SCALARS[value[0]][1], value[1])
    if isinstance(value, bool):
        return 7, struct.pack("<?", value)
    if isinstance(value, int):
        return 4, struct.pack("<I", value)
    if isinstance(value, float):
        return 6, struct.pack("<f", value)
    if isinstance(value, list):
        items = [typed(item) for item in value]
        return 9, struct.pack("<IQ", items[0][0] if items else 8, len(items)) + b"".join(data for _, data in items)
    return 8, text(value)


def build(
    metadata: dict[str, Value] = LLAMA,
    tensors: list[TensorRow] = TENSORS,
    version: int = 3,
    offsets: list[int] | None = None,
) -> bytes:
    """A GGUF file as the specification describes it."""
    out = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(metadata))
    for key, value in metadata.items():
        kind, data = typed(value)
        out += text(key) + struct.pack("<I", kind) + data
    place = 0
    for index, (name, dims, kind) in enumerate(tensors):
        out += text(name) + struct.pack("<I", len(dims)) + struct.pack(f"<{len(dims)}Q", *dims)
        out += struct.pack("<IQ", kind, offsets[index] if offsets else place)
        elements = 1
        for n in dims:
            elements *= n
        block, size = SIZES.get(kind, (1, 1))
        place += -(-(elements // block * size) // 32) * 32
    return out + b"\0" * (-len(out) % 32) + b"\0" * place


# A model that llama.cpp loads and evaluates: two blocks, all weights zero, a vocabulary of bytes.
WIDE, HEADS, SHARED, HIDDEN = 64, 4, 2, 128
BYTE_TEXTS = [chr(n) for n in (*range(33, 127), *range(161, 173), *range(174, 256), *range(256, 324))]
"""How byte-level BPE writes the 256 bytes."""
RUNNABLE: dict[str, Value] = LLAMA | {
    "llama.feed_forward_length": HIDDEN,
    "llama.attention.layer_norm_rms_epsilon": 1e-5,
    "llama.rope.dimension_count": WIDE // HEADS,
    "tokenizer.ggml.tokens": ["<|im_start|>", "<|im_end|>", *BYTE_TEXTS, *[f"t{n}" for n in range(42)]],
    "tokenizer.ggml.token_type": [(5, 3), (5, 3), *[(5, 1)] * 298],
    "tokenizer.ggml.merges": ["t 1"],
    "tokenizer.ggml.bos_token_id": 0,
    "tokenizer.ggml.eos_token_id": 1,
}
BLOCK_SHAPES = {
    "attn_norm": (WIDE,),
    "attn_q": (WIDE, WIDE),
    "attn_k": (WIDE, WIDE // HEADS * SHARED),
    "attn_v": (WIDE, WIDE // HEADS * SHARED),
    "attn_output": (WIDE, WIDE),
    "ffn_norm": (WIDE,),
    "ffn_gate": (WIDE, HIDDEN),
    "ffn_up": (WIDE, HIDDEN),
    "ffn_down": (HIDDEN, WIDE),
}
RUNNABLE_TENSORS: list[TensorRow] = [
    ("token_embd.weight", (WIDE, 300), 0),
    *[(f"blk.{n}.{name}.weight", shape, 0) for n in range(2) for name, shape in BLOCK_SHAPES.items()],
    ("output_norm.weight", (WIDE,), 0),
]
