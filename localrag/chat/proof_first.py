"""Answers stand still while evidence is looked for and drawn: one machine does both, and the proof comes first."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

LONGEST_S = 1.0
"""How long a search or a page that never ends may hold answers up."""


class ProofFirst:
    """Who is looking for evidence or drawing it, and who waits for that; from any thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._searches, self._search_until, self._until = 0, 0.0, 0.0

    @contextmanager
    def searching(self) -> Iterator[None]:
        """Meanwhile no answer goes on."""
        with self._changed:
            self._searches += 1
            self._search_until = time.monotonic() + LONGEST_S
        try:
            yield
        finally:
            with self._changed:
                self._searches -= 1
                self._changed.notify_all()

    def hold(self, seconds: float) -> None:
        """No answer goes on for so long from now; a later call stands in for an earlier one."""
        with self._changed:
            self._until = time.monotonic() + min(seconds, LONGEST_S)
            self._changed.notify_all()

    def wait(self) -> None:
        """Called between two tokens of an answer: returns once nobody searches or draws."""
        if not self._searches and not self._until:  # a look without the lock: the next token looks again
            return
        with self._changed:
            while (left := self._left()) > 0:
                self._changed.wait(left)

    def _left(self) -> float:
        """Seconds to wait; to be looked at again when something changes."""
        now, end = time.monotonic(), max(self._until, self._search_until if self._searches else 0.0)
        if now >= self._until:
            self._until = 0.0
        return end - now


PROOF_FIRST = ProofFirst()
"""One for the process, for its threads share the cores."""
