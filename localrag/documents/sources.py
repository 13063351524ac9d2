"""Where documents come from: files, folders, and what counts as a web address."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path

import pathspec

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


def find_files(path: Path, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> list[Path]:
    """All regular files in a folder and the folders in it, sorted, as absolute paths; for a file, that file alone.

    `include` and `exclude` are patterns as in a .gitignore file, on paths below the folder: "*.pdf", "drafts/",
    "notes/**/*.md". Without `include` every file is in; `exclude` wins.
    Hidden files and folders are left out unless they are named themselves, and so are FIFOs, sockets and devices.
    Linked folders are followed once each, links to a folder above never. A folder inside that may not be read stands in
    the list itself: reading it then says why.
    Raises:
        DocumentError: `path` does not exist, may not be read, or is neither a file nor a folder.
    """
    root = Path(os.path.abspath(path))
    mode = _stat(root).st_mode
    if stat.S_ISREG(mode):
        return [root]
    if not stat.S_ISDIR(mode):
        raise _unusual(root, mode)
    above = {_identity(folder) for folder in (root.resolve(), *root.resolve().parents)}
    found: list[Path] = []
    seen: set[tuple[int, int]] = set()
    pending = [root]
    while pending:
        folder = pending.pop()
        identity = _identity(folder)
        if identity in seen or (folder != root and identity in above):
            continue
        seen.add(identity)
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    _sort_in(entry, found, pending)
        except PermissionError as exc:
            if folder == root:
                raise _refused(root) from exc
            found.append(folder)
        except OSError:
            found.append(folder)
    return _chosen(root, sorted(found), include, exclude)


def _chosen(root: Path, files: list[Path], include: Sequence[str], exclude: Sequence[str]) -> list[Path]:
    if not include and not exclude:
        return files
    try:
        wanted = pathspec.GitIgnoreSpec.from_lines(include or ["*"])
        unwanted = pathspec.GitIgnoreSpec.from_lines(exclude)
    except ValueError as exc:
        raise DocumentError(f"A pattern cannot be understood: {exc}. Write it as in a .gitignore file, such as *.pdf.") from exc
    names = [(file, file.relative_to(root).as_posix()) for file in files]
    return [file for file, name in names if wanted.match_file(name) and not unwanted.match_file(name)]


def _sort_in(entry: os.DirEntry[str], found: list[Path], pending: list[Path]) -> None:
    if entry.name.startswith("."):
        return
    try:
        if entry.is_dir():
            pending.append(Path(entry.path))
        elif entry.is_file():
            found.append(Path(entry.path))
    except OSError:
        # A link that leads to itself, or through a folder that may not be entered: there is no file to name.
        return


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
        reason = getattr(exc, "strerror", None) or exc
        raise DocumentError(f"{path!s:.200} cannot be opened ({reason}). Check the path.") from exc


def _identity(folder: Path) -> tuple[int, int]:
    """Device and inode: the same for every path that leads to a folder."""
    try:
        found = folder.stat()
    except OSError:
        return (-1, hash(folder))
    return found.st_dev, found.st_ino


def _refused(path: Path) -> DocumentError:
    return DocumentError(f"{path} may not be read by this user. Change its permissions and add it again.")


def _unusual(path: Path, mode: int) -> DocumentError:
    if stat.S_ISDIR(mode):
        return DocumentError(f"{path} is a folder, not a file. Add the files in it.")
    kinds = ((stat.S_ISFIFO, "a FIFO"), (stat.S_ISSOCK, "a socket"), (stat.S_ISCHR, "a device"), (stat.S_ISBLK, "a device"))
    kind = next((name for test, name in kinds if test(mode)), "of an unknown kind")
    return DocumentError(f"{path} is {kind}, not a regular file. Copy what it holds into a file and add that.")
