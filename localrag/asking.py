"""From a question to an answer on its way: where to look and for what, with which settings, and what the model is to do."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from textwrap import shorten
from typing import Any

from localrag.chat.answering import Answering
from localrag.chat.follow_up import standalone
from localrag.chat.formatting import Formatting
from localrag.chat.jobs import AnswerJob
from localrag.chat.proof_first import PROOF_FIRST
from localrag.chat.queue import AnswerQueue, Work
from localrag.chat.rewriting import Rewriting
from localrag.chat.store import ConversationStore
from localrag.chat.summary import Summarising
from localrag.chat.whole import PickedDocument, whole_document
from localrag.documents.ledger import now
from localrag.documents.sources import printable
from localrag.errors import LocalRagError, PromptError, StoreError
from localrag.library import Library
from localrag.llms.formats import FormatChoice
from localrag.llms.worker import ModelWorker
from localrag.retrieval.search import MOST_CHARS
from localrag.settings import AnswerSettings, RetrievalSettings, Settings
from localrag.types import Conversation, DocumentRecord, Evidence, SearchFilter, SearchResult, Timings, Turn

MAX_NAME_CHARS = 100


@dataclass(frozen=True, slots=True)
class Request:
    """A question with what it is to be asked with; None stands for what its conversation has.

    `overrides` are settings for this answer alone, by flat name. A `document` (id, source or name) is read whole if it fits
    the window, else it alone is searched. `collection` "" is a question without documents. The turn stands after the turn
    `after`. `again` is a turn whose passages are used once more: nothing is searched for. `evidence`: nor with passages given.
    """

    question: str
    evidence: Sequence[Evidence] | None = None
    overrides: Mapping[str, Any] = field(default_factory=dict)
    filters: SearchFilter | None = None
    document: str | None = None
    collection: str | None = None
    after: str | None = None
    again: Turn | None = None


class Asking:
    """Every method may be called from any thread."""

    def __init__(
        self,
        library: Library,
        store: ConversationStore,
        worker: ModelWorker,
        queue: AnswerQueue,
        formatting: Formatting,
    ) -> None:
        self._library, self._store, self._worker, self._queue = library, store, worker, queue
        self._formatting = formatting

    def ask(self, conversation_id: str, request: Request) -> AnswerJob:
        """Find the evidence now, on this thread, and queue the answer; returns as soon as the evidence is there.

        Raises:
            LocalRagError: the question is empty, or its collection cannot be searched; nothing is queued.
        """
        started = time.perf_counter()
        turn, work = self.prepare(self._store.get(conversation_id), request, started)
        job = AnswerJob(conversation_id, turn, started)
        self._queue.add(job, work, request.after)
        return job

    def prepare(self, conversation: Conversation, request: Request, started: float) -> tuple[Turn, Work | None]:
        """The turn with its evidence, and what is to be done for its answer: nothing when it is refused. Errors as `ask`."""
        question = checked(request.question)
        turns = before(conversation, request.after)
        settings = self._settings(conversation, request.overrides, "this question")
        retrieval = settings.retrieval
        collection = conversation.collection if request.collection is None else request.collection
        filters = conversation.filters if request.filters is None else request.filters
        turn = Turn(
            uuid.uuid4().hex,
            question,
            "",
            asked=now(),
            mode="documents" if collection else "chat",
            collection=collection,
            filters=filters,
            settings=kept_settings(settings),
        )
        wanted = standalone(question, turns) if collection else question
        picked = None
        if request.again is not None:
            names = ("evidence", "confidence", "searched", "document")
            turn = replace(turn, **{name: getattr(request.again, name) for name in names})
        elif request.evidence is not None:
            turn = replace(turn, evidence=tuple(request.evidence))
        elif request.document is not None:
            picked = self._picked(collection, request.document, wanted, retrieval)
            turn = replace(turn, document=picked.whole.document_id)
        answering = self._answering(settings, turns, collection, picked)
        fresh = request.again is None and request.evidence is None
        if picked is not None:
            turn = self._read(turn, answering, picked, wanted, retrieval)
        elif fresh and collection and turns and retrieval.rewrite == "model":

            def find(rewritten: str) -> dict[str, Any]:
                return self._found(rewritten, self.search(collection, rewritten, retrieval, filters), retrieval)

            return turn, Rewriting(self._store, turns, wanted, find, answering)
        elif fresh and collection:
            turn = replace(turn, **self._found(wanted, self.search(collection, wanted, retrieval, filters), retrieval))
        search_s = time.perf_counter() - started if request.again is None else request.again.timings.search_s
        turn = replace(turn, timings=Timings(search_s=search_s))
        return turn, None if turn.refused else answering

    @staticmethod
    def _found(wanted: str, result: SearchResult, retrieval: RetrievalSettings, sure: bool = True) -> dict[str, Any]:
        """What a turn holds of a search; not `sure`, nothing is refused."""
        refused = sure and retrieval.refuse and result.confidence < retrieval.least_confidence
        return {"searched": wanted, "evidence": result.evidence, "confidence": result.confidence, "refused": refused}

    def _read(
        self, turn: Turn, answering: Answering, picked: PickedDocument, wanted: str, retrieval: RetrievalSettings
    ) -> Turn:
        """The turn with the picked document, whole where the window holds it, else with its best passages."""
        fits = self._worker.look(lambda model: answering.reads_whole(model, turn.question))
        if fits:
            return replace(turn, evidence=(picked.whole,))
        # Passages of a picked document may be all there is before a model is loaded, which may then take the whole.
        return replace(turn, **self._found(wanted, picked.search(), retrieval, fits is not None))

    def _answering(
        self, settings: Settings, turns: Sequence[Turn], collection: str, picked: PickedDocument | None
    ) -> Answering:
        choice, hub = self._formatting.chosen(settings.answer)
        embeddings = self._library.embeddings() if collection else None
        return Answering(self._store, settings.answer, tuple(turns), embeddings, hub, picked, choice)

    def summarise(
        self, conversation_id: str, document: str, overrides: Mapping[str, Any] | None = None, after: str | None = None
    ) -> AnswerJob:
        """Queue a summary of a document of the conversation's collection, as the answer of a new turn.

        Raises:
            LocalRagError: there is no such document, or it holds no text; nothing is queued.
        """
        started = time.perf_counter()
        conversation = self._store.get(conversation_id)
        settings = self._settings(conversation, overrides or {}, "this summary")
        record = self._document(conversation.collection, document)
        whole = whole_document(record, self._library.ledger.text(record.id))
        marks, embeddings = self._library.ledger.marks(record.id), self._library.embeddings()
        turns = before(conversation, after)
        choice = self.format_choice(settings.answer)
        summarising = Summarising(self._store, settings.answer, embeddings, whole, marks, turns, choice)
        turn = Turn(
            uuid.uuid4().hex,
            f"Summarise {shorten(whole.name, MAX_NAME_CHARS, placeholder=' …')}",
            "",
            asked=now(),
            mode="summary",
            collection=conversation.collection,
            document=record.id,
            settings=kept_settings(settings),
        )
        job = AnswerJob(conversation_id, turn, started)
        self._queue.add(job, summarising, after)
        return job

    def _settings(self, conversation: Conversation, overrides: Mapping[str, Any], origin: str) -> Settings:
        return self._library.settings.with_values({**conversation.overrides, **overrides}, origin)

    def _picked(self, collection: str, document: str, question: str, retrieval: RetrievalSettings) -> PickedDocument:
        record = self._document(collection, document)
        whole, within = whole_document(record, self._library.ledger.text(record.id)), SearchFilter(documents=(record.id,))
        search = cache(lambda: self.search(collection, question, retrieval, within))
        with suppress(LocalRagError):  # an index that cannot be searched hinders nobody from reading a document whole
            whole = replace(whole, focus=next((found.focus for found in search().evidence if found.focus), None))
        return PickedDocument(whole, search)

    def _document(self, collection: str, document: str) -> DocumentRecord:
        if not collection:
            raise PromptError("This conversation is without documents. Switch documents on, or start a new chat.")
        return self._library.find_document(collection, document)

    def search(self, collection: str, question: str, retrieval: RetrievalSettings, filters: SearchFilter) -> SearchResult:
        """Search with the budget counted in the model's tokens where one is loaded; errors as `Library.search`."""
        count = self.token_counter()
        with PROOF_FIRST.searching():
            return self._library.search(collection, question, retrieval=retrieval, filters=filters, count_tokens=count)

    def format_choice(self, settings: AnswerSettings) -> FormatChoice | None:
        """The prompt format the settings name; None is the model's own. PromptError when there is none of that name."""
        return self._formatting.chosen(settings)[0]

    def token_counter(self) -> Callable[[str], int] | None:
        """Counts tokens as the loaded model does; None before one is loaded."""
        count = self._worker.count_tokens
        return (lambda text: count(text) or 0) if count("") is not None else None


def checked(question: str) -> str:
    """A question as it can be asked; PromptError when it cannot."""
    question = printable(question).strip()
    if not any(sign.isprintable() and not sign.isspace() for sign in question):  # signs nobody sees ask nothing
        raise PromptError("The question is empty. Write what you want to know.")
    if len(question) > MOST_CHARS:
        raise PromptError(f"The question has {len(question):,} characters, {MOST_CHARS:,} are allowed. Shorten it.")
    return question


def before(conversation: Conversation, after: str | None) -> list[Turn]:
    """The turns up to the turn `after`, all of the branch that is shown when it is None, none when it is "".

    Raises:
        StoreError: it is not in the branch that is shown.
    """
    if after is None:
        return list(conversation.turns)
    ids = ["", *(turn.id for turn in conversation.turns)]
    if after not in ids:
        raise StoreError(
            "This part of the conversation is hidden by another version of it. Show that one first, and ask again."
        )
    return list(conversation.turns[: ids.index(after)])


def kept_settings(settings: Settings) -> dict[str, Any]:
    """What of the settings an answer hangs on, by flat name."""
    return {**settings.answer.model_dump(mode="json"), **settings.retrieval.model_dump(mode="json")}
