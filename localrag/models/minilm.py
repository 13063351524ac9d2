"""all-MiniLM-L6-v2 from its safetensors file to the GGUF file that llama.cpp and GPT4All load.

Tensor names, the vocabulary's spelling and the types follow BertModel in llama.cpp's convert_hf_to_gguf.py.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from localrag.errors import ModelFileError
from localrag.models.gguf_file import read_gguf

NAME = "all-MiniLM-L6-v2"  # GPT4All finds task prefixes by general.name
LAYERS, WIDTH, HEADS, FEED_FORWARD, POSITIONS, VOCABULARY = 6, 384, 12, 1536, 512, 30_522
LAYER_NORM_EPS = 1e-12
TOKEN_TYPES = 2
MEAN_POOLING = 1  # enum llama_pooling_type
FILE_TYPE_F16 = 1  # enum llama_ftype
NORMAL, CONTROL = 1, 3  # gguf.TokenType
SPECIAL = {"[PAD]": 0, "[UNK]": 100, "[CLS]": 101, "[SEP]": 102, "[MASK]": 103}
KEPT_F32 = ("position_embd.weight", "token_types.weight")  # as the converter does: they are added, not multiplied
DTYPES = {"F32": "<f4", "F16": "<f2"}

EMBEDDINGS = {
    "embeddings.word_embeddings": "token_embd",
    "embeddings.token_type_embeddings": "token_types",
    "embeddings.position_embeddings": "position_embd",
    "embeddings.LayerNorm": "token_embd_norm",
}
BLOCK = {
    "attention.self.query": "attn_q",
    "attention.self.key": "attn_k",
    "attention.self.value": "attn_v",
    "attention.output.dense": "attn_output",
    "attention.output.LayerNorm": "attn_output_norm",
    "intermediate.dense": "ffn_up",
    "output.dense": "ffn_down",
    "output.LayerNorm": "layer_output_norm",
}


def convert(safetensors: Path, vocabulary: str, target: Path) -> None:
    """Write the GGUF file; `target` appears whole or not at all. The same input gives the same bytes.

    `vocabulary` is the model's vocab.txt: one WordPiece a line, its line number the token id.
    Raises:
        ModelFileError: the safetensors file or the vocabulary is not this model's.
    """
    from gguf import GGUFWriter

    tokens = vocabulary.splitlines()
    if len(tokens) != VOCABULARY or any(tokens[at] != token for token, at in SPECIAL.items()):
        raise ModelFileError(
            f"The vocabulary beside {safetensors} is not that of {NAME}. Run `python -m localrag setup` again."
        )
    tensors = read_safetensors(safetensors)
    scratch = target.with_name(target.name + ".tmp")
    try:
        writer = GGUFWriter(scratch, "bert")
        _write_facts(writer)
        _write_vocabulary(writer, tokens)
        for name, values in _named(tensors, safetensors):
            narrow = values.ndim == 2 and name not in KEPT_F32
            writer.add_tensor(name, np.ascontiguousarray(values, dtype=np.float16 if narrow else np.float32))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        read_gguf(scratch)
        scratch.replace(target)
    finally:
        scratch.unlink(missing_ok=True)


def _write_facts(writer: Any) -> None:
    writer.add_type("model")
    writer.add_name(NAME)
    writer.add_license("apache-2.0")
    writer.add_file_type(FILE_TYPE_F16)
    writer.add_context_length(POSITIONS)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_block_count(LAYERS)
    writer.add_head_count(HEADS)
    writer.add_layer_norm_eps(LAYER_NORM_EPS)
    writer.add_causal_attention(False)
    writer.add_uint32("bert.pooling_type", MEAN_POOLING)
    writer.add_token_type_count(TOKEN_TYPES)


def _write_vocabulary(writer: Any, tokens: list[str]) -> None:
    writer.add_tokenizer_model("bert")
    writer.add_token_list([_spelling(token) for token in tokens])
    writer.add_token_types([CONTROL if token in SPECIAL else NORMAL for token in tokens])
    writer.add_bos_token_id(SPECIAL["[CLS]"])
    writer.add_eos_token_id(SPECIAL["[SEP]"])
    writer.add_unk_token_id(SPECIAL["[UNK]"])
    writer.add_sep_token_id(SPECIAL["[SEP]"])
    writer.add_pad_token_id(SPECIAL["[PAD]"])
    writer.add_mask_token_id(SPECIAL["[MASK]"])
    writer.add_uint32("tokenizer.ggml.cls_token_id", SPECIAL["[CLS]"])  # the writer knows no method for it


def _spelling(token: str) -> str:
    """llama.cpp marks the start of a word (U+2581) where WordPiece marks its continuation (##)."""
    if token in SPECIAL:
        return token
    return token[2:] if token.startswith("##") else "\u2581" + token


def _named(tensors: dict[str, NDArray[Any]], source: Path) -> Iterator[tuple[str, NDArray[Any]]]:
    """Every tensor under its GGUF name, in a fixed order; the pooler is left out, mean pooling has no weights."""
    names = {f"{old}.weight": f"{new}.weight" for old, new in EMBEDDINGS.items()}
    names["embeddings.LayerNorm.bias"] = "token_embd_norm.bias"
    for layer in range(LAYERS):
        for old, new in BLOCK.items():
            for end in ("weight", "bias"):
                names[f"encoder.layer.{layer}.{old}.{end}"] = f"blk.{layer}.{new}.{end}"
    for old, new in names.items():
        if old not in tensors:
            raise ModelFileError(f"{source} holds no tensor {old}, so it is not {NAME}. Run `python -m localrag setup` again.")
        yield new, tensors[old]


def read_safetensors(path: Path) -> dict[str, NDArray[Any]]:
    """The floating-point tensors of a safetensors file.

    Format: 8 bytes length, that many bytes of JSON, then the data (github.com/huggingface/safetensors).
    Raises:
        ModelFileError: the file does not follow it.
    """
    try:
        data = np.fromfile(path, dtype=np.uint8)  # mapped, a file written over would end the app
        length = struct.unpack("<Q", data[:8].tobytes())[0]
        header = json.loads(data[8 : 8 + length].tobytes())
        header.pop("__metadata__", None)
        return {
            name: data[8 + length + entry["data_offsets"][0] : 8 + length + entry["data_offsets"][1]]
            .view(DTYPES[entry["dtype"]])
            .reshape(entry["shape"])
            for name, entry in header.items()
            if entry["dtype"] in DTYPES
        }
    except (OSError, ValueError, KeyError, TypeError, struct.error) as exc:
        raise ModelFileError(f"{path} is not a sound safetensors file ({exc}). Run `python -m localrag setup` again.") from exc
