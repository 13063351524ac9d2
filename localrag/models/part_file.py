"""A file on its way: the bytes that came, their running SHA-256, and what was said about the whole; open to one process."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from io import FileIO
from pathlib import Path

from localrag.errors import DownloadError

try:
    import fcntl
except ImportError:  # Windows: two processes are not kept apart, mixed bytes are found by the SHA-256
    fcntl = None  # type: ignore[assignment]

BLOCK = 1 << 20
HEAD = 512
FULL = {errno.ENOSPC, errno.EDQUOT}


@dataclass(frozen=True, slots=True)
class Notes:
    """What the host said about the file when it began to send it: a strong ETag or a date, its SHA-256, its size."""

    validator: str = ""
    sha256: str = ""
    total: int | None = None


class Part:
    """The part of a file, open for appending. Made by `open_part`."""

    def __init__(self, path: Path, file: FileIO) -> None:
        self.path, self._file = path, file
        self.size = file.seek(0, os.SEEK_END)
        self._digest = hashlib.sha256()
        self.head = b""

    @property
    def sha256(self) -> str:
        """Of all bytes there, once `read` has gone through those of an earlier run."""
        return self._digest.hexdigest()

    @property
    def notes(self) -> Notes:
        """What an earlier run noted; empty when it did not."""
        try:
            known = json.loads(_notes_path(self.path).read_text("utf-8"))
            notes = Notes(str(known["validator"]), str(known["sha256"]), known["total"])
        except (OSError, ValueError, KeyError, TypeError):
            return Notes()
        return notes if isinstance(notes.total, int | None) else Notes()

    def note(self, notes: Notes) -> None:
        """Remember what the host says about the whole."""
        with _disk(self.path):
            _notes_path(self.path).write_text(json.dumps(asdict(notes)), "utf-8")

    def read(self) -> Iterator[int]:
        """Take the bytes of an earlier run into the SHA-256; yields how many were read."""
        self._digest, done = hashlib.sha256(), 0
        with self.path.open("rb") as file:
            while block := file.read(min(BLOCK, self.size - done)):
                self.head = self.head or block[:HEAD]
                self._digest.update(block)
                done += len(block)
                yield done

    def append(self, block: bytes) -> None:
        """Add bytes.

        Raises:
            DownloadError: the disk is full or cannot be written; what is there is kept.
        """
        with _disk(self.path):
            rest = memoryview(block)
            while rest:
                rest = rest[self._file.write(rest) :]
        self._digest.update(block)
        self.size += len(block)
        if len(self.head) < HEAD:
            self.head = (self.head + block[:HEAD])[:HEAD]

    def start_over(self) -> None:
        """Throw away what is there, and what was noted about it."""
        with _disk(self.path):
            self._file.truncate(0)
            self._file.seek(0)
            _notes_path(self.path).unlink(missing_ok=True)
        self._digest, self.size, self.head = hashlib.sha256(), 0, b""

    def remove(self) -> None:
        """Throw away the part altogether."""
        self._release()
        self.path.unlink(missing_ok=True)
        _notes_path(self.path).unlink(missing_ok=True)

    def place(self, target: Path) -> None:
        """Give the whole file its final name, replacing what has it; the caller has looked."""
        with _disk(self.path):
            os.fsync(self._file.fileno())
            self._release()
            self.path.replace(target)
        _notes_path(self.path).unlink(missing_ok=True)

    def _release(self) -> None:
        if fcntl is None:
            self._file.close()  # Windows renames and removes no open file


@contextlib.contextmanager
def open_part(path: Path) -> Iterator[Part]:
    """Open a part, new or of an earlier run, for this process and thread alone.

    Raises:
        DownloadError: it is being downloaded already, or the folder cannot be written.
    """
    with _disk(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = _locked(path)
    with file:
        part = Part(path, file)
        try:
            yield part
        finally:
            if part.size == 0:
                part.remove()


def _locked(path: Path) -> FileIO:
    while True:
        file = path.open("ab", buffering=0)
        if fcntl is None:
            return file
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        except BlockingIOError as exc:
            file.close()
            raise DownloadError(
                f"{path.name.removesuffix('.part')} is being downloaded already. Wait until it is done."
            ) from exc
        file.close()  # whoever had it finished in between, and the file has its final name: never write to that one


def _notes_path(path: Path) -> Path:
    return path.with_name(path.name + ".json")


@contextlib.contextmanager
def _disk(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        advice = "Make room" if exc.errno in FULL else "Check the folder's permissions"
        raise DownloadError(
            f"{path} cannot be written: {exc.strerror}. {advice} or choose another models folder; what was fetched is kept."
        ) from exc
