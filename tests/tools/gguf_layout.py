"""A GGUF header taken apart into its entries, to be put together again with something wrong in it. Trusts the file it reads."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path

from localrag.models.gguf_types import ARRAY, SCALARS, STRING

HEAD = struct.Struct("<4sIQQ")
ALIGNMENT = 32


@dataclass
class Entry:
    """One key: its type, and its value as it stands in the file; `at` is where the entry, `value_at` where the value starts."""

    key: bytes
    type: int
    raw: bytes
    at: int = 0
    value_at: int = 0

    @property
    def name(self) -> str:
        return self.key.decode("utf-8", "replace")

    def strings(self) -> list[bytes]:
        """The elements of an array of strings."""
        at, found = 12, []
        for _ in range(struct.unpack_from("<Q", self.raw, 4)[0]):
            (length,) = struct.unpack_from("<Q", self.raw, at)
            found.append(self.raw[at + 8 : at + 8 + length])
            at += 8 + length
        return found


@dataclass
class TensorInfo:
    """One row of the tensor table; `at` is where it starts."""

    name: bytes
    dims: list[int]
    type: int
    offset: int
    at: int = 0


@dataclass
class Layout:
    """A header's parts, and the length of the file they were read from."""

    entries: list[Entry]
    tensors: list[TensorInfo]
    data_offset: int
    size: int
    header: bytes = field(repr=False)

    def entry(self, name: str) -> Entry:
        return next(entry for entry in self.entries if entry.name == name)


@dataclass
class Mutant:
    """What to write: a header, patches of the data by their place in them, and where to cut the file (None: nowhere)."""

    kind: str
    header: bytes = field(repr=False)
    patches: list[tuple[int, bytes]] = field(default_factory=list, repr=False)
    length: int | None = None
    told: str = ""


def string(data: bytes) -> bytes:
    """A string with its length before it."""
    return struct.pack("<Q", len(data)) + data


def strings(items: list[bytes]) -> bytes:
    """The value of an array of strings."""
    return struct.pack("<IQ", STRING, len(items)) + b"".join(string(item) for item in items)


def read_layout(path: Path) -> Layout:
    """Take a sound file's header apart."""
    size = path.stat().st_size
    with path.open("rb") as file:
        data = file.read(16 << 20)
    _, _, n_tensors, n_keys = HEAD.unpack_from(data)
    at = HEAD.size
    entries, tensors = [], []
    for _ in range(n_keys):
        start = at
        key, at = _string(data, at)
        (kind,) = struct.unpack_from("<I", data, at)
        end = _skip(data, at + 4, kind)
        entries.append(Entry(key, kind, data[at + 4 : end], start, at + 4))
        at = end
    for _ in range(n_tensors):
        start = at
        name, at = _string(data, at)
        (n_dims,) = struct.unpack_from("<I", data, at)
        dims = list(struct.unpack_from(f"<{n_dims}Q", data, at + 4))
        at += 4 + 8 * n_dims
        kind, offset = struct.unpack_from("<IQ", data, at)
        at += 12
        tensors.append(TensorInfo(name, dims, kind, offset, start))
    data_offset = -(-at // ALIGNMENT) * ALIGNMENT
    return Layout(entries, tensors, data_offset, size, data[:data_offset])


def write_header(entries: list[Entry], tensors: list[TensorInfo]) -> bytes:
    """The bytes of a header with these entries, up to where the data start."""
    out = [HEAD.pack(b"GGUF", 3, len(tensors), len(entries))]
    out += [string(entry.key) + struct.pack("<I", entry.type) + entry.raw for entry in entries]
    for tensor in tensors:
        out.append(string(tensor.name) + struct.pack(f"<I{len(tensor.dims)}Q", len(tensor.dims), *tensor.dims))
        out.append(struct.pack("<IQ", tensor.type, tensor.offset))
    whole = b"".join(out)
    return whole + bytes(-len(whole) % ALIGNMENT)


def _string(data: bytes, at: int) -> tuple[bytes, int]:
    (length,) = struct.unpack_from("<Q", data, at)
    return data[at + 8 : at + 8 + length], at + 8 + length


def _skip(data: bytes, at: int, kind: int) -> int:
    if kind == STRING:
        return _string(data, at)[1]
    if kind != ARRAY:
        return at + struct.calcsize(SCALARS[kind][1])
    element, count = struct.unpack_from("<IQ", data, at)
    at += 12
    if element != STRING:
        return at + int(count) * struct.calcsize(SCALARS[element][1])
    for _ in range(count):
        at = _string(data, at)[1]
    return at
