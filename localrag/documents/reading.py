"""Reading documents in a process of its own, with a limit on its time and its memory."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localrag.documents.reading_child import receive, send
from localrag.documents.splitter import ChunkRange
from localrag.embeddings.base import Spans
from localrag.errors import DocumentError
from localrag.settings import DocumentSettings
from localrag.types import Mark, ParsedDocument

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Opened:
    """A document that lies open in the reading process. `members` are the files of an archive; None when it is none."""

    sha256: str
    stamp: str
    members: list[str] | None


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read: the document, where its chunks are, and the sentences in each chunk."""

    document: ParsedDocument
    chunks: list[ChunkRange]
    sentences: list[Spans]


class ReadingProcess:
    """One child process, started when it is first needed and anew after it had to be ended. For one thread."""

    def __init__(self, settings: DocumentSettings) -> None:
        self._settings = settings
        self._child: subprocess.Popen[bytes] | None = None
        self._replies: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()

    def open(self, name: str, path: Path | None, data: bytes, declared: str = "") -> Opened:
        """Open a file, or bytes where `path` is None.

        Raises:
            DocumentError: it cannot be opened, is too large, or took too much time or memory.
        """
        encoded = os.fsencode(path.absolute()).hex() if path is not None else None  # the process has another folder
        return _opened(self._ask({"action": "open", "name": name, "path": encoded, "declared": declared}, data, name))

    def open_member(self, member: str, depth: int) -> Opened:
        """Open a member of the archive opened before, `depth` archives deep; errors as `open`."""
        return _opened(self._ask({"action": "member", "member": member, "depth": depth}, b"", member))

    def parse(self, name: str) -> Reading:
        """Read what was opened last; errors as `open`, and when it is damaged or of a kind that is not read."""
        reply = self._ask({"action": "parse"}, b"", name)
        marks = tuple(Mark(*mark) for mark in reply["marks"])
        document = ParsedDocument(
            reply["text"],
            reply["type"],
            reply["title"],
            reply["description"],
            reply["language"],
            marks,
            reply["pages"],
            reply["note"],
        )
        return Reading(document, [tuple(chunk) for chunk in reply["chunks"]], reply["sentences"])

    def _ask(self, request: dict[str, Any], data: bytes, name: str) -> dict[str, Any]:
        child = self._started()
        limit_s = self._settings.reader_timeout_s
        try:
            assert child.stdin is not None
            send(child.stdin, request, data)  # type: ignore[arg-type]
            reply = self._replies.get(timeout=limit_s)
        except queue.Empty as exc:
            self.close()
            raise DocumentError(
                f"{name} could not be read within {limit_s:g} s. Raise reader_timeout_s, or save it in another format."
            ) from exc
        except OSError:
            reply = None
        if reply is None:
            self.close()
            raise DocumentError(f"{name} made its reader crash: it is damaged or hostile. Save it anew in its own program.")
        if "error" in reply:
            raise DocumentError(reply["error"])
        if reply.get("limit") == "memory":
            most = self._settings.reader_memory_mb
            self.close()  # what is left of its memory may be in pieces
            raise DocumentError(f"{name} needs more than {most} MB to be read. Raise reader_memory_mb, or split the file.")
        if "limit" in reply:
            raise DocumentError(f"{name} is nested too deeply to be read. Save it anew in its own program.")
        if "fault" in reply:
            raise DocumentError(f"{name} is damaged and could not be read ({reply['fault']}). Save it anew in its own program.")
        return reply

    def _started(self) -> subprocess.Popen[bytes]:
        if self._child is None or self._child.poll() is not None:
            command = [sys.executable, "-m", "localrag.documents.reading_child"]
            child = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=ROOT,  # where the package is found
                start_new_session=True,
            )
            self._child, self._replies = child, queue.SimpleQueue()
            threading.Thread(target=_listen, args=(child, self._replies), name="reading", daemon=True).start()
            assert child.stdin is not None
            send(child.stdin, {"settings": self._settings.model_dump(mode="json")})  # type: ignore[arg-type]
        return self._child

    def close(self) -> None:
        """End the process, whatever it is doing."""
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.wait()
            for stream in (child.stdin, child.stdout):
                if stream is not None:
                    with suppress(OSError):  # what could not be written any more is of no interest
                        stream.close()


def _listen(child: subprocess.Popen[bytes], replies: queue.SimpleQueue[dict[str, Any] | None]) -> None:
    """Hand over what the child says, from a thread: a pipe cannot be waited for with a time limit everywhere."""
    assert child.stdout is not None
    while True:
        try:
            replies.put(receive(child.stdout)[0])  # type: ignore[arg-type]
        except (EOFError, OSError, ValueError):
            replies.put(None)
            return


def _opened(reply: dict[str, Any]) -> Opened:
    return Opened(reply["sha256"], reply["stamp"], reply["members"])
