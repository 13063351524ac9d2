"""Evaluations of a collection's search that outlive page and tab: one at a time, the latest of each collection is kept."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

from localrag.errors import BusyError
from localrag.evaluation.evaluate import DEFAULT_K, CountTokens, Searching
from localrag.evaluation.jobs import EvaluationJob
from localrag.evaluation.question_sets import QuestionSet
from localrag.library import Library
from localrag.settings import RetrievalSettings
from localrag.types import SearchResult

CLOSE_S = 10.0


class Evaluations:
    """Every method may be called from any thread."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._lock = threading.Lock()
        self._jobs: dict[str, EvaluationJob] = {}

    def start(
        self,
        collection: str,
        questions: Callable[[], QuestionSet],
        settings: Sequence[RetrievalSettings],
        count_tokens: CountTokens | None = None,
        given_only: bool = True,
    ) -> EvaluationJob:
        """Ask a collection a set of questions with each of the settings, in the background.

        `given_only` judges what a model would read, else all that is shown. Ranks are counted to the same k for all settings.
        Raises:
            BusyError: one is running.
            StoreError: there is no such collection.
        """
        record = self._library.collection(collection)
        searches = [self._searching(record.name, chosen, count_tokens, given_only) for chosen in settings]
        job = EvaluationJob(questions, searches)
        with self._lock:
            if any(not other.finished for other in self._jobs.values()):
                raise BusyError("An evaluation is running. Wait for its end, or cancel it first.")
            self._jobs[record.id] = job
        threading.Thread(target=job.run, name="evaluation", daemon=True).start()
        return job

    def _searching(self, name: str, chosen: RetrievalSettings, count_tokens: CountTokens | None, given_only: bool) -> Searching:
        def find(question: str) -> SearchResult:
            result = self._library.search(name, question, retrieval=chosen, count_tokens=count_tokens)
            return replace(result, evidence=tuple(one for one in result.evidence if one.given or not given_only))

        documents = self._library.documents(name)
        return Searching(find, documents, self._library.ledger.text, DEFAULT_K, chosen.model_dump(), count_tokens)

    def latest(self, collection_id: str) -> EvaluationJob | None:
        """The last evaluation of a collection since the start of the app, running or finished."""
        with self._lock:
            return self._jobs.get(collection_id)

    def close(self) -> None:
        """Stop what is running."""
        with self._lock:
            jobs = list(self._jobs.values())
        for job in jobs:
            job.cancel()
        for job in jobs:
            job.wait(CLOSE_S)
