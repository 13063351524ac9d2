"""The prompt as one thin stacked bar with its figures, and its very text on demand."""

from __future__ import annotations

import html
from collections import Counter

import streamlit as st

from localrag.chat.prose import ACCENT, FIGURES
from localrag.prompts.plan import NOT_GIVEN
from localrag.types import PromptPlan, SegmentKind, Turn
from localrag.ui.markup import plain, reachable
from localrag.wording import counted

NAMES: dict[SegmentKind, str] = {
    "template": "template",
    "system": "instruction",
    "history": "earlier turns",
    "evidence": "passages",
    "question": "question",
    "answer": "answer",
}
_SHADES: dict[SegmentKind, float] = {
    "template": 0.35,
    "system": 0.5,
    "history": 0.4,
    "evidence": 1.0,
    "question": 0.7,
    "answer": 0.2,
}
_LEFT_OUT: dict[SegmentKind, str] = NAMES | {"history": "earlier turn", "evidence": "passage"}
_FINISH = {"length": "ended at the longest answer", "cancelled": "stopped", "stop": "", None: ""}
_PHRASES_EM = (16, 10, 11)
"""What "1,000 evaluated, 1,000 reused · ", "first word 10.00 s · " and "1,000 tokens at 100/s" take of a line."""


def prompt_bar(turn: Turn) -> None:
    """Draw how the window is filled and how the answer goes: as high from the first moment as at the end."""
    plan = turn.plan
    if plan is None:
        return
    planned, timings, going = [f"{plan.count():,} of {plan.n_ctx:,} tokens"], turn.timings, []
    left_out = Counter(_LEFT_OUT[item.kind] for item in plan.dropped if item.why != NOT_GIVEN)
    if left_out:
        planned.append("left out: " + ", ".join(counted(count, word) for word, count in left_out.items()))
    if timings.prompt_tokens:
        going.append(f"{timings.evaluated_tokens:,} evaluated, {timings.prompt_tokens - timings.evaluated_tokens:,} reused")
        going.append(f"first word {timings.first_token_s:.2f} s")
    if timings.generation_rate:
        going.append(f"{timings.answer_tokens:,} tokens at {timings.generation_rate:.0f}/s")
    if _FINISH.get(timings.finish):
        going.append(_FINISH[timings.finish])
    # The answer stands below: what comes to these figures while it is written must not push it down.
    room = "".join(f"<span style='display:inline-block;width:{width}em'></span>" for width in _PHRASES_EM)
    st.html(
        f"<div style='{FIGURES}'>"
        "<div style='display:flex;align-items:center;column-gap:10px;flex-wrap:wrap'>"
        f"<span style='flex:0 1 220px;min-width:120px'>{_bar(plan)}</span><span>{' · '.join(planned)}</span></div>"
        f"<div style='display:grid'><span style='grid-area:1/1'>{room}</span>"
        f"<span style='grid-area:1/1'>{' · '.join(going)}</span></div></div>"
    )


def _bar(plan: PromptPlan) -> str:
    parts = []
    for kind, shade in _SHADES.items():
        tokens = plan.reserved if kind == "answer" else plan.count(kind)
        share = 100 * tokens / plan.n_ctx
        if tokens:
            style = f"width:{share:.2f}%;background:{ACCENT};opacity:{shade}"
            parts.append(f"<span title='{NAMES[kind]}: {tokens:,} tokens' style='{style}'></span>")
    frame = "display:flex;height:8px;border-radius:4px;overflow:hidden;background:rgba(128,128,128,0.22)"
    return f"<span role='img' aria-label='{plan.count()} of {plan.n_ctx} tokens used' style='{frame}'>{''.join(parts)}</span>"


def prompt_text(turn: Turn) -> None:
    """Draw the button to the very text of each segment with its tokens, and what was left out and why."""
    if turn.plan is None:
        return
    label = "What the model read"
    # Drawn when it is opened: the prompts of several turns are more than all the rest of a page.
    with st.popover(label, type="tertiary", icon=":material/visibility:", key=f"read_{turn.id}", on_change="rerun") as opened:
        if opened.open:
            _segments(turn, turn.plan, label)


def _segments(turn: Turn, plan: PromptPlan, label: str) -> None:
    st.caption(f"Model {plain(turn.model)}. {plan.reserved:,} tokens of the window are kept free for the answer.")
    parts = [
        _part(f"{NAMES[segment.kind]} · {len(segment.tokens):,} tokens", segment.text or "(start of text)")
        for segment in plan.segments
        if segment.tokens
    ]
    parts += [_part(f"left out: {NAMES[item.kind]}, because {item.why}", item.text) for item in plan.dropped]
    st.html(reachable("".join(parts), label))


def _part(title: str, text: str) -> str:
    shown = f"<div style='white-space:pre-wrap;overflow-wrap:anywhere;margin-bottom:1rem'>{html.escape(text)}</div>"
    return f"<div style='{FIGURES};opacity:0.7'>{html.escape(title)}</div>{shown}"
