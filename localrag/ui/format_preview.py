"""The tokens of a real prompt, one chip each: exactly what the model would evaluate."""

from __future__ import annotations

import html
from collections.abc import Sequence

import streamlit as st

from localrag.chat.formatting import FormatPreview
from localrag.chat.prose import ACCENT, FIGURES
from localrag.engine import Engine
from localrag.llms.formats import FormatChoice
from localrag.prompts.hub import HubPrompt
from localrag.prompts.token_view import ShownToken
from localrag.types import SegmentKind
from localrag.ui.errors import show_errors
from localrag.ui.markup import plain, reachable
from localrag.ui.prompt_bar import NAMES

HEIGHT_PX = 320
FIRST, LAST = 1200, 300
"""Of a long prompt so many tokens are drawn from its beginning and its end."""
_TINTS: dict[SegmentKind, str] = {
    "template": "rgba(128,128,128,0.18)",
    "system": "rgba(88,101,242,0.20)",
    "history": "rgba(160,110,60,0.20)",
    "evidence": "rgba(43,147,131,0.28)",
    "question": "rgba(200,80,110,0.20)",
}
_CHIP = "border-radius:3px;margin:1px;padding:0 2px;unicode-bidi:isolate;white-space:pre-wrap;display:inline-block"
_FRAME = f"{FIGURES};font-family:monospace;line-height:1.7;overflow-wrap:anywhere"


def format_preview(engine: Engine, choice: FormatChoice | None, hub: HubPrompt | None) -> None:
    """Draw the tokens of the last question of the newest conversation, or of a sample, and where format and model disagree."""
    model = engine.model_state
    if model.status != "ready":
        st.caption("The exact tokens are shown here once a model is loaded.")
        return
    with show_errors():
        preview = engine.formatting.preview(choice, hub, engine.settings.answer)
        warnings(preview.warnings)
        what = (
            "a sample question" if preview.sample else f"“{plain(preview.question[:80])}”, the last question of the newest chat"
        )
        counted = "" if preview.plan.exact else " (estimated)"
        st.caption(f"As {plain(model.name)} reads {what}: {preview.plan.count():,} tokens{counted}.")
        if preview.tokens:
            st.html(_counts(preview))
            with st.container(height=HEIGHT_PX, border=True):
                st.html(reachable(chips(preview.tokens), "The prompt, token by token"))


def warnings(sentences: Sequence[str]) -> None:
    """Draw where a format and the model do not agree."""
    for sentence in sentences:
        st.caption(f":material/warning: {plain(sentence)}")


def _counts(preview: FormatPreview) -> str:
    kinds = [(kind, preview.plan.count(kind)) for kind in _TINTS]
    signs = sum(token.special for token in preview.tokens)
    items = [f"<span style='{_style(kind, False)}'>{NAMES[kind]} {count:,}</span>" for kind, count in kinds if count]
    items.append(f"<span style='{_style('template', True)}'>control tokens {signs:,}</span>")
    return f"<div style='{FIGURES};display:flex;flex-wrap:wrap;gap:8px'>{''.join(items)}</div>"


def chips(tokens: Sequence[ShownToken]) -> str:
    """Tokens as HTML, each with its id as a tooltip; line breaks are shown and made."""
    if len(tokens) <= FIRST + LAST:
        return f"<div style='{_FRAME}'>{''.join(map(_chip, tokens))}</div>"
    left = len(tokens) - FIRST - LAST
    between = f"<p style='{FIGURES}'>{left:,} tokens between are not drawn</p>"
    return f"<div style='{_FRAME}'>{''.join(map(_chip, tokens[:FIRST]))}{between}{''.join(map(_chip, tokens[-LAST:]))}</div>"


def _chip(token: ShownToken) -> str:
    text = html.escape(token.text).replace("\n", "↵") or "∅"
    kind = "control token" if token.special else NAMES[token.kind]
    chip = f"<span title='token {token.id} · {kind}' style='{_style(token.kind, token.special)}'>{text}</span>"
    return chip + "<br>" * token.text.count("\n")


def _style(kind: SegmentKind, special: bool) -> str:
    border = f";outline:1px solid {ACCENT};font-weight:600" if special else ""
    return f"{_CHIP};background:{_TINTS.get(kind, _TINTS['template'])}{border}"
