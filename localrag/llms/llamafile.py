"""A .llamafile: one file that is a model and its server. It is started here, and answers like any other server."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from localrag.errors import GenerationError, ModelFileError, ModelLoadError
from localrag.llms import server
from localrag.llms.base import GenerationStats, Piece
from localrag.llms.server import ServerModel
from localrag.llms.server_process import ServerProcess, StartError, free_port, tail
from localrag.models.devices import cpu_threads
from localrag.settings import AnswerSettings, ModelSettings
from localrag.types import Prompt

APE, SCRIPT, ELF, GGUF = b"MZqFpD", b"#!", b"\x7fELF", b"GGUF"
"""How an Actually Portable Executable begins (cosmopolitan's ape.S), a script, one made into a program of this system."""
ALL_LAYERS = 999
SHELL = "/bin/sh"

_log: Path | None = None


def check(settings: ModelSettings) -> Path:
    """Look at the file without starting it.

    Raises:
        ModelFileError: there is none, or it is no llamafile, and what to do.
    """
    path = settings.model_path
    if path is None:
        raise ModelFileError("No llamafile is chosen. Choose a .llamafile on the Model page.")
    try:
        if path.is_fifo():  # opening it would wait for whoever writes
            raise ModelFileError(f"{path} is a pipe, not a file. Choose a .llamafile on the Model page.")
        with path.open("rb") as file:
            head = file.read(8)
    except OSError as exc:
        reason = "not found" if isinstance(exc, FileNotFoundError) else f"cannot be read ({exc.strerror})"
        raise ModelFileError(f"Llamafile {path} {reason}. Choose a .llamafile on the Model page.") from exc
    if head.startswith(GGUF):
        raise ModelFileError(f"{path} is a GGUF file, not a llamafile. Choose llama.cpp to run it, or another file.")
    if not head.startswith((APE, SCRIPT, ELF)) or ".llamafile" not in path.name.lower():
        raise ModelFileError(f"{path} is no llamafile: it does not begin like one. Choose a .llamafile, or download it again.")
    return path.absolute()


def build(settings: ModelSettings) -> LlamafileModel:
    """Make the file executable, start it, wait until it is healthy, connect.

    Raises:
        ModelFileError, ModelLoadError: with the reason; nothing goes on running.
    """
    path = check(settings)
    make_executable(path)
    process = _start(path, settings)
    try:
        process.wait_until_healthy()
        own = {"chat_server": f"{process.address}/v1", "chat_model": "", "chat_api_key": None}
        model = server.connect(settings.model_copy(update=own), LlamafileModel)
    except BaseException:  # whatever comes up, the process must not stay behind
        process.stop()
        raise
    model.runs(process, path)
    return model


def log_tail(lines: int = 40) -> str:
    """The last lines the llamafile wrote that was started last; empty before one was."""
    return tail(_log, lines) if _log is not None else ""


def make_executable(path: Path) -> None:
    """Let its owner run it, nobody else.

    Raises:
        ModelFileError: that is not allowed here.
    """
    try:
        mode = path.stat().st_mode
        if not mode & stat.S_IXUSR:
            path.chmod(mode | stat.S_IXUSR)
    except OSError as exc:
        raise ModelFileError(
            f"{path} cannot be made executable ({exc.strerror}). Run `chmod u+x` on it, or copy it to a folder of yours."
        ) from exc


def _start(path: Path, settings: ModelSettings) -> ServerProcess:
    global _log  # the page asks for the log of what was started last, also when it did not come up
    port = free_port()
    try:
        process = ServerProcess(f"The llamafile {path.name}", _command(path, settings, port), port)
    except StartError as exc:
        raise ModelLoadError(_why_not(path, exc.number)) from exc
    _log = process.log
    return process


def _command(path: Path, settings: ModelSettings, port: int) -> list[str]:
    n_gpu_layers = ALL_LAYERS if settings.n_gpu_layers < 0 else settings.n_gpu_layers
    with path.open("rb") as file:
        portable = file.read(len(APE)) == APE
    # A portable executable is also a shell script that finds its loader; the system alone may take it for a Windows program.
    start = [SHELL, str(path)] if portable and os.name == "posix" else [str(path)]
    flags: dict[str, object] = {
        "--host": "127.0.0.1",
        "--port": port,
        "-c": settings.n_ctx,
        "-t": settings.n_threads or cpu_threads(),
        "-b": settings.n_batch,
        "-ngl": n_gpu_layers,
        "--parallel": 1,  # the window is not to be divided
    }
    if settings.n_ubatch != ModelSettings().n_ubatch:
        flags["-ub"] = min(settings.n_batch, settings.n_ubatch)  # llamafiles of 2023 do not know it
    return [*start, "--server", "--nobrowser", *(str(word) for flag in flags.items() for word in flag)]


def _why_not(path: Path, number: int) -> str:
    if number == errno.ENOEXEC:
        return (
            f"{path} cannot be run: the system does not know its format. Install the APE loader"
            " (https://cosmo.zip/pub/cosmos/bin/ape-x86_64.elf as /usr/bin/ape), or choose its GGUF file instead."
        )
    if number in (errno.EACCES, errno.EPERM):
        return f"{path} may not be run: its disk is most likely mounted noexec. Copy it to another folder and choose it there."
    if number == errno.ENOENT:
        return f"{path} cannot be run: the program its first line names is missing. Choose another llamafile."
    return f"{path} cannot be run ({os.strerror(number) if number else 'no reason given'}). Choose another llamafile."


class LlamafileModel(ServerModel):
    """A server's model whose server is ours: it ends with the model."""

    _process: ServerProcess | None = None

    def runs(self, process: ServerProcess, path: Path) -> None:
        """Take over the process that was started for it."""
        self._process, self.name = process, path.name.partition(".llamafile")[0]

    def parts(self, roles: Sequence[str]) -> list[str | int]:
        with self._explained():
            return super().parts(roles)

    def tokenize(self, text: str, *, special: bool = False) -> list[int]:
        with self._explained():
            return super().tokenize(text, special=special)

    def generate(
        self, prompt: Prompt, settings: AnswerSettings, stop: Sequence[str], stats: GenerationStats
    ) -> Iterator[Piece]:
        with self._explained():
            yield from super().generate(prompt, settings, stop, stats)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Says so where the reason for a failure is that the process has gone."""
        try:
            yield
        except GenerationError as exc:
            if not self.lost:
                raise
            raise GenerationError(self.lost) from exc

    @property
    def lost(self) -> str:
        """Why this model will never answer again; empty while its process runs."""
        if self._process is None or self._process.alive:
            return ""
        return (
            f"The llamafile {self.name} has ended{self._process.last_words()}. Press Apply on the Model page to start it again."
        )

    def close(self) -> None:
        """End the running answer and the process."""
        super().close()
        if self._process is not None:
            self._process.stop()
