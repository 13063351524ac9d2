"""Ways in which the tensors of a model file can be wrong: their table, their data, where the file ends."""

from __future__ import annotations

import math
import random
import struct
from copy import deepcopy

from localrag.models.gguf_types import TENSOR_TYPES
from tests.tools.gguf_layout import Layout, Mutant, TensorInfo, write_header
from tests.tools.hostile_values import NUMBERS


def tensor_fields(chance: random.Random, layout: Layout) -> Mutant:
    tensors = deepcopy(layout.tensors)
    tensor = chance.choice(tensors)
    what = chance.choice(("dims", "type", "offset", "name", "more dims"))
    if what == "dims":
        tensor.dims[chance.randrange(len(tensor.dims))] = chance.choice((*NUMBERS, 576, 1536, 49_152, 49_151))
    elif what == "type":
        tensor.type = chance.choice((*TENSOR_TYPES, 4, 33, 99, 2**31))
    elif what == "offset":
        tensor.offset = chance.choice((*NUMBERS, 32, tensor.offset + 32, chance.choice(tensors).offset))
    elif what == "name":
        tensor.name = chance.choice(
            (b"", b"x", b"\xff\xfe", b"blk.99999999999.attn_q.weight", b"blk.-1.attn_q.weight", b"n" * 70)
        )
    else:
        tensor.dims = [*tensor.dims, *[chance.choice((1, 2, 2**33))] * chance.choice((1, 2, 3))]
    return Mutant("tensor", write_header(layout.entries, tensors), told=f"{tensor.name!r} {what} {tensor.dims} {tensor.type}")


def tensor_rows(chance: random.Random, layout: Layout) -> Mutant:
    tensors: list[TensorInfo] = deepcopy(layout.tensors)
    a, b = chance.sample(range(len(tensors)), 2)
    how = chance.choice(("swapped", "names", "twice", "lost", "shuffled", "same offset"))
    if how == "swapped":
        tensors[a], tensors[b] = tensors[b], tensors[a]
    elif how == "names":
        tensors[a].name, tensors[b].name = tensors[b].name, tensors[a].name
    elif how == "twice":
        tensors[a] = deepcopy(tensors[b])
    elif how == "lost":
        del tensors[a]
    elif how == "same offset":
        tensors[a].offset = tensors[b].offset
    else:
        chance.shuffle(tensors)
    return Mutant("tensor rows", write_header(layout.entries, tensors), told=how)


def truncated(chance: random.Random, layout: Layout) -> Mutant:
    near = (0, 3, 4, 8, 23, 24, layout.data_offset - 1, layout.data_offset, layout.data_offset + 1, layout.size - 1)
    length = chance.choice((*near, chance.randrange(layout.data_offset), chance.randrange(layout.size)))
    return Mutant("truncated", layout.header, length=length, told=f"at {length}")


def weights(chance: random.Random, layout: Layout) -> Mutant:
    """Random bytes, zeros or ones in the weights."""
    room = layout.size - layout.data_offset
    patches = []
    for _ in range(chance.choice((1, 5, 40))):
        count = chance.choice((1, 64, 4_096, 1 << 20))
        data = chance.choice((chance.randbytes(count), bytes(count), b"\xff" * count))
        patches.append((chance.randrange(room - count), data))
    return Mutant("weights", layout.header, patches)


def no_numbers(chance: random.Random, layout: Layout) -> Mutant:
    """NaN or infinity in a norm, in an embedding row, or everywhere in one tensor."""
    norms = [tensor for tensor in layout.tensors if tensor.type == 0]
    tensor = chance.choice(norms)
    bad = chance.choice((math.nan, math.inf, -math.inf, 3e38))
    count = chance.choice((1, math.prod(tensor.dims)))
    patches = [(tensor.offset, struct.pack("<f", bad) * count)]
    if chance.random() < 0.4:  # the scale of a block of 32, as f16: one row of one matrix goes wrong
        matrix = chance.choice([tensor for tensor in layout.tensors if tensor.type != 0])
        _, block, block_bytes = TENSOR_TYPES[matrix.type]
        blocks = math.prod(matrix.dims) // block
        at = matrix.offset + chance.randrange(blocks) * block_bytes
        patches = [(at, chance.choice((b"\x00\x7e", b"\x00\x7c", b"\xff\x7b")))]
    return Mutant("no numbers", layout.header, patches, told=f"{tensor.name!r} {bad} {count}")
