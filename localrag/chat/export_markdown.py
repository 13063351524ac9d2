"""A conversation as Markdown. What documents and models wrote brings no HTML along, and no image to fetch."""

from __future__ import annotations

import re

from localrag.chat.export_facts import figures, how_made, moment, where
from localrag.chat.marks import marked
from localrag.types import Conversation, Evidence, Turn

_SIGNS = re.compile(r"([\\`*_{}\[\]()#+\-!|<>~&$])")
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
MARKS = "Marks: [1] the passage that carries the sentence · [weak: 1] it carries it in part · [not in the documents]"


def as_markdown(conversation: Conversation, exported: str) -> str:
    """Questions, answers with the numbers of their passages, the passages, settings and figures."""
    about = f"about {_plain(conversation.collection)}" if conversation.collection else "without documents"
    parts = [f"# {_plain(conversation.title)}", f"Exported from LocalRAG on {exported[:10]}, a conversation {about}."]
    if any(turn.sentences for turn in conversation.turns):
        parts.append(MARKS)
    for turn in conversation.turns:
        parts += _turn(conversation, turn)
    return "\n\n".join(parts) + "\n"


def _turn(conversation: Conversation, turn: Turn) -> list[str]:
    parts = [f"## {_plain(turn.question)}"]
    if turn.asked:
        parts.append(f"*asked {moment(turn.asked)}*")
    if turn.answer:
        parts.append(_answer(marked(turn)))
    parts += [f"*{_plain(line)}*" for line in how_made(conversation, turn)]
    parts += [_passage(number, evidence) for number, evidence in enumerate(turn.evidence, 1)]
    if line := figures(turn):
        parts.append(f"*{_plain(line)}*")
    return parts


def _passage(number: int, evidence: Evidence) -> str:
    """A quote, its answering sentence in bold, under its place."""
    start, end = evidence.focus or (evidence.start, evidence.start)
    pieces = [evidence.text[: start - evidence.start], evidence.text[start - evidence.start : end - evidence.start]]
    before, focus = (_plain(piece) for piece in pieces)
    after = _plain(evidence.text[end - evidence.start :])
    text = " ".join(piece for piece in (before, f"**{focus}**" if focus else "", after) if piece)
    aside = "" if evidence.given else " (not read by the model)"
    return f"> [{number}] {_plain(where(evidence))}{aside}\n>\n> {text}"


def _answer(text: str) -> str:
    """A model's Markdown without its HTML and images."""
    return _TAG.sub(r"\\<", _CONTROL.sub("", text)).replace("![", "!\\[")


def _plain(text: str) -> str:
    """Text that Markdown shows as it is, in one line."""
    return _SIGNS.sub(r"\\\1", " ".join(_CONTROL.sub("", text).split()))
