"""The doctor finds what is damaged, lost or too much, and makes the vectors again from the ledger alone."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chromadb.api.shared_system_client import SharedSystemClient

from localrag.__main__ import main
from localrag.doctor import examine
from localrag.documents.source import Source
from localrag.engine import Engine, open_engine
from localrag.errors import BusyError, DamagedIndexError, StoreError
from localrag.library import Library
from localrag.retrieval.segments import index_folders
from localrag.settings import Settings
from tests.tools.kill_corpus import sentences

ROOT = Path(__file__).parents[2]
QUESTION = "What is the reading of the kettle gauge?"
MANY = 2400
"""Sentences of the large document: with more than 1,000 vectors Chroma writes the files of its graph."""
Damage = Callable[[Path], None]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with two collections, made once by a process of its own."""
    home = tmp_path_factory.mktemp("made")
    docs = home / "docs"
    docs.mkdir()
    chance = random.Random(4)
    (docs / "long.txt").write_text("\n\n".join(sentences(chance, 1) for _ in range(MANY)))
    (docs / "gauge.txt").write_text("The reading of the kettle gauge is nine. The gauge of the kettle was made in Oslo.")
    for name, place in (("default", docs), ("my tea", docs / "gauge.txt")):
        command = [sys.executable, "-m", "localrag", "ingest", "--collection", name, str(place)]
        subprocess.run(command, cwd=ROOT, env=environment(home / "data"), check=True, capture_output=True)
    return home / "data"


def environment(data: Path) -> dict[str, str]:
    given = {"DATA_DIR": str(data), "LLM": "fake", "EMBEDDINGS": "fake", "CHUNK_CHARS": "90"}
    return os.environ | {f"LOCALRAG_{name}": value for name, value in given.items()}


