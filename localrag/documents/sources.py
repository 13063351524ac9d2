"""Where documents come from: files, folders, and what counts as a web address."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from localrag.documents.patterns import Patterns
from localrag.errors import DocumentError

BYTES_PER_MB = 1_000_000
_SCHEME = re.compile(r"\s*[a-z][a-z0-9+.\-]+://", re.IGNORECASE)


def is_address(text: str) -> bool:
    """Whether a text is a web address and not a path: it begins with "scheme://". Only http and https can be fetched."""
    return _SCHEME.match(text) is not None


def printable(text: str) -> str:
    """A path or argument as text that can be stored and shown.

    The system's bytes are taken for UTF-8 whatever the locale says; those that are none become escapes such as \\xe9.
    """
    try:
        data = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        data = text.encode("utf-8", "backslashreplace")
    return data.decode("utf-8", "backslashreplace")


def file_stamp(path: Path) -> str:
    """A file's size, times and inode: when these are the same, so is its content. DocumentError as `read_file`."""
    found = _stat(path)
    return f"{found.st_size}:{found.st_mtime_ns}:{found.st_ctime_ns}:{found.st_ino}"


@dataclass(frozen=True, slots=True)
class Found:
    """What lies in a folder and the folders in it: regular files, sorted; folders that could not be read, sorted.

    `linked` are the folders that links lead to and that were read through them. `lost` are links that lead nowhere now.
    """

    files: list[Path]
    closed: list[Path]
    linked: list[Path]
    lost: list[Path]


def find_files(path: Path, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> list[Path]:
    """All regular files in a folder and the folders in it, sorted, as absolute paths; for a file, that file alone.

    `include` and `exclude` choose among them: see `Patterns`.
    Hidden files and folders are left out unless they are named themselves, and so are FIFOs, sockets and devices.
    Linked folders are followed once each, links to a folder above never. A folder inside that may not be read stands in
    the list itself, unless it is excluded: reading it then says why.
    Raises:
        DocumentError: `path` does not exist, may not be read, or is neither a file nor a folder; or a pattern is wrong.
    """
    root = Path(os.path.abspath(path))
    if stat.S_ISREG(_stat(root).st_mode):
        return [root]
    patterns = Patterns(include, exclude)
    found = look_through(root)
    files = [file for file in found.files if patterns.let_in(file.relative_to(root).as_posix())]
    return sorted([*files, *(folder for folder in found.closed if not patterns.keep_out(folder.relative_to(root).as_posix()))])


def look_through(folder: Path, leave_out: Path | None = None) -> Found:
    """Everything in a folder as `find_files` has it, before any pattern; the folder `leave_out` is passed by.

    Raises:
        DocumentError: `folder` does not exist, is no folder, or cannot be read.
    """
    root = Path(os.path.abspath(folder))
    mode = _stat(root).st_mode
    if not stat.S_ISDIR(mode):
        raise DocumentError(f"{root} is a file, not a folder.") if stat.S_ISREG(mode) else _unusual(root, mode)
    above = {_identity(parent) for parent in (root.resolve(), *root.resolve().parents)}
    seen = {_identity(leave_out)} if leave_out is not None else set()
    found, pending = Found([], [], [], []), [root]
    linked: list[Path] = []
    while pending or linked:
        # Links come last, so that a folder that is also here under its own name is always listed under that.
        place = pending.pop() if pending else linked.pop()
        identity = _identity(place)
        if identity in seen or (place != root and identity in above):
            continue
        seen.add(identity)
        if place.is_symlink() and place != root:
            found.linked.append(place)
        try:
            with os.scandir(place) as entries:
                for entry in sorted(entries, key=lambda entry: entry.name, reverse=True):
                    _sort_in(entry, found, pending, linked)
        except OSError as exc:
            if place == root:
                raise _refused(root) if isinstance(exc, PermissionError) else _not_opened(root, exc) from exc
            found.closed.append(place)
    return Found(sorted(found.files), sorted(found.closed), sorted(found.linked), sorted(found.lost))


def _sort_in(entry: os.DirEntry[str], found: Found, pending: list[Path], linked: list[Path]) -> None:
    if entry.name.startswith("."):
        return
    path = Path(entry.path)
    try:
        if entry.is_dir():
            (linked if entry.is_symlink() else pending).append(path)
        elif entry.is_file():
            found.files.append(path)
        elif entry.is_symlink() and not os.path.exists(path):
            found.lost.append(path)
    except OSError:
        found.lost.append(path)  # a link that leads to itself, or through a folder that may not be entered


def read_file(path: Path, max_mb: float) -> bytes:
    """The bytes of a regular file of at most `max_mb` megabytes (of 1,000,000 bytes).

    Opened without waiting and checked after opening, so that a FIFO put in its place meanwhile cannot hang the reader.
    Raises:
        DocumentError: missing, a folder, no regular file, too large, or not readable.
    """
    _stat(path)
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except PermissionError as exc:
        raise _refused(path) from exc
    except OSError as exc:
        raise DocumentError(f"{path} cannot be opened ({exc.strerror}). Check the file and add it again.") from exc
    try:
        mode = os.fstat(handle).st_mode
        if not stat.S_ISREG(mode):
            raise _unusual(path, mode)
        limit = int(max_mb * BYTES_PER_MB)
        with os.fdopen(handle, "rb", closefd=False) as file:
            data = file.read(limit + 1)
    except OSError as exc:
        raise DocumentError(f"{path} cannot be read ({exc.strerror}). Check the file and add it again.") from exc
    finally:
        os.close(handle)
    if len(data) > limit:
        raise DocumentError(f"{path} is larger than the {max_mb:g} MB that are read. Raise max_document_mb or split the file.")
    return data


def _stat(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except FileNotFoundError as exc:
        raise DocumentError(f"{path} does not exist. Check the path.") from exc
    except PermissionError as exc:
        raise _refused(path) from exc
    except (OSError, ValueError) as exc:
        raise _not_opened(path, exc) from exc


def _identity(folder: Path) -> tuple[int, int]:
    """Device and inode: the same for every path that leads to a folder."""
    try:
        found = folder.stat()
    except OSError:
        return (-1, hash(folder))
    return found.st_dev, found.st_ino


def _not_opened(path: Path, exc: OSError | ValueError) -> DocumentError:
    return DocumentError(f"{path!s:.200} cannot be opened ({getattr(exc, 'strerror', None) or exc}). Check the path.")


def _refused(path: Path) -> DocumentError:
    return DocumentError(f"{path} may not be read by this user. Change its permissions and add it again.")


def _unusual(path: Path, mode: int) -> DocumentError:
    if stat.S_ISDIR(mode):
        return DocumentError(f"{path} is a folder, not a file. Add the files in it.")
    kinds = ((stat.S_ISFIFO, "a FIFO"), (stat.S_ISSOCK, "a socket"), (stat.S_ISCHR, "a device"), (stat.S_ISBLK, "a device"))
    kind = next((name for test, name in kinds if test(mode)), "of an unknown kind")
    return DocumentError(f"{path} is {kind}, not a regular file. Copy what it holds into a file and add that.")
