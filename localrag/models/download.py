"""Fetching a wheel: in pieces, continued after a break, kept only when every byte is right."""

from __future__ import annotations

import contextlib
import hashlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import requests
from urllib3.exceptions import HTTPError as TransportError

from localrag.errors import DownloadError
from localrag.models.memory import format_bytes
from localrag.models.wheel_index import CONNECT_TIMEOUT_S, CONTINUE, READ_TIMEOUT_S, WheelFile, host, out_of_reach

BLOCK = 1 << 18
RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


def fetch(wheel: WheelFile, folder: Path) -> Iterator[tuple[int, int]]:
    """Download to `folder/<filename>`, by way of `.part`; yields (bytes there, bytes in all, 0 when unknown).

    A `.part` of an earlier run is continued with a Range request; a server that ignores it starts over.
    Raises:
        DownloadError: out of reach or broken off (the part is kept), or other bytes than the index promised (nothing is).
    """
    part = folder / (wheel.filename + ".part")
    if not (part.exists() and sha256_of(part) == wheel.sha256):
        if part.exists() and wheel.size is not None and part.stat().st_size >= wheel.size:
            part.unlink()
        yield from _stream(wheel, part)
        if sha256_of(part) != wheel.sha256:
            raise _other_bytes(wheel, part)
    size = part.stat().st_size
    part.replace(folder / wheel.filename)
    yield size, size


def _stream(wheel: WheelFile, part: Path) -> Iterator[tuple[int, int]]:
    have = total = 0
    try:
        with _locked(part) as file:
            response, have = _open(wheel, file)
            with response:
                total = _total(response, have) or wheel.size or 0
                if wheel.size not in (None, total):
                    raise _other_bytes(wheel, part)
                yield have, total
                for block in response.raw.stream(BLOCK, decode_content=False):
                    file.write(block)
                    have += len(block)
                    yield have, total
    except requests.HTTPError as exc:
        raise DownloadError(
            f"{host(wheel.url)} answers {exc.response.status_code} for {wheel.filename}. Try again later."
        ) from exc
    except (requests.RequestException, TransportError, ConnectionError, TimeoutError) as exc:
        if have == 0:
            raise out_of_reach(wheel.url, wheel.filename) from exc
        raise _broken_off(wheel, have) from exc
    except OSError as exc:
        raise DownloadError(f"{part} cannot be written: {exc.strerror}. Make room or choose another models folder.") from exc
    if have < total:
        raise _broken_off(wheel, have)


@contextlib.contextmanager
def _locked(part: Path) -> Iterator[BinaryIO]:
    """The part, open for appending by this process alone; two set-ups at once would mix their bytes."""
    with part.open("ab") as file:
        try:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:
            pass  # Windows has no flock; mixed bytes are found by the SHA-256
        except BlockingIOError as exc:
            raise DownloadError(f"Another setup is downloading {part.stem} already. Wait until it is done.") from exc
        yield file


def _open(wheel: WheelFile, file: BinaryIO) -> tuple[requests.Response, int]:
    """Ask for the rest of the wheel; returns the response and how many bytes lie before it. Starts over when refused."""
    have = file.seek(0, 2)
    response = _get(wheel, have)
    if have and not _continues(response, have) and response.status_code in (200, 206, 416):
        file.truncate(0)
        have = 0
        if response.status_code != 200:
            response.close()
            response = _get(wheel, 0)
    if response.status_code >= 400:
        response.close()
        response.raise_for_status()
    return response, have


def _get(wheel: WheelFile, have: int) -> requests.Response:
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    return requests.get(wheel.url, headers=headers, stream=True, timeout=(CONNECT_TIMEOUT_S, READ_TIMEOUT_S))


def _continues(response: requests.Response, have: int) -> bool:
    match = RANGE.fullmatch(response.headers.get("Content-Range", ""))
    return response.status_code == 206 and match is not None and int(match[1]) == have


def _total(response: requests.Response, have: int) -> int | None:
    length = response.headers.get("Content-Length", "")
    return have + int(length) if length.isdigit() else None


def _other_bytes(wheel: WheelFile, part: Path) -> DownloadError:
    part.unlink(missing_ok=True)
    return DownloadError(
        f"{host(wheel.url)} sent other bytes for {wheel.filename} than its index promises; they were thrown away. "
        "Run `python -m localrag setup` again, or try another network."
    )


def _broken_off(wheel: WheelFile, have: int) -> DownloadError:
    return DownloadError(
        f"The download of {wheel.filename} from {host(wheel.url)} broke off after {format_bytes(have)}, which are kept; "
        f"{CONTINUE}."
    )


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_room(folder: Path, needed: int) -> None:
    """Raise when the disk of `folder` has fewer than `needed` bytes free.

    Raises:
        DownloadError: too little room.
    """
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise DownloadError(
            f"Setup needs {format_bytes(needed)} in {folder}, {format_bytes(free)} are free. "
            "Make room or name another folder in LOCALRAG_MODELS_DIR."
        )
