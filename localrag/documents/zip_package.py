"""Documents that are ZIP archives of parts (EPUB, DOCX, PPTX, XLSX): their parts by name, however hostile the archive is.

Nothing is ever unpacked to disk. What a header says about sizes is not trusted: parts are read in blocks and counted.
"""

from __future__ import annotations

import io
import posixpath
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from weakref import WeakKeyDictionary

from localrag.documents.raw import RawDocument
from localrag.errors import DocumentError

MEGABYTE = 1_000_000
# Of all parts that are read. The text of the largest books and workbooks takes some tens of megabytes.
MAX_UNPACKED_BYTES = 512 * MEGABYTE
MAX_MEMBER_BYTES = 128 * MEGABYTE
MAX_MEMBERS = 100_000
# Deflate reaches 1,032 on zeros, repetitive XML 50: a large part packed tighter than this is made to exhaust the reader.
MAX_RATIO = 300
_RATIO_FROM_BYTES = 16 * MEGABYTE
_BLOCK_BYTES = 256 * 1024
_SIGNATURES = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_ENCRYPTED = 0x1
# The only two that EPUB and Office Open XML allow; others ask for dictionaries of any size.
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
# What zipfile and zlib raise on damaged archives.
_DAMAGED = (zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, EOFError, OSError, ValueError, struct.error)
_DAMAGED_TOO = (NotImplementedError, RuntimeError, IndexError, KeyError, OverflowError)

_names: WeakKeyDictionary[RawDocument, frozenset[str]] = WeakKeyDictionary()


def is_zip(raw: RawDocument) -> bool:
    """By the first four bytes; the archive may still be cut off or damaged."""
    return raw.data.startswith(_SIGNATURES)


def member_names(raw: RawDocument) -> frozenset[str]:
    """Names of all parts; none when it is no ZIP archive or its directory is unreadable. Computed once per document."""
    if not is_zip(raw):
        return frozenset()
    if raw not in _names:
        try:
            _names[raw] = frozenset(ZipPackage(raw).names)
        except DocumentError:
            _names[raw] = frozenset()
    return _names[raw]


class ZipPackage:
    """The parts of an archive. Names use "/", do not begin with one and lead nowhere else; folders and links are left out.

    Raises:
        DocumentError: no archive, cut off, damaged, or of more than MAX_MEMBERS parts.
    """

    def __init__(self, raw: RawDocument) -> None:
        self._name = raw.name
        self._unpacked = 0
        try:
            self._archive = zipfile.ZipFile(io.BytesIO(raw.data))
        except (*_DAMAGED, *_DAMAGED_TOO) as exc:
            raise self._damaged(exc) from exc
        found = self._archive.infolist()
        if len(found) > MAX_MEMBERS:
            raise DocumentError(f"{raw.name} has {len(found):,} parts, more than the {MAX_MEMBERS:,} that are read. Split it.")
        self._members: dict[str, list[zipfile.ZipInfo]] = {}
        for info in found:
            # A symbolic link holds where it leads to, which is no text and may lie outside.
            if name := "" if stat.S_ISLNK(info.external_attr >> 16) else _plain(info.filename):
                self._members.setdefault(name, []).append(info)

    @property
    def names(self) -> tuple[str, ...]:
        """Every name once, in the order of the archive's directory."""
        return tuple(self._members)

    def has(self, name: str) -> bool:
        return name in self._members

    def read(self, name: str) -> bytes:
        """The bytes of a part.

        Raises:
            DocumentError: no such part, two different ones of that name, protected, damaged, or unpacking to too much.
        """
        found = self._members.get(name, [])
        if not found:
            raise DocumentError(f"{self._name} has no part {name}: it is incomplete. Save it again and add it.")
        if any((info.CRC, info.file_size) != (found[0].CRC, found[0].file_size) for info in found):
            raise DocumentError(
                f"{self._name} has two different parts {name}, so what it says depends on the reader. Save it again."
            )
        info = found[0]
        if info.flag_bits & _ENCRYPTED:
            raise DocumentError(f"{self._name} is protected by a password. Save it without one and add it again.")
        if info.compress_type not in _METHODS:
            raise DocumentError(
                f"{self._name} is packed with method {info.compress_type}, which is not read. "
                "Save it again with another program."
            )
        try:
            return b"".join(self._blocks(info))
        except (*_DAMAGED, *_DAMAGED_TOO) as exc:
            raise self._damaged(exc) from exc

    def _blocks(self, info: zipfile.ZipInfo) -> Iterator[bytes]:
        size = 0
        with self._archive.open(info) as member:
            while block := member.read(_BLOCK_BYTES):
                size += len(block)
                self._unpacked += len(block)
                is_bomb = size > _RATIO_FROM_BYTES and size > MAX_RATIO * max(1, info.compress_size)
                if is_bomb or size > MAX_MEMBER_BYTES or self._unpacked > MAX_UNPACKED_BYTES:
                    raise DocumentError(
                        f"{self._name} unpacks to more than {min(size, self._unpacked) // MEGABYTE} MB in its part "
                        f"{info.filename:.100}, more than is read. Split it into smaller documents."
                    )
                yield block

    def _damaged(self, exc: Exception) -> DocumentError:
        reason = str(exc).rstrip(".") or type(exc).__name__
        return DocumentError(f"{self._name} is damaged or cut off ({reason:.200}). Get the file again and add it.")


def _plain(name: str) -> str:
    """A name without the back-slashes, leading slashes and dots that some writers use and the formats forbid; "" for a folder.

    The archive is the root, so that nothing is above it.
    """
    name = name.replace("\\", "/")
    if name.rpartition("/")[2] in {"", ".", ".."}:
        return ""
    return posixpath.normpath(f"/{name}").lstrip("/")
