"""Reading little-endian values from an open file; nothing is read or allocated before the bytes are known to be there."""

from __future__ import annotations

import struct
from typing import BinaryIO

from localrag.models.gguf_types import ARRAY, SCALARS, STRING

WINDOW = 1 << 20  # bytes of the file held at a time
LONGEST_STRING = 64 << 20  # a chat template has some kB; anything near this is damage
MOST_STRINGS = 16_000_000  # in one array; the largest vocabularies have 260,000
DEEPEST_ARRAY = 4


class Damaged(ValueError):  # noqa: N818  # never leaves this room: read_gguf turns it into a ModelFileError
    """The bytes cannot be what they claim to be. `missing` counts the bytes a value would need beyond the end."""

    def __init__(self, reason: str, missing: int = 0) -> None:
        super().__init__(reason)
        self.missing = missing


class ByteReader:
    """A forward cursor over a file of known size. Holds one window of at most `WINDOW` bytes (or one string)."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._window = b""
        self._base = 0
        self.size = size
        self.position = 0

    @property
    def left(self) -> int:
        return self.size - self.position

    def require(self, count: int, what: str) -> None:
        """Raise `Damaged` unless `count` bytes are left in the file."""
        if count > self.left:
            raise Damaged(f"{what} needs {count:,} bytes where {self.left:,} are left", count - self.left)

    def take(self, count: int, what: str) -> bytes:
        """The next `count` bytes."""
        self.require(count, what)
        at = self._load(count)
        self.position += count
        return self._window[at : at + count]

    def skip(self, count: int, what: str) -> None:
        """Move on by `count` bytes without reading them."""
        self.require(count, what)
        self.position += count

    def number(self, form: str, what: str) -> int | float | bool:
        """One value of a struct format such as `<I`."""
        value: int | float | bool = struct.unpack(form, self.take(struct.calcsize(form), what))[0]
        return value

    def integer(self, form: str, what: str) -> int:
        return int(self.number(form, what))

    def string(self, what: str) -> str:
        """A length-prefixed string; bytes that are not UTF-8 become U+FFFD."""
        length = self.integer("<Q", what)
        self.require(length, what)
        if length > LONGEST_STRING:
            raise Damaged(f"{what} is {length:,} bytes long")
        return self.take(length, what).decode("utf-8", "replace")

    def skip_strings(self, count: int, what: str) -> None:
        """Move on by `count` length-prefixed strings (a loop over the window: a vocabulary has 100,000s)."""
        self.require(count * 8, what)
        if count > MOST_STRINGS:
            raise Damaged(f"{what} has {count:,} strings")
        length_at = struct.Struct("<Q").unpack_from
        while count:
            self.require(8, what)
            at = self._load(8)
            window, end = self._window, len(self._window) - 8
            while count and at <= end:
                at += 8 + int(length_at(window, at)[0])
                count -= 1
            self.position = self._base + at
            if self.position > self.size:
                raise Damaged(f"{what} ends behind the end of the file", self.position - self.size)

    def skip_array(self, element: int, count: int, what: str, depth: int = 1) -> None:
        """Move on by the elements of an array whose type and length were read."""
        if element in SCALARS:
            self.skip(count * struct.calcsize(SCALARS[element][1]), what)
        elif element == STRING:
            self.skip_strings(count, what)
        elif element == ARRAY and depth < DEEPEST_ARRAY:
            self.require(count * 12, what)
            if count > MOST_STRINGS:
                raise Damaged(f"{what} has {count:,} arrays")
            for _ in range(count):
                inner, length = self.integer("<I", what), self.integer("<Q", what)
                self.skip_array(inner, length, what, depth + 1)
        elif element == ARRAY:
            raise Damaged(f"{what} is nested more than {DEEPEST_ARRAY} deep")
        else:
            raise Damaged(f"{what} has the unknown value type {element}")

    def _load(self, count: int) -> int:
        """Have the next `count` bytes in the window; returns where in it they start."""
        at = self.position - self._base
        if not 0 <= at <= len(self._window) - count:
            self._file.seek(self.position)
            self._window = self._file.read(min(max(count, WINDOW), self.left))
            self._base, at = self.position, 0
            if len(self._window) < count:
                raise Damaged("the file became shorter while it was read", count - len(self._window))
        return at
