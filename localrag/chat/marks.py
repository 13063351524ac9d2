"""An answer with plain marks in its text, for where there are no underlines."""

from __future__ import annotations

from localrag.types import AnswerSentence, Turn


def marked(turn: Turn) -> str:
    """An answer with a mark after each sentence: the numbers of its evidence, or that nothing carries it."""
    pieces, at = [], 0
    for sentence in turn.sentences:
        start = turn.answer.find(sentence.text, at)
        if start < 0 or not any(map(str.isalnum, sentence.text)):  # a rule or a fence claims nothing
            continue
        end = start + len(sentence.text)
        pieces += [turn.answer[at:end], " ", _mark(sentence)]
        at = end
    return "".join([*pieces, turn.answer[at:]])


def _mark(sentence: AnswerSentence) -> str:
    numbers = ", ".join(str(index + 1) for index in sentence.evidence)
    if sentence.support == "unsupported":
        return "[not in the documents]"
    return f"[{numbers}]" if sentence.support == "supported" else f"[weak: {numbers}]"
