"""A conversation as a file for somebody without the app: Markdown, JSON, or one HTML page that needs nothing else."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import TypeAdapter

from localrag import __version__
from localrag.chat.export_html import as_html
from localrag.chat.export_markdown import as_markdown
from localrag.chat.store import ConversationStore
from localrag.documents.ledger import now
from localrag.errors import StoreError
from localrag.types import Conversation, SearchFilter, Turn

Kind = Literal["html", "md", "json"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Format = Literal["localrag-conversation"]
FORMAT: Format = "localrag-conversation"
MAX_NAME_CHARS = 60


@dataclass(frozen=True, slots=True)
class ExportedTurn:
    """A turn with its place: after the turn `after` ("": at the beginning); `shown` is whether its branch was shown."""

    after: str
    shown: bool
    turn: Turn


@dataclass(frozen=True, slots=True)
class ExportedConversation:
    """What the JSON holds: everything that is kept of a conversation, with all its branches. Offsets count code points."""

    format: Format
    version: int
    made_by: str
    exported: str
    id: str
    title: str
    collection: str
    filters: SearchFilter
    overrides: dict[str, Any]
    turns: tuple[ExportedTurn, ...]


_JSON = TypeAdapter(ExportedConversation)


def exported(store: ConversationStore, conversation: Conversation, kind: Kind) -> str:
    """The conversation in one of the kinds: Markdown and HTML hold the branch that is shown, JSON all of them.

    Raises:
        StoreError: it was deleted meanwhile, or is damaged.
    """
    if kind == "html":
        return as_html(conversation, now())
    if kind == "md":
        return as_markdown(conversation, now())
    shown = {turn.id for turn in conversation.turns}
    turns = tuple(
        ExportedTurn(place.parent, place.id in shown, store.turn(conversation.id, place.id))
        for place in store.places(conversation.id)
    )
    record = ExportedConversation(
        FORMAT,
        1,
        f"LocalRAG {__version__}",
        now(),
        conversation.id,
        conversation.title,
        conversation.collection,
        conversation.filters,
        dict(conversation.overrides),
        turns,
    )
    return _JSON.dump_json(record, indent=2).decode() + "\n"


def read_export(text: str) -> ExportedConversation:
    """What an exported JSON holds; ValueError when it is none."""
    return _JSON.validate_json(text)


def file_name(conversation: Conversation, kind: Kind) -> str:
    """A name for the file, from the title."""
    plain = re.sub(r"[^\w .-]", "", conversation.title).strip(" .")[:MAX_NAME_CHARS].strip(" .")
    return f"{plain or 'conversation'}.{kind}"


def save_export(text: str, path: Path) -> None:
    """Write an exported conversation to a file, all of it or nothing; StoreError when it cannot be."""
    scratch = path.with_name(f".{path.name}.part")
    try:
        scratch.write_text(text, "utf-8", errors="replace")
        scratch.replace(path)
    except OSError as exc:
        scratch.unlink(missing_ok=True)
        raise StoreError(f"The conversation cannot be written to {path}: {exc.strerror}. Choose another place.") from exc
