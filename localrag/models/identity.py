"""Which model a file is, whatever its name."""

from __future__ import annotations

import hashlib
from pathlib import Path

from localrag.errors import ModelFileError

SAMPLE_BYTES = 1 << 20


def fingerprint(path: Path) -> str:
    """32 hex digits from the file's size, its first and its last MiB: header, vocabulary and some weights.

    A whole SHA-256 of a 5 GB file takes seconds at every start; two different models never share these parts.
    Raises:
        ModelFileError: the file cannot be read.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(SAMPLE_BYTES)
            file.seek(max(0, size - SAMPLE_BYTES))
            tail = file.read(SAMPLE_BYTES)
    except OSError as exc:
        raise ModelFileError(
            f"Model file cannot be read: {path} ({exc.strerror}). Choose a .gguf file on the Model page."
        ) from exc
    return hashlib.sha256(str(size).encode() + head + tail).hexdigest()[:32]
