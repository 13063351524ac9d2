"""Conversations on disk, in SQLite: there after a reload, a restart, a crash, with every turn's full trace."""

from __future__ import annotations

import sqlite3
import threading
import uuid
from pathlib import Path
from typing import NamedTuple

from pydantic import TypeAdapter, ValidationError

from localrag.documents.database import BUSY_TIMEOUT_S
from localrag.documents.ledger import now
from localrag.errors import StoreError
from localrag.types import Conversation, Turn

SCHEMA = """
CREATE TABLE IF NOT EXISTS conversations (
    id TEXT PRIMARY KEY, title TEXT NOT NULL, collection TEXT NOT NULL, updated TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS turns (
    id TEXT PRIMARY KEY, conversation_id TEXT NOT NULL REFERENCES conversations(id) ON DELETE CASCADE,
    position INTEGER NOT NULL, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS turns_by_conversation ON turns (conversation_id, position);
CREATE TABLE IF NOT EXISTS summaries (
    text_hash TEXT NOT NULL, model_id TEXT NOT NULL, recipe TEXT NOT NULL, level INTEGER NOT NULL,
    start INTEGER NOT NULL, "end" INTEGER NOT NULL, summary TEXT NOT NULL, complete INTEGER NOT NULL,
    conversation_id TEXT NOT NULL REFERENCES conversations(id) ON DELETE CASCADE,
    PRIMARY KEY (text_hash, model_id, recipe, level, start, "end"));
"""
TITLE_CHARS = 60
_TURN = TypeAdapter(Turn)


class SummaryKey(NamedTuple):
    """What the summary of a part hangs on: the document's text, the model, the prompt and settings it was made with."""

    text_hash: str
    model_id: str
    recipe: str


class PartSummary(NamedTuple):
    """The summary of a part of a document, from `start` to `end`. Level 0 read the text itself, the next those summaries.

    `complete`: it ended by itself, not at the longest answer.
    """

    level: int
    start: int
    end: int
    summary: str
    complete: bool


class AnswerFigures(NamedTuple):
    """How one answer went: tokens, seconds, tokens per second (0.0 where nothing was measured)."""

    asked: str
    model: str
    prompt_tokens: int
    evaluated_tokens: int
    answer_tokens: int
    first_token_s: float
    prefill_rate: float
    generation_rate: float


