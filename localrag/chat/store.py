"""Conversations on disk, in SQLite: there after a reload, a restart, a crash, with every turn's full trace.

The turns of a conversation are a tree: a question asked again, or another in its place, stands beside the former one and
hides it. Nothing that was answered is lost by that.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import TypeAdapter, ValidationError

from localrag.chat.database import ChatDatabase, spoken_terms
from localrag.chat.tree import Place, shown_path, versions
from localrag.documents.ledger import now
from localrag.errors import DeletedError, StoreError
from localrag.types import Conversation, Rating, SearchFilter, Turn

TITLE_CHARS = 60
MAX_TITLE_CHARS = 200
_TURN, _FILTERS, _OVERRIDES = TypeAdapter(Turn), TypeAdapter(SearchFilter), TypeAdapter(dict[str, Any])


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
    """Every method may be called from any thread and several processes. All raise StoreError when the file cannot be used."""

    def __init__(self, path: Path) -> None:
        """Open or create the file; StoreError when it cannot be."""
        self.db = ChatDatabase(path)

    def create(self, collection: str) -> str:
        """Start a conversation about a collection (empty: without documents) and return its id."""
        conversation_id = uuid.uuid4().hex
        sql = "INSERT INTO conversations (id, title, collection, updated) VALUES (?, '', ?, ?)"
        self.db.run(sql, (conversation_id, collection, now()))
        return conversation_id

    def conversations(self) -> list[Conversation]:
        """All conversations that have a question, last used first, without their turns."""
        rows = self.db.run("SELECT * FROM conversations WHERE title != '' ORDER BY updated DESC, rowid DESC")
        return [Conversation(row["id"], row["title"], row["collection"], (), row["updated"]) for row in rows]

    def get(self, conversation_id: str) -> Conversation:
        """A conversation with its turns; StoreError when there is none of that id."""
        found = self.find(conversation_id)
        if found is None:
            raise StoreError(f"There is no conversation {conversation_id}. It may have been deleted; start a new chat.")
        return found

    def find(self, conversation_id: str) -> Conversation | None:
        """A conversation with the turns that are shown, or None when there is none of that id."""
        rows = self.db.run("SELECT * FROM conversations WHERE id = ?", (conversation_id,))
        if not rows:
            return None
        places = self.places(conversation_id)
        path = shown_path(places)
        row = rows[0]
        try:
            turns = [self._turn(turn_id) for turn_id in path]
            filters = _FILTERS.validate_json(row["filters"])
            overrides = _OVERRIDES.validate_json(row["overrides"])
        except ValidationError as exc:
            raise StoreError(f"The conversation {conversation_id} is damaged: {exc.error_count()} fields. Delete it.") from exc
        return Conversation(
            row["id"], row["title"], row["collection"], turns, row["updated"], versions(places, path), filters, overrides
        )

    def places(self, conversation_id: str) -> list[Place]:
        """Where each turn of a conversation stands, of all branches, in the order they were asked."""
        sql = "SELECT id, parent, shown FROM turns WHERE conversation_id = ? ORDER BY position, rowid"
        return [Place(*row) for row in self.db.run(sql, (conversation_id,))]

    def turn(self, conversation_id: str, turn_id: str) -> Turn:
        """A turn of any branch; StoreError when there is none of that id, or it is damaged."""
        try:
            return self._turn(turn_id, conversation_id)
        except ValidationError as exc:
            raise StoreError(f"The conversation {conversation_id} is damaged: {exc.error_count()} fields. Delete it.") from exc

    def _turn(self, turn_id: str, conversation_id: str | None = None) -> Turn:
        rows = self.db.run("SELECT conversation_id, body, rating FROM turns WHERE id = ?", (turn_id,))
        if not rows or conversation_id not in (None, rows[0]["conversation_id"]):
            raise StoreError(f"There is no turn {turn_id} in this conversation. It may have been deleted; open it anew.")
        return replace(_TURN.validate_json(rows[0]["body"]), rating=rows[0]["rating"])

    def save_turn(self, conversation_id: str, turn: Turn, after: str | None = None) -> None:
        """Add a turn, or write it anew while its answer grows. The first question becomes the title.

        A new turn stands after the turn `after` ("": at the beginning) and hides what stood there; None is the end.
        Raises:
            DeletedError: the conversation was deleted meanwhile.
            StoreError: the disk is full, say.
        """
        title = " ".join(turn.question.split())
        title = title if len(title) <= TITLE_CHARS else title[: TITLE_CHARS - 1].rstrip() + "…"
        body = _TURN.dump_json(turn).decode()
        with self.db.transaction() as run:
            rows = run("UPDATE turns SET body = ? WHERE id = ? RETURNING rowid", (body, turn.id))
            if not rows:
                if not run("SELECT 1 FROM conversations WHERE id = ?", (conversation_id,)):
                    raise DeletedError("The conversation was deleted while it was answered. Ask in a new one.")
                sql = "SELECT id, parent, shown FROM turns WHERE conversation_id = ? ORDER BY position, rowid"
                places = [Place(*row) for row in run(sql, (conversation_id,))]
                parent = (shown_path(places) or [""])[-1] if after is None else after
                shown = 1 + max((place.shown for place in places), default=0)
                rows = run(
                    "INSERT INTO turns (id, conversation_id, position, body, parent, shown) VALUES (?, ?, ?, ?, ?, ?)"
                    " RETURNING rowid",
                    (turn.id, conversation_id, len(places), body, parent, shown),
                )
            number = rows[0][0]
            run("DELETE FROM spoken WHERE rowid = ?", (number,))
            run(
                "INSERT INTO spoken (rowid, terms) VALUES (?, ?)",
                (number, spoken_terms(f"{turn.question}\n{turn.answer}")),
            )
            run(
                "UPDATE conversations SET updated = ?, title = CASE title WHEN '' THEN ? ELSE title END WHERE id = ?",
                (now(), title, conversation_id),
            )

    def show(self, conversation_id: str, turn_id: str) -> None:
        """Show a turn in the place it shares with others, and the branch it stands in; StoreError when it is not there."""
        with self.db.transaction() as run:
            sql = "SELECT id, parent, shown FROM turns WHERE conversation_id = ?"
            places = {row["id"]: Place(*row) for row in run(sql, (conversation_id,))}
            if turn_id not in places:
                raise StoreError(f"There is no turn {turn_id} in this conversation. It may have been deleted; open it anew.")
            shown, at = 1 + max(place.shown for place in places.values()), turn_id
            while at in places:
                run("UPDATE turns SET shown = ? WHERE id = ?", (shown, at))
                at = places.pop(at).parent

    def rate(self, turn_id: str, rating: Rating) -> None:
        """Keep what a person thinks of an answer."""
        self.db.run("UPDATE turns SET rating = ? WHERE id = ?", (rating, turn_id))

    def rename(self, conversation_id: str, title: str) -> str:
        """Give a conversation a title by hand; returns it with its white space tidied. StoreError when it cannot be had."""
        title = " ".join(title.split())
        if not 0 < len(title) <= MAX_TITLE_CHARS:
            raise StoreError(f"A title has 1 to {MAX_TITLE_CHARS} characters, this one {len(title)}. Choose another.")
        rows = self.db.run("UPDATE conversations SET title = ? WHERE id = ? RETURNING id", (title, conversation_id))
        if not rows:
            raise StoreError(f"There is no conversation {conversation_id}. It may have been deleted.")
        return title

    def keep_summary(self, conversation_id: str, key: SummaryKey, part: PartSummary) -> None:
        """Keep the summary of a part, for whoever summarises this document next; it goes with the conversation it was made in.

        Raises:
            StoreError: the conversation was deleted meanwhile, or the disk is full.
        """
        self.db.run(f"INSERT OR REPLACE INTO summaries VALUES ({', '.join('?' * 9)})", (*key, *part, conversation_id))

    def kept_summaries(self, key: SummaryKey) -> list[PartSummary]:
        """The summaries of parts that are kept for a key, in document order."""
        rows = self.db.run(
            'SELECT level, start, "end", summary, complete FROM summaries WHERE text_hash = ? AND model_id = ? AND recipe = ?'
            " ORDER BY level, start",
            tuple(key),
        )
        return [PartSummary(row[0], row[1], row[2], row[3], bool(row[4])) for row in rows]

    def set_collection(self, conversation_id: str, collection: str) -> None:
        """Ask another collection from the next question on."""
        self.db.run("UPDATE conversations SET collection = ? WHERE id = ?", (collection, conversation_id))

    def set_filters(self, conversation_id: str, filters: SearchFilter) -> None:
        """Look only there, from the next question on."""
        self.db.run(
            "UPDATE conversations SET filters = ? WHERE id = ?", (_FILTERS.dump_json(filters).decode(), conversation_id)
        )

    def set_overrides(self, conversation_id: str, overrides: Mapping[str, Any]) -> None:
        """Answer with these settings, by flat name, in place of those applied; from the next question on."""
        values = _OVERRIDES.dump_json(dict(overrides)).decode()
        self.db.run("UPDATE conversations SET overrides = ? WHERE id = ?", (values, conversation_id))

    def rename_collection(self, name: str, new: str) -> None:
        """Let all conversations about a collection follow it to its new name."""
        self.db.run("UPDATE conversations SET collection = ? WHERE collection = ?", (new, name))

    def history(self, limit: int = 500) -> list[AnswerFigures]:
        """How the last answers went, over all conversations, oldest first."""
        paths = (name if name in ("asked", "model") else f"timings.{name}" for name in AnswerFigures._fields)
        fields = ", ".join(f"json_extract(body, '$.{path}')" for path in paths)
        measured = "CASE WHEN json_valid(body) THEN json_extract(body, '$.timings.answer_tokens') > 0 END"
        rows = self.db.run(f"SELECT {fields} FROM turns WHERE {measured} ORDER BY rowid DESC LIMIT ?", (limit,))
        return [AnswerFigures(*row) for row in reversed(rows)]

    def delete(self, conversation_id: str) -> None:
        """Forget a conversation with all its branches; nothing of it stays in the file."""
        self.db.run("DELETE FROM conversations WHERE id = ?", (conversation_id,))
        self.db.settle()

    def close(self) -> None:
        """Close the file."""
        self.db.close()
