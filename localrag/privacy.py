"""Telemetry off in every library we use, whatever the environment says; and who else reads what is in use."""

from __future__ import annotations

import ipaddress
import os
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from localrag.settings import Settings

SILENCED = {
    "ANONYMIZED_TELEMETRY": "False",  # Chroma before 1.5.4
    "DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "LANGCHAIN_TRACING_V2": "false",  # LangSmith would receive every prompt of a chain
    "LANGSMITH_TRACING": "false",
    "STREAMLIT_BROWSER_GATHER_USAGE_STATS": "false",
}


def silence_telemetry() -> None:
    """Set the variables; called before any of those libraries is imported."""
    os.environ.update(SILENCED)


def readers_elsewhere(settings: Settings) -> list[str]:
    """What leaves this machine, and to whom: a clause for each server in use beyond loopback, none by default."""
    model, documents = settings.model, settings.documents
    read = [
        (model.chat_server if model.llm == "server" else "", "questions, passages and answers"),
        (documents.embedding_server if documents.embeddings == "server" else "", "documents and questions"),
        (settings.vectors.chroma_url, "vectors and names of collections"),
    ]
    return [f"{what} go to {urlsplit(address).hostname}" for address, what in read if address and not _is_loopback(address)]


def _is_loopback(address: str) -> bool:
    try:
        host = urlsplit(address.strip()).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
