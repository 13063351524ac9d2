"""The model files in the models folder, each with what it is in one line."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

from localrag.errors import ModelFileError
from localrag.models.gguf_facts import ModelKind
from localrag.models.gguf_file import GGUFFile, read_gguf
from localrag.models.memory import PART, format_bytes
from localrag.models.soundness import check_sound


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A GGUF file of the models folder. `error` says why it cannot be used; `summary` is empty if it cannot be read. Bytes."""

    path: Path
    kind: ModelKind
    size: int
    summary: str = ""
    error: str = ""


def list_models(models_dir: Path) -> list[ModelEntry]:
    """Every GGUF file in the folder and in its direct subfolders, by name. Later parts of split models are left out.

    Headers are read once for each (path, time of change, size).
    """
    found = {path for pattern in ("*", "*/*") for path in models_dir.glob(pattern) if path.suffix.lower() == ".gguf"}
    entries = []
    for path in sorted(found, key=lambda path: (path.name.casefold(), path)):
        part = PART.search(path.name)
        hidden = any(piece.startswith(".") for piece in path.relative_to(models_dir).parts)
        if hidden or (part and int(part[1]) > 1):
            continue
        try:
            state = path.stat()
        except OSError as exc:
            entries.append(
                ModelEntry(path, "other", 0, error=f"Model file cannot be read: {path} ({exc.strerror}). Remove it.")
            )
            continue
        entries.append(_entry(path, state.st_mtime_ns, state.st_size))
    return entries


@functools.lru_cache(maxsize=512)
def _entry(path: Path, changed_ns: int, size: int) -> ModelEntry:
    try:
        gguf = read_gguf(path)
    except ModelFileError as exc:
        return ModelEntry(path, "other", size, error=str(exc))
    try:
        check_sound(gguf)
    except ModelFileError as exc:
        return ModelEntry(path, gguf.kind, size, summary(gguf), str(exc))
    return ModelEntry(path, gguf.kind, size, summary(gguf))


def header_of(path: Path) -> GGUFFile:
    """The header of a file, read once as long as the file is as it was: a page asks for it at every move of a slider.

    Raises:
        ModelFileError: as `read_gguf`.
    """
    try:
        state = path.stat()
    except OSError:
        return read_gguf(path)  # which says what is wrong
    return _header(path, state.st_mtime_ns, state.st_size)


@functools.lru_cache(maxsize=8)
def _header(path: Path, changed_ns: int, size: int) -> GGUFFile:
    return read_gguf(path)


def summary(gguf: GGUFFile) -> str:
    """Name, architecture, parameters, quantisation, context and size in one line."""
    facts = [gguf.name or gguf.path.stem, gguf.architecture, f"{format_count(gguf.parameters)} parameters", gguf.quantisation]
    if gguf.n_ctx_train:
        facts.append(f"context {gguf.n_ctx_train:,}")
    if gguf.pooling:
        facts.append(f"pooling {gguf.pooling}")
    return " · ".join([fact for fact in facts if fact] + [format_bytes(gguf.file_size)])


def format_count(count: int) -> str:
    """134.5 M, 7.2 B."""
    if count >= 1_000_000_000:
        return f"{count / 1e9:.1f} B"
    return f"{count / 1e6:.1f} M" if count >= 1_000_000 else f"{count:,}"
