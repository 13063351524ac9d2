"""A model from any address into the models folder: named safely, checked against what is known, never over another file."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from urllib3.exceptions import HTTPError as TransportError

from localrag.errors import DownloadError, ModelFileError
from localrag.models.direct_links import GPT4ALL, direct, host, name_in, name_in_header, shown
from localrag.models.download import Fetching, Step, Want, sha256_of
from localrag.models.gguf_file import MAGIC, read_gguf
from localrag.models.http_file import Opened, Patience, Sought, Stop, open_file
from localrag.models.http_status import SHA256, Broken, header
from localrag.models.memory import PART
from localrag.models.not_gguf import explain
from localrag.models.part_file import Part, open_part
from localrag.models.starter import DOWNLOAD_FOLDER, remove_empty

GIVEN, CATALOGUE, STATED, STATED_MD5, NOTHING = (
    "the SHA-256 given",
    "the catalogue",
    "as stated by the host",
    "MD5 as stated by the host",
    "nothing: the host states no checksum",
)
GPT4ALL_LIST = "/models/models3.json"
LARGEST_LIST = 4 << 20  # bytes; it has some 20 kB
PROGRAM_MAGICS = (b"MZ", b"jartsr", b"\x7fELF")  # the first two begin an Actually Portable Executable (justine.lol/ape.html)


@dataclass(frozen=True, slots=True)
class Order:
    """What to fetch. `sha256` is empty when not known; `known_by` says who says it: `GIVEN`, `CATALOGUE` or `STATED`."""

    address: str
    sha256: str = ""
    known_by: str = GIVEN
    name: str = ""
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Downloaded:
    """A model that is in the folder now. `checked_against` says what its bytes were held against; `already`: it was there."""

    path: Path
    bytes: int
    sha256: str
    seconds: float
    checked_against: str
    already: bool = False
    note: str = ""


def download_model(
    order: Order, folder: Path, stop: Stop | None = None, patience: Patience | None = None, token: str = ""
) -> Iterator[Step | Downloaded]:
    """Bring a model into the folder; the last thing yielded is what came of it. Abandoning it keeps the part.

    `token` is for Hugging Face. While it comes it lies in a hidden folder, so that nobody takes a part for a model.
    Raises:
        DownloadError: the address, the host, the disk or the bytes are no good; the sentence says what is kept.
    """
    started, patience = time.perf_counter(), patience or Patience()
    order = _checked(order)
    name = order.name or name_in(order.address)
    if not name or (not order.sha256 and (folder / name).exists()):
        yield Step("connecting", 0, 0)
        order, name = _ask(order, name, patience, token)
    target, order, md5 = folder / name, *_stated_by_gpt4all(order, name, patience)
    if target.exists() or target.is_symlink():
        yield from _compare(order, md5, target, started)
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise DownloadError(f"The models folder {folder} cannot be written: {exc.strerror}. Choose another one.") from exc
    promised = f"{order.known_by} says" if order.known_by in (GIVEN, CATALOGUE) else "it states itself"
    want = Want(order.address, name, order.sha256, order.size, promised, check_head=lambda head: _check_head(name, head))
    with open_part(folder / DOWNLOAD_FOLDER / f"{name}.part") as part:
        yield from Fetching(want, part, patience, stop, token).run()
        against = _against(order, part.notes.sha256, _check_md5(part, md5, want))
        _check_model(part, name, against != NOTHING)
        if target.exists():
            raise DownloadError(f"{target} appeared meanwhile and was not replaced; the download is kept as {part.path}.")
        part.place(target)
        done = Downloaded(target, part.size, part.sha256, time.perf_counter() - started, against, note=_note(name))
    remove_empty(folder / DOWNLOAD_FOLDER)
    yield done


def _checked(order: Order) -> Order:
    sha256 = order.sha256.strip().lower().removeprefix("sha256:")
    if sha256 and not SHA256.fullmatch(sha256):
        raise DownloadError(f"{order.sha256[:100]!r} is no SHA-256: it has 64 digits from 0 to 9 and a to f. Copy it again.")
    return replace(order, address=direct(order.address), sha256=sha256)


def _against(order: Order, stated: str = "", md5: bool = False) -> str:
    if order.sha256:
        return order.known_by
    return STATED if stated else STATED_MD5 if md5 else NOTHING


def _ask(order: Order, name: str, patience: Patience, token: str) -> tuple[Order, str]:
    """Ask the host for what the address does not say: the file's name, and its SHA-256 where a file of that name is there."""
    where = host(order.address)
    label = name or urlsplit(order.address).path.rstrip("/").rpartition("/")[2][:100] or where
    try:
        with open_file(order.address, label, Sought(), patience, token) as opened:
            name = name or _name_of(opened)
            stated = opened.sha256
    except Broken as exc:
        raise DownloadError(f"{where} {exc.why}, so {shown(order.address)} cannot be fetched. Try again later.") from exc
    if not name:
        raise DownloadError(
            f"{shown(order.address)} is no model file: its name ends neither in .gguf nor in .llamafile. "
            "Give the address of the file itself."
        )
    return (order if order.sha256 else replace(order, sha256=stated, known_by=STATED)), name


