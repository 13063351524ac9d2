"""Streamlit draws most texts as Markdown, images included: whatever a person, a file or a library wrote goes through here."""

from __future__ import annotations

import html


def plain(text: str) -> str:
    """Text that Streamlit's Markdown shows as it is."""
    return "".join("\\" + c if c in "\\`*_{}[]()#+-.!|<>~:$&" else c for c in " ".join(text.split()))


def reachable(markup: str, name: str) -> str:
    """HTML that takes the keyboard's focus: where nothing in a frame does, only a mouse can scroll it."""
    return f'<div tabindex="0" role="region" aria-label="{html.escape(name, quote=True)}">{markup}</div>'
