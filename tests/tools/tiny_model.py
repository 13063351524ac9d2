"""Model files of 0.4 MB with random weights: what a loader and a tokenizer do with them is real, what they say is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from gguf import GGUFWriter

WIDTH, LAYERS, HEADS, FORWARD = 64, 2, 4, 128
NORMAL, UNKNOWN, CONTROL, BYTE = 1, 2, 3, 6  # token types of the GGUF specification
TEMPLATE = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}</s>\n{% endfor %}<|assistant|>"


def tiny_model(path: Path, tokenizer: str = "gpt2", architecture: str = "llama", pre_tokenizer: str = "gpt-2") -> Path:
    """Write a llama model that reads bytes (`gpt2`), or letters and a few words spelt with their space (`llama`)."""
    writer = GGUFWriter(path, architecture)
    writer.add_name("tiny")
    writer.add_context_length(4096)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(FORWARD)
    writer.add_head_count(HEADS)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_chat_template(TEMPLATE)
    writer.add_tokenizer_model(tokenizer)
    n_vocab = _bytes(writer, pre_tokenizer) if tokenizer == "gpt2" else _words(writer)
    _weights(writer, n_vocab)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _bytes(writer: GGUFWriter, pre_tokenizer: str) -> int:
    """GPT-2's alphabet: printable bytes stand for themselves, the others for the characters from U+0100 on."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in shown]
    spelt = {byte: chr(byte) for byte in shown} | {byte: chr(256 + at) for at, byte in enumerate(hidden)}
    tokens = [*(spelt[byte] for byte in range(256)), "<s>", "</s>", "<|user|>", "ab"]
    writer.add_tokenizer_pre(pre_tokenizer)
    writer.add_token_list(tokens)
    writer.add_token_types([*[NORMAL] * 256, CONTROL, CONTROL, CONTROL, NORMAL])
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(256)
    writer.add_eos_token_id(257)
    return len(tokens)


def _words(writer: GGUFWriter) -> int:
    """SentencePiece: a word's token begins with its space, unknown letters are bytes, every prompt begins with <s>."""
    words = ["\u2581H", "\u2581He", "\u2581Hel", "\u2581Hell", "\u2581Hello", "He", "Hel", "Hell", "Hello"]
    letters = ["\u2581", *(chr(code) for code in range(33, 127))]
    tokens = ["<unk>", "<s>", "</s>", "<|user|>", *(f"<0x{byte:02X}>" for byte in range(256)), *words, *letters]
    types = [UNKNOWN, CONTROL, CONTROL, CONTROL, *[BYTE] * 256, *[NORMAL] * (len(words) + len(letters))]
    longer_first = [float(len(token)) if types[at] == NORMAL else 0.0 for at, token in enumerate(tokens)]
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_scores(longer_first)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    return len(tokens)


def _weights(writer: GGUFWriter, n_vocab: int) -> None:
    random = np.random.default_rng(0)

    def matrix(name: str, rows: int, columns: int) -> None:
        writer.add_tensor(name, (random.standard_normal((rows, columns)) * 0.05).astype(np.float32))

    def ones(name: str) -> None:
        writer.add_tensor(name, np.ones(WIDTH, np.float32))

    matrix("token_embd.weight", n_vocab, WIDTH)
    matrix("output.weight", n_vocab, WIDTH)
    ones("output_norm.weight")
    for layer in range(LAYERS):
        ones(f"blk.{layer}.attn_norm.weight")
        ones(f"blk.{layer}.ffn_norm.weight")
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            matrix(f"blk.{layer}.{name}.weight", WIDTH, WIDTH)
        matrix(f"blk.{layer}.ffn_gate.weight", FORWARD, WIDTH)
        matrix(f"blk.{layer}.ffn_up.weight", FORWARD, WIDTH)
        matrix(f"blk.{layer}.ffn_down.weight", WIDTH, FORWARD)