def _name_of(opened: Opened) -> str:
    return name_in_header(header(opened.response, "Content-Disposition")) or name_in(opened.response.url or "")


def _stated_by_gpt4all(order: Order, name: str, patience: Patience) -> tuple[Order, str]:
    """The order with the SHA-256 that gpt4all.io's own list of models gives for the file, and else the MD5 it gives.

    The list not being there is no reason not to fetch the file: it is then checked against nothing, and that is said.
    """
    if order.sha256 or urlsplit(order.address).hostname not in GPT4ALL:
        return order, ""
    address = urljoin(order.address, GPT4ALL_LIST)
    timeout = (patience.connect_s, patience.stall_s)
    try:
        with requests.get(address, timeout=timeout, stream=True) as response:
            response.raise_for_status()
            models = json.loads(response.raw.read(LARGEST_LIST, decode_content=True))
        entry: dict[str, Any] = next((entry for entry in models if entry.get("filename") == name), {})
        sha256, md5, size = (str(entry.get(key, "")).lower() for key in ("sha256sum", "md5sum", "filesize"))
    except (requests.RequestException, TransportError, OSError, ValueError, AttributeError, TypeError):
        return order, ""
    order = replace(order, size=order.size or (int(size) if size.isdecimal() else None))
    return (replace(order, sha256=sha256, known_by=STATED), "") if SHA256.fullmatch(sha256) else (order, md5)


def _compare(order: Order, md5: str, target: Path, started: float) -> Iterator[Step | Downloaded]:
    """A file of that name is there: the same file is all that was wanted, another one is left alone.

    Raises:
        DownloadError: it is another file, or nothing tells.
    """
    expected = order.sha256 or md5
    if not expected:
        raise DownloadError(
            f"{target} is there already, and {host(order.address)} states no checksum that would tell whether it is the same. "
            "Rename or delete it to download it again."
        )
    yield Step("checking", 0, 0)
    try:
        size, sha256 = target.stat().st_size, sha256_of(target)
        same = expected in (sha256, _md5_of(target) if md5 else "")
    except OSError as exc:
        raise DownloadError(
            f"{target} is there already and cannot be read: {exc.strerror}. Rename or delete it first."
        ) from exc
    if not same:
        raise DownloadError(
            f"{target} is there already with other contents than {expected[:12]}…, and was not replaced. "
            "Rename or delete it first."
        )
    against = _against(order, md5=bool(md5))
    yield Downloaded(target, size, sha256, time.perf_counter() - started, against, already=True, note=_note(target.name))


def _check_head(name: str, head: bytes) -> None:
    """Raise unless a file begins as its name promises.

    Raises:
        DownloadError: it is something else; the sentence says what.
    """
    if name.lower().endswith(".gguf"):
        if head[:4] != MAGIC:
            raise DownloadError(f"No model was sent: {name} is {explain(head)}. Nothing was kept.")
    elif not head.startswith(PROGRAM_MAGICS):
        raise DownloadError(f"No llamafile was sent: {name} does not begin as a program does. Nothing was kept.")


def _check_md5(part: Part, md5: str, want: Want) -> bool:
    """Whether there was an MD5 to hold the part against.

    Raises:
        DownloadError: the part has another one; nothing is kept.
    """
    if not md5:
        return False
    if _md5_of(part.path) != md5:
        part.remove()
        raise DownloadError(
            f"{host(want.address)} sent other bytes for {want.name} than its own list says; they were thrown away. "
            "Download it again, or try another network."
        )
    return True


def _md5_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _check_model(part: Part, name: str, checked: bool) -> None:
    """Read the model's header. A file that is what was promised and still cannot be read is kept: a newer version may.

    Raises:
        DownloadError: it cannot be used; the sentence says whether it was kept.
    """
    if not name.lower().endswith(".gguf"):
        return
    try:
        read_gguf(part.path)
    except ModelFileError as exc:
        if checked:
            raise DownloadError(
                f"{name} came as promised, but cannot be read: {exc} It is kept as {part.path}: a newer LocalRAG may read it."
            ) from exc
        part.remove()
        raise DownloadError(f"{name} cannot be used and was thrown away: {exc}") from exc


def _note(name: str) -> str:
    split = PART.search(name)
    if split and int(split[2]) > 1:
        return f"This is part {int(split[1])} of {int(split[2])} of the model. Download the other parts too."
    if name.lower().endswith(".llamafile"):
        return "A llamafile is a program. Run only those whose maker you trust."
    return ""
