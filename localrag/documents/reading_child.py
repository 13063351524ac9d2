"""The process that reads documents: whatever a file does to its reader, the app goes on.

Messages go through standard input and output: a length, JSON, and for a request the bytes of a document.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import struct
import sys
from pathlib import Path
from typing import Any, BinaryIO

from localrag.documents.archive import Archive, is_archive
from localrag.documents.language import detect_language
from localrag.documents.raw import RawDocument, has_text
from localrag.documents.readers import read_document
from localrag.documents.sentences import split_sentences
from localrag.documents.sources import file_stamp, read_file
from localrag.documents.splitter import split_ranges
from localrag.errors import DocumentError, LocalRagError
from localrag.settings import DocumentSettings

LENGTHS = struct.Struct("<QQ")
"""Bytes of JSON, bytes of the document that follow it."""
LOWEST_PRIORITY = 19
SPARE_S = 5
"""Longer than the parent waits before it ends this process, so that an orphan ends too."""


def send(stream: BinaryIO, message: dict[str, Any], data: bytes = b"") -> None:
    """Write one message."""
    text = json.dumps(message, ensure_ascii=False).encode("utf-8", "surrogatepass")
    stream.write(LENGTHS.pack(len(text), len(data)))
    stream.write(text)
    stream.write(data)
    stream.flush()


def receive(stream: BinaryIO) -> tuple[dict[str, Any], bytes]:
    """Read one message; EOFError when the other side is gone."""
    lengths = _exactly(stream, LENGTHS.size)
    for_text, for_data = LENGTHS.unpack(lengths)
    return json.loads(_exactly(stream, for_text).decode("utf-8", "surrogatepass")), _exactly(stream, for_data)


def _exactly(stream: BinaryIO, count: int) -> bytes:
    data = stream.read(count) if count else b""
    if len(data) < count:
        raise EOFError
    return data


class Desk:
    """What lies open: an archive, if there is one, and the document to be read next."""

    def __init__(self, settings: DocumentSettings) -> None:
        self._settings = settings
        self._archives: list[Archive] = []
        self._raw: RawDocument | None = None

    def open(self, request: dict[str, Any], data: bytes) -> dict[str, Any]:
        """Open a file or the bytes that came along; says the SHA-256, the file's stamp, and an archive's members."""
        self._archives.clear()
        stamp = ""
        if request["path"] is not None:
            data, stamp = _read_unchanged(Path(os.fsdecode(bytes.fromhex(request["path"]))), self._settings.max_document_mb)
        return {**self._lay_open(RawDocument(data, request["name"], request["declared"])), "stamp": stamp}

    def member(self, request: dict[str, Any], _: bytes) -> dict[str, Any]:
        """Open one member of the archive `depth` archives deep."""
        del self._archives[request["depth"] + 1 :]
        name = request["member"]
        return {**self._lay_open(RawDocument(self._archives[request["depth"]].read(name), name)), "stamp": ""}

    def _lay_open(self, raw: RawDocument) -> dict[str, Any]:
        self._raw = raw
        members = None
        if is_archive(raw):
            self._archives.append(Archive(raw))
            members = self._archives[-1].members
        return {"sha256": hashlib.sha256(raw.data).hexdigest(), "members": members}

    def parse(self, request: dict[str, Any], _: bytes) -> dict[str, Any]:
        """Read what lies open into text, chunks and sentences."""
        raw, self._raw = self._raw, None
        if raw is None:
            raise DocumentError("Nothing was opened to be read. Add the document again.")
        parsed = read_document(raw.data, raw.name, self._settings, raw.declared_type)
        del raw
        limits = self._settings
        chunks = split_ranges(parsed, limits.chunk_chars, limits.chunk_overlap) if has_text(parsed) else []
        return {
            "text": parsed.text,
            "type": parsed.type,
            "title": parsed.title,
            "description": parsed.description,
            "language": detect_language(parsed.text) or parsed.language,
            "marks": [[mark.start, mark.location, mark.page, mark.kind] for mark in parsed.marks],
            "pages": parsed.pages,
            "note": parsed.note,
            "chunks": chunks,
            "sentences": [split_sentences(parsed.text[start:end]) for start, end, _, _ in chunks],
        }


def _read_unchanged(path: Path, max_mb: float) -> tuple[bytes, str]:
    """A file's bytes and its stamp; a file that is written to meanwhile is read once more, then refused."""
    for _ in range(2):
        before = file_stamp(path)
        data = read_file(path, max_mb)
        if file_stamp(path) == before:
            return data, before
    raise DocumentError(f"{path} was changed while it was being read. Add it again when it is finished.")


def _step_back(limits: DocumentSettings) -> None:
    """Lowest priority, and no more memory than allowed."""
    if hasattr(os, "nice"):
        os.nice(LOWEST_PRIORITY)
    try:
        import resource
    except ImportError:  # Windows: the parent watches the memory alone
        return
    most = limits.reader_memory_mb * 1_000_000
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def serve(requests: BinaryIO, replies: BinaryIO) -> None:
    """Answer requests until the other side is gone. The first one holds the settings."""
    first, _ = receive(requests)
    settings = DocumentSettings.model_validate(first["settings"])
    _step_back(settings)
    desk = Desk(settings)
    actions = {"open": desk.open, "member": desk.member, "parse": desk.parse}
    while True:
        try:
            request, data = receive(requests)
        except EOFError:
            return
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, settings.reader_timeout_s + SPARE_S)
        try:
            reply = actions[request["action"]](request, data)
        except LocalRagError as exc:
            reply = {"error": str(exc)}
        except (MemoryError, RecursionError) as exc:
            what = "memory" if isinstance(exc, MemoryError) else "nesting"
            reply = {"limit": what}
        except Exception as exc:  # noqa: BLE001 - a reader's library may raise anything on a damaged file
            # The sentence is made by the parent, which knows the name.
            reply = {"fault": f"{type(exc).__name__}: {exc}"[:300]}
        del data
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)
        send(replies, reply)


def main() -> None:
    """Keep the real standard output for replies: a library that prints must not disturb them."""
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    serve(sys.stdin.buffer, replies)


if __name__ == "__main__":
    main()
