"""Which model files have passed their trial, remembered, so that only a first load costs one."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

from localrag.errors import ModelFileError
from localrag.models.gguf_file import GGUFFile
from localrag.models.identity import SAMPLE_BYTES
from localrag.models.split import read_parts
from localrag.models.starter import is_starter
from localrag.models.trial import try_model

FILE = "tried_models.json"
MOST_KEPT = 500


class Trials:
    """Tries a file the app has not seen before it loads it. Callable from any thread."""

    _passed: ClassVar[set[str]] = set()  # in this process, whatever the data directory
    _lock: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, data_dir: Path | None = None) -> None:
        """Passed trials are kept in `data_dir`; without one, only as long as this process lives."""
        self._file = None if data_dir is None else data_dir / FILE

    def ensure(
        self,
        header: GGUFFile,
        pooling: int | None = None,
        n_gpu_layers: int = 0,
        flash_attn: bool = True,
        gpt4all: Path | None = None,
    ) -> None:
        """Return at once for a file that passed before, and for the starter models; else try it as `try_model` says.

        Raises:
            ModelFileError, ModelLoadError: as `try_model`.
        """
        library = (f"gpt4all {_version('gpt4all')}",) if gpt4all else ()
        key = _key(read_parts(header), pooling, bool(n_gpu_layers), flash_attn, *library)
        if key in self._passed or key in self._kept():
            return
        if n_gpu_layers or not is_starter(header.path):
            try_model(header, pooling, n_gpu_layers, flash_attn, gpt4all)
        with self._lock:
            self._passed.add(key)
            self._keep(key, header.path)

    def _kept(self) -> dict[str, dict[str, str]]:
        if self._file is None:
            return {}
        try:
            kept = json.loads(self._file.read_text("utf-8"))
        except (OSError, ValueError):
            return {}  # a lost note costs another trial
        return kept if isinstance(kept, dict) else {}

    def _keep(self, key: str, path: Path) -> None:
        if self._file is None:
            return
        kept = self._kept() | {key: {"path": str(path), "tried": datetime.now(UTC).isoformat(timespec="seconds")}}
        scratch = self._file.with_name(f"{FILE}.{os.getpid()}.tmp")
        with suppress(OSError):  # without a note the next start tries it again
            self._file.parent.mkdir(parents=True, exist_ok=True)
            scratch.write_text(json.dumps(dict(list(kept.items())[-MOST_KEPT:]), indent=1, ensure_ascii=True), "utf-8")
            scratch.replace(self._file)


def _key(parts: Sequence[GGUFFile], *circumstances: int | str | None) -> str:
    """32 hex digits for what was tried: every header whole, the last MiB and the time of change of each file, the library.

    A header holds the vocabulary, and is longer than the first MiB that `fingerprint` looks at.
    """
    digest = hashlib.sha256(repr((_version("llama_cpp_python"), circumstances)).encode())
    for part in parts:
        try:
            state = part.path.stat()
            with part.path.open("rb") as file:
                digest.update(f"{state.st_size} {state.st_mtime_ns} ".encode() + file.read(part.data_offset))
                file.seek(max(0, state.st_size - SAMPLE_BYTES))
                digest.update(file.read(SAMPLE_BYTES))
        except OSError as exc:
            raise ModelFileError(
                f"Model file cannot be read: {part.path} ({exc.strerror}). Choose a .gguf file on the Model page."
            ) from exc
    return digest.hexdigest()[:32]


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""
