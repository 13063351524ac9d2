"""Ways in which a model file can be wrong, each drawn at random from a seeded generator."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from copy import deepcopy

from localrag.models.gguf_types import ARRAY, SCALARS, STRING
from localrag.models.llama_names import ARCHITECTURES, PRE_TOKENIZERS, TOKENIZERS
from tests.tools.gguf_layout import Entry, Layout, Mutant, string, strings, write_header
from tests.tools.hostile_values import ADDED, FLOATS, NUMBERS, TEMPLATES
from tests.tools.tensor_mutations import no_numbers, tensor_fields, tensor_rows, truncated, weights

Mutation = Callable[[random.Random, Layout], Mutant]


def _patched(layout: Layout, kind: str, patches: list[tuple[int, bytes]], told: str = "") -> Mutant:
    header = bytearray(layout.header)
    for at, data in patches:
        header[at : at + len(data)] = data[: max(len(header) - at, 0)]
    return Mutant(kind, bytes(header), told=told or f"at {[at for at, _ in patches][:4]}")


def header_bits(chance: random.Random, layout: Layout) -> Mutant:
    area = chance.choice((24, 400, 4_000, layout.tensors[0].at, len(layout.header)))
    places = [chance.randrange(area) for _ in range(chance.choice((1, 1, 2, 8)))]
    return _patched(layout, "bits", [(at, bytes([layout.header[at] ^ 1 << chance.randrange(8)])) for at in places])


def table_bits(chance: random.Random, layout: Layout) -> Mutant:
    places = [chance.randrange(layout.tensors[0].at, len(layout.header)) for _ in range(chance.choice((1, 2, 8)))]
    return _patched(layout, "table", [(at, bytes([layout.header[at] ^ 1 << chance.randrange(8)])) for at in places])


def counts(chance: random.Random, layout: Layout) -> Mutant:
    at, form, now = chance.choice(((4, "<I", 3), (8, "<Q", len(layout.tensors)), (16, "<Q", len(layout.entries))))
    value = chance.choice((*NUMBERS, now - 1, now + 1)) % 2 ** (8 * struct.calcsize(form))
    return _patched(layout, "counts", [(at, struct.pack(form, value))], f"{value} at {at}")


def lengths(chance: random.Random, layout: Layout) -> Mutant:
    entry = chance.choice(layout.entries)
    long = [e for e in layout.entries if e.type in (STRING, ARRAY)]
    places = [(entry.at, len(entry.key))]
    entry = chance.choice(long)
    places.append((entry.value_at + (4 if entry.type == ARRAY else 0), 8))
    tensor = chance.choice(layout.tensors)
    places.append((tensor.at, len(tensor.name)))
    at, _ = chance.choice(places)
    (now,) = struct.unpack_from("<Q", layout.header, at)
    value = chance.choice((*NUMBERS, now - 1, now + 1, now * 2)) % 2**64
    return _patched(layout, "lengths", [(at, struct.pack("<Q", value))], f"{entry.name}: {value}")


def types(chance: random.Random, layout: Layout) -> Mutant:
    entry = chance.choice(layout.entries)
    at = entry.value_at - 4
    if entry.type == ARRAY and chance.random() < 0.5:
        at = entry.value_at
    value = chance.choice((*range(14), 255, 2**31, 2**32 - 1))
    return _patched(layout, "types", [(at, struct.pack("<I", value))], f"{entry.name}: {value}")


def retyped(chance: random.Random, layout: Layout) -> Mutant:
    """A value with another type that is written as it should be, so that the header stays readable."""
    entries = deepcopy(layout.entries)
    entry = chance.choice(entries)
    entry.type = chance.choice((*SCALARS, STRING))
    entry.raw = string(b"12") if entry.type == STRING else _scalar(chance, entry.type)
    return Mutant("retyped", write_header(entries, layout.tensors), told=f"{entry.name} as {entry.type}")


def values(chance: random.Random, layout: Layout) -> Mutant:
    entries = deepcopy(layout.entries)
    entry = chance.choice([e for e in entries if e.type in SCALARS])
    entry.raw = _scalar(chance, entry.type)
    return Mutant("values", write_header(entries, layout.tensors), told=f"{entry.name}: {entry.raw.hex()}")


def sizes(chance: random.Random, layout: Layout) -> Mutant:
    """Numbers of the model's shape, near what they were."""
    entries = deepcopy(layout.entries)
    shape = [e for e in entries if e.name.startswith("llama.") and e.type == 4]
    for entry in chance.sample(shape, chance.choice((1, 1, 2))):
        (now,) = struct.unpack("<I", entry.raw)
        entry.raw = struct.pack("<I", chance.choice((now - 1, now + 1, now * 2, now // 2, now // 3, 1)) % 2**32)
    return Mutant("sizes", write_header(entries, layout.tensors))


def removed(chance: random.Random, layout: Layout) -> Mutant:
    entries = list(layout.entries)
    entry = entries.pop(chance.randrange(len(entries)))
    return Mutant("removed", write_header(entries, layout.tensors), told=entry.name)


def added(chance: random.Random, layout: Layout) -> Mutant:
    key, kind, raw = chance.choice(ADDED)
    kept = [entry for entry in layout.entries if entry.name != key]
    entries = [*kept, Entry(key.encode(), kind, raw)]
    return Mutant("added", write_header(entries, layout.tensors), told=f"{key}: {raw[:20].hex()}")


def renamed(chance: random.Random, layout: Layout) -> Mutant:
    """Another architecture, tokenizer or pre-tokenizer; the architecture's keys with it, as in a file made for it."""
    entries = deepcopy(layout.entries)
    what = chance.choice(("general.architecture", "general.architecture", "tokenizer.ggml.model", "tokenizer.ggml.pre"))
    names = {"general.architecture": ARCHITECTURES, "tokenizer.ggml.model": TOKENIZERS}.get(what, PRE_TOKENIZERS)
    name = chance.choice([*sorted(names), "nonsense", ""])
    for entry in entries:
        if entry.name == what:
            entry.raw = string(name.encode())
        elif what == "general.architecture" and entry.name.startswith("llama."):
            entry.key = entry.key.replace(b"llama", name.encode(), 1)
    return Mutant("renamed", write_header(entries, layout.tensors), told=f"{what}: {name}")


def string_bytes(chance: random.Random, layout: Layout) -> Mutant:
    entry = chance.choice([e for e in layout.entries if e.type == STRING or (e.type == ARRAY and e.raw[0] == STRING)])
    start = entry.value_at + 8 + (12 if entry.type == ARRAY else 0)
    end = entry.value_at + len(entry.raw)
    patches = [
        (chance.randrange(start, end), bytes([chance.choice((0, 0x80, 0xC0, 0xFF, chance.randrange(256)))]))
        for _ in range(chance.choice((1, 3, 50)))
        if end > start
    ]
    return _patched(layout, "strings", patches, entry.name)


def vocabulary(chance: random.Random, layout: Layout) -> Mutant:
    entries = deepcopy(layout.entries)
    name = chance.choice(("tokenizer.ggml.tokens", "tokenizer.ggml.tokens", "tokenizer.ggml.merges"))
    entry = next(e for e in entries if e.name == name)
    items = entry.strings()
    how = chance.choice(("empty", "same", "binary", "long", "space", "fewer", "more", "shuffled", "gone"))
    picked = chance.sample(range(len(items)), chance.choice((1, 20)))
    for index in picked:
        match how:
            case "empty":
                items[index] = b""
            case "same":
                items[index] = items[index - 1]
            case "binary":
                items[index] = bytes(chance.randrange(256) for _ in range(chance.choice((1, 2, 7))))
            case "long":
                items[index] = b"x" * chance.choice((1_000, 100_000)) + str(index).encode()
            case "space":
                items[index] = b" %d " % index
    if how in ("fewer", "more", "gone"):
        items = {"fewer": items[: -len(picked)], "more": [*items, b"a b c"], "gone": []}[how]
    elif how == "shuffled":
        chance.shuffle(items)
    entry.raw = strings(items)
    return Mutant("vocabulary", write_header(entries, layout.tensors), told=f"{name} {how} {len(picked)}")


def token_types(chance: random.Random, layout: Layout) -> Mutant:
    entries = deepcopy(layout.entries)
    entry = next(e for e in entries if e.name == "tokenizer.ggml.token_type")
    (count,) = struct.unpack_from("<Q", entry.raw, 4)
    fill = chance.choice(([6], [0], [2], [3], [4], [5], [-1, 99], range(-1, 8)))
    share = chance.choice((0.001, 0.3, 1.0))
    now = struct.unpack_from(f"<{count}i", entry.raw, 12)
    drawn = [chance.choice(list(fill)) if chance.random() < share else kept for kept in now]
    entry.raw = entry.raw[:12] + struct.pack(f"<{count}i", *drawn)
    return Mutant("token types", write_header(entries, layout.tensors), told=f"{fill} {share}")


def template(chance: random.Random, layout: Layout) -> Mutant:
    entries = deepcopy(layout.entries)
    text = chance.choice(TEMPLATES)
    next(e for e in entries if e.name == "tokenizer.chat_template").raw = string(text)
    return Mutant("template", write_header(entries, layout.tensors), told=repr(text[:60]))


def shuffled(chance: random.Random, layout: Layout) -> Mutant:
    """Sections in another order: keys, keys and tensors, halves of the header."""
    how = chance.choice(("keys", "halves", "tables first", "repeated"))
    entries = list(layout.entries)
    if how == "keys":
        chance.shuffle(entries)
        header = write_header(entries, layout.tensors)
    elif how == "repeated":
        header = write_header([*entries, chance.choice(entries)], layout.tensors)
    else:
        cut = layout.tensors[0].at if how == "tables first" else len(layout.header) // 2
        header = layout.header[:24] + layout.header[cut:] + layout.header[24:cut]
    return Mutant("shuffled", header, told=how)


def _scalar(chance: random.Random, kind: int) -> bytes:
    form = SCALARS[kind][1]
    if form[1] in "fd":
        return struct.pack(form, chance.choice(FLOATS))
    bits = 8 * struct.calcsize(form)
    if form[1] == "?":
        return bytes([chance.choice((0, 1, 2, 255))])
    number = chance.choice((*NUMBERS, *range(1, 40))) % 2**bits
    return number.to_bytes(bits // 8, "little")


MUTATIONS: tuple[Mutation, ...] = (
    header_bits,
    table_bits,
    counts,
    lengths,
    types,
    retyped,
    values,
    values,
    sizes,
    removed,
    added,
    added,
    renamed,
    renamed,
    string_bytes,
    vocabulary,
    vocabulary,
    token_types,
    template,
    tensor_fields,
    tensor_fields,
    tensor_rows,
    truncated,
    weights,
    no_numbers,
    shuffled,
)


def mutants(layout: Layout, count: int, seed: int) -> list[Callable[[], Mutant]]:
    """`count` ways to spoil a file, every kind in turn; each is made when it is called, always the same for a seed."""

    def make(number: int) -> Mutant:
        chance = random.Random(f"{seed}-{number}")
        return MUTATIONS[number % len(MUTATIONS)](chance, layout)

    return [lambda number=number: make(number) for number in range(count)]  # type: ignore[misc]
