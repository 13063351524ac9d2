"""An answer in the making. It lives in the engine, not in a page: reloads and page changes do not touch it."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace
from typing import Any, Literal

from localrag.types import Turn
from localrag.wording import counted

State = Literal["queued", "reading", "answering", "done", "failed"]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a summary is: at part `part` (from 1) of `parts`, with `characters` of the document's `size` behind it.

    `merging`: the parts are summaries already, and are being merged. `kept` parts were there from an earlier attempt.
    """

    part: int
    parts: int
    characters: int
    size: int
    merging: bool = False
    kept: int = 0


def progress_text(progress: Progress) -> str:
    """How far a summary is, in one line."""
    kept = f", {counted(progress.kept, 'part')} kept from before" if progress.kept else ""
    if progress.characters >= progress.size:
        return f"Writing the summary of {counted(progress.parts, 'part')}{kept}"
    if progress.merging:
        return f"Merging summaries, {progress.part} of {progress.parts}"
    return f"Part {progress.part} of {progress.parts}, {progress.characters:,} of {progress.size:,} characters read{kept}"


@dataclass(frozen=True, slots=True)
class AnswerView:
    """What a page draws of a job: its turn so far. `ahead` answers come before it while it is queued."""

    state: State
    turn: Turn
    ahead: int = 0
    progress: Progress | None = None

    @property
    def finished(self) -> bool:
        return self.state in ("done", "failed")


class AnswerJob:
    """One question on its way to an answer. Every method may be called from any thread."""

    def __init__(self, conversation_id: str, turn: Turn, started: float) -> None:
        """`started` is the perf_counter time the question was asked."""
        self.conversation_id = conversation_id
        self.started = started
        self.progress: Progress | None = None
        self.stopping = False
        """Set once it is to be stopped: work that does not happen in the model looks here."""
        self.held = False
        """Set while it waits for something else than the model: for a document that is being taken in."""
        self._turn = turn
        self._state: State = "queued"
        self._changed = threading.Condition()

    @property
    def turn(self) -> Turn:
        return self._turn

    @property
    def state(self) -> State:
        return self._state

    @property
    def finished(self) -> bool:
        return self._state in ("done", "failed")

    def update(self, state: State | None = None, **changes: Any) -> Turn:
        """Replace fields of the turn and wake who waits."""
        with self._changed:
            self._turn = replace(self._turn, **changes)
            self._state = state or self._state
            self._changed.notify_all()
            return self._turn

    def advance(self, progress: Progress) -> None:
        """Tell how far it is and wake who waits."""
        with self._changed:
            self.progress = progress
            self._changed.notify_all()

    def wait_for_progress(self, seen: Progress | None, timeout_s: float | None = None) -> bool:
        """Wait until the progress is another than `seen`, or the end; False when the time ran out first."""
        with self._changed:
            return self._changed.wait_for(lambda: self.finished or self.progress != seen, timeout_s)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until the answer is finished; False when the time ran out first."""
        with self._changed:
            return self._changed.wait_for(lambda: self.finished, timeout_s)

    def wait_for_text(self, timeout_s: float | None = None) -> bool:
        """Wait until there is answer text, or the end; False when the time ran out first."""
        with self._changed:
            return self._changed.wait_for(lambda: self.finished or bool(self._turn.answer), timeout_s)

    def elapsed(self) -> float:
        """Seconds since the question."""
        return time.perf_counter() - self.started
