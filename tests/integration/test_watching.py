"""Folders followed live: real changes, real events of the operating system, and none that LocalRAG makes itself."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from localrag.documents.folder_events import FolderEvents
from localrag.documents.folders import Folders, SyncedFolder
from localrag.engine import Engine, open_engine
from localrag.library import Library
from localrag.settings import Settings
from localrag.sync import keep_in_sync, stop_keeping
from localrag.watching import FolderWatcher

ROOT = Path(__file__).parents[2]
DRILL = "The Kestrel drill has a warranty of 31 months. It weighs 1.4 kg.\n"
LIMIT_S = 30.0


def until(condition: Callable[[], Any]) -> None:
    """Wait until something is so."""
    limit, pause = time.monotonic() + LIMIT_S, threading.Event()
    while not condition():
        assert time.monotonic() < limit, "it never came"
        pause.wait(0.01)


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    until(lambda: {thread for thread in threading.enumerate() if not thread.name.startswith("warm-up")} <= before)


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    (folder / "sub").mkdir(parents=True)
    (folder / "drill.txt").write_text(DRILL)
    return folder


@dataclass
class Round:
    """A sync that was asked for, and never ends by itself."""

    folder: Path
    retry: bool
    finished: bool = False


class Asked:
    """Follows folders, and keeps what the watcher asks for instead of doing it."""

    def __init__(self, library: Library, **times: float) -> None:
        self.rounds: list[Round] = []
        self.told: list[str] = []
        given = {"quiet_s": 0.05, "most_s": 10.0, "look_s": 0.1} | times
        self.watcher = FolderWatcher(library, self._begin, tell=self.told.append, **given)

    def _begin(self, collection: str, folder: SyncedFolder, retry: bool) -> Round:
        self.rounds.append(Round(folder.path, retry))
        return self.rounds[-1]

    def next(self, number: int) -> Round:
        until(lambda: len(self.rounds) >= number)
        return self.rounds[number - 1]


@pytest.fixture
def asked(library: Library, notes: Path) -> Iterator[Asked]:
    """A watcher of one folder whose first sync is over."""
    keep_in_sync(library, "default", str(notes), watched=True)
    follower = Asked(library)
    follower.watcher.start()
    follower.next(1).finished = True
    yield follower
    follower.watcher.close()


def names(engine: Engine, below: Path) -> set[str]:
    record = engine.library.ledger.collection("default")
    sources = engine.library.ledger.sources(record.id) if record else []
    return {os.path.relpath(source.source, below) for source in sources}


def test_the_engine_follows_what_happens_in_a_watched_folder(fake_settings: Settings, notes: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (notes / "sub" / "up").symlink_to(notes)
    (notes / "linked").symlink_to(elsewhere)
    library = Library(fake_settings)
    keep_in_sync(library, "default", str(notes), watched=True)
    keep_in_sync(library, "default", str(elsewhere), watched=False)
    library.close()
    engine = open_engine(fake_settings)
    try:
        until(lambda: names(engine, notes) == {"drill.txt"})  # a restart syncs
        (notes / "sub" / "saw.txt").write_text("The Merlin saw was first sold in 1998.")
        until(lambda: "sub/saw.txt" in names(engine, notes))
        (notes / "sub" / "saw.txt").rename(notes / "saw.txt")
        (notes / "drill.txt").unlink()
        until(lambda: names(engine, notes) == {"saw.txt"})
        (notes / "saw.txt").write_text("The Merlin saw was last sold in 2007.")
        until(lambda: "2007" in engine.library.search("default", "When was the saw sold?", k=1).evidence[0].text)
        (elsewhere / "lamp.txt").write_text("The Heron lamp burns whale oil.")
        until(lambda: "linked/lamp.txt" in names(engine, notes))
        shutil.copytree(notes / "linked", notes / "new" / "deep")
        until(lambda: "new/deep/lamp.txt" in names(engine, notes))
        stop_keeping(engine.library, "default", str(notes))
        engine.watcher.refresh()
    finally:
        engine.close()


def test_reading_hidden_files_and_own_data_are_no_changes(notes: Path, tmp_path: Path) -> None:
    other, data = tmp_path / "other", notes / "data"
    for folder in (other, data, notes / ".git"):
        folder.mkdir()
    changed: list[str] = []
    events = FolderEvents(changed.append, data, pytest.fail)
    try:
        assert events.set([str(notes), str(other)]) == [str(notes), str(other)]
        (data / "ledger").write_text("x")
        (notes / ".git" / "index").write_text("x")
        (notes / ".swp").write_text("x")
        (notes / ".swp").rename(notes / ".swp2")
        assert (notes / "drill.txt").read_text() == DRILL
        (other / "marker").write_text("x")  # events come in order
        until(lambda: changed)
        assert set(changed) == {str(other)}
        (notes / ".swp2").rename(notes / "seen.txt")
        until(lambda: str(notes) in changed)
        assert events.set([str(notes), str(other)]) == []
        shutil.rmtree(other)
        other.mkdir()  # perhaps with the same inode: only the event says that it is another one
        until(lambda: events.set([str(notes), str(other)]) == [str(other)])
    finally:
        events.close()


def test_one_sync_at_a_time_and_what_changed_meanwhile_follows(library: Library, notes: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for folder in (notes, other):
        keep_in_sync(library, "default", str(folder), watched=True)
    asked = Asked(library)
    asked.watcher.start()
    asked.next(2)
    for found in asked.rounds:
        assert found.retry
        found.finished = True
    for number in range(50):
        (notes / f"{number}.txt").write_text("x")
    third = asked.next(3)
    assert (third.folder, third.retry) == (notes, False)
    (notes / "meanwhile.txt").write_text("x")
    (other / "later.txt").write_text("x")
    assert asked.next(4).folder == other  # changed later, so the first one's turn has come before
    third.finished = True
    assert asked.next(5).folder == notes
    asked.watcher.close()


def test_a_folder_that_never_rests_is_synced_all_the_same(library: Library, notes: Path) -> None:
    keep_in_sync(library, "default", str(notes), watched=True)
    asked = Asked(library, quiet_s=5.0, most_s=0.2)
    asked.watcher.start()
    asked.next(1).finished = True
    until(lambda: bool((notes / "log.txt").write_text(str(time.monotonic())) and len(asked.rounds) > 1))
    asked.watcher.close()


def test_a_folder_that_vanishes_is_said_once_and_followed_when_it_is_back(asked: Asked, notes: Path) -> None:
    away = notes.rename(notes.with_name("away"))
    until(lambda: asked.told)
    assert "notes is not there. Its documents stay; it is followed once it is back." in asked.told[0]
    away.rename(notes)
    back = asked.next(2)
    assert back.retry
    back.finished = True
    shutil.rmtree(notes)
    until(lambda: len(asked.told) == 2)
    notes.mkdir()
    asked.next(3).finished = True
    (notes / "new.txt").write_text("x")
    asked.next(4)
    assert len(asked.told) == 2


def test_folders_are_followed_as_the_list_says(asked: Asked, library: Library, notes: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    keep_in_sync(library, "default", str(other), watched=False)
    folder = keep_in_sync(library, "second", str(notes / "sub"), watched=True)
    asked.watcher.refresh()
    assert asked.next(2).folder == notes / "sub"
    asked.rounds[1].finished = True
    Folders(library.ledger.db).remove(folder)
    (notes / "sub" / "x.txt").write_text("x")
    until(lambda: any(found.folder == notes for found in asked.rounds[2:]))
    assert other not in {found.folder for found in asked.rounds}


LIMITED = """
import sys, threading
from pathlib import Path
from localrag.documents.folder_events import FolderEvents
Path("/proc/sys/user/max_inotify_watches").write_text("3")
folder, changed = Path(sys.argv[1]), threading.Event()
events = FolderEvents(lambda place: changed.set(), folder / "data", lambda said: print(said, flush=True), poll_s=0.1)
events.set([str(folder)])
(folder / "4" / "deep.txt").write_text("x")
print(changed.wait(20), flush=True)
events.close()
print([thread.name for thread in threading.enumerate()])
"""


@pytest.mark.skipif(sys.platform != "linux" or not shutil.which("unshare"), reason="needs a user namespace of its own")
def test_at_the_systems_limit_it_says_so_and_looks_by_itself(notes: Path) -> None:
    for number in range(6):
        (notes / str(number)).mkdir()
    (notes / "0" / "loop").symlink_to(notes)
    (notes / "1" / "loop").symlink_to(notes)
    done = subprocess.run(
        ["unshare", "-Ur", sys.executable, "-c", LIMITED, str(notes)], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    if "unshare failed" in done.stderr or "Permission denied: '/proc/sys" in done.stderr:
        pytest.skip("this system lets no user namespace set its own limit")
    said, *rest = done.stdout.splitlines()
    assert said == (
        "The system watches no more folders (inotify watch limit reached), so changes are looked for every 0.1 s."
        " Raise fs.inotify.max_user_watches to hear of them at once."
    )
    assert rest == ["True", "['MainThread']"], done.stderr


def _heed_interrupts() -> None:
    """A suite that a shell started in the background ignores SIGINT, and so would every process it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_the_command_follows_until_it_is_interrupted(notes: Path, tmp_path: Path) -> None:
    environ = os.environ | {"LOCALRAG_DATA_DIR": str(tmp_path / "data"), "LOCALRAG_EMBEDDINGS": "fake", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "localrag", "sync", "--watch", "--json", "notes"]
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_heed_interrupts,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        lines = (json.loads(line) for line in process.stdout)
        assert next(lines)["status"] == "indexed"
        assert next(lines)["summary"]["files"] == 1
        assert next(lines) == {"watching": [str(notes)]}
        (notes / "drill.txt").rename(notes / "sub" / "bohrer.txt")
        assert next(lines)["status"] == "removed"
        assert next(lines)["summary"]["unchanged"] == 1
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        assert process.stderr.read() == ""
