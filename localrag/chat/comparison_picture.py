"""A comparison as an SVG picture that stands alone: both answers side by side, marked sentence by sentence, with their figures.

Words are laid out here, since SVG wraps no lines. Widths are those of a usual text face: exact ones would need its file.
"""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Iterator, Sequence

from localrag.chat.comparison import Comparison, SideAnswer
from localrag.models.memory import format_bytes
from localrag.types import AnswerSentence, Evidence

WIDTH, MARGIN, GAP = 1200, 40, 40
COLUMN = (WIDTH - 2 * MARGIN - GAP) / 2
SIZE, SMALL, LINE, SMALL_LINE = 17, 13, 26, 19
NARROW, WIDE = 0.5, 1.0
"""Of the letter size: an average letter of a serif face, and a full-width character of Chinese, Japanese or Korean."""
MARKS = {"supported": "solid", "weak": "dotted", "unsupported": "none"}
MOST_EVIDENCE_CHARS = 400
MOST_WORD_CHARS = 60
FACES = "Georgia, Noto Serif, serif"
STYLE = "text{fill:#1d2b29} .quiet{fill:#56645f} .bold{font-weight:bold} .mark{stroke:#2b9383;stroke-width:2}"


class _Drawing:
    """Lines of text and what lies under them, growing downwards."""

    def __init__(self) -> None:
        self.parts: list[str] = []

    def words(self, x: float, y: float, width: float, runs: Sequence[tuple[str, str]], size: float, line: float) -> float:
        """Draw runs of (text, underline) as lines no wider than `width`; returns the y below the last."""
        at = x
        for word, under in _words(runs):
            wide = text_width(word, size)
            if at > x and at + wide > x + width:
                at, y = x, y + line
            self.text(at, y, word.rstrip(), size)
            if under != "none":
                dashes = " stroke-dasharray='2 3'" if under == "dotted" else ""
                self.parts.append(
                    f"<line x1='{at:.1f}' y1='{y + 5:.1f}' x2='{at + wide:.1f}' y2='{y + 5:.1f}' class='mark'{dashes}/>"
                )
            at += wide
        return y + line

    def text(self, x: float, y: float, text: str, size: float, kind: str = "") -> None:
        style = f" class='{kind}'" if kind else ""
        self.parts.append(f"<text x='{x:.1f}' y='{y:.1f}' font-size='{size}'{style}>{html.escape(_printable(text))}</text>")


def comparison_svg(comparison: Comparison) -> str:
    """The SVG file's text."""
    drawing = _Drawing()
    y = drawing.words(MARGIN, 60, WIDTH - 2 * MARGIN, [(comparison.question, "none")], 24, 34)
    where = f"collection {comparison.collection}" if comparison.collection else "without documents"
    drawing.text(MARGIN, y, f"{where} · {comparison.made[:16].replace('T', ' ')} UTC · LocalRAG", SMALL, "quiet")
    ends = []
    for at, side in enumerate(comparison.sides):
        x = MARGIN + at * (COLUMN + GAP)
        ends.append(_side(drawing, x, y + 40, side))
    y = _evidence(drawing, max(ends, default=y) + 20, [span for span in comparison.evidence if span.given])
    head = f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {y + MARGIN:.0f}' font-family='{FACES}'>"
    return f"{head}<style>{STYLE}</style><rect width='100%' height='100%' fill='#fbfaf6'/>{''.join(drawing.parts)}</svg>"


def _side(drawing: _Drawing, x: float, y: float, side: SideAnswer) -> float:
    drawing.text(x, y, side.model, SIZE + 2, "bold")
    changed = ", ".join(f"{name} {value}" for name, value in side.changed.items() if name != "model_path")
    y += 24
    if changed:
        y = drawing.words(x, y, COLUMN, [(changed, "none")], SMALL, SMALL_LINE)
    for line in side_figures(side):
        drawing.text(x, y, line, SMALL, "quiet")
        y += SMALL_LINE
    y += 14
    if side.error:
        return drawing.words(x, y, COLUMN, [(side.error, "none")], SIZE, LINE)
    return drawing.words(x, y, COLUMN, _runs(side.answer, side.sentences), SIZE, LINE)


def side_figures(side: SideAnswer) -> list[str]:
    """Speed, memory and support of a side, in two lines."""
    timings, support = side.timings, [sentence.support for sentence in side.sentences]
    lines = []
    if timings.answer_tokens:
        memory = f" · {format_bytes(side.memory)} of memory" if side.memory else ""
        lines.append(
            f"first text {timings.first_token_s:.2f} s · prompt {timings.prefill_rate:,.0f}/s"
            f" · {timings.answer_tokens:,} tokens at {timings.generation_rate:,.0f}/s{memory}"
        )
    if support:
        lines.append(", ".join(f"{support.count(kind)} {kind}" for kind in MARKS if kind in support))
    return lines


def _evidence(drawing: _Drawing, y: float, evidence: Sequence[Evidence]) -> float:
    if evidence:
        drawing.text(MARGIN, y, "What both were given", SMALL, "bold")
        y += SMALL_LINE
    for span in evidence:
        text = " ".join(span.text.split())
        text = (
            text if len(text) <= MOST_EVIDENCE_CHARS else text[:MOST_EVIDENCE_CHARS].rstrip() + " … (shortened in this picture)"
        )
        place = " › ".join(part for part in (span.name, span.location) if part)
        y = drawing.words(MARGIN, y, WIDTH - 2 * MARGIN, [(f"{place}: {text}", "none")], SMALL, SMALL_LINE) + 4
    return y


def _runs(answer: str, sentences: Sequence[AnswerSentence]) -> list[tuple[str, str]]:
    """The answer cut at its sentences, each with how it is underlined."""
    runs, at = list[tuple[str, str]](), 0
    for sentence in sentences:
        found = answer.find(sentence.text, at)
        if found < 0:
            continue
        runs.append((answer[at:found], "none"))
        runs.append((sentence.text, MARKS[sentence.support]))
        at = found + len(sentence.text)
        if sentence.support == "unsupported":
            runs.append((" [not in the documents]", "none"))
    return [*runs, (answer[at:], "none")]


def _words(runs: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Pieces that no line break may part, with their underline: words with the space after them, wide characters alone."""
    for text, under in runs:
        word = ""
        for character in _printable(text):
            word += " " if character.isspace() else character
            if character.isspace() or _is_wide(character) or len(word) > MOST_WORD_CHARS:
                yield word, under
                word = ""
        if word:
            yield word, under


def text_width(text: str, size: float) -> float:
    """About how wide a text is, in the unit of `size`."""
    return sum(WIDE if _is_wide(character) else NARROW for character in text) * size


def _is_wide(character: str) -> bool:
    return unicodedata.east_asian_width(character) in "WF"


def _printable(text: str) -> str:
    """Without what XML cannot hold."""
    return "".join(c for c in text if c.isspace() or (c.isprintable() and not 0xD800 <= ord(c) <= 0xDFFF)).replace("\t", " ")
