"""Streamlit draws most texts as Markdown, images included: whatever a person, a file or a library wrote goes through here."""

from __future__ import annotations


def plain(text: str) -> str:
    """Text that Streamlit's Markdown shows as it is."""
    return "".join("\\" + c if c in "\\`*_{}[]()#+-.!|<>~:$&" else c for c in " ".join(text.split()))
