"""Telemetry off in every library we use, whatever the environment says."""

from __future__ import annotations

import os

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
