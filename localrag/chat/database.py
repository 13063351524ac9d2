"""The file that conversations are kept in: opened, brought to today's form, read and written in transactions."""

from __future__ import annotations

import json
import re
import sqlite3
import threading
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from localrag.documents.database import FAILURES, connect
from localrag.documents.words import UNSPACED, terms
from localrag.errors import StoreError

VERSION = 1
"""Files from before there were versions have 0, and get what they lack; nothing in them is changed."""
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
# A turn stands after its parent ('' at the beginning of the conversation). Of several after the same one, the one with the
# highest `shown` is the one that is read. The words of a turn are under its rowid.
ADDED = """
ALTER TABLE turns ADD COLUMN parent TEXT NOT NULL DEFAULT '';
ALTER TABLE turns ADD COLUMN shown INTEGER NOT NULL DEFAULT 0;
ALTER TABLE turns ADD COLUMN rating TEXT NOT NULL DEFAULT '';
ALTER TABLE conversations ADD COLUMN filters TEXT NOT NULL DEFAULT '{}';
ALTER TABLE conversations ADD COLUMN overrides TEXT NOT NULL DEFAULT '{}';
UPDATE turns SET shown = position + 1, parent = coalesce((SELECT before.id FROM turns before
    WHERE before.conversation_id = turns.conversation_id AND (before.position, before.rowid) < (turns.position, turns.rowid)
    ORDER BY before.position DESC, before.rowid DESC LIMIT 1), '');
CREATE VIRTUAL TABLE spoken USING fts5 (terms, tokenize = 'ascii');
CREATE TRIGGER spoken_goes_with_turns AFTER DELETE ON turns BEGIN DELETE FROM spoken WHERE rowid = old.rowid; END;
"""
_LAST_OF_RUN = re.compile(f"[{UNSPACED}](?![{UNSPACED}])")


def spoken_terms(text: str) -> str:
    """The terms a turn is found by, set apart by spaces: words as they are, pairs of characters where nothing parts words.

    The last character of such a run comes along by itself, so that a single character is the beginning of some term.
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join([*terms(folded, ""), *_LAST_OF_RUN.findall(folded)])


class ChatDatabase:
    """One SQLite file; every method may be called from any thread and several processes."""

    def __init__(self, path: Path) -> None:
        """Open or create the file; StoreError when it cannot be, or is of a later version of LocalRAG."""
        self._path = path
        self._lock = threading.RLock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = connect(path)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")  # whole after a crash; a power cut may cost the last turn
            self._db.execute("PRAGMA secure_delete = ON")  # what is deleted is overwritten with zeros
            found = self._upgraded()
            self._db.execute("PRAGMA foreign_keys = ON")
        except (*FAILURES, OSError) as exc:
            raise StoreError(f"The conversations in {path} cannot be opened: {exc}. Check the data directory.") from exc
        if found > VERSION:
            self.close()
            raise StoreError(
                f"The conversations in {path} have format {found}, this version of LocalRAG reads up to {VERSION}."
                " Choose another data directory, or the version that made them."
            )

    def _upgraded(self) -> int:
        """The file's version, brought to this one from an earlier: all of it or nothing."""
        if self._version() >= VERSION:
            return self._version()
        self._db.execute("BEGIN IMMEDIATE")
        try:
            if self._version() < VERSION:  # another process may have been first
                for statement in [*_statements(SCHEMA), *_statements(ADDED)]:
                    self._db.execute(statement)
                for rowid, body in self._db.execute("SELECT rowid, body FROM turns").fetchall():
                    self._db.execute("INSERT INTO spoken (rowid, terms) VALUES (?, ?)", (rowid, spoken_terms(_text(body))))
                self._db.execute(f"PRAGMA user_version = {VERSION}")
            self._db.execute("COMMIT")
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        return self._version()

    def _version(self) -> int:
        return int(self._db.execute("PRAGMA user_version").fetchone()[0])

    @contextmanager
    def transaction(self) -> Iterator[Callable[..., list[sqlite3.Row]]]:
        """Runs statements (SQL, values), returning rows: all of the body's, or none.

        Raises:
            StoreError: the file cannot be used; nothing was written.
        """
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                try:
                    yield lambda sql, values=(): self._db.execute(sql, values).fetchall()
                except BaseException:
                    self._db.execute("ROLLBACK")
                    raise
                self._db.execute("COMMIT")
            except FAILURES as exc:
                raise self._unusable(exc) from exc

    def run(self, sql: str, values: tuple[object, ...] = ()) -> list[sqlite3.Row]:
        """One statement by itself; StoreError when the file cannot be used."""
        with self._lock:
            try:
                return self._db.execute(sql, values).fetchall()
            except FAILURES as exc:
                raise self._unusable(exc) from exc

    def _unusable(self, exc: Exception) -> StoreError:
        return StoreError(
            f"The conversations in {self._path} cannot be used: {exc}. Free some space, or run: python -m localrag doctor."
        )

    def settle(self) -> None:
        """Write everything into the file itself and empty the log beside it, so that what was deleted is in neither."""
        with suppress(StoreError):  # another process reads: the log is emptied another time
            self.run("INSERT INTO spoken (spoken) VALUES ('optimize')")  # an index of words keeps deleted ones until then
            self.run("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()


def _statements(script: str) -> list[str]:
    """The statements of a script, one by one: `executescript` would end the transaction."""
    found, held = [], ""
    for line in script.splitlines(keepends=True):
        held += line
        if sqlite3.complete_statement(held):
            found.append(held)
            held = ""
    return found


def _text(body: str) -> str:
    """Question and answer of a kept turn; empty when it is damaged, which is said when it is opened."""
    try:
        turn = json.loads(body)
        return f"{turn['question']}\n{turn['answer']}"
    except (ValueError, LookupError, TypeError, RecursionError):
        return ""
