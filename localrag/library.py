"""The documents of one data directory: collections, ingestion, search, deletion; one process writes at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial

from localrag.documents.backlog import BacklogJob
from localrag.documents.calibrations import Calibration
from localrag.documents.ingest import Control, IngestEvent, Ingestion
from localrag.documents.ledger import CollectionRecord
from localrag.documents.matching import chunk_ids_of, matching
from localrag.documents.rebuild import prune, rebuild
from localrag.documents.source import Source
from localrag.documents.sources import printable
from localrag.documents.writing import Writer, take_out
from localrag.errors import LocalRagError, StoreError
from localrag.retrieval.candidates import TYPICAL, Fit, Searched
from localrag.retrieval.confidence import calibrate
from localrag.retrieval.retriever import EvidenceRetriever
from localrag.retrieval.search import Wanted, search
from localrag.retrieval.spans import Budget
from localrag.settings import RetrievalSettings
from localrag.stores import Stores
from localrag.types import EVERYWHERE, DocumentRecord, SearchFilter, SearchResult

MAX_NAME_CHARS = 80
RECALIBRATE = 0.2
"""A collection that has grown or shrunk by this share since is asked made-up questions again."""


def collection_name(name: str) -> str:
    """A name as a collection may have it, white space tidied; StoreError when it is empty or too long."""
    name = " ".join(name.split())
    if not name or len(name) > MAX_NAME_CHARS:
        raise StoreError(f"A collection's name has 1 to {MAX_NAME_CHARS} characters, this one {len(name)}. Choose another.")
    return name


class Library(Stores):
    """Every method may be called from any thread. Reading works beside another process; writing claims the directory."""

    def collections(self) -> list[CollectionRecord]:
        """All collections by name."""
        return self.ledger.collections()

    def collection(self, name: str) -> CollectionRecord:
        """A collection by name; StoreError when there is none."""
        record = self.ledger.collection(" ".join(name.split()))
        if record is None:
            known = ", ".join(c.name for c in self.ledger.collections()) or "none yet"
            raise StoreError(
                f"There is no collection named {name} (there are: {known}). Name one of these, or add documents to make it."
            )
        return record

    def create_collection(self, name: str) -> CollectionRecord:
        """The collection of that name, made when missing, for the embedding model of the settings.

        Raises:
            StoreError: the name is empty or too long, or the collection belongs to another embedding model.
        """
        name = collection_name(name)
        self.claim_writing()
        model = self.embeddings()
        with self._lock:
            record = self.ledger.collection(name)
            if record is None:
                record = self.ledger.add_collection(name, model.identity, model.name, model.dimension)
        if record.embedding != model.identity:
            raise StoreError(
                f"The collection {name} was built with the embedding model {record.embedding_name}, the settings name"
                f" {model.name}. Switch back to that model, rebuild the collection, or make a new one."
            )
        self.index().collection(record.index_name, model)
        return record

    def delete_collection(self, name: str) -> None:
        """Forget a collection: its vectors, its documents' texts, its entries in the ledger. Source files stay."""
        record = self.collection(name)
        self.claim_writing()
        self.ledger.delete_collection(record.id)
        self.index().drop(record.index_name)
        self.ledger.settle()

    def note_job(self, collection: str, sources: Sequence[Source]) -> BacklogJob:
        """Note in the backlog what is to go into a collection, which is made when missing.

        Raises:
            BusyError, StoreError: it cannot be; nothing was noted.
        """
        record = self.create_collection(collection)
        number, stored = self.backlog.add(record.id, list(sources))
        return BacklogJob(number, record.name, len(stored), False, tuple(stored))

    def ingest(
        self, collection: str, sources: Sequence[Source], control: Control | None = None, job: BacklogJob | None = None
    ) -> Iterator[IngestEvent]:
        """Take documents in, one event after the other; the collection is made when missing.

        What a crash interrupts is in the backlog and goes on as a `job` of it.
        """
        record = self.create_collection(collection)
        control = control or Control()
        for _ in self.restore(record.name, control):  # what has not changed is not read again
            pass
        model = self.embeddings()
        noted = job or self.note_job(collection, sources)
        writer = Writer(record, self.ledger, self.settings.documents, self.index(), model)
        finished = partial(self.backlog.finish, noted.id)
        try:
            yield from Ingestion(record, self.ledger, model, self.settings, writer, control, finished).run(noted.sources)
        except Exception:
            self.backlog.finish(noted.id)  # it would fail again at every start
            raise
        if not control.goes_on_later:
            self.backlog.finish(noted.id)
            self.calibrate(record.name)

    def calibrate(self, collection: str) -> None:
        """Ask a collection made-up questions, when it was never asked or has changed much since: see `confidence`.

        What fails leaves it as it was: without an answer to them searches take what is typical.
        """
        record = self.collection(collection)
        before = self.calibrations.get(record.id, record.index_name)
        if before is not None and abs(record.chunks - before.chunks) <= RECALIBRATE * before.chunks:
            return
        nothing = None
        with suppress(LocalRagError):
            nothing = calibrate(self._searched(record, self.settings.retrieval))
        if nothing is not None:
            self.calibrations.keep(record.id, record.index_name, Calibration(record.chunks, nothing.words, nothing.cosine))

    def restore(self, collection: str, control: Control) -> Iterator[tuple[int, int]]:
        """Embed chunks anew that have lost their vectors, from the ledger; yields chunks (done, in all)."""
        record = self.create_collection(collection)
        if not self._tidied:
            self.tidy()
        if self.index().count(record.index_name) < record.chunks:
            yield from rebuild(record, self.ledger, self.index(), self.embeddings(), record.index_name, control)

    def rebuild(self, collection: str, control: Control | None = None) -> Iterator[tuple[int, int]]:
        """Embed a collection anew with the settings' model into a new index, from the ledger, then use that one instead.

        Yields chunks (done, in all). What was interrupted goes on where it was; until the end the old index is searched.
        A vector database that cannot be opened is replaced, and every collection of this model gets its vectors back.
        Raises:
            BusyError, EmbeddingError, StoreError: it cannot be; the collection is as it was.
        """
        record = self.collection(collection)
        self.claim_writing()
        lost = self.tidy(set_aside=True)
        model, index, control = self.embeddings(), self.index(), control or Control()
        name = self.ledger.begin_rebuild(record.id, model.identity)
        yield from rebuild(record, self.ledger, index, model, name, control)
        if control.cancelled:
            return
        with self.ledger.vectors_lock:
            prune(record, self.ledger, index, name)
            self.ledger.switch_index(record.id, name, model.identity, model.name, model.dimension)
        index.drop(record.index_name)
        self.calibrate(record.name)
        for other in lost:  # when the whole database was damaged
            if other != record.name and self.collection(other).embedding == model.identity:
                yield from self.restore(other, control)
        if not control.cancelled:
            self.clear_aside()

    def documents(self, collection: str) -> list[DocumentRecord]:
        """The documents of a collection, newest first."""
        return self.ledger.documents(self.collection(collection).id)

    def find_document(self, collection: str, document: str) -> DocumentRecord:
        """A document by its source, name or id; StoreError when there is none, or several of that name."""
        records = self.documents(collection)
        document, absolute = printable(document), printable(os.path.abspath(document))
        wanted = {document, absolute}
        found = [r for r in records if r.id == document or not wanted.isdisjoint((r.source, *r.also))] or [
            r for r in records if document in (r.name, *map(os.path.basename, r.also))
        ]
        if len(found) != 1:
            count = f"{len(found)} documents are" if found else "no document is"
            raise StoreError(f"In the collection {collection} {count} named {document}. `documents` lists their sources.")
        return found[0]

    def delete_document(self, collection: str, document: str) -> DocumentRecord:
        """Take a document out of a collection: its text, chunks and vectors. The source file stays."""
        record = self.find_document(collection, document)
        self.delete_documents(collection, [record])
        return record

    def delete_documents(self, collection: str, records: Sequence[DocumentRecord]) -> None:
        """Take documents out of a collection, all at once: text, chunks and vectors. Source files stay."""
        home = self.collection(collection)
        self.claim_writing()
        index = self.index()  # first: when it cannot be opened, nothing is deleted
        with self.ledger.vectors_lock:
            self.ledger.detach(home.id, [record.source for record in records if record.status == "failed"])
            self.ledger.delete_documents(home.id, [record.id for record in records if record.status != "failed"])
            take_out(home, self.ledger, index, replaced_only=True)

    def forget(self, collection: str, sources: Sequence[str]) -> None:
        """Forget sources, as the ledger names them, and the documents that come from nowhere else. The files stay."""
        home = self.collection(collection)
        self.claim_writing()
        index = self.index()
        with self.ledger.vectors_lock:
            self.ledger.detach(home.id, sources)
            take_out(home, self.ledger, index, replaced_only=True)

    def search(
        self,
        collection: str,
        question: str,
        k: int | None = None,
        budget_chars: int | None = None,
        retrieval: RetrievalSettings | None = None,
        filters: SearchFilter = EVERYWHERE,
        count_tokens: Callable[[str], int] | None = None,
    ) -> SearchResult:
        """Find evidence: see `retrieval.search`. Without `k` and budget: what the settings say, or `retrieval` does.

        `count_tokens` is the chat model's tokenizer: with it what is given to the model keeps to its budget in tokens.
        StoreError when no document passes `filters`.
        """
        record = self.collection(collection)
        chosen = retrieval or self.settings.retrieval
        searched = self._searched(record, chosen, filters)
        result = search(question, searched, _wanted(chosen, k, budget_chars, count_tokens))
        within = None if result.evidence else matching(self.ledger.db, record.id, filters)
        if within is not None and not chunk_ids_of(self.ledger.db, within):
            with_text = [one for one in self.ledger.documents(record.id) if one.chunks]
            there = ", ".join(sorted({one.type for one in with_text}) + sorted({one.language for one in with_text} - {""}))
            told = f" (there are: {there})" if there else ""
            raise StoreError(
                f"No document with text in the collection {record.name} fits what was asked for{told}. Ask for less."
            )
        if record.chunks and not result.evidence and not self.index().count(record.index_name):
            raise StoreError(
                f"The vectors of the collection {record.name} are lost from {self.index().where}."
                " Rebuild it on the Documents page, or run: python -m localrag doctor --rebuild"
            )
        return result

    def _searched(self, record: CollectionRecord, chosen: RetrievalSettings, filters: SearchFilter = EVERYWHERE) -> Searched:
        known = self.calibrations.get(record.id, record.index_name)
        nothing = Fit(known.words, known.cosine) if known else TYPICAL
        weight = chosen.vector_weight
        return Searched(record, self.ledger, self.index, self.embeddings(), self.places, weight, filters, nothing)

    def retriever(self, collection: str) -> EvidenceRetriever:
        """The search as a LangChain retriever."""
        return EvidenceRetriever(find=lambda question: self.search(collection, question))


def _wanted(
    chosen: RetrievalSettings, k: int | None, budget_chars: int | None, count_tokens: Callable[[str], int] | None
) -> Wanted:
    """What a search is to bring, from what was asked for and the settings.

    A budget that was asked for is kept to the letter. Those of the settings spare time and attention, and never hide the
    best sentence; what then has no room in the window, the plan of the prompt names.
    """
    if k is not None:
        return Wanted(k, diversity=chosen.diversity)
    if budget_chars is not None:
        share = chosen.least_share
        return Wanted(None, share, share, Budget(budget_chars), Budget(budget_chars), chosen.diversity)
    shown = Budget(chosen.evidence_chars, best_anyway=True)
    given = Budget(chosen.evidence_tokens, count_tokens, best_anyway=True) if count_tokens is not None else shown
    return Wanted(chosen.k or None, chosen.least_share, chosen.read_share, given, shown, chosen.diversity)
