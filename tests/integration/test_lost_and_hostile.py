"""What happens to data and pages when somebody or something is hostile: each of these was a defect once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from localrag.__main__ import main
from localrag.documents.source import Source, sources_at
from localrag.errors import DocumentError, StoreError
from localrag.library import Library
from localrag.settings import Settings

ROOT = Path(__file__).parents[2]
TEXT = b"The kettle boils at 100 degrees. The tea needs four minutes."


def put(settings: Settings, name: str = "tea.txt") -> list[str | None]:
    library = Library(settings)
    try:
        return [event.status for event in library.ingest("default", [Source(name, data=TEXT)]) if event.status]
    finally:
        library.close()


def lose_vectors(settings: Settings) -> None:
    from chromadb.api.shared_system_client import SharedSystemClient

    shutil.rmtree(settings.data_dir / "chroma")
    SharedSystemClient.clear_system_cache()  # this process still has the lost files open


def test_lost_vectors_are_said_and_the_same_files_bring_them_back(fake_settings: Settings) -> None:
    assert put(fake_settings) == ["indexed"]
    lose_vectors(fake_settings)
    library = Library(fake_settings)
    with pytest.raises(StoreError, match="vectors of the collection default are lost"):
        library.search("default", "How long does tea need?")
    library.close()
    assert put(fake_settings) == ["unchanged"]
    library = Library(fake_settings)
    assert library.search("default", "How long does tea need?").evidence
    assert library.collection("default").documents == 1
    library.close()


def test_a_collections_name_is_found_however_it_is_spaced(fake_settings: Settings) -> None:
    library = Library(fake_settings)
    library.create_collection("my   notes")
    assert library.collection(" my notes ").name == "my notes"
    library.close()


@pytest.mark.parametrize("place", ["", "   ", "a" * 5000, "~nobody-of-that-name/x", "/no/such/folder"])
def test_a_place_that_is_none_is_one_sentence(place: str) -> None:
    with pytest.raises(DocumentError) as caught:
        sources_at(place)
    assert len(str(caught.value)) < 500


def test_an_empty_argument_does_not_take_in_the_current_folder(
    fake_settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "private.txt").write_bytes(TEXT)
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("LOCALRAG_EMBEDDINGS", "fake")
    assert main(["ingest", ""]) == 1
    assert "private" not in capsys.readouterr().out


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize("command", [["inspect"], ["search", "--questions"], ["ask", "why?", "--model"]])
def test_a_pipe_in_place_of_a_file_does_not_hang(command: list[str], tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.gguf"
    os.mkfifo(pipe)
    env = os.environ | {"LOCALRAG_DATA_DIR": str(tmp_path / "data"), "LOCALRAG_EMBEDDINGS": "fake"}
    subprocess.run([sys.executable, "-m", "localrag", "ingest", __file__], cwd=ROOT, env=env, check=True, capture_output=True)
    done = subprocess.run(
        [sys.executable, "-m", "localrag", *command, str(pipe)], cwd=ROOT, env=env, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert str(pipe) in done.stderr


def test_a_conversation_goes_on_whatever_other_collections_there_are(
    fake_settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {"LLM": "fake", "EMBEDDINGS": "fake", "DATA_DIR": str(fake_settings.data_dir)}.items():
        monkeypatch.setenv(f"LOCALRAG_{name}", value)
    library = Library(fake_settings)
    list(library.ingest("tea", [Source("tea.txt", data=TEXT)]))
    library.close()
    assert main(["ask", "-c", "tea", "--json", "How long?"]) == 0
    import json

    conversation = json.loads(capsys.readouterr().out)["conversation"]
    assert main(["ask", "--conversation", conversation, "--json", "And the kettle?"]) == 0
    assert json.loads(capsys.readouterr().out)["conversation"] == conversation
