"""Who else reads what is in use is told as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from localrag.privacy import readers_elsewhere
from localrag.settings import load_settings


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, []),
        ({"llm": "server", "chat_server": "http://127.0.0.1:8080/v1"}, []),
        ({"llm": "server", "chat_server": "http://localhost:8080"}, []),
        ({"llm": "server", "chat_server": "http://[::1]:8080/v1"}, []),
        ({"llm": "server", "chat_server": ""}, []),
        ({"chat_server": "https://api.example.com/v1"}, []),  # not in use
        (
            {"llm": "server", "chat_server": "https://api.example.com/v1"},
            ["questions, passages and answers go to api.example.com"],
        ),
        ({"llm": "server", "chat_server": "http://10.0.0.7:8000"}, ["questions, passages and answers go to 10.0.0.7"]),
        (
            {"llm": "server", "chat_server": "http://127.evil.example/v1"},
            ["questions, passages and answers go to 127.evil.example"],
        ),
        (
            {"embeddings": "server", "embedding_server": "http://gpu:80/v1", "chroma_url": "http://store:8000"},
            ["documents and questions go to gpu", "vectors and names of collections go to store"],
        ),
    ],
)
def test_servers_beyond_this_machine_are_named(given: dict[str, Any], expected: list[str], tmp_path: Path) -> None:
    settings = load_settings(given | {"data_dir": tmp_path}, {}, tmp_path)
    assert readers_elsewhere(settings) == expected
