"""Whether the files of a loaded model are still what was loaded: their weights are read from disk while it answers."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from localrag.errors import GenerationError, ModelFileError

SAMPLE_BYTES = 1 << 18


class LoadedFiles:
    """The files of one model, held open, so that a deleted one stays readable until the model is released.

    llama.cpp may map them into memory (`use_mmap`). Where a mapped file becomes shorter, the next look at its lost bytes
    ends the process (SIGBUS); where it is written over, the model goes on with other weights. A replaced or deleted file
    does neither: the mapping keeps the old one.
    """

    def __init__(self, paths: Sequence[Path], mapped: bool) -> None:
        """Raises ModelFileError when a file is gone."""
        self.paths, self._mapped = tuple(paths), mapped
        self._open: list[int] = []
        try:
            for path in self.paths:
                self._open.append(os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)))
            self._stamps = [_stamp(os.fstat(number)) for number in self._open]
            self._samples = [_sample(number) for number in self._open]
        except OSError as exc:
            self.close()
            raise ModelFileError(
                f"Model file cannot be read: {path} ({exc.strerror}). Choose a .gguf file on the Model page."
            ) from exc

    def check(self) -> None:
        """Raise unless all mapped files are as they were when they were opened; some microseconds.

        Raises:
            GenerationError: a file was written to, so the weights in use are no longer there.
        """
        for index, path in enumerate(self.paths if self._mapped else ()):
            if self._was_written(index):
                raise GenerationError(
                    f"{path} was written to while it was in use, so its model cannot go on. Load it again on the Model page."
                )

    def _was_written(self, index: int) -> bool:
        stamp = _stamp(os.fstat(self._open[index]))
        if stamp == self._stamps[index]:
            return False
        if stamp[0] == self._stamps[index][0] and _sample(self._open[index]) == self._samples[index]:
            self._stamps[index] = stamp  # it was only given another time, as by `touch`
            return False
        return True

    @property
    def notice(self) -> str:
        """A sentence when a file was deleted or replaced, which a loaded model survives; empty when all are in place."""
        for index, (path, number) in enumerate(zip(self.paths, self._open, strict=False)):
            try:
                same = os.path.samestat(os.stat(path), os.fstat(number))
            except OSError:
                return f"{path} was deleted. The model answers until it is released; keep or choose another file."
            if not same or (not self._mapped and self._was_written(index)):
                return (
                    f"{path} was replaced by another file. The model in use is the old one; load it again to use the new one."
                )
        return ""

    def close(self) -> None:
        """Let go of the files."""
        while self._open:
            os.close(self._open.pop())


def _sample(number: int) -> bytes:
    """The beginning and the end of an open file."""
    with os.fdopen(os.dup(number), "rb") as file:
        size = os.fstat(number).st_size
        file.seek(0)
        start = file.read(SAMPLE_BYTES)
        file.seek(max(0, size - SAMPLE_BYTES))
        return hashlib.sha256(start + file.read(SAMPLE_BYTES)).digest()


def _stamp(state: os.stat_result) -> tuple[int, int]:
    return state.st_size, state.st_mtime_ns
