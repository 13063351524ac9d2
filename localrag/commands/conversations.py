"""conversations: list them, find words in them, export, rename or delete one."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

from localrag.chat.export import KINDS, Kind, exported, file_name, save_export
from localrag.chat.finding import find_turns
from localrag.chat.store import ConversationStore
from localrag.commands.output import DONE, say, say_json
from localrag.documents.sources import printable
from localrag.errors import StoreError
from localrag.settings import CONVERSATIONS_FILE, Settings
from localrag.types import Conversation
from localrag.wording import counted

LEAST_ID_CHARS = 4


def conversations(args: Namespace, settings: Settings) -> int:
    """Do the one thing that was asked for, or list the conversations."""
    store = ConversationStore(settings.data_dir / CONVERSATIONS_FILE)
    try:
        if args.search is not None:
            _search(store, args)
        elif args.export is not None:
            _export(store, args)
        elif args.rename is not None:
            chosen, title = _named(store, args.rename[0]), printable(args.rename[1])
            title = store.rename(chosen.id, title)
            _say(args, f"{chosen.id} is now called {title}", {"conversation": chosen.id, "title": title, "status": "renamed"})
        elif args.delete is not None:
            chosen = _named(store, args.delete)
            store.delete(chosen.id)
            _say(args, f"deleted {chosen.title}", {"conversation": chosen.id, "status": "deleted"})
        else:
            for conversation in store.conversations():
                _list(store, conversation, args)
        return DONE
    finally:
        store.close()


def _list(store: ConversationStore, conversation: Conversation, args: Namespace) -> None:
    questions = len(store.places(conversation.id))
    line = {
        "conversation": conversation.id,
        "title": conversation.title,
        "collection": conversation.collection,
        "questions": questions,
        "updated": conversation.updated,
    }
    about = conversation.collection or "without documents"
    _say(args, f"{conversation.id}  {conversation.title}  ({about}, {counted(questions, 'question')})", line)


def _search(store: ConversationStore, args: Namespace) -> None:
    for found in find_turns(store.db, printable(args.search)):
        line = {
            "conversation": found.conversation_id,
            "title": found.title,
            "turn": found.turn_id,
            "question": found.question,
            "excerpt": found.excerpt,
            "words": [found.excerpt[start:end] for start, end in found.marks],
            "asked": found.asked,
        }
        _say(args, f"{found.conversation_id}  {found.title}: {found.excerpt}", line)


def _export(store: ConversationStore, args: Namespace) -> None:
    chosen, path = _named(store, args.export[0]), Path(args.export[1])
    if path.is_dir():
        path = path / file_name(chosen, "html")
    kind = path.suffix.lstrip(".").lower()
    if kind not in KINDS:
        raise StoreError(f"{printable(str(path))} names no kind of file that can be written. End it with .html, .md or .json.")
    wanted: Kind = next(known for known in KINDS if known == kind)
    save_export(exported(store, store.get(chosen.id), wanted), path)
    shown = printable(str(path))
    line = {"conversation": chosen.id, "status": "exported", "file": shown, "bytes": path.stat().st_size}
    _say(args, f"exported {chosen.title} to {shown}", line)


def _named(store: ConversationStore, given: str) -> Conversation:
    """A conversation by its id, or by a beginning of it that is no other's."""
    given = printable(given)
    known = store.conversations()
    found = [each for each in known if each.id == given] or [each for each in known if each.id.startswith(given)]
    if len(found) == 1 and len(given) >= LEAST_ID_CHARS:
        return found[0]
    count = f"{len(found)} conversations have" if len(found) > 1 else "No conversation has"
    raise StoreError(f"{count} the id {given}. `python -m localrag conversations` lists them.")


def _say(args: Namespace, text: str, line: dict[str, Any]) -> None:
    say_json(line) if args.json else say(text)
