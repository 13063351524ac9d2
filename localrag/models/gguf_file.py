"""What a GGUF file says about itself, read from its header alone.

Layout: github.com/ggml-org/ggml/blob/master/docs/gguf.md. A file that llama.cpp would refuse for its structure is refused
here too, but with a sentence. Nothing is loaded: every count is checked against the bytes left before it is believed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from localrag.errors import ModelFileError
from localrag.models.gguf_bytes import ByteReader, Damaged
from localrag.models.gguf_facts import ArrayInfo, Facts, Scalar, Tensor, Value
from localrag.models.gguf_types import ARRAY, SCALARS, STRING, TENSOR_TYPES
from localrag.models.not_gguf import explain, is_unfinished

MAGIC = b"GGUF"
DEFAULT_ALIGNMENT = 32
KEPT_STRINGS = 64  # longer arrays of strings are the vocabulary; only their length is kept
KEPT_NUMBERS = 512  # per-layer arrays are kept: models have up to some 130 layers
MOST_ENTRIES = 262_144  # keys or tensors; the largest models have some 50,000 tensors
LONGEST_KEY = 65_535  # by the specification
LONGEST_TENSOR_NAME = 63  # GGML_MAX_NAME - 1
MOST_DIMS = 4  # GGML_MAX_DIMS
HEAD = 512  # enough first bytes to tell what else a file is


@dataclass(frozen=True, slots=True)
class GGUFFile(Facts):
    """A GGUF header. Offsets and sizes are bytes; a tensor's offset counts from `data_offset`.

    `value_offsets` says where in the file the value of a key starts (for a string: its first character).
    """

    path: Path
    version: int
    data_offset: int
    alignment: int
    file_size: int
    value_offsets: dict[str, int] = field(default_factory=dict, repr=False)


def read_gguf(path: Path) -> GGUFFile:
    """Read the header of a model file.

    Raises:
        ModelFileError: the file is missing, unreadable, not GGUF, cut off or damaged; the sentence says which.
    """
    try:
        if path.is_dir():
            raise ModelFileError(f"This is a folder, not a model file: {path}. Choose a .gguf file in it.")
        if path.exists() and not path.is_file():  # a pipe or a device would make the reader wait for ever
            raise ModelFileError(f"This is no regular file: {path}. Choose a .gguf file.")
        with path.open("rb") as file:
            return _read(file, path, path.stat().st_size)
    except FileNotFoundError as exc:
        raise ModelFileError(f"Model file not found: {path}. Choose a .gguf file on the Model page.") from exc
    except (OSError, ValueError) as exc:
        if isinstance(exc, Damaged):
            raise ModelFileError(f"Model file is damaged: {path}: {exc}. Download it again.") from exc
        reason = exc.strerror if isinstance(exc, OSError) else str(exc)
        raise ModelFileError(f"Model file cannot be read: {path} ({reason}). Check its name and permissions.") from exc


def _read(file: BinaryIO, path: Path, size: int) -> GGUFFile:
    head = file.read(HEAD)
    if not head:
        raise ModelFileError(f"Model file is empty: {path}. {_again(path)}.")
    if head[:4] != MAGIC:
        raise ModelFileError(f"Model file {path} is {explain(head)}.")
    reader = ByteReader(file, size)
    reader.skip(4, "the magic")
    try:
        version = _version(reader, path)
        n_tensors, n_keys = reader.integer("<Q", "the tensor count"), reader.integer("<Q", "the key count")
        metadata, offsets = _metadata(reader, n_keys)
        alignment = _alignment(metadata)
        tensors = _tensors(reader, n_tensors)
    except Damaged as exc:
        if not exc.missing:
            raise
        raise ModelFileError(
            f"Model file is cut off or damaged in its header: {path} ({size:,} bytes): {exc}. {_again(path)}."
        ) from exc
    data_offset = -(-reader.position // alignment) * alignment if tensors else reader.position
    _check_layout(tensors, alignment, size - data_offset, path)
    return GGUFFile(metadata, tensors, path, version, data_offset, alignment, size, offsets)


def _again(path: Path) -> str:
    unfinished = "Its name says that a download is under way: let it finish, or start it again"
    return unfinished if is_unfinished(path.name) else "Download it again"


def _version(reader: ByteReader, path: Path) -> int:
    version = reader.integer("<I", "the version")
    if version and version & 0xFFFF == 0:
        raise ModelFileError(f"Model file is big-endian GGUF: {path}. Download a little-endian one.")
    if version not in (2, 3):
        advice = "Download a newer conversion" if version < 2 else "Update llama-cpp-python and LocalRAG"
        raise ModelFileError(f"Model file has GGUF version {version}, versions 2 and 3 can be read: {path}. {advice}.")
    return version


def _metadata(reader: ByteReader, count: int) -> tuple[dict[str, Value], dict[str, int]]:
    reader.require(count * 13, f"a table of {count:,} keys")
    if count > MOST_ENTRIES:
        raise Damaged(f"it claims {count:,} keys")
    metadata: dict[str, Value] = {}
    offsets: dict[str, int] = {}
    for index in range(count):
        key = reader.string(f"key {index + 1}")
        if not 0 < len(key) <= LONGEST_KEY or key in metadata:
            raise Damaged(f"key {index + 1} ({key[:40]!r}) is empty, too long or there twice")
        kind = reader.integer("<I", f"the type of {key[:80]!r}")
        offsets[key] = reader.position + (8 if kind == STRING else 0)
        metadata[key] = _value(reader, kind, f"the value of {key[:80]!r}")
    return metadata, offsets


def _value(reader: ByteReader, kind: int, what: str) -> Value:
    if kind != ARRAY:
        return _scalar(reader, kind, what)
    element, length = reader.integer("<I", what), reader.integer("<Q", what)
    kept = KEPT_STRINGS if element == STRING else KEPT_NUMBERS
    if element != ARRAY and length <= kept:
        return [_scalar(reader, element, what) for _ in range(length)]
    name = {STRING: "string", ARRAY: "array"}.get(element) or SCALARS.get(element, (f"type {element}", ""))[0]
    reader.skip_array(element, length, what)
    return ArrayInfo(name, length)


def _scalar(reader: ByteReader, kind: int, what: str) -> Scalar:
    if kind == STRING:
        return reader.string(what)
    if kind not in SCALARS:
        raise Damaged(f"{what} has the unknown value type {kind}")
    return reader.number(SCALARS[kind][1], what)


def _alignment(metadata: dict[str, Value]) -> int:
    value = metadata.get("general.alignment", DEFAULT_ALIGNMENT)
    if not isinstance(value, int) or value <= 0 or value & (value - 1):
        raise Damaged(f"its alignment is {value!r}, not a power of two")
    return value


def _tensors(reader: ByteReader, count: int) -> tuple[Tensor, ...]:
    reader.require(count * 24, f"a table of {count:,} tensors")
    if count > MOST_ENTRIES:
        raise Damaged(f"it claims {count:,} tensors")
    tensors = [_tensor(reader, index) for index in range(count)]
    if len({tensor.name for tensor in tensors}) != count:
        raise Damaged("two tensors have the same name")
    return tuple(tensors)


def _tensor(reader: ByteReader, index: int) -> Tensor:
    name = reader.string(f"the name of tensor {index + 1}")
    what = f"tensor {name[:80]!r}"
    if len(name.encode()) > LONGEST_TENSOR_NAME and "\ufffd" not in name:
        raise Damaged(f"{what} has a name of more than {LONGEST_TENSOR_NAME} bytes")
    n_dims = reader.integer("<I", what)
    if n_dims > MOST_DIMS:
        raise Damaged(f"{what} claims {n_dims:,} dimensions")
    dims = tuple(reader.integer("<Q", what) for _ in range(n_dims))
    kind, offset = reader.integer("<I", what), reader.integer("<Q", what)
    if kind not in TENSOR_TYPES:
        raise Damaged(f"{what} has the type {kind}, which is unknown here or was removed from llama.cpp")
    type_name, block, block_bytes = TENSOR_TYPES[kind]
    elements = math.prod(dims)
    if elements >= 2**63 or (dims[0] if dims else 1) % block:
        raise Damaged(f"{what} has the impossible shape {dims} for {type_name}")
    return Tensor(name, dims, type_name, offset, elements // block * block_bytes)


def _check_layout(tensors: tuple[Tensor, ...], alignment: int, room: int, path: Path) -> None:
    """Tensors follow each other without gap or overlap, in the order of the table, as llama.cpp demands."""
    expected = end = 0
    for tensor in tensors:
        if tensor.offset != expected:
            raise Damaged(f"tensor {tensor.name!r} starts at byte {tensor.offset:,} of the data instead of {expected:,}")
        end = expected + tensor.size
        expected = -(-end // alignment) * alignment
    if end > room:
        raise ModelFileError(
            f"Model file is cut off: {path}: {end - max(room, 0):,} of {end:,} bytes of weights are missing. {_again(path)}."
        )
