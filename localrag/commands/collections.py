"""collections: list them; rename, copy, export, import or delete one."""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from localrag.bundles import (
    bundle_path,
    copy_collection,
    discard_unfinished,
    export_collection,
    import_collection,
    rename_collection,
)
from localrag.chat.store import ConversationStore
from localrag.commands.output import DONE, complain, say, say_json
from localrag.documents.ledger import CollectionRecord
from localrag.documents.sources import printable
from localrag.library import Library
from localrag.settings import CONVERSATIONS_FILE, Settings
from localrag.wording import counted

SAID_EVERY_S = 10.0


def collections(args: Namespace, settings: Settings) -> int:
    """Do the one thing that was asked for, or list the collections."""
    library = Library(settings)
    try:
        if args.delete is not None:
            library.delete_collection(args.delete)
            _say(args, f"deleted {args.delete}", {"collection": args.delete, "status": "deleted"})
        elif args.rename is not None:
            _rename(library, args)
        elif args.copy is not None:
            _copy(library, args)
        elif args.export is not None:
            _export(library, args)
        elif args.import_file is not None:
            _import(library, args)
        else:
            for record in library.collections():
                _say(args, f"{record.name}  {_size(record)}", _line(record))
        return DONE
    finally:
        library.close()


def _rename(library: Library, args: Namespace) -> None:
    old, new = map(printable, args.rename)
    conversations = ConversationStore(library.settings.data_dir / CONVERSATIONS_FILE)
    try:
        record = rename_collection(library, old, new, conversations)
    finally:
        conversations.close()
    _say(args, f"{old} is now named {record.name}", {"collection": record.name, "status": "renamed", "before": old})


def _copy(library: Library, args: Namespace) -> None:
    name, new = map(printable, args.copy)
    discard_unfinished(library)
    record = _drained(copy_collection(library, name, new))
    if record is not None:
        _say(args, f"copied {name} to {record.name}: {_size(record)}", _line(record) | {"status": "copied", "from": name})


def _export(library: Library, args: Namespace) -> None:
    record = library.collection(printable(args.export[0]))
    path = bundle_path(Path(args.export[1]), record.name)
    _drained(export_collection(library, record.name, path, not args.no_vectors, with_paths=args.with_paths))
    shown, size = printable(str(path)), path.stat().st_size
    line = _line(record) | {"status": "exported", "file": shown, "bytes": size}
    _say(args, f"exported {record.name} to {shown}: {counted(record.documents, 'document')}, {size / 1e6:.1f} MB", line)


def _import(library: Library, args: Namespace) -> None:
    discard_unfinished(library)
    record = _drained(import_collection(library, Path(args.import_file), args.as_name or ""))
    if record is not None:
        line = _line(record) | {"status": "imported", "file": printable(args.import_file)}
        _say(args, f"imported {record.name}: {_size(record)}", line)


def _drained(steps: Iterator[tuple[int, int]]) -> CollectionRecord | None:
    """Work the steps off, saying now and then on standard error how far it is; returns what they made."""
    said = time.monotonic()
    while True:
        try:
            done, total = next(steps)
        except StopIteration as end:
            made: CollectionRecord | None = end.value
            return made
        if time.monotonic() - said > SAID_EVERY_S:
            said = time.monotonic()
            complain(f"{done:,} of {total:,} chunks")


def _size(record: CollectionRecord) -> str:
    return f"{counted(record.documents, 'document')}, {counted(record.chunks, 'chunk')}"


def _line(record: CollectionRecord) -> dict[str, Any]:
    return {
        "collection": record.name,
        "documents": record.documents,
        "chunks": record.chunks,
        "embedding_model": record.embedding_name,
        "created": record.created,
    }


def _say(args: Namespace, text: str, line: dict[str, Any]) -> None:
    say_json(line) if args.json else say(text)
