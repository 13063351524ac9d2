"""Evaluated conversations, kept: going back to one need not evaluate it again. In memory first, on disk once it is full.

A state is what llama.cpp's cache holds for some tokens. It is of use for the very same model, window and kind of cache only:
`identity` names all that, and a state of another identity is never given back.
"""

from __future__ import annotations

import json
import logging
import struct
import threading
import zlib
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

logger = logging.getLogger(__name__)

MAGIC = b"LocalRAG state 1\n"
SUFFIX = ".state"
LONGEST_IDENTITY, MOST_TOKENS = 4096, 1 << 24
_HEAD = struct.Struct("<IQI")  # length of the identity, tokens, CRC-32 of all that follows


@dataclass(frozen=True, slots=True)
class KeptState:
    """What llama.cpp's cache held after `tokens` (int32), as bytes only it can read."""

    identity: str
    tokens: np.ndarray
    data: bytes

    @property
    def size(self) -> int:
        return len(self.data) + self.tokens.nbytes

    @property
    def checksum(self) -> int:
        """CRC-32 of everything: a state that is not as it was written may crash llama.cpp."""
        return zlib.crc32(self.data, zlib.crc32(self.token_bytes, zlib.crc32(self.identity.encode())))

    @property
    def token_bytes(self) -> bytes:
        return self.tokens.astype("<i4").tobytes()

    def common(self, tokens: np.ndarray) -> int:
        """How many tokens both begin with."""
        return common_length(self.tokens, tokens)


def common_length(one: np.ndarray, other: np.ndarray) -> int:
    """How many elements two int32 arrays have in common from the first on."""
    shorter = min(len(one), len(other))
    different = np.flatnonzero(one[:shorter] != other[:shorter])
    return int(different[0]) if len(different) else shorter


class KeptStates:
    """States by conversation, the last used of them in memory. Every method may be called from any thread."""

    def __init__(self, folder: Path | None, memory_bytes: int, disk_bytes: int) -> None:
        """`folder` is made when it is needed; without one, or with 0 bytes, nothing is written."""
        self._folder = folder if disk_bytes > 0 else None
        self._memory_bytes, self._disk_bytes = memory_bytes, disk_bytes
        self._states: OrderedDict[str, KeptState] = OrderedDict()
        self._forgotten: set[str] = set()
        self._lock = threading.RLock()

    def put(self, conversation: str, state: KeptState) -> None:
        """Keep the state of a conversation in place of the one before; what no longer fits into memory goes to disk."""
        with self._lock:
            if conversation in self._forgotten:  # deleted while it lay in the model's cache
                return
            self._states.pop(conversation, None)
            self._states[conversation] = state
            while sum(kept.size for kept in self._states.values()) > self._memory_bytes:
                self._write(*self._states.popitem(last=False))

    def best(self, conversation: str, identity: str, tokens: np.ndarray, least: int) -> KeptState | None:
        """The kept state that shares most tokens with a prompt, `least` or more: the conversation's own, or any in memory."""
        with self._lock:
            found = [(key, state) for key, state in self._states.items() if state.identity == identity]
            if conversation and conversation not in self._states:
                read = self._read(conversation, identity, tokens, least)
                found += [(conversation, read)] if read is not None else []
            key, state = max(found, key=lambda item: item[1].common(tokens), default=("", None))
            if state is None or state.common(tokens) < least:
                return None
            if key in self._states:
                self._states.move_to_end(key)
            return state

    def forget(self, conversation: str) -> None:
        """Drop what is kept of a conversation, from the disk too, and keep nothing of it from now on."""
        with self._lock:
            self._forgotten.add(conversation)
            self._states.pop(conversation, None)
            path = self._path(conversation)
            if path is not None:
                path.unlink(missing_ok=True)

    def close(self) -> None:
        """Write what is in memory, so that it is there after a restart."""
        with self._lock:
            while self._states:
                self._write(*self._states.popitem(last=False))

    def _path(self, conversation: str) -> Path | None:
        safe = conversation.isalnum()  # ids are hexadecimal digits; nothing else becomes a file name
        return self._folder / f"{conversation}{SUFFIX}" if self._folder is not None and safe else None

    def _write(self, conversation: str, state: KeptState) -> None:
        """Whole or not at all; a full disk costs time at the next question, not an answer."""
        path = self._path(conversation)
        if path is None or state.size > self._disk_bytes:
            return
        identity = state.identity.encode()
        scratch = path.with_suffix(".tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with scratch.open("wb") as file:
                file.write(MAGIC + _HEAD.pack(len(identity), len(state.tokens), state.checksum))
                for part in (identity, state.token_bytes, state.data):
                    file.write(part)
            scratch.replace(path)
            self._make_room(path)
        except OSError as exc:
            logger.warning("the state of a conversation could not be kept: %s", exc)
            with suppress(OSError):
                scratch.unlink(missing_ok=True)

    def _make_room(self, newest: Path) -> None:
        files = [(path.stat().st_mtime_ns, path.stat().st_size, path) for path in newest.parent.glob(f"*{SUFFIX}")]
        total = sum(size for _, size, _ in files)
        for _, size, path in sorted(files):
            if total <= self._disk_bytes or path == newest:
                break
            path.unlink(missing_ok=True)
            total -= size

    def _read(self, conversation: str, identity: str, tokens: np.ndarray, least: int) -> KeptState | None:
        """The state on disk, if there is one of use: its tokens are looked at before the rest is read."""
        path = self._path(conversation)
        try:
            if path is None or not path.is_file() or path.stat().st_size > self._disk_bytes:
                return None
            with path.open("rb") as file:
                held = _read_tokens(file, identity)
                if held is not None and common_length(held, tokens) < least:
                    return None
                state = _read_state(file, identity, held) if held is not None else None
        except OSError as exc:
            logger.warning("the state of a conversation could not be read: %s", exc)
            return None
        if state is None:
            path.unlink(missing_ok=True)  # of another model or other settings, or damaged: never of use again
        return state


def _read_tokens(file: BinaryIO, identity: str) -> np.ndarray | None:
    """The tokens of a file, if it is of this identity."""
    head = file.read(len(MAGIC) + _HEAD.size)
    if len(head) < len(MAGIC) + _HEAD.size or not head.startswith(MAGIC):
        return None
    length, count, _ = _HEAD.unpack_from(head, len(MAGIC))
    if length > LONGEST_IDENTITY or count > MOST_TOKENS or file.read(length) != identity.encode():
        return None
    tokens = file.read(4 * count)
    return np.frombuffer(tokens, dtype="<i4").astype(np.int32) if len(tokens) == 4 * count else None


def _read_state(file: BinaryIO, identity: str, tokens: np.ndarray) -> KeptState | None:
    """The rest of a file whose tokens were read, if every byte is as it was written."""
    data = file.read()
    file.seek(0)
    _, _, check = _HEAD.unpack_from(file.read(len(MAGIC) + _HEAD.size), len(MAGIC))
    state = KeptState(identity, tokens, data)
    return state if state.checksum == check else None


def identity_of(values: dict[str, object]) -> str:
    """A name for everything a state depends on."""
    return json.dumps(values, sort_keys=True, default=str)
