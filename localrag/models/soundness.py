"""What a model's header says, checked against itself: values on which llama.cpp would abort, fail late or go astray.

The limits and rules are those of llama-cpp-python 0.3.36: `load_hparams` in vendor/llama.cpp/src/llama-model.cpp (most of them
GGML_ASSERTs there, which end the process), src/llama-hparams.h, `ggml_rope` and `ggml_rms_norm` in ggml/src/ggml.c.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from localrag.errors import ModelFileError
from localrag.models.gguf_facts import Facts
from localrag.models.gguf_file import GGUFFile
from localrag.models.llama_names import ARCHITECTURES, NAME_ONLY, RECURRENT, SPEECH
from localrag.models.soundness_vocabulary import vocabulary_faults

MOST_LAYERS = 512  # LLAMA_MAX_LAYERS
MOST_EXPERTS = 1024  # LLAMA_MAX_EXPERTS
MOST_CTX = 1 << 27  # thirteen times the longest window a model was trained for
MOST_WIDTH = 1 << 20  # of an embedding, and of a head; the widest models have some 20,000
MOST_HEADS = 1 << 14
ROPE_SCALINGS = ("none", "linear", "yarn", "longrope")
POOLINGS = (0, 1, 2, 3, 4, 2**32 - 1)  # enum llama_pooling_type; -1 is "not stated"
NO_MODELS = ("adapter", "projector", "vocabulary", "draft")
BLOCK = re.compile(r"(?:^|\.)blk\.(\d+)\.")


def check_sound(gguf: GGUFFile) -> None:
    """Raise unless the header of a whole model is free of contradictions; other kinds of files pass.

    Raises:
        ModelFileError: the sentence names the first fault.
    """
    whole = (gguf.text("general.type") or "model") == "model" and gguf.tensors and not gguf.integer("split.no")
    if not whole or gguf.kind in NO_MODELS or gguf.architecture not in ARCHITECTURES - SPEECH - NAME_ONLY:
        return
    for fault in _faults(gguf):
        raise ModelFileError(f"Model file is damaged: {gguf.path}: {fault}. Download it again.")


def _faults(gguf: Facts) -> Iterator[str]:
    yield from _size_faults(gguf)
    yield from _head_faults(gguf)
    yield from _rope_faults(gguf)
    yield from _expert_faults(gguf)
    yield from _float_faults(gguf)
    yield from vocabulary_faults(gguf)
    yield from _tensor_faults(gguf)


def _size_faults(gguf: Facts) -> Iterator[str]:
    limits = {"block_count": MOST_LAYERS, "context_length": MOST_CTX, "embedding_length": MOST_WIDTH}
    for key, most in limits.items():
        stated = gguf.of_arch(key)
        if not _whole(stated) or not 0 < stated <= most:  # type: ignore[operator]
            yield f"its {key} is {_shown(stated)}, 1 to {most:,} is possible"
    if gguf.arch_integer("nextn_predict_layers") > gguf.n_layers:
        yield f"its nextn_predict_layers is {gguf.arch_integer('nextn_predict_layers'):,}, it has {gguf.n_layers} layers"
    pooling = gguf.of_arch("pooling_type")
    if pooling is not None and pooling not in POOLINGS:
        yield f"its pooling_type is {_shown(pooling)}, which llama.cpp does not know"


def _head_faults(gguf: Facts) -> Iterator[str]:
    if gguf.architecture in RECURRENT:
        return
    heads = _per_layer(gguf, "attention.head_count")
    shared = _per_layer(gguf, "attention.head_count_kv") if gguf.of_arch("attention.head_count_kv") is not None else heads
    if max(heads, default=0) <= 0 or max(heads) > MOST_HEADS or min(heads) < 0:
        yield f"its attention.head_count is {_shown(gguf.of_arch('attention.head_count'))}, 1 to {MOST_HEADS:,} is possible"
        return
    if max(shared, default=0) <= 0:
        yield f"its attention.head_count_kv is {_shown(gguf.of_arch('attention.head_count_kv'))}"
        return
    wide = max(len(heads), len(shared))
    for layer, (own, kv) in enumerate(zip(_spread(heads, wide), _spread(shared, wide), strict=True)):
        # A layer without heads of either sort is a recurrent or linear one of a hybrid model.
        if kv < 0 or kv > max(own, 0) or (kv and own % kv):
            yield f"layer {layer} has {own:,} attention heads over {kv:,} of keys and values, which cannot be shared out"
    stated = [gguf.of_arch(f"attention.{name}_length") for name in ("key", "value")]
    for value in stated:
        if value is not None and (not _whole(value) or not 0 < value <= MOST_WIDTH):  # type: ignore[operator]
            yield f"a head's key or value has the length {_shown(value)}"
    if stated == [None, None] and len(heads) == 1 and gguf.n_embd % heads[0]:
        yield f"its {gguf.n_embd:,} numbers a token cannot be shared out among {heads[0]:,} heads"


def _rope_faults(gguf: Facts) -> Iterator[str]:
    scaling = gguf.of_arch("rope.scaling.type")
    if isinstance(scaling, str) and scaling not in ROPE_SCALINGS:
        yield f"its rope.scaling.type is {_shown(scaling)}, which llama.cpp does not know"
    turned = gguf.of_arch("rope.dimension_count")
    if turned is None or gguf.architecture in RECURRENT or gguf.of_arch("attention.kv_lora_rank") is not None:
        return
    length = gguf.key_length
    if not _whole(turned) or turned < 0 or turned % 2 or (length and turned > length):  # type: ignore[operator]
        yield f"its rope.dimension_count is {_shown(turned)}, a head's key has {length:,} numbers"


def _expert_faults(gguf: Facts) -> Iterator[str]:
    experts, used = gguf.arch_integer("expert_count"), gguf.arch_integer("expert_used_count")
    groups, groups_used = gguf.arch_integer("expert_group_count"), gguf.arch_integer("expert_group_used_count")
    if gguf.architecture.startswith("hunyuan") and experts <= 1:
        return
    if experts < 0 or experts > MOST_EXPERTS or used > experts or used < 0 or (experts and not used):
        yield f"it uses {used:,} of {experts:,} experts"
    elif experts and (groups >= experts or (groups > 1 and (experts % groups or not 0 < groups_used < groups))):
        yield f"it uses {groups_used:,} of {groups:,} groups of its {experts:,} experts"


def _float_faults(gguf: Facts) -> Iterator[str]:
    start = f"{gguf.architecture}."
    for key, value in gguf.metadata.items():
        if not key.startswith(start):
            continue
        for number in value if isinstance(value, list) else [value]:
            if not isinstance(number, float):
                continue
            short = key.removeprefix(start)
            if math.isnan(number):
                yield f"its {short} is not a number"
            elif short.endswith("epsilon") and not 0.0 <= number < 1.0:
                yield f"its {short} is {number:g}, 0 to 1 is possible"
            elif ("freq_base" in short and not 0.0 < number < math.inf) or (
                short in ("rope.scaling.factor", "rope.scale_linear") and not 0.0 <= number < math.inf
            ):
                yield f"its {short} is {number:g}"


def _tensor_faults(gguf: Facts) -> Iterator[str]:
    """Only for a model in one file; of a split one the other parts hold the rest."""
    shapes = {tensor.name: tensor.dims for tensor in gguf.tensors}
    wide, *rows = shapes.get("token_embd.weight") or (gguf.n_embd, gguf.n_vocab)
    if wide != gguf.n_embd:
        yield f"its embedding_length is {gguf.n_embd:,}, its token_embd.weight is {wide:,} wide"
    if gguf.n_vocab and math.prod(rows) != gguf.n_vocab:
        yield f"its vocabulary has {gguf.n_vocab:,} tokens, its token_embd.weight {math.prod(rows):,}"
    blocks = {int(found[1]) for name in shapes if (found := BLOCK.search(name))}
    if gguf.split_count == 1 and blocks:
        missing = gguf.n_layers - gguf.arch_integer("nextn_predict_layers") - len(blocks)
        if missing > 0 or max(blocks) >= gguf.n_layers:
            yield f"its block_count is {gguf.n_layers:,}, it has tensors of {len(blocks):,} blocks up to number {max(blocks):,}"


def _per_layer(gguf: Facts, key: str) -> list[int]:
    value = gguf.of_arch(key)
    return [n if _whole(n) else -1 for n in (value if isinstance(value, list) else [value])]  # type: ignore[misc]


def _spread(values: list[int], count: int) -> list[int]:
    return values * count if len(values) == 1 else values + [0] * (count - len(values))


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _shown(value: object) -> str:
    if value is None:
        return "missing"
    return f"{value:,}" if _whole(value) else repr(value)[:80]
