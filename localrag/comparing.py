"""Comparisons of models and settings: one at a time, kept in the data directory, there to be shown again."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from localrag.chat.comparison import Comparison, ComparisonJob, Side
from localrag.chat.formatting import Formatting
from localrag.documents.ledger import now
from localrag.errors import BusyError, LocalRagError, PromptError, StoreError
from localrag.evaluation.evaluate import CountTokens
from localrag.library import Library
from localrag.llms.base import LoadedModel
from localrag.llms.worker import ModelWorker
from localrag.models.starter import starter_chat
from localrag.settings import ModelSettings, Settings
from localrag.types import Evidence

logger = logging.getLogger(__name__)

FOLDER = "comparisons"
MOST_KEPT = 100
_COMPARISON = TypeAdapter(Comparison)


class Comparisons:
    """Every method may be called from any thread."""

    def __init__(self, library: Library, worker: ModelWorker, formatting: Formatting) -> None:
        self._library, self._worker, self._formatting = library, worker, formatting
        self._lock = threading.Lock()
        self._job: ComparisonJob | None = None

    @property
    def job(self) -> ComparisonJob | None:
        """The last one since the start of the app, running or finished."""
        return self._job

    def start(
        self,
        question: str,
        collection: str,
        values: Sequence[Mapping[str, Any]],
        settings: Settings,
        count_tokens: CountTokens | None = None,
    ) -> ComparisonJob:
        """Ask a question with each of the settings, in the background; the result is kept.

        `values` are what differs from `settings`, by flat name, for each side. `collection` is empty without documents.
        Raises:
            BusyError: one is running.
            LocalRagError: the question is empty, settings are unusable, or the collection cannot be searched.
        """
        question = question.strip()
        if not question:
            raise PromptError("The question is empty. Write what both are to be asked.")
        sides = [Side(_complete(settings.with_values(changed, "the comparison")), dict(changed)) for changed in values]
        evidence: tuple[Evidence, ...] = ()
        if collection:
            found = self._library.search(collection, question, retrieval=settings.retrieval, count_tokens=count_tokens)
            evidence = found.evidence
        embeddings = self._library.embeddings() if collection else None
        job = ComparisonJob(question, evidence, sides, embeddings, self._formatting.chosen)
        with self._lock:
            if self._job is not None and not self._job.finished:
                raise BusyError("A comparison is running. Wait for its end, or cancel it first.")
            self._job = job
        self._worker.borrow(lambda use: self._run(job, collection, use))
        return job

    def _run(self, job: ComparisonJob, collection: str, use: Callable[[ModelSettings], LoadedModel]) -> None:
        try:
            job.run(lambda settings: use(settings.model))
            if not job.cancelled.is_set():
                made = Comparison(uuid.uuid4().hex, job.question, collection, job.evidence, job.answers, now())
                self._keep(made)
        except LocalRagError as exc:
            logger.warning("a comparison was not kept: %s", exc)
        finally:
            job.finish()

    def cancel(self) -> None:
        """Stop the comparison that runs; nothing of it is kept."""
        job = self._job
        if job is not None and not job.finished:
            job.cancelled.set()
            if job.state == "answering":
                self._worker.cancel()

    def kept(self) -> list[Comparison]:
        """The comparisons that are kept, newest first; a damaged file is left out."""
        found = []
        for path in self._folder.glob("*.json"):
            try:
                found.append(_COMPARISON.validate_json(path.read_bytes()))
            except (OSError, ValidationError) as exc:
                logger.warning("the comparison %s cannot be read: %s", path, exc)
        return sorted(found, key=lambda comparison: comparison.made, reverse=True)

    def delete(self, comparison_id: str) -> None:
        """Forget a comparison."""
        if comparison_id.isalnum():
            (self._folder / f"{comparison_id}.json").unlink(missing_ok=True)

    @property
    def _folder(self) -> Path:
        return self._library.settings.data_dir / FOLDER

    def _keep(self, comparison: Comparison) -> None:
        path = self._folder / f"{comparison.id}.json"
        scratch = path.with_suffix(".tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            scratch.write_bytes(_COMPARISON.dump_json(comparison))
            scratch.replace(path)
        except OSError as exc:
            scratch.unlink(missing_ok=True)
            raise StoreError(f"The comparison could not be kept in {path.parent}: {exc.strerror}. Make room.") from exc
        for old in self.kept()[MOST_KEPT:]:
            self.delete(old.id)


def _complete(settings: Settings) -> Settings:
    """With the starter model's path where none is chosen."""
    if settings.model.model_path is not None or settings.model.llm in ("server", "fake"):
        return settings
    return settings.with_values({"model_path": starter_chat(settings.models_dir)})
