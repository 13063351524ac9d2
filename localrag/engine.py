"""The one object the pages and the command line hold: settings, collections, search, answers, the model."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache
from textwrap import shorten
from typing import Any

from localrag.chat.answering import Answering, warm_up
from localrag.chat.follow_up import standalone
from localrag.chat.jobs import AnswerJob, AnswerView
from localrag.chat.queue import AnswerQueue
from localrag.chat.store import ConversationStore
from localrag.chat.summary import Summarising
from localrag.chat.whole import PickedDocument, whole_document
from localrag.documents.ledger import now
from localrag.documents.sources import printable
from localrag.errors import BusyError, LocalRagError, ModelFileError, PromptError
from localrag.evaluating import Evaluations
from localrag.intake import Intake
from localrag.library import Library
from localrag.llms.base import LoadedModel
from localrag.llms.registry import check_model
from localrag.llms.server_process import clean_up
from localrag.llms.worker import ModelState, ModelWorker
from localrag.models.catalogue import ModelEntry, list_models
from localrag.models.starter import starter_chat
from localrag.prompts.hub import prompt
from localrag.retrieval.search import MOST_CHARS
from localrag.settings import FIELD_GROUP, ModelSettings, RetrievalSettings, Settings, save_applied
from localrag.types import EVERYWHERE, Conversation, DocumentRecord, Evidence, SearchFilter, SearchResult, Timings, Turn
from localrag.watching import FolderWatcher

MAX_NAME_CHARS = 100


class Engine:
    """One per process, shared by every browser session. Every method may be called from any thread."""

    def __init__(self, settings: Settings) -> None:
        """Open the data directory; nothing large is loaded until it is needed.

        Raises:
            StoreError: the data directory cannot be used.
        """
        self.settings = settings
        self.library = Library(settings)
        self.intake = Intake(self.library)
        self.evaluations = Evaluations(self.library)
        self.watcher = FolderWatcher(self.library, self.intake.sync)
        self.store = ConversationStore(settings.data_dir / "conversations.sqlite")
        self._worker = ModelWorker()
        self._lock = threading.RLock()
        self._queue = AnswerQueue(self._worker, self.store)
        self._closed = False

    # Model

    def warm_up(self) -> None:
        """Load what the first question needs; what fails here says why when it is needed."""
        with suppress(LocalRagError):
            self.library.embeddings().embed_question("warm up")
            self.library.index()

    @property
    def model_state(self) -> ModelState:
        """What the chat model is doing."""
        return self._worker.state

    def models(self) -> list[ModelEntry]:
        """The GGUF files in the models folder."""
        return list_models(self.settings.models_dir)

    def model_settings(self, settings: Settings | None = None) -> ModelSettings:
        """The model's settings with the path filled in: the starter model when none is chosen.

        Raises:
            ModelFileError: none is chosen and the starter model is not there.
        """
        chosen = settings or self.settings
        if chosen.model.model_path is not None or chosen.model.llm in ("fake", "server", "llamafile"):
            return chosen.model
        return chosen.model.model_copy(update={"model_path": starter_chat(chosen.models_dir)})

    def start_model(self, wait: bool = False) -> None:
        """Load the model of the settings, in the background unless `wait`; `model_state` tells how it went.

        Raises:
            ModelFileError, ModelLoadError: with `wait`, when it cannot be used.
        """
        self._load(self.model_settings(), wait)

    def apply(self, values: dict[str, Any], wait: bool = False) -> bool:
        """Take new settings into use and keep them. Returns whether the model is being loaded anew.

        Settings of the answer take effect at once. Settings of the model are checked first; if the load then fails,
        the model before is used again and these settings are not kept.
        Raises:
            SettingsError, ModelFileError, ModelLoadError: nothing was changed.
        """
        changed = self.settings.with_values(values, "the Model page")
        load_values = {name: value for name, value in values.items() if FIELD_GROUP[name] == "model"}
        other_values = {name: value for name, value in values.items() if name not in load_values}
        reload = bool(load_values) and (changed.model != self.settings.model or self.model_state.status != "ready")
        if reload:
            check_model(self.model_settings(changed))
        if other_values:
            save_applied(self.settings.data_dir, other_values)
            self.settings = self.settings.with_values(other_values, "the Model page")
            self.library.settings = self.settings
        if reload:
            self._load(self.model_settings(changed), wait, load_values)
        return reload

    def _load(self, model: ModelSettings, wait: bool, keep: dict[str, Any] | None = None) -> None:
        finished = threading.Event()
        failure: list[LocalRagError] = []

        def then(error: LocalRagError | None) -> None:
            try:
                if error is not None:
                    raise error
                if keep:
                    self.settings = self.settings.with_values(keep, "the Model page")
                    self.library.settings = self.settings
                    save_applied(self.settings.data_dir, keep)
            except LocalRagError as exc:
                failure.append(exc)

        def warm(loaded: LoadedModel | None) -> None:
            try:
                warm_up(loaded)
            finally:
                finished.set()

        self._worker.load(model, then)
        self._worker.submit(warm)
        if wait:
            finished.wait()
            if failure:
                raise failure[0]

    # Answers

    def ask(
        self,
        conversation_id: str,
        question: str,
        evidence: Sequence[Evidence] | None = None,
        overrides: dict[str, Any] | None = None,
        filters: SearchFilter = EVERYWHERE,
        document: str | None = None,
    ) -> AnswerJob:
        """Find the evidence now, on this thread, and queue the answer; returns as soon as the evidence is there.

        `overrides` are settings for this answer alone, by flat name. A `document` (id, source or name) is read whole if it
        fits the window, else it alone is searched.
        Raises:
            LocalRagError: the question is empty, or its collection cannot be searched; nothing is queued.
        """
        started = time.perf_counter()
        question = printable(question).strip()
        if not question:
            raise PromptError("The question is empty. Write what you want to know.")
        if len(question) > MOST_CHARS:
            raise PromptError(f"The question has {len(question):,} characters, {MOST_CHARS:,} are allowed. Shorten it.")
        conversation = self.store.get(conversation_id)
        settings = self.settings.with_values(overrides or {}, "this question")
        wanted = standalone(question, conversation.turns)
        picked = result = None
        if evidence is None and document is not None:
            picked = self._picked(conversation.collection, document, wanted, settings.retrieval)
        elif evidence is None and conversation.collection:
            result = self._search(conversation.collection, wanted, settings.retrieval, filters)
        hub = None if settings.answer.prompt == "chat" else prompt(settings.answer.prompt, settings.data_dir / "prompts")
        embeddings = self.library.embeddings() if conversation.collection else None
        answering = Answering(self.store, settings.answer, tuple(conversation.turns), embeddings, hub, picked)
        fits = picked is not None and self._worker.look(lambda model: answering.reads_whole(model, question))
        if picked is not None and not fits:
            result = picked.search()
        turn = Turn(uuid.uuid4().hex, question, "", (picked.whole,) if picked and fits else tuple(evidence or ()), asked=now())
        if result is not None:
            # Passages of a picked document may be all there is before a model is loaded, which may then take the whole.
            doubted = result.confidence < settings.retrieval.least_confidence and fits is not None
            refused = settings.retrieval.refuse and doubted
            turn = replace(turn, evidence=result.evidence, confidence=result.confidence, refused=refused)
        turn = replace(turn, timings=Timings(search_s=time.perf_counter() - started))
        job = AnswerJob(conversation_id, turn, started)
        self._queue.add(job, None if turn.refused else answering)
        return job

    def _picked(self, collection: str, document: str, question: str, retrieval: RetrievalSettings) -> PickedDocument:
        record = self._document(collection, document)
        whole, within = whole_document(record, self.library.ledger.text(record.id)), SearchFilter(documents=(record.id,))
        return PickedDocument(whole, cache(lambda: self._search(collection, question, retrieval, within)))

    def _document(self, collection: str, document: str) -> DocumentRecord:
        if not collection:
            raise PromptError("This conversation is without documents. Switch documents on, or start a new chat.")
        return self.library.find_document(collection, document)

    def _search(self, collection: str, question: str, retrieval: RetrievalSettings, filters: SearchFilter) -> SearchResult:
        count = self.token_counter()
        return self.library.search(collection, question, retrieval=retrieval, filters=filters, count_tokens=count)

    def token_counter(self) -> Callable[[str], int] | None:
        """Counts tokens as the loaded model does; None before one is loaded."""
        count = self._worker.count_tokens
        return (lambda text: count(text) or 0) if count("") is not None else None

    def summarise(self, conversation_id: str, document: str, overrides: dict[str, Any] | None = None) -> AnswerJob:
        """Queue a summary of a document of the conversation's collection, as the answer of a new turn.

        What an earlier attempt finished is used; `answer` tells how far it is.
        Raises:
            LocalRagError: there is no such document, or it holds no text; nothing is queued.
        """
        started = time.perf_counter()
        conversation = self.store.get(conversation_id)
        settings = self.settings.with_values(overrides or {}, "this summary")
        record = self._document(conversation.collection, document)
        whole = whole_document(record, self.library.ledger.text(record.id))
        marks, embeddings = self.library.ledger.marks(record.id), self.library.embeddings()
        summarising = Summarising(self.store, settings.answer, embeddings, whole, marks, conversation.turns)
        turn = Turn(uuid.uuid4().hex, f"Summarise {shorten(whole.name, MAX_NAME_CHARS, placeholder=' …')}", "", asked=now())
        job = AnswerJob(conversation_id, turn, started)
        self._queue.add(job, summarising)
        return job

    def answer(self, conversation_id: str) -> AnswerView | None:
        """The latest answer of a conversation as it stands, with how many come before it; None when none was asked here."""
        return self._queue.view(conversation_id)

    def wait(self, conversation_id: str, timeout_s: float | None = None) -> bool:
        """Wait until a conversation's answer is finished; False when the time ran out first."""
        job = self._queue.job(conversation_id)
        return job is None or job.wait(timeout_s)

    def stop(self, conversation_id: str) -> None:
        """Stop a conversation's answer, or take its question out of the queue; what was written stays."""
        self._queue.stop(conversation_id)

    # Conversations

    def rename_collection(self, collection: str, new: str) -> str:
        """Give a collection another name, the conversations about it with it; see `Intake.rename`."""
        return self.intake.rename(collection, new, self.store)

    def new_conversation(self, collection: str) -> str:
        """Start a conversation about a collection (empty: without documents); returns its id."""
        return self.store.create(collection)

    def conversation(self, conversation_id: str) -> Conversation:
        """A conversation with its turns."""
        return self.store.get(conversation_id)

    def delete_conversation(self, conversation_id: str) -> None:
        """Stop its answer and forget the conversation."""
        self.stop(conversation_id)
        self.store.delete(conversation_id)

    def close(self) -> None:
        """Stop everything and free the memory; a second time does nothing. What is being taken in goes on after a restart."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        for part in (self.watcher, self.evaluations, self.intake, self._worker, self.library, self.store):
            part.close()


def open_engine(settings: Settings) -> Engine:
    """Open the engine and begin loading the model, if there is one."""
    engine = Engine(settings)
    clean_up()
    with suppress(BusyError):  # another process writes: reading works, and a write says so
        engine.library.claim_writing()
        engine.intake.go_on()
        engine.watcher.start()
    with suppress(ModelFileError):  # no starter model yet: the Model page says what to do
        engine.start_model()
    threading.Thread(target=engine.warm_up, name="warm-up", daemon=True).start()
    return engine
