"""sync."""

from __future__ import annotations

import queue
import signal
from argparse import Namespace
from dataclasses import dataclass
from types import FrameType

from localrag.commands.output import DONE, WRONG_USAGE, complain, say, say_json
from localrag.commands.progress import Tally
from localrag.documents.folders import Folders, SyncedFolder
from localrag.documents.sources import printable
from localrag.errors import LocalRagError
from localrag.library import Library
from localrag.settings import Settings
from localrag.sync import keep_in_sync, stop_keeping, sync
from localrag.watching import FolderWatcher


@dataclass
class _Round:
    """A sync the watcher asked for."""

    folder: SyncedFolder
    finished: bool = False


def sync_folders(args: Namespace, settings: Settings) -> int:
    """Keep folders in sync: those that are named, or all that are known of the collection."""
    if (args.include or args.exclude) and not args.folders:
        complain("--include and --exclude belong to a folder. Name it after them.")
        return WRONG_USAGE
    if args.folders and (args.list or args.forget):
        complain(f"--list and --forget do nothing to {printable(args.folders[0])}. Leave it out, or use them on their own.")
        return WRONG_USAGE
    library = Library(settings)
    try:
        if args.list:
            return _list(library, args)
        library.claim_writing()
        if args.forget:
            return _forget(library, args)
        tally = Tally(args.json)
        chosen = _chosen(library, args, tally)
        for folder in chosen:
            _sync(library, args, folder, tally, args.force, True)
        status = tally.finish()
        return _follow(library, args, chosen) if args.watch else status
    finally:
        library.close()


def _chosen(library: Library, args: Namespace, tally: Tally) -> list[SyncedFolder]:
    if not args.folders:
        known = Folders(library.ledger.db).all(library.collection(args.collection).id)
        if not known:
            complain(f"No folder is kept in sync with {args.collection}. Name one: python -m localrag sync FOLDER")
        return known
    chosen: list[SyncedFolder] = []
    for place in args.folders:
        try:
            folder = keep_in_sync(library, args.collection, place, args.include, args.exclude, args.watch or None)
            chosen = [*(other for other in chosen if other.key != folder.key), folder]
        except LocalRagError as exc:
            tally.fail(place, str(exc))
    return chosen


def _sync(library: Library, args: Namespace, folder: SyncedFolder, tally: Tally, force: bool, retry: bool) -> None:
    try:
        for event in sync(library, args.collection, folder, force=force, retry=retry):
            tally.add(event)
    except LocalRagError as exc:
        tally.fail(str(folder.path), str(exc))


def _follow(library: Library, args: Namespace, folders: list[SyncedFolder]) -> int:
    """Sync folders whenever something changes in them, until Ctrl-C."""
    rounds: queue.SimpleQueue[_Round] = queue.SimpleQueue()
    keys = {folder.key for folder in folders}

    def begin(collection: str, folder: SyncedFolder, retry: bool) -> _Round:
        asked = _Round(folder)
        rounds.put(asked)
        return asked

    def choose() -> list[SyncedFolder]:
        return [folder for folder in Folders(library.ledger.db).all() if folder.key in keys]

    watcher = FolderWatcher(library, begin, choose, complain)
    before = signal.signal(signal.SIGTERM, _interrupt)
    watcher.start()
    places = [printable(str(folder.path)) for folder in folders]
    say_json({"watching": places}) if args.json else say(f"Following {', '.join(places) or 'nothing'}. Stop with Ctrl-C.")
    try:
        while True:
            asked = rounds.get()
            tally = Tally(args.json, quiet=True)
            _sync(library, args, asked.folder, tally, False, False)
            asked.finished = True
            if tally.printed:
                tally.finish()
    except KeyboardInterrupt:
        return DONE
    finally:
        watcher.close()
        signal.signal(signal.SIGTERM, before)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _list(library: Library, args: Namespace) -> int:
    record = library.collection(args.collection)
    for folder in Folders(library.ledger.db).all(record.id):
        path = printable(str(folder.path))
        line = {
            "collection": record.name,
            "folder": path,
            "include": folder.include,
            "exclude": folder.exclude,
            "watched": folder.watched,
            "synced": folder.synced or None,
        }
        patterns = "".join([*(f"  +{pattern}" for pattern in folder.include), *(f"  -{pattern}" for pattern in folder.exclude)])
        say_json(line) if args.json else say(f"{folder.synced or 'never':<26} {path}{patterns}")
    return DONE


def _forget(library: Library, args: Namespace) -> int:
    for place in args.forget:
        folder = stop_keeping(library, args.collection, place)
        path = printable(str(folder.path))
        line = {"folder": path, "status": "forgotten"}
        say_json(line) if args.json else say(f"{path} is no longer kept in sync; its documents stay")
    return DONE
