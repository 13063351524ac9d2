"""Is everything there, whole, and the same on both sides? And: make the vectors again from the ledger."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from localrag.chat.database import ChatDatabase
from localrag.documents.ingest import Control
from localrag.documents.ledger import CollectionRecord
from localrag.documents.unfinished import Unfinished
from localrag.errors import LocalRagError, StoreError
from localrag.library import Library
from localrag.llms.registry import check_model
from localrag.models.memory import format_bytes
from localrag.models.starter import damaged
from localrag.privacy import readers_elsewhere
from localrag.retrieval.preflight import Inspection, inspect, inspect_server
from localrag.settings import CONVERSATIONS_FILE, Settings

LOW_BYTES, FEW_BYTES = 100 << 20, 1 << 30
"""Less free disk than the first fails; less than the second is worth a warning."""
LIMIT_S = 600.0
MAKE_AGAIN = "Run: python -m localrag doctor --rebuild"
START_AGAIN = "Start the app: it puts this right by itself."


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. `advice` says what to do unless it is ok."""

    check: str
    status: Literal["ok", "warning", "failed"]
    detail: str
    advice: str = ""


def examine(settings: Settings, collection: str | None = None) -> Iterator[Check]:
    """Look at everything, or at one collection and what it needs; nothing is changed."""
    writable = _data_dir(settings.data_dir)
    yield writable
    if writable.status == "failed":
        return
    yield _disk(settings.data_dir)
    running = _other_process(settings.data_dir)
    yield running
    try:
        library = Library(settings)
    except StoreError as exc:
        yield Check("ledger", "failed", str(exc), "Restore the data directory from a backup, or add the documents again.")
        return
    try:
        yield from _stores(library, running.status == "warning", collection)
    except LocalRagError as exc:
        yield Check("ledger", "failed", str(exc), "Restore the data directory from a backup, or add the documents again.")
    finally:
        library.close()
    yield _conversations(settings)
    yield _starter_models(settings)
    if settings.model.llm in ("server", "llamafile"):
        yield _chat_backend(settings)


def _stores(library: Library, busy: bool, collection: str | None) -> Iterator[Check]:
    faults = library.ledger.db.faults()
    if faults:
        yield Check("ledger", "failed", "; ".join(faults), "Restore the data directory from a backup.")
    else:
        yield Check("ledger", "ok", str(library.ledger.db.path))
    server = library.settings.vectors.chroma_url
    found = _inspect(library, server, busy)
    if found.error:
        advice = "Start the server, or correct chroma_url and chroma_token." if server else MAKE_AGAIN
        yield Check("chroma", "failed", f"It cannot be opened: {found.error}", advice)
    else:
        yield _indexes(library, found, busy)
    for record in library.collections() if collection is None else [library.collection(collection)]:
        if not found.error:
            yield _vectors(library, record, found, busy)
        yield _sentences(library, record)
        yield _model(library, record)
    yield _unfinished(library, busy)
    yield _backlog(library, busy)


def _conversations(settings: Settings) -> Check:
    path = settings.data_dir / CONVERSATIONS_FILE
    if not path.exists():
        return Check("conversations", "ok", "none yet")
    advice = "Restore the data directory from a backup, or move the file away to begin with none."
    if not path.stat().st_size:
        return Check("conversations", "warning", f"{path} has 0 bytes: if there were any, they are gone", advice)
    try:
        db = ChatDatabase(path)
        try:
            faults = [str(row[0]) for row in db.run("PRAGMA quick_check(20)")]
        finally:
            db.close()
    except StoreError as exc:
        return Check("conversations", "failed", str(exc), advice)
    if faults == ["ok"]:
        return Check("conversations", "ok", str(path))
    return Check("conversations", "failed", "; ".join(faults), advice)


def _inspect(library: Library, server: str, busy: bool) -> Inspection:
    if not server:
        return inspect(library.settings.data_dir / "chroma", LIMIT_S, being_written=busy)
    try:
        return inspect_server(library.index(), library.ledger.index_names())
    except StoreError as exc:
        return Inspection(error=str(exc))


def _data_dir(path: Path) -> Check:
    probe = path / f".doctor-{uuid.uuid4().hex}"
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"x")
        probe.unlink()
    except OSError as exc:
        return Check(
            "data directory", "failed", f"{path} cannot be written: {exc.strerror}", "Correct its rights, or name another."
        )
    return Check("data directory", "ok", str(path))


def _disk(path: Path) -> Check:
    free = shutil.disk_usage(path).free
    detail = f"{format_bytes(free)} are free for {path}"
    if free < FEW_BYTES:
        return Check("disk space", "failed" if free < LOW_BYTES else "warning", detail, "Free some space.")
    return Check("disk space", "ok", detail)


def _other_process(path: Path) -> Check:
    lock = FileLock(path / "write.lock", timeout=0)
    try:
        with lock:
            return Check("other process", "ok", "no other LocalRAG is running with these data")
    except Timeout:
        detail = "another LocalRAG is running with these data, so some of this may change while it is looked at"
        return Check("other process", "warning", detail, "Stop it for a sure answer, and before a rebuild.")


def _indexes(library: Library, found: Inspection, busy: bool) -> Check:
    known = library.ledger.index_names()
    strays = (found.ids.keys() | found.damaged.keys()) - known
    opened = f"opened, {len(found.ids)} indexes with {sum(map(len, found.ids.values()))} vectors"
    if strays and not busy:
        return Check("chroma", "warning", f"{opened}; {len(strays)} of them belong to no collection", START_AGAIN)
    return Check("chroma", "ok", opened)


