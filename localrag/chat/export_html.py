"""A conversation as one HTML page: no script, no request, light or dark as its reader likes it, fit to print."""

from __future__ import annotations

import html
import re

from localrag.chat.export_facts import figures, how_made, moment, where
from localrag.chat.prose import answer, circled, passage
from localrag.types import Conversation, Evidence, Turn

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
"""Whatever stood in the page, a browser would fetch and run nothing of it."""
STYLE = """
:root { color-scheme: light dark; --paper: #fcfbf8; --ink: #23211e; --quiet: #5f5a52; --card: #f3f0e9; --line: #ddd8cc; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #17181a; --ink: #e9e6e0; --quiet: #aaa59c; --card: #222427; --line: #3a3d41; }
}
body { margin: 0 auto; max-width: 46rem; padding: 2rem 1.2rem 4rem; background: var(--paper); color: var(--ink);
  font-family: system-ui, sans-serif; line-height: 1.5; }
h1 { font-family: Georgia, 'Noto Serif', serif; font-size: 1.7rem; margin: 0 0 0.3rem; overflow-wrap: anywhere; }
h2 { font-size: 1.08rem; margin: 0 0 0.8rem; white-space: pre-line; overflow-wrap: anywhere; }
article { border-top: 1px solid var(--line); margin-top: 2rem; padding-top: 1.4rem; }
.quiet { color: var(--quiet); font-size: 0.84rem; font-variant-numeric: tabular-nums; margin: 0.5rem 0;
  overflow-wrap: anywhere; }
.passage { background: var(--card); border-radius: 6px; padding: 0.7rem 1rem; margin: 0.7rem 0; break-inside: avoid; }
.passage p { margin: 0 0 0.4rem; }
summary { cursor: pointer; }
pre, code { overflow-wrap: anywhere; white-space: pre-wrap; }
table { border-collapse: collapse; } td, th { border: 1px solid var(--line); padding: 0.2rem 0.5rem; }
@media print { body { max-width: none; padding: 0; --paper: #fff; --ink: #000; --quiet: #444; --card: #fff; --line: #bbb; }
  .passage { border: 1px solid var(--line); } h2 { break-after: avoid; } }
"""
LEGEND = (
    "A solid underline: a passage carries the sentence. A dotted one: in part. “not in the documents”: none does."
    " The numbers are those of the passages below the answer, in which the answering sentence is marked."
)


def as_html(conversation: Conversation, exported: str) -> str:
    """The page, whole. Everything in it that somebody or something wrote is escaped."""
    title = _text(conversation.title)
    about = f"about {_text(conversation.collection)}" if conversation.collection else "without documents"
    legend = f"<p class='quiet'>{LEGEND}</p>" if any(turn.sentences for turn in conversation.turns) else ""
    turns = "\n".join(_turn(conversation, turn) for turn in conversation.turns)
    return (
        "<!DOCTYPE html>\n<html lang='en'>\n<head>\n<meta charset='utf-8'>\n"
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        "<meta name='viewport' content='width=device-width, initial-scale=1'>\n"
        "<meta name='referrer' content='no-referrer'>\n"
        f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<header>\n<h1 dir='auto'>{title}</h1>\n"
        f"<p class='quiet'>Exported from LocalRAG on {_text(exported[:10])}, a conversation {about}.</p>\n{legend}</header>\n"
        f"<main>\n{turns}\n</main>\n</body>\n</html>\n"
    )


def _turn(conversation: Conversation, turn: Turn) -> str:
    parts = [f"<h2 dir='auto'>{_text(turn.question)}</h2>"]
    if turn.answer:
        parts.append(f"<div dir='auto'>{answer(_CONTROL.sub('', turn.answer), turn.sentences)}</div>")
    parts += [f"<p class='quiet' dir='auto'>{_text(line)}</p>" for line in how_made(conversation, turn)]
    given = [(number, span) for number, span in enumerate(turn.evidence, 1) if span.given]
    aside = [(number, span) for number, span in enumerate(turn.evidence, 1) if not span.given]
    parts += [_passage(number, span) for number, span in given]
    if aside:
        inside = "".join(_passage(number, span) for number, span in aside)
        parts.append(f"<details><summary class='quiet'>Passages the model did not read</summary>{inside}</details>")
    if turn.plan is not None:
        read = _text("".join(segment.text for segment in turn.plan.segments))
        parts.append(f"<details><summary class='quiet'>What the model read</summary><pre dir='auto'>{read}</pre></details>")
        left = [f"{item.kind}, because {item.why}" for item in turn.plan.dropped if item.kind == "history"]
        parts += [f"<p class='quiet'>Left out: {_text(line)}</p>" for line in left]
    asked = f"asked {moment(turn.asked)}" if turn.asked else ""
    parts.append(f"<p class='quiet'>{_text(' · '.join(part for part in (asked, figures(turn)) if part))}</p>")
    return "<article>\n" + "\n".join(parts) + "\n</article>"


def _passage(number: int, evidence: Evidence) -> str:
    focus = (evidence.focus[0] - evidence.start, evidence.focus[1] - evidence.start) if evidence.focus else None
    text = _CONTROL.sub(" ", evidence.text)  # one for one: the marked range stays where it is
    place = f"<p class='quiet'>{circled(number)} {_text(where(evidence))}</p>"
    return f"<section class='passage'>{place}<div dir='auto'>{passage(text, focus)}</div></section>"


def _text(text: str) -> str:
    return html.escape(_CONTROL.sub("", text))
