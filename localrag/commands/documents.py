"""ingest, documents, delete."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Sequence
from typing import Any

from localrag.commands.output import DONE, FAILED, complain, say, say_json, say_text
from localrag.commands.progress import Tally
from localrag.documents.source import Source, sources_at
from localrag.documents.sources import is_address
from localrag.errors import LocalRagError
from localrag.library import Library
from localrag.settings import Settings
from localrag.types import DocumentRecord, Mark
from localrag.wording import counted


def ingest(args: Namespace, settings: Settings) -> int:
    """Take in files, folders and addresses; a failed one is said and the rest goes in."""
    tally = Tally(args.json)
    library = Library(settings)
    try:
        library.claim_writing()
        sources: list[Source] = []
        for given in args.sources:
            try:
                sources += sources_at(given, args.include or (), args.exclude or ())
            except LocalRagError as exc:
                tally.fail(given if is_address(given) or not given.strip() else os.path.abspath(given), str(exc))
        for event in library.ingest(args.collection, sources):
            tally.add(event)
    finally:
        library.close()
    return tally.finish()


def documents(args: Namespace, settings: Settings) -> int:
    """List a collection's documents, or show one with its text."""
    library = Library(settings)
    try:
        if args.show is not None:
            return _show(library, args)
        for record in library.documents(args.collection):
            if args.json:
                say_json(_line(record))
            else:
                reason = f"  {record.error}" if record.error else ""
                say(f"{record.status:<10} {counted(record.chunks, 'chunk'):>13}  {record.source}{reason}")
        return DONE
    finally:
        library.close()


def _show(library: Library, args: Namespace) -> int:
    record = library.find_document(args.collection, args.show)
    text = library.ledger.text(record.id)
    if args.json:
        say_json({"document": record.source, "text": text, "pages": _pages(library.ledger.marks(record.id), len(text))})
    else:
        say_text(text)
    return DONE


def _pages(marks: Sequence[Mark], characters: int) -> list[dict[str, int]]:
    """Pages or slides with the range of text on each; a page without text is left out."""
    starts = [(mark.page, mark.start) for mark in marks if mark.page is not None]
    first = [(page, start) for at, (page, start) in enumerate(starts) if at == 0 or starts[at - 1][0] != page]
    ends = [*[start for _, start in first[1:]], characters]
    return [{"page": page, "start": start, "end": end} for (page, start), end in zip(first, ends, strict=False)]


def _line(record: DocumentRecord) -> dict[str, Any]:
    line: dict[str, Any] = {
        "document": record.source,
        "source": record.source,
        "type": record.type,
        "language": record.language,
        "pages": record.pages or None,
        "chunks": record.chunks,
        "characters": record.characters,
        "status": record.status,
        "error": record.error or None,
        "added": record.added,
    }
    further = {"title": record.title, "note": record.note, "also": list(record.also)}
    return line | {key: value for key, value in further.items() if value}


def delete(args: Namespace, settings: Settings) -> int:
    """Take documents out of a collection; the source files stay."""
    library, status = Library(settings), DONE
    try:
        for document in args.documents:
            try:
                record = library.delete_document(args.collection, document)
                line = {"document": record.source, "status": "deleted", "error": None}
                said = f"deleted {record.source} ({counted(record.chunks, 'chunk')}); the file itself stays"
                say_json(line) if args.json else say(said)
            except LocalRagError as exc:
                status = FAILED
                say_json({"document": document, "status": "failed", "error": str(exc)}) if args.json else complain(str(exc))
        return status
    finally:
        library.close()
