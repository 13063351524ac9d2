"""Requantised copies on the disk: room for them, where the one that is kept goes, and what a crash left."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import psutil

from localrag.errors import ModelFileError, ModelLoadError
from localrag.models.gguf_file import read_gguf
from localrag.models.gguf_types import FILE_TYPES
from localrag.models.identity import fingerprint
from localrag.models.memory import format_bytes

SCRATCH = ".tuning-"
BITS = {"Q8_0": 8.5, "Q6_K": 6.6, "Q5_K_M": 5.7, "Q5_1": 6.0, "Q5_0": 5.5, "Q4_K_M": 4.9, "Q4_1": 5.0, "Q4_0": 4.5}
"""Bits a weight; llama.cpp writes some tensors, the embeddings above all, with more."""
SPARE = 1.3


def copy_bytes(source: Path, quantisation: str) -> int:
    """How much a copy may need on the disk, generously."""
    return int(read_gguf(source).parameters * BITS[quantisation] / 8 * SPARE)


def check_room(source: Path, folder: Path, quantisation: str) -> None:
    """Raise when the disk of `folder` has no room for a copy.

    Raises:
        ModelLoadError: too little room.
        ModelFileError: the source cannot be read.
    """
    needed, free = copy_bytes(source, quantisation), shutil.disk_usage(folder).free
    if needed > free:
        raise ModelLoadError(
            f"A {quantisation} copy of {source.name} may need {format_bytes(needed)} in {folder.parent},"
            f" {format_bytes(free)} are free. Make room, or tune without copies."
        )


def make_scratch(folder: Path) -> Path:
    """A new folder for copies that are tried; those of processes that are gone are removed.

    Raises:
        ModelFileError: the folder cannot be written.
    """
    remove_left(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=f"{SCRATCH}{os.getpid()}-", dir=folder))
    except OSError as exc:
        raise ModelFileError(f"Copies cannot be written in {folder} ({exc.strerror}). Tune without copies.") from exc


def remove_left(folder: Path) -> None:
    """Remove what tuning left in a folder when its process was killed."""
    for left in folder.glob(f"{SCRATCH}*"):
        number = left.name.removeprefix(SCRATCH).partition("-")[0]
        if left.is_dir() and number.isdigit() and not _at_work(int(number), left):
            shutil.rmtree(left, ignore_errors=True)


def _at_work(number: int, folder: Path) -> bool:
    """Whether the process that made a folder still runs, and not another one that has its number now."""
    try:
        return psutil.Process(number).create_time() <= folder.stat().st_ctime
    except (psutil.Error, OSError):
        return False


def keep(copy: Path, source: Path, quantisation: str, folder: Path) -> Path:
    """Move a copy out of the scratch folder under a name that says what it is; the same file there already is taken instead.

    Raises:
        ModelFileError: it cannot be moved.
    """
    stem = source.stem
    for known in sorted(FILE_TYPES.values(), key=len, reverse=True):
        if stem.upper().endswith(known) and len(stem) > len(known):
            stem = stem[: -len(known)].rstrip(".-_")
            break
    number = 1
    while True:
        target = folder / f"{stem}.{quantisation}{'' if number == 1 else f'-{number}'}.gguf"
        if not target.exists():
            break
        if fingerprint(target) == fingerprint(copy):
            copy.unlink()
            return target
        number += 1
    try:
        return copy.replace(target)
    except OSError as exc:
        raise ModelFileError(f"The copy could not be kept as {target} ({exc.strerror}). Make room and tune again.") from exc