@pytest.fixture
def settings(made: Path, fake_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """A copy of that data directory, for one test; nothing of an earlier one is open."""
    SharedSystemClient.clear_system_cache()
    for name, value in environment(fake_settings.data_dir).items():
        monkeypatch.setenv(name, value)
    shutil.rmtree(fake_settings.data_dir, ignore_errors=True)
    shutil.copytree(made, fake_settings.data_dir)  # with the times of the files
    yield fake_settings
    SharedSystemClient.clear_system_cache()


def found(settings: Settings, collection: str = "default") -> list[tuple[str, float]]:
    library = Library(settings)
    try:
        return [(e.text, round(e.score, 4)) for e in library.search(collection, QUESTION, k=4).evidence]
    finally:
        library.close()
        SharedSystemClient.clear_system_cache()


def doctor(capsys: pytest.CaptureFixture[str], *flags: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """Its exit status and its checks by name."""
    capsys.readouterr()
    status = main(["doctor", "--json", *flags])
    checks = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert all(set(check) == {"check", "status", "detail", "advice"} for check in checks)
    assert all(check["advice"] for check in checks if check["status"] != "ok")
    SharedSystemClient.clear_system_cache()
    return status, {check["check"]: check for check in checks}


def failed(checks: dict[str, dict[str, Any]]) -> set[str]:
    return {name for name, check in checks.items() if check["status"] == "failed"}


def no_folder(chroma: Path) -> None:
    shutil.rmtree(chroma)


def cut_database(chroma: Path) -> None:
    with (chroma / "chroma.sqlite3").open("r+b") as file:
        file.truncate(20_000)


def no_database(chroma: Path) -> None:
    (chroma / "chroma.sqlite3").write_bytes(b"this is no database " * 3000)


def graph_folder(chroma: Path) -> Path:
    return next(folder for folder in index_folders(chroma).values() if (folder / "index_metadata.pickle").exists())


def random_graph(chroma: Path) -> None:
    for file in graph_folder(chroma).iterdir():
        file.write_bytes(random.Random(file.name).randbytes(file.stat().st_size))


def random_links(chroma: Path) -> None:
    file = graph_folder(chroma) / "data_level0.bin"
    data = file.read_bytes()
    file.write_bytes(data[:2000] + random.Random(1).randbytes(len(data) - 2000))


def no_graph(chroma: Path) -> None:
    shutil.rmtree(graph_folder(chroma))


def half_written_graph(chroma: Path) -> None:
    last = (graph_folder(chroma) / "index_metadata.pickle").stat().st_mtime_ns
    os.utime(graph_folder(chroma) / "data_level0.bin", ns=(last + 10**9, last + 10**9))


DAMAGES = [no_folder, cut_database, no_database, random_graph, random_links, no_graph, half_written_graph]


def test_what_is_sound_passes(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    status, checks = doctor(capsys)
    assert (status, failed(checks)) == (0, set())
    assert checks["vectors of default"]["detail"].endswith("the same ids")
    assert checks["vectors of my tea"]["status"] == "ok"
    assert main(["doctor", "-c", "my tea"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("ok       vectors of my tea: ") for line in lines)
    assert not any("default" in line for line in lines)
    assert main(["doctor", "-c", "nowhere"]) == 1


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_found_said_and_put_right_from_the_ledger(
    settings: Settings, damage: Damage, capsys: pytest.CaptureFixture[str]
) -> None:
    before = found(settings), found(settings, "my tea")
    damage(settings.data_dir / "chroma")
    status, checks = doctor(capsys)
    assert status == 1
    assert failed(checks) & {"chroma", "vectors of default"}
    assert any("doctor --rebuild" in check["advice"] for check in checks.values())
    status, checks = doctor(capsys, "--rebuild")
    assert (status, failed(checks)) == (0, set())
    assert (found(settings), found(settings, "my tea")) == before
    assert not list(settings.data_dir.glob("chroma-damaged-*"))


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_database_costs_no_process_its_life_and_one_click_puts_it_right(settings: Settings, damage: Damage) -> None:
    before = found(settings), found(settings, "my tea")
    damage(settings.data_dir / "chroma")
    library = Library(settings)
    try:
        if damage in (cut_database, no_database):
            with pytest.raises(DamagedIndexError, match="doctor --rebuild"):
                library.index()
        else:
            with pytest.raises(StoreError, match="doctor --rebuild"):
                library.search("default", QUESTION)
        assert len(library.documents("default")) == 2
    finally:
        library.close()
    SharedSystemClient.clear_system_cache()
    engine = Engine(settings)
    try:
        engine.intake.rebuild("default")
        assert engine.intake.wait(120)
        assert engine.intake.jobs[-1].snapshot().error == ""
    finally:
        engine.close()
    SharedSystemClient.clear_system_cache()
    assert (found(settings), found(settings, "my tea")) == before
    assert not list(settings.data_dir.glob("chroma-damaged-*"))


@pytest.mark.parametrize("damage", [no_folder, random_graph])
def test_a_restart_makes_lost_vectors_again_by_itself(settings: Settings, damage: Damage) -> None:
    before = found(settings)
    damage(settings.data_dir / "chroma")
    engine = open_engine(settings)
    try:
        assert engine.intake.wait(120)
    finally:
        engine.close()
    SharedSystemClient.clear_system_cache()
    assert found(settings) == before


def test_a_restart_drops_the_index_of_a_collection_whose_deletion_was_cut_short(settings: Settings) -> None:
    library = Library(settings)
    for record in library.collections():
        library.ledger.delete_collection(record.id)
    library.close()
    engine = open_engine(settings)
    try:
        assert engine.intake.wait(60)
        assert engine.library.index().names() == set()
    finally:
        engine.close()


def test_lost_and_orphaned_vectors_are_counted(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    library = Library(settings)
    record = library.collection("default")
    gauge = library.find_document("default", "gauge.txt")
    lost = [chunk.id for chunk in library.ledger.chunks_of(gauge.id)]
    before = found(settings)
    library.index().remove(record.index_name, lost)
    extra = np.ones((3, record.dimension), np.float32)
    library.index().put(record.index_name, library.embeddings(), ["x1", "x2", "x3"], extra)
    library.close()
    status, checks = doctor(capsys)
    assert (status, failed(checks)) == (1, {"vectors of default"})
    assert f"{len(lost)} missing, 3 of no chunk" in checks["vectors of default"]["detail"]
    assert doctor(capsys, "--rebuild", "-c", "default")[0] == 0
    assert found(settings) == before


def test_beside_a_running_app_reading_works_and_writing_says_so(
    settings: Settings, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    running = Library(settings)
    running.claim_writing()
    try:
        for command in (["documents"], ["collections"], ["search", QUESTION]):
            assert main(command) == 0
        assert "gauge" in capsys.readouterr().out
        status, checks = doctor(capsys)
        assert status == 0
        assert "another LocalRAG is running" in checks["other process"]["detail"]
        (tmp_path / "new.txt").write_text("New.")
        for command in (["ingest", str(tmp_path / "new.txt")], ["delete", "gauge.txt"], ["doctor", "--rebuild"]):
            assert main(command) == 1
            said = capsys.readouterr()
            assert "already running" in said.out + said.err
        with pytest.raises(BusyError):
            Library(settings).claim_writing()
    finally:
        running.close()


def test_another_embedding_model_is_said(
    settings: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("localrag.embeddings.fake.FakeEmbeddings.identity", "fake:another")
    status, checks = doctor(capsys)
    assert (status, failed(checks)) == (1, {"embedding model of default", "embedding model of my tea"})
    assert doctor(capsys, "--rebuild")[0] == 0


def test_what_waits_and_what_was_broken_off_is_said(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    library = Library(settings)
    job = library.note_job("default", [Source("later.txt", data=b"Later.")])
    library.backlog.pause(job.id, True)
    library.close()
    status, checks = doctor(capsys)
    assert status == 0
    assert checks["backlog"]["detail"] == "1 documents in 1 jobs wait, 1 of them paused"


def test_a_damaged_ledger_and_a_data_directory_that_is_a_file_are_said(
    settings: Settings, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    ledger = settings.data_dir / "ledger.sqlite"
    data = bytearray(ledger.read_bytes())
    data[8192:40_000] = os.urandom(40_000 - 8192)
    ledger.write_bytes(bytes(data))
    status, checks = doctor(capsys)
    assert (status, "ledger" in failed(checks)) == (1, True)
    (tmp_path / "file").write_text("")
    (check,) = examine(settings.with_values({"data_dir": tmp_path / "file" / "data"}))
    assert (check.check, check.status) == ("data directory", "failed")


def test_an_empty_file_of_conversations_is_no_sound_one(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    (settings.data_dir / "conversations.sqlite").write_bytes(b"")
    _, checks = doctor(capsys)
    assert checks["conversations"]["status"] == "warning"
    assert "0 bytes" in checks["conversations"]["detail"]
