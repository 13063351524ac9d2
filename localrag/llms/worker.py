"""The one thread that owns the chat model: a FIFO queue of tasks, and the model swapped between two of them."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

from localrag.errors import GenerationError, LocalRagError, ModelLoadError
from localrag.llms.base import LoadedModel
from localrag.llms.kept_states import KeptStates
from localrag.llms.registry import load_model
from localrag.llms.server_process import give_up_starting
from localrag.models.trials import Trials
from localrag.settings import ModelSettings

logger = logging.getLogger(__name__)

GUESSED_CHARS = 4  # of a token, in English prose

Task = Callable[[LoadedModel | None], None]
Status = Literal["none", "loading", "ready", "failed"]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ModelState:
    """What the model is doing. `error` says why the last load failed; the model before it is then in use again."""

    status: Status = "none"
    name: str = ""
    n_ctx: int = 0
    error: str = ""


class ModelWorker:
    """Owns the model. Tasks run one after the other on its thread, so no two ever touch a context together."""

    def __init__(self, trials: Trials | None = None, states: KeptStates | None = None) -> None:
        """`trials` remembers which files have been loaded without harm; without it every process tries them anew.

        `states` keeps evaluated conversations, from one model to the next too.
        """
        self._trials = trials or Trials()
        self._state = ModelState()
        self.states = states or KeptStates(None, 0, 0)
        self._model: LoadedModel | None = None
        self._loaded: ModelSettings | None = None
        self._in_use = threading.Lock()
        self._tasks: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="model", daemon=True)
        self._thread.start()

    @property
    def state(self) -> ModelState:
        """What the model is doing; "failed" also when its own process has ended."""
        lost = str(getattr(self._model, "lost", ""))  # only a llamafile can be lost
        return ModelState("failed", self._state.name, self._state.n_ctx, lost) if lost else self._state

    def submit(self, task: Task) -> None:
        """Queue a task; it gets the model, or None when none could be loaded."""
        self._tasks.put(task)

    def look(self, read: Callable[[LoadedModel | None], T]) -> T:
        """What `read` makes of the model on this very thread, which must not take long; meanwhile it is not freed.

        For what only reads the vocabulary and the template: llama.cpp's tokenizer keeps nothing between two calls.
        """
        with self._in_use:
            return read(self._model)

    def load(self, settings: ModelSettings, then: Callable[[LocalRagError | None], None] = lambda _error: None) -> None:
        """Queue a change of model; `then` is called on the worker thread with the error, or None when it is in use.

        A llamafile that is still starting is given up: it may never be ready.
        """
        give_up_starting()
        self.submit(lambda _model: then(self._swap(settings)))

    def borrow(self, work: Callable[[Callable[[ModelSettings], LoadedModel]], None]) -> None:
        """Queue work that needs models of its own; no other task runs meanwhile, and the model before is back after it.

        `work` gets a function that loads the model of some settings, or raises a LocalRagError. Whatever it raises is logged.
        """

        def task(_model: LoadedModel | None) -> None:
            before = self._loaded
            try:
                work(self._use)
            finally:
                if before is not None and self._loaded != before:
                    self._swap(before)

        self.submit(task)

    def _use(self, settings: ModelSettings) -> LoadedModel:
        error = self._swap(settings) if settings != self._loaded else None
        if error is not None or self._model is None:
            raise error or ModelLoadError("No model could be loaded. Choose one on the Model page.")
        return self._model

    def count_tokens(self, text: str) -> int | None:
        """How many tokens a text is for the model, from any thread; None when none is loaded.

        A guess when the model cannot say, as a server that is gone: evidence is shown all the same, the answer says why.
        """
        try:
            return self.look(lambda model: None if model is None else len(model.tokenize(text)))
        except GenerationError:
            return len(text) // GUESSED_CHARS + 1

    @property
    def notice(self) -> str:
        """What there is to know about the model in use: its file was replaced, its window is smaller; empty when nothing."""
        told = ("notice", "note")  # not every backend has a file, or anything to say
        return self.look(lambda model: " ".join(filter(None, (str(getattr(model, name, "")) for name in told))))

    def cancel(self) -> None:
        """Stop the answer being generated, if there is one."""
        model = self._model
        if model is not None:
            model.cancel()

    def close(self) -> None:
        """End the running answer, drop what is queued, free the model."""
        while not self._tasks.empty():
            self._tasks.get_nowait()
        self._tasks.put(None)
        self.cancel()
        give_up_starting()
        self._thread.join(timeout=30)
        self.states.close()

    def _run(self) -> None:
        while (task := self._tasks.get()) is not None:
            try:
                task(self._model)
            except Exception:  # a failed task must not take the questions behind it along
                logger.exception("a task of the model's thread failed")
        self._release()

    def _swap(self, settings: ModelSettings) -> LocalRagError | None:
        before = self._loaded
        self._state = ModelState("loading", settings.model_path.stem if settings.model_path else settings.llm)
        self._release()
        error = self._load(settings)
        if error is not None and before is not None:
            back = self._load(before)
            message = str(error) if back is None else f"{error} The model before it could not be loaded again: {back}"
            self._state = ModelState("ready" if back is None else "failed", self._state.name, self._state.n_ctx, message)
        elif error is not None:
            self._state = ModelState("failed", error=str(error))
        return error

    def _load(self, settings: ModelSettings) -> LocalRagError | None:
        try:
            model = load_model(settings, self._trials, self.states)
        except LocalRagError as exc:
            return exc
        except Exception as exc:  # the provider boundary: whatever a backend raises must not end this thread
            logger.exception("loading %s failed", settings.model_path)
            return ModelLoadError(f"{settings.model_path} cannot be loaded: {exc}. Choose another model.")
        self._model, self._loaded = model, settings
        self._state = ModelState("ready", model.name, model.n_ctx)
        return None

    def _release(self) -> None:
        with self._in_use:
            model, self._model, self._loaded = self._model, None, None
        if model is not None:
            model.close()
