"""The one object the pages and the command line hold: settings, collections, search, answers, the model."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from localrag.asking import Asking, Request
from localrag.attachments import Attachments
from localrag.chat.answering import warm_up
from localrag.chat.formatting import Formatting
from localrag.chat.jobs import AnswerJob, AnswerView
from localrag.chat.queue import AnswerQueue
from localrag.chat.store import ConversationStore
from localrag.chat.waiting import NextQuestions
from localrag.comparing import Comparisons
from localrag.conversations import Conversations
from localrag.errors import BusyError, LocalRagError, ModelFileError, SettingsError
from localrag.evaluating import Evaluations
from localrag.intake import Intake
from localrag.library import Library
from localrag.llms.base import LoadedModel
from localrag.llms.kept_states import KeptStates
from localrag.llms.registry import check_model, list_server_models
from localrag.llms.server_process import clean_up
from localrag.llms.worker import ModelState, ModelWorker
from localrag.models.catalogue import ModelEntry, list_models
from localrag.models.download_jobs import Downloads
from localrag.models.starter import starter_chat
from localrag.models.trials import Trials
from localrag.presets import Presets
from localrag.settings import CONVERSATIONS_FILE, FIELD_GROUP, ModelSettings, Settings, hub_token, save_applied
from localrag.tuning.tunings import Tunings
from localrag.types import EVERYWHERE, Conversation, Evidence, SearchFilter
from localrag.watching import FolderWatcher

MOST_WARM = 4
"""Collections that are searched once when the app opens: the first search of each reads its vectors and takes twice as long."""


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
        self.presets = Presets(settings.data_dir)
        self.downloads = Downloads(settings.models_dir, hub_token())
        self.watcher = FolderWatcher(self.library, self.intake.sync)
        self.store = ConversationStore(settings.data_dir / CONVERSATIONS_FILE)
        kept = (settings.model.kept_memory_mb * 1_000_000, settings.model.kept_disk_mb * 1_000_000)
        self._worker = ModelWorker(Trials(settings.data_dir), KeptStates(settings.data_dir / "states", *kept))
        self.formatting = Formatting(settings.data_dir, self._worker, self.store)
        self.comparisons = Comparisons(self.library, self._worker, self.formatting)
        self._lock = threading.RLock()
        self._queue = AnswerQueue(self._worker, self.store)
        self._asking = Asking(self.library, self.store, self._worker, self._queue, self.formatting)
        self.conversations = Conversations(self.library, self.store, self._worker, self._queue, self._asking)
        self.attachments = Attachments(self.library, self.store, self._queue, self._asking, self.intake)
        self.next_questions = NextQuestions()
        self.tunings = Tunings(settings.data_dir, settings.models_dir, self._worker.submit)
        self._not_kept = ""
        self._closed = False

    # Model

    def warm_up(self) -> None:
        """Load what the first question needs, and search once for it; what fails here says why when it is needed."""
        with suppress(Exception):  # a library may raise anything when the app closes meanwhile
            self.library.embeddings().embed_question("warm up")
            self.library.index()
            for record in self.library.collections()[:MOST_WARM]:
                with suppress(LocalRagError):
                    self.library.search(record.name, "warm up")

    @property
    def model_state(self) -> ModelState:
        """What the chat model is doing."""
        return self._worker.state

    @property
    def cached_tokens(self) -> int:
        """Tokens that lie evaluated in the model's KV cache now."""
        return self._worker.look(lambda model: 0 if model is None else model.cached_tokens)

    @property
    def model_notice(self) -> str:
        """What there is to know about the model in use; empty when nothing.

        Its file was replaced, its window is smaller than set, its settings could not be kept.
        """
        return " ".join(filter(None, (self._worker.notice, self._not_kept)))

    def server_models(self, values: Mapping[str, Any]) -> list[str]:
        """The chat models a server lists; `values` are its address and key, by the settings' names.

        Raises:
            SettingsError, ModelLoadError: there is no server at the address, or it cannot be used.
        """
        return list_server_models(self.settings.with_values(values, "the Model page").model)

    @property
    def has_model(self) -> bool:
        """Whether there is anything that could answer: a model in use, or a file for one."""
        return self.model_state.status in ("ready", "loading") or any(entry.kind == "chat" for entry in self.models())

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
            SettingsError, PromptError, ModelFileError, ModelLoadError: nothing was changed.
        """
        changed = self.settings.with_values(values, "the Model page")
        before = self.settings.answer
        if (changed.answer.template, changed.answer.prompt) != (before.template, before.prompt):
            self.formatting.chosen(changed.answer)
        load_values = {name: value for name, value in values.items() if FIELD_GROUP[name] == "model"}
        other_values = {name: value for name, value in values.items() if name not in load_values}
        reload = bool(load_values) and (changed.model != self.settings.model or self.model_state.status != "ready")
        if reload:
            check_model(self.model_settings(changed))
        if other_values:
            self.settings = self.settings.with_values(other_values, "the Model page")
            self.library.settings = self.settings
            save_applied(self.settings.data_dir, other_values)  # where there is no room, they apply until the app stops
        if reload:
            self._load(self.model_settings(changed), wait, load_values)
        elif changed.answer.template != before.template:
            self._worker.submit(self._warm)
        return reload

    def _warm(self, model: LoadedModel | None) -> None:
        with suppress(LocalRagError):  # no such format, too small a window: said when a question is asked
            warm_up(model, self.formatting.chosen(self.settings.answer)[0])

    def _load(self, model: ModelSettings, wait: bool, keep: dict[str, Any] | None = None) -> None:
        finished = threading.Event()
        failure: list[LocalRagError] = []

        def then(error: LocalRagError | None) -> None:
            self._not_kept = ""
            if error is not None:
                failure.append(error)
            elif keep:
                self.settings = self.settings.with_values(keep, "the Model page")
                self.library.settings = self.settings
                try:
                    save_applied(self.settings.data_dir, keep)
                except SettingsError as exc:
                    self._not_kept = str(exc)
                    failure.append(exc)

        def warm(loaded: LoadedModel | None) -> None:
            try:
                self._warm(loaded)
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
        request = Request(question, evidence, overrides or {}, filters or None, document)
        return self._asking.ask(conversation_id, request)

    def token_counter(self) -> Callable[[str], int] | None:
        """Counts tokens as the loaded model does; None before one is loaded."""
        return self._asking.token_counter()

    def summarise(self, conversation_id: str, document: str, overrides: dict[str, Any] | None = None) -> AnswerJob:
        """Queue a summary of a document of the conversation's collection, as the answer of a new turn.

        What an earlier attempt finished is used; `answer` tells how far it is.
        Raises:
            LocalRagError: there is no such document, or it holds no text; nothing is queued.
        """
        return self._asking.summarise(conversation_id, document, overrides)

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
        self.next_questions.forget(conversation_id)
        self.stop(conversation_id)
        self.store.delete(conversation_id)
        self._worker.states.forget(conversation_id)

    def close(self) -> None:
        """Stop everything and free the memory; a second time does nothing. What is being taken in goes on after a restart."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        parts = (self.downloads, self.tunings, self.watcher, self.evaluations, self.intake)
        for part in (*parts, self._worker, self.library, self.store):
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
    threading.Thread(target=_settle, args=(engine,), name="warm-up", daemon=True).start()
    return engine


def _settle(engine: Engine) -> None:
    engine.warm_up()
    # Streamlit collects garbage after every script run and every poll of an answer: 150 ms with the interpreter's lock for all
    # that was imported. None of that is garbage ever.
    gc.collect()
    gc.freeze()