class ConversationStore:
    """One SQLite file; every method may be called from any thread and several processes."""

    def __init__(self, path: Path) -> None:
        """Open or create the file; StoreError when it cannot be."""
        self._path = path
        self._lock = threading.RLock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, check_same_thread=False)
            self._db.row_factory = sqlite3.Row
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")  # whole after a crash; a power cut may cost the last turn
            self._db.execute("PRAGMA foreign_keys = ON")
            self._db.executescript(SCHEMA)
        except (sqlite3.Error, OSError) as exc:
            raise StoreError(f"The conversations in {path} cannot be opened: {exc}. Check the data directory.") from exc

    def _run(self, sql: str, values: tuple[object, ...] = ()) -> list[sqlite3.Row]:
        with self._lock:
            try:
                with self._db:
                    return self._db.execute(sql, values).fetchall()
            except sqlite3.Error as exc:
                raise StoreError(
                    f"The conversations in {self._path} cannot be used: {exc}. Free some space and try again."
                ) from exc

    def create(self, collection: str) -> str:
        """Start a conversation about a collection (empty: without documents) and return its id."""
        conversation_id = uuid.uuid4().hex
        self._run("INSERT INTO conversations VALUES (?, ?, ?, ?)", (conversation_id, "", collection, now()))
        return conversation_id

    def conversations(self) -> list[Conversation]:
        """All conversations that have a question, last used first, without their turns."""
        rows = self._run("SELECT * FROM conversations WHERE title != '' ORDER BY updated DESC, rowid DESC")
        return [Conversation(row["id"], row["title"], row["collection"], (), row["updated"]) for row in rows]

    def get(self, conversation_id: str) -> Conversation:
        """A conversation with its turns; StoreError when there is none of that id."""
        found = self.find(conversation_id)
        if found is None:
            raise StoreError(f"There is no conversation {conversation_id}. It may have been deleted; start a new chat.")
        return found

    def find(self, conversation_id: str) -> Conversation | None:
        """A conversation with its turns, or None when there is none of that id."""
        rows = self._run("SELECT * FROM conversations WHERE id = ?", (conversation_id,))
        if not rows:
            return None
        bodies = self._run("SELECT body FROM turns WHERE conversation_id = ? ORDER BY position", (conversation_id,))
        try:
            turns = [_TURN.validate_json(row["body"]) for row in bodies]
        except ValidationError as exc:
            raise StoreError(f"The conversation {conversation_id} is damaged: {exc.error_count()} fields. Delete it.") from exc
        row = rows[0]
        return Conversation(row["id"], row["title"], row["collection"], turns, row["updated"])

    def save_turn(self, conversation_id: str, turn: Turn) -> None:
        """Add a turn, or write it anew while its answer grows. The first question becomes the title.

        Raises:
            StoreError: the conversation was deleted meanwhile, or the disk is full.
        """
        body = _TURN.dump_json(turn).decode()
        position = "(SELECT count(*) FROM turns WHERE conversation_id = ?)"
        self._run(
            f"INSERT INTO turns VALUES (?, ?, {position}, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body",
            (turn.id, conversation_id, conversation_id, body),
        )
        title = " ".join(turn.question.split())
        title = title if len(title) <= TITLE_CHARS else title[: TITLE_CHARS - 1].rstrip() + "…"
        self._run(
            "UPDATE conversations SET updated = ?, title = CASE title WHEN '' THEN ? ELSE title END WHERE id = ?",
            (now(), title, conversation_id),
        )

    def keep_summary(self, conversation_id: str, key: SummaryKey, part: PartSummary) -> None:
        """Keep the summary of a part, for whoever summarises this document next; it goes with the conversation it was made in.

        Raises:
            StoreError: the conversation was deleted meanwhile, or the disk is full.
        """
        self._run(f"INSERT OR REPLACE INTO summaries VALUES ({', '.join('?' * 9)})", (*key, *part, conversation_id))

    def kept_summaries(self, key: SummaryKey) -> list[PartSummary]:
        """The summaries of parts that are kept for a key, in document order."""
        rows = self._run(
            'SELECT level, start, "end", summary, complete FROM summaries WHERE text_hash = ? AND model_id = ? AND recipe = ?'
            " ORDER BY level, start",
            tuple(key),
        )
        return [PartSummary(row[0], row[1], row[2], row[3], bool(row[4])) for row in rows]

    def set_collection(self, conversation_id: str, collection: str) -> None:
        """Ask another collection from the next question on."""
        self._run("UPDATE conversations SET collection = ? WHERE id = ?", (collection, conversation_id))

    def rename_collection(self, name: str, new: str) -> None:
        """Let all conversations about a collection follow it to its new name."""
        self._run("UPDATE conversations SET collection = ? WHERE collection = ?", (new, name))

    def history(self, limit: int = 500) -> list[AnswerFigures]:
        """How the last answers went, over all conversations, oldest first."""
        paths = (name if name in ("asked", "model") else f"timings.{name}" for name in AnswerFigures._fields)
        fields = ", ".join(f"json_extract(body, '$.{path}')" for path in paths)
        measured = "json_extract(body, '$.timings.answer_tokens') > 0"
        rows = self._run(f"SELECT {fields} FROM turns WHERE {measured} ORDER BY rowid DESC LIMIT ?", (limit,))
        return [AnswerFigures(*row) for row in reversed(rows)]

    def delete(self, conversation_id: str) -> None:
        """Forget a conversation."""
        self._run("DELETE FROM conversations WHERE id = ?", (conversation_id,))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()
