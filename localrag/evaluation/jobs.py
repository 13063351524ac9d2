"""An evaluation of several settings on the same questions in the background, with a snapshot a page can draw."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from localrag.errors import LocalRagError
from localrag.evaluation.differences import differences
from localrag.evaluation.evaluate import Report, Searching, evaluate
from localrag.evaluation.metrics import Estimate
from localrag.evaluation.question_sets import QuestionSet

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EvaluationView:
    """How it stands. `total` is 0 until the questions are there; `done` counts searches over all settings.

    `reports` are those that are finished, in the order of the settings. `changes` are the differences from the first to the
    last, once all are finished: see `differences`.
    """

    questions: QuestionSet | None
    done: int
    total: int
    reports: tuple[Report, ...]
    changes: Mapping[str, Mapping[str, Estimate]]
    finished: bool
    cancelled: bool
    error: str


class EvaluationJob:
    """Every method may be called from any thread; `run` does the work, once."""

    def __init__(self, questions: Callable[[], QuestionSet], searches: Sequence[Searching]) -> None:
        """`questions` makes or reads the set, when the work begins; `searches` has at least one of the settings to compare."""
        self._make, self._searches = questions, tuple(searches)
        self._questions: QuestionSet | None = None
        self._done = self._total = 0
        self._reports: tuple[Report, ...] = ()
        self._changes: Mapping[str, Mapping[str, Estimate]] = {}
        self._error = ""
        self._cancelled, self._finished = threading.Event(), threading.Event()

    def cancel(self) -> None:
        """Stop before the next question."""
        self._cancelled.set()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for the end; False when the time ran out first."""
        return self._finished.wait(timeout_s)

    @property
    def finished(self) -> bool:
        return self._finished.is_set()

    def snapshot(self) -> EvaluationView:
        """How it stands now."""
        finished = self.finished  # first: what is finished does not change any more
        return EvaluationView(
            self._questions,
            self._done,
            self._total,
            self._reports,
            self._changes,
            finished,
            self._cancelled.is_set(),
            self._error,
        )

    def run(self) -> None:
        """Search for every question with each of the settings, on the calling thread; what ends it early is in the snapshot."""
        try:
            questions = self._questions = self._make()
            self._total = len(questions.questions) * len(self._searches)
            for number, searching in enumerate(self._searches):
                self._evaluate(questions, searching, number * len(questions.questions))
                if self._cancelled.is_set():
                    return
            self._changes = differences(self._reports[0], self._reports[-1])
        except LocalRagError as exc:
            self._error = str(exc)
        except Exception as exc:  # the job must end for who waits, whatever a library raised
            logger.exception("an evaluation failed")
            self._error = f"The evaluation failed: {exc}. The log of the app has the details."
        finally:
            self._finished.set()

    def _evaluate(self, questions: QuestionSet, searching: Searching, before: int) -> None:
        for event in evaluate(questions, searching):
            self._done = before + event.done
            if event.report is not None:
                self._reports = (*self._reports, event.report)
            elif self._cancelled.is_set():
                return
