"""Finding a question or an answer again, in all conversations and all their branches."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass

from localrag.chat.database import ChatDatabase
from localrag.documents.words import UNSPACED, terms

AROUND_CHARS = 80
MOST_FOUND = 50
MOST_TERMS = 32
_UNSPACED_RUN = re.compile(f"[{UNSPACED}]+")
_ACCENTS = re.compile("[\u0300-\u036f]")
Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Found:
    """A turn that holds all words of what was looked for, or a conversation of which only the title does (`turn_id`
    is "" then).

    `excerpt` is a piece of its answer, else of its question, in one line; `marks` are the ranges of the words in it.
    """

    conversation_id: str
    title: str
    turn_id: str
    question: str
    excerpt: str
    marks: tuple[Range, ...]
    asked: str


def find_turns(db: ChatDatabase, wanted: str, limit: int = MOST_FOUND) -> list[Found]:
    """Conversations with all words of `wanted` in their title alone, then turns that hold them, best first.

    A word may be only begun.

    Raises:
        StoreError: the file cannot be read.
    """
    words = [_folded(word)[0] for word in wanted.split()][:MOST_TERMS]
    query = _query(wanted)
    if not words or not query:
        return []
    found: list[Found] = []
    rows = db.run(
        "SELECT c.id, c.title, t.id AS turn_id, t.body FROM spoken JOIN turns t ON t.rowid = spoken.rowid"
        " JOIN conversations c ON c.id = t.conversation_id WHERE spoken MATCH ?"
        " ORDER BY rank, t.rowid DESC LIMIT ?",
        (query, limit),
    )
    runs = [run for word in words for run in _UNSPACED_RUN.findall(word)]
    for row in rows:
        turn = _body(row["body"])
        text = _folded(f"{turn['question']}\n{turn['answer']}")[0]
        if all(run in text for run in runs):  # pairs of characters may also stand apart
            found.append(_found(row["id"], row["title"], row["turn_id"], turn, words))
    return [*_titles(db, words, {hit.conversation_id for hit in found}), *found][:limit]


def _body(body: str) -> dict[str, str]:
    """A kept turn as it was written; empty when it is damaged, which is said when its conversation is opened."""
    with suppress(ValueError):
        turn = json.loads(body)
        if isinstance(turn, dict) and isinstance(turn.get("question"), str) and isinstance(turn.get("answer"), str):
            return turn
    return {"question": "", "answer": ""}


def _titles(db: ChatDatabase, words: Sequence[str], known: Collection[str]) -> list[Found]:
    """Conversations with the words in their title, but for `known` ones: a title is often the first question."""
    rows = db.run("SELECT id, title, updated FROM conversations WHERE title != '' ORDER BY updated DESC")
    return [
        Found(row["id"], row["title"], "", "", row["title"], marks, row["updated"])
        for row in rows
        if row["id"] not in known and (marks := _all_in(row["title"], words))
    ]


def _found(conversation_id: str, title: str, turn_id: str, turn: dict[str, str], words: Sequence[str]) -> Found:
    question, answer = (" ".join(turn[name].split()) for name in ("question", "answer"))
    text = answer if _marks(answer, words) else question
    marks = _marks(text, words)
    start = max(0, marks[0][0] - AROUND_CHARS) if marks else 0
    end = min(len(text), (marks[0][1] if marks else 0) + AROUND_CHARS)
    lead, tail = "… " * (start > 0), " …" * (end < len(text))
    shift = len(lead) - start
    inside = tuple((a + shift, b + shift) for a, b in marks if start <= a and b <= end)
    return Found(
        conversation_id, title, turn_id, question, f"{lead}{text[start:end]}{tail}", inside, str(turn.get("asked", ""))
    )


def _query(wanted: str) -> str:
    """What FTS5 looks for: all terms, a word also where it is only begun."""
    asked = list(dict.fromkeys(terms(wanted, "")))[:MOST_TERMS]
    return " AND ".join(f'"{term}"' if _UNSPACED_RUN.fullmatch(term) and len(term) > 1 else f'"{term}" *' for term in asked)


def _all_in(text: str, words: Sequence[str]) -> tuple[Range, ...]:
    """Where the words stand in a text, or nothing when one of them does not."""
    return _marks(text, words) if all(_marks(text, [word]) for word in words) else ()


def _marks(text: str, words: Sequence[str]) -> tuple[Range, ...]:
    """The ranges of words in a text, case and accents aside; words that are set apart by spaces from their beginning."""
    folded, places = _folded(text)
    found: list[Range] = []
    for word in words:
        start = "" if _UNSPACED_RUN.match(word) else r"(?<![^\W_])"
        for match in re.finditer(start + re.escape(word), folded):
            found.append((places[match.start()], places[match.end() - 1] + 1))
    kept: list[Range] = []
    for mark in sorted(found):
        if not kept or mark[0] >= kept[-1][1]:
            kept.append(mark)
    return tuple(kept)


def _folded(text: str) -> tuple[str, list[int]]:
    """A text without case, accents and width of letters, with the place in the text each of its characters comes from."""
    if text.isascii():
        return text.casefold(), list(range(len(text)))
    pieces, places = [], []
    for at, character in enumerate(text):
        bare = _ACCENTS.sub("", unicodedata.normalize("NFKD", character))
        piece = unicodedata.normalize("NFC", bare).casefold()
        pieces.append(piece)
        places += [at] * len(piece)
    return "".join(pieces), places
