"""Loading a model file in a process of its own, with a limit on its time and its memory, before the app loads it."""

from __future__ import annotations

import collections
import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO, Any

from localrag.errors import ModelLoadError
from localrag.models.gguf_file import GGUFFile
from localrag.models.memory import estimate_memory, format_bytes, parts
from localrag.settings import ModelSettings

ROOT = Path(__file__).parents[2]
CHILD = "localrag.llms.trial_child"
"""Started by name: it renders the chat template too, so it stands a room above this one."""
WINDOW = 512
"""Tokens of the context that is tried, and of its micro-batches."""
START_S = 60.0
"""Until the child has imported llama.cpp, which is not the file's doing."""
LIMIT_S = 20.0
TEMPLATE_S = 10.0
BYTES_PER_S = 50_000_000
"""A slow disk; every byte of the file is read once."""
SPARE_BYTES = 1_000_000_000
"""Memory of its own the child may take beyond the estimate."""
RESERVED_BYTES = 2_000_000_000
"""What it may reserve beyond that without using it."""
POLL_S = 0.05
PACKAGES = {"llama.cpp": "llama-cpp-python", "GPT4All": "gpt4all==2.8.2"}
KEPT_LINES, KEPT_CHARS = 60, 300
TELLING = re.compile(r"GGML_ASSERT|GGML_ABORT|what\(\):|fatal error|error|failed|invalid|unknown|no module", re.IGNORECASE)
PLACE = re.compile(r"^.*?[\w.-]+\.(?:cpp|c|h|cu|m):\d+: |^\s*what\(\):\s*|^\w+: ")


def try_model(
    header: GGUFFile,
    pooling: int | None = None,
    n_gpu_layers: int = 0,
    flash_attn: bool = True,
    gpt4all: Path | None = None,
) -> None:
    """Load a model, read its vocabulary and evaluate a few tokens in a child process; seconds, or as long as reading the file.

    `pooling` is llama.cpp's number of how an embedding model makes one vector; None tries whether it answers. With
    `gpt4all`, the file as GPT4All loads it, GPT4All answers in llama.cpp's place.
    Raises:
        ModelLoadError: it did not pass; the sentence says why, or what llama.cpp said last before it crashed.
        ModelFileError: a part of a split model is missing.
    """
    size = sum(part.stat().st_size for part in parts(header))
    limit_s = LIMIT_S + size / BYTES_PER_S
    tried = ModelSettings(n_ctx=WINDOW, n_batch=WINDOW, n_gpu_layers=n_gpu_layers, flash_attn=flash_attn)
    need = estimate_memory(header, tried).total
    library = "GPT4All" if gpt4all else "llama.cpp"
    request = {
        "gpt4all": os.fsencode(gpt4all.absolute()).hex() if gpt4all else None,
        "path": os.fsencode(header.path.absolute()).hex(),  # the child works in another folder
        "pooling": pooling,
        "n_gpu_layers": n_gpu_layers,
        "flash_attn": flash_attn,
        "window": WINDOW,
        "template": header.chat_template if pooling is None else None,
        "limit_s": limit_s,
        "most_bytes": need + SPARE_BYTES + RESERVED_BYTES,
    }
    try:
        child = _Child(request)
    except OSError as exc:
        raise ModelLoadError(
            f"{header.path} cannot be tried in a process of its own ({exc.strerror}). Close other programs and try again."
        ) from exc
    try:
        reply = child.answer(limit_s, need + SPARE_BYTES)
    finally:
        child.end()
    if "passed" not in reply:
        raise ModelLoadError(_reason(reply, child, header.path, need, library))


def _reason(reply: dict[str, Any], child: _Child, path: Path, need: int, library: str) -> str:
    """Why a file did not pass, in a sentence."""
    if "reason" in reply:
        return str(reply["reason"])
    if child.in_template:
        return f"The chat template of {path} takes more time or memory than a template may. Choose another model."
    if "late" in reply:
        return (
            f"{path} did not load and answer within {reply['late']:.0f} s when it was tried. "
            "Choose another model, or try again when the machine is less busy."
        )
    if "memory" in reply:
        return (
            f"{path} took more than {format_bytes(need + SPARE_BYTES)} of memory when it was tried, "
            f"where {format_bytes(need)} are to be expected: it is damaged. Download it again."
        )
    if not child.started and reply["crash"].startswith("exit"):
        return f"{library} cannot be loaded: {reply['said']}. Run `pip install {PACKAGES[library]}`."
    return (
        f"{path} makes {library} crash ({reply['crash']}): {reply['said']}. It is damaged, or made for another version. "
        "Download it again or choose another model."
    )


class _Child:
    """One child process and what it says."""

    def __init__(self, request: dict[str, Any]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", CHILD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=ROOT,  # where the package is found
            start_new_session=True,
        )
        self._replies: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._said: collections.deque[str] = collections.deque(maxlen=KEPT_LINES)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self.started = self.in_template = False
        self._listeners = [
            threading.Thread(target=self._hear, args=(self._process.stdout,), name="trial", daemon=True),
            threading.Thread(target=self._overhear, args=(self._process.stderr,), name="trial-log", daemon=True),
        ]
        for listener in self._listeners:
            listener.start()
        try:
            self._process.stdin.write(json.dumps(request).encode())
            self._process.stdin.close()
        except OSError:
            pass  # it ended already, which `answer` finds out

    def answer(self, limit_s: float, most_bytes: int) -> dict[str, Any]:
        """Its reply, or {"late": seconds}, {"memory": True}, {"crash": how, "said": last words}."""
        deadline, allowed, base = time.monotonic() + START_S, START_S, 0
        while True:
            try:
                reply = self._replies.get(timeout=POLL_S)
            except queue.Empty:
                if time.monotonic() > deadline:
                    return {"late": allowed}
                if _own_bytes(self._process.pid) - base > most_bytes:
                    return {"memory": True}
                continue
            if reply is None:
                return {"crash": self._ending(), "said": self._last_words()}
            if "started" in reply:
                self.started = True
                deadline, allowed, base = time.monotonic() + limit_s, limit_s, _own_bytes(self._process.pid)
            elif "template" in reply:
                self.in_template = True
                deadline = min(deadline, time.monotonic() + TEMPLATE_S)
            else:
                return reply

    def _ending(self) -> str:
        status = self._process.wait(timeout=START_S)
        if status >= 0:
            return f"exit status {status}"
        return signal.Signals(-status).name if -status in set(signal.Signals) else f"signal {-status}"

    def _last_words(self) -> str:
        self._listeners[1].join(timeout=START_S)
        lines = [line for line in self._said if line.strip()]
        telling = next((line for line in reversed(lines) if TELLING.search(line)), "it said nothing about it")
        return PLACE.sub("", telling).strip().rstrip(".")

    def end(self) -> None:
        """End it, whatever it is doing."""
        self._process.kill()
        self._process.wait()
        for listener in self._listeners:
            listener.join()
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()

    def _hear(self, stream: IO[bytes]) -> None:
        for line in stream:
            try:
                self._replies.put(json.loads(line))
            except ValueError:
                break
        self._replies.put(None)

    def _overhear(self, stream: IO[bytes]) -> None:
        while line := stream.readline(10 * KEPT_CHARS):
            self._said.append(line.decode("utf-8", "replace").strip()[:KEPT_CHARS])


def _own_bytes(pid: int) -> int:
    """Resident bytes of a process that belong to no file; 0 where the system does not tell (the child limits itself too)."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0