def _vectors(library: Library, record: CollectionRecord, found: Inspection, busy: bool) -> Check:
    name = f"vectors of {record.name}"
    if reason := found.damaged.get(record.index_name):
        return Check(name, "failed", f"The index is damaged: {reason}", f"{MAKE_AGAIN} -c {_quoted(record.name)}")
    ids, vectors = library.ledger.chunk_ids(record.id), found.ids.get(record.index_name, set())
    announced = Unfinished(library.ledger.db).announced(sorted(vectors - ids))
    missing, orphaned = ids - vectors, vectors - ids - announced
    if len(ids) != record.chunks:
        detail = f"the ledger counts {record.chunks} chunks and holds {len(ids)}"
        return Check(name, "failed", detail, "Add the documents again.")
    if missing or orphaned:
        detail = f"{len(ids)} chunks, {len(vectors)} vectors: {len(missing)} missing, {len(orphaned)} of no chunk"
        if busy:
            return Check(name, "warning", detail, "Documents may be going in. Look again when they are in.")
        return Check(name, "failed", detail, f"{MAKE_AGAIN} -c {_quoted(record.name)}")
    return Check(name, "ok", f"{len(ids)} chunks, as many vectors, the same ids")


def _sentences(library: Library, record: CollectionRecord) -> Check:
    unfinished, name = Unfinished(library.ledger.db), f"sentences of {record.name}"
    if strays := unfinished.strays():
        return Check(name, "warning", f"{strays} rows of chunks that are gone", START_AGAIN)
    ready = unfinished.count_chunks(record.id, record.index_name)
    return Check(name, "ok", f"{ready} of {len(library.ledger.chunk_ids(record.id))} chunks have theirs ready")


def _model(library: Library, record: CollectionRecord) -> Check:
    name = f"embedding model of {record.name}"
    try:
        model = library.embeddings()
    except LocalRagError as exc:
        return Check(name, "failed", str(exc), "Run: python -m localrag setup, or choose another embedding model.")
    if model.identity != record.embedding:
        detail = f"it was built with {record.embedding_name}, the settings name {model.name}"
        return Check(name, "failed", detail, f"Switch back to that model, or: {MAKE_AGAIN} -c {_quoted(record.name)}")
    return Check(name, "ok", f"{model.name}, {model.dimension} numbers a vector")


def _unfinished(library: Library, busy: bool) -> Check:
    left = sum(len(Unfinished(library.ledger.db).left(record.id)) for record in library.collections())
    if left and not busy:
        return Check("unfinished writes", "warning", f"{left} chunks of writes that were broken off", START_AGAIN)
    return Check("unfinished writes", "ok", f"{left} chunks are on their way in" if left else "none")


def _backlog(library: Library, busy: bool) -> Check:
    jobs = library.backlog.jobs()
    waiting, paused = sum(len(job.sources) for job in jobs), sum(job.paused for job in jobs)
    detail = f"{waiting} documents in {len(jobs)} jobs wait, {paused} of them paused" if jobs else "no documents wait"
    if jobs and (paused or not busy):
        return Check("backlog", "warning", detail, "Start the app and resume what is paused: they go in then.")
    return Check("backlog", "ok", detail)


def _chat_backend(settings: Settings) -> Check:
    """A llamafile is looked at, not started."""
    name = "chat server" if settings.model.llm == "server" else "llamafile"
    try:
        check_model(settings.model)
    except LocalRagError as exc:
        return Check(name, "failed", str(exc), "Correct the settings on the Model page, or choose another model there.")
    elsewhere = [clause for clause in readers_elsewhere(settings) if clause.startswith("questions")]
    detail = str(settings.model.model_path) if name == "llamafile" else f"{settings.model.chat_server} answers"
    return Check(name, "ok", "; ".join([detail, *elsewhere]))


def _starter_models(settings: Settings) -> Check:
    wrong = damaged(settings.models_dir)
    if not wrong:
        return Check("starter models", "ok", f"all in {settings.models_dir}, whole")
    others = settings.model.model_path is not None and settings.documents.embedding_path is not None
    fake = settings.model.llm in ("fake", "server", "llamafile") and settings.documents.embeddings in ("fake", "server")
    return Check(
        "starter models",
        "warning" if others or fake else "failed",
        f"{'; '.join(wrong)} in {settings.models_dir}",
        "Run: python -m localrag setup (delete a damaged file first).",
    )


def make_again(settings: Settings, collection: str | None = None) -> Iterator[tuple[str, int, int]]:
    """Embed collections anew from the ledger, all or one; yields a collection's name with chunks (done, in all).

    Lost vectors are made again in any case. A Chroma that cannot be opened is moved aside first, and removed in the end.
    Raises:
        BusyError: another process has the data.
        StoreError, EmbeddingError: it cannot be done; what is left to do is done by the next call.
    """
    library = Library(settings)
    try:
        library.claim_writing()
        asked = [library.collection(collection)] if collection is not None else library.collections()
        lost = library.tidy(set_aside=True)
        for record in library.collections():
            if record.name in lost and record.embedding == library.embeddings().identity:
                work = library.restore(record.name, Control())
            elif record.name in {other.name for other in asked}:
                work = library.rebuild(record.name, Control())
            else:
                continue
            for done, total in work:
                yield record.name, done, total
            yield record.name, record.chunks, record.chunks
        library.clear_aside()
    finally:
        library.close()


def _quoted(name: str) -> str:
    return f'"{name}"' if any(not (c.isalnum() or c in "-_.") for c in name) else name
