"""The llamafile launcher. A real llamafile cannot be shipped with tests: this one is a script that drops the two flags
only llamafiles know and runs the real llama-server with the starter model."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

import psutil
import pytest

from localrag.engine import Engine
from localrag.errors import GenerationError, ModelFileError, ModelLoadError
from localrag.llms import guard as log_guard
from localrag.llms import llamafile
from localrag.llms.base import LoadedModel
from localrag.llms.llamafile import LlamafileModel
from localrag.llms.server_process import clean_up, remains_dir
from localrag.models.starter import starter_chat
from localrag.settings import ModelSettings, load_settings
from tests.conftest import MODELS_DIR
from tests.integration.llm_contract import LLMContract, answer
from tests.tools.llama_server import binary

pytestmark = pytest.mark.models

SERVER = binary()  # looked for before the tests move the user's cache

SCRIPT = """#!/bin/sh
for word in "$@"; do
  shift
  case "$word" in --server|--nobrowser) ;; *) set -- "$@" "$word" ;; esac
done
echo "started with $*"
{before}exec "{binary}" --model "{model}" "$@"
"""
LIMIT_S = 20.0


def script(folder: Path, before: str = "", name: str = "starter.llamafile") -> Path:
    path = folder / name
    path.write_text(SCRIPT.format(binary=SERVER, model=starter_chat(MODELS_DIR), before=before))
    return path


def given(path: Path, **more: object) -> ModelSettings:
    return ModelSettings.model_validate({"llm": "llamafile", "model_path": path, "n_ctx": 512, "n_threads": 1} | more)


def until(true: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + LIMIT_S
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.02)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Logs and notes of these tests are theirs alone."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    remains_dir().mkdir(parents=True)


class TestLlamafile(LLMContract):
    folder: ClassVar[Path]

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def files(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
        cls.folder = tmp_path_factory.mktemp("llamafile")
        script(cls.folder)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("XDG_CACHE_HOME", str(cls.folder / "cache"))
            yield

    def make(self, **settings: object) -> LoadedModel:
        return llamafile.build(given(self.folder / "starter.llamafile", **settings))

    def gone(self, model: LoadedModel) -> bool:
        assert isinstance(model, LlamafileModel)
        assert model._process is not None
        return not psutil.pid_exists(model._process.pid) and not model._process.alive

    def test_the_file_is_made_executable_for_its_owner_alone(self, model: LoadedModel) -> None:
        mode = (self.folder / "starter.llamafile").stat().st_mode
        assert mode & (stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH) == stat.S_IXUSR

    def test_the_settings_reach_the_server_and_its_log_can_be_shown(self, model: LoadedModel) -> None:
        assert isinstance(model, LlamafileModel)
        assert model._process is not None
        log = model._process.log.read_text("utf-8", "replace")
        assert "--host 127.0.0.1" in log
        assert f"-c {model.n_ctx} -t 1 -b 512 -ngl 0 --parallel 1" in log
        assert stat.S_IMODE(model._process.log.stat().st_mode) == 0o600
        assert model.name == "starter"


def test_a_server_that_dies_is_named_with_its_last_words(tmp_path: Path) -> None:
    dying = script(tmp_path, before="echo 'error: the stars are wrong' >&2; exit 3\n")
    started = time.monotonic()
    with pytest.raises(ModelLoadError, match=r"starter.llamafile ended before it was ready: error: the stars are wrong\. Look"):
        llamafile.build(given(dying))
    assert time.monotonic() - started < LIMIT_S
    assert "the stars are wrong" in llamafile.log_tail(5)
    assert not list(remains_dir().glob("*.json"))


def test_one_that_is_never_ready_is_given_up_for_another_model_and_at_the_end(tmp_path: Path) -> None:
    never = script(tmp_path, before="exec sleep 300\n")
    given_here = {"data_dir": tmp_path / "data", "models_dir": MODELS_DIR, "n_threads": 1}
    engine = Engine(load_settings(given_here, {}, tmp_path))
    try:
        for _ in range(2):
            engine.apply({"llm": "llamafile", "model_path": never})
            until(lambda: bool(list(remains_dir().glob("*.json"))), "it was not started")
        engine.apply({"llm": "llamacpp", "model_path": starter_chat(MODELS_DIR)}, wait=True)
        assert engine.model_state.status == "ready"
        engine.apply({"llm": "llamafile", "model_path": never})
        until(lambda: bool(list(remains_dir().glob("*.json"))), "it was not started")
    finally:
        started = time.monotonic()
        engine.close()
    assert time.monotonic() - started < LIMIT_S
    assert not list(remains_dir().glob("*.json"))


def test_a_server_that_dies_in_use_is_named(tmp_path: Path) -> None:
    model = llamafile.build(given(script(tmp_path)))
    try:
        assert model._process is not None
        os.kill(model._process.pid, signal.SIGKILL)
        until(lambda: model._process is not None and not model._process.alive, "the guard stayed")
        with pytest.raises(GenerationError, match="The llamafile starter has ended"):
            answer(model, "Hello")
    finally:
        model.close()


def test_one_that_died_is_started_again_by_applying_the_same_settings(tmp_path: Path) -> None:
    path = script(tmp_path)
    given_here = {"data_dir": tmp_path / "data", "models_dir": MODELS_DIR, "llm": "llamafile", "model_path": path, "n_ctx": 512}
    engine = Engine(load_settings(given_here | {"n_threads": 1}, {}, tmp_path))
    try:
        engine.start_model(wait=True)
        assert not engine.apply({"llm": "llamafile"}, wait=True)  # it runs: nothing is to be done
        model = engine._worker.look(lambda loaded: loaded)
        assert isinstance(model, LlamafileModel)
        assert model._process is not None
        os.kill(model._process.pid, signal.SIGKILL)
        until(lambda: engine.model_state.status == "failed", "nobody noticed")
        assert "has ended" in engine.model_state.error
        assert engine.apply({"llm": "llamafile"}, wait=True)
        assert (engine.model_state.status, engine.model_state.error) == ("ready", "")
        job = engine.ask(engine.new_conversation(""), "Say hello.", overrides={"max_tokens": 4})
        assert job.wait(LIMIT_S)
        assert job.turn.answer
    finally:
        engine.close()


OWNER = """
import sys
from pathlib import Path
from localrag.llms import llamafile
from localrag.settings import ModelSettings
model = llamafile.build(ModelSettings(llm="llamafile", model_path=Path(sys.argv[1]), n_ctx=512, n_threads=1))
print(model._process.pid, model._process._guard.pid, flush=True)
sys.stdin.read()
"""


def owner_of(path: Path) -> tuple[subprocess.Popen[str], int, int]:
    """Another process with a llamafile; the ids of its server and guard."""
    command = [sys.executable, "-c", OWNER, str(path)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    server, guard = map(int, process.stdout.readline().split())
    return process, server, guard


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        assert stream is not None
        stream.close()


def family(pid: int) -> list[int]:
    return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]


def none_runs(pids: list[int]) -> bool:
    return not any(map(runs, pids))


def runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:  # it may end between two looks
        return False


def test_the_server_ends_when_we_are_killed(tmp_path: Path) -> None:
    waits = script(tmp_path, before=f'"{SERVER}" --model "{starter_chat(MODELS_DIR)}" "$@" & wait; exit 0\n')
    process, server, guard = owner_of(waits)  # the script stays, and its server is its child
    try:
        pids = [*family(server), guard]
        assert len(pids) == 3
    finally:
        end(process)
    until(lambda: none_runs(pids), f"left behind: {pids}")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing falls to a guard")
def test_what_left_the_session_of_the_server_ends_too_when_we_are_killed(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    process, server, guard = owner_of(script(tmp_path, before=f"setsid sh -c 'echo $$ > {note}; exec sleep 600' &\n"))
    try:
        until(lambda: note.exists() and note.read_text().strip() != "", "it did not start")
        pids = [int(note.read_text()), server, guard]
        assert not none_runs(pids[:1])
    finally:
        end(process)
    until(lambda: none_runs(pids), f"left behind: {pids}")


def test_a_log_without_end_is_begun_anew(tmp_path: Path) -> None:
    floods = script(tmp_path, before="yes 'a line that says nothing' | head -c 150000000 >&2\n")
    model = llamafile.build(given(floods))
    try:
        assert model._process is not None
        log = model._process.log
        until(lambda: log.stat().st_size < log_guard.LOG_BYTES, "it was left to grow")
        assert answer(model, "Hello")
    finally:
        model.close()
    assert b"begun anew" in log.read_bytes()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing ends with its parent")
def test_the_server_ends_when_its_guard_is_killed(tmp_path: Path) -> None:
    process, server, guard = owner_of(script(tmp_path))
    try:
        os.kill(guard, signal.SIGKILL)
        until(lambda: none_runs([server]), "the server goes on without its guard")
    finally:
        end(process)


def test_what_a_crash_left_behind_is_cleaned_up_and_nothing_else(tmp_path: Path) -> None:
    left = subprocess.Popen(["sleep", "600"])
    other = subprocess.Popen(["sleep", "600"])
    try:
        mine = psutil.Process()
        gone = {"pid": 2**22 + 1, "started": 1.0, "command": []}
        owner = {"pid": mine.pid, "started": mine.create_time(), "command": []}
        notes = {
            "1": {"owner": gone, "server": of(left.pid)},
            "2": {"owner": gone, "server": of(other.pid) | {"started": 1.0}},  # the number was used again
            "3": {"owner": owner, "server": of(other.pid)},  # its owner lives
        }
        for name, note in notes.items():
            (remains_dir() / f"{name}.json").write_text(json.dumps(note))
        (remains_dir() / "4.json").write_text("no JSON")
        for name in ("3", "5", "6"):
            (remains_dir() / f"{name}.log").write_text("a log")
        os.utime(remains_dir() / "5.log", (1.0, 1.0))
        clean_up()
        assert none_runs([left.pid])
        assert other.poll() is None
        assert sorted(path.name for path in remains_dir().iterdir()) == ["3.json", "3.log", "6.log"]
    finally:
        for process in (left, other):
            process.kill()
            process.wait()


def of(pid: int) -> dict[str, object]:
    process = psutil.Process(pid)
    return {"pid": pid, "started": process.create_time(), "command": process.cmdline()}


def test_what_is_no_llamafile_is_refused(tmp_path: Path) -> None:
    gguf = tmp_path / "model.llamafile"
    shutil.copy(starter_chat(MODELS_DIR), gguf)
    text = tmp_path / "notes.llamafile"
    text.write_text("Buy milk.")
    named = script(tmp_path, name="script.sh")
    pipe = tmp_path / "pipe.llamafile"
    os.mkfifo(pipe)
    for path, said in (
        (None, "No llamafile is chosen"),
        (tmp_path / "missing.llamafile", "not found"),
        (tmp_path, "cannot be read"),
        (pipe, "is a pipe"),
        (gguf, "is a GGUF file"),
        (text, "is no llamafile"),
        (named, "is no llamafile"),
    ):
        with pytest.raises(ModelFileError, match=said):
            llamafile.check(ModelSettings(llm="llamafile", model_path=path))


def test_what_the_system_cannot_run_is_explained(tmp_path: Path) -> None:
    broken = tmp_path / "broken.llamafile"
    broken.write_bytes(b"\x7fELF" + b"\0" * 60)
    with pytest.raises(ModelLoadError, match=r"does not know its format\. Install the APE loader"):
        llamafile.build(given(broken))
    orphan = tmp_path / "orphan.llamafile"
    orphan.write_text("#!/no/such/shell\n")
    with pytest.raises(ModelLoadError, match="the program its first line names is missing"):
        llamafile.build(given(orphan))
    ape = tmp_path / "ape.llamafile"
    ape.write_bytes(b"MZqFpD='\n' ; echo 'no loader here, an error' ; exit 1\n")
    with pytest.raises(ModelLoadError, match="no loader here"):
        llamafile.build(given(ape))
    assert not list(remains_dir().glob("*.json"))
