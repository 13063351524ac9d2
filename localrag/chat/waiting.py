"""What is asked next: questions put while their conversation's answer was being written, until it is finished."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from localrag.documents.source import Source
from localrag.errors import PromptError

MOST = 20
"""Of one conversation: the documents that come along lie in memory until they are asked about."""


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A question and the documents that came along. One that `waited` has what the boxes said when it was asked."""

    text: str = ""
    sources: tuple[Source, ...] = ()
    waited: bool = False
    collection: str = ""
    document: str | None = None


class NextQuestions:
    """Of every conversation, in the order they were asked. Every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, list[Asked]] = {}

    def of(self, conversation_id: str) -> tuple[Asked, ...]:
        """What waits in a conversation."""
        with self._lock:
            return tuple(self._waiting.get(conversation_id, ()))

    def keep(self, conversation_id: str, asked: Asked) -> None:
        """Remember a question behind those that wait already.

        Raises:
            PromptError: too many wait.
        """
        with self._lock:
            waiting = self._waiting.setdefault(conversation_id, [])
            if len(waiting) >= MOST:
                raise PromptError(f"{len(waiting)} questions wait in this conversation already. Take one back first.")
            waiting.append(asked)

    def take(self, conversation_id: str) -> Asked | None:
        """The first of them, to whoever comes first; None when there is none."""
        with self._lock:
            waiting = self._waiting.get(conversation_id)
            return waiting.pop(0) if waiting else None

    def take_back(self, conversation_id: str, asked: Asked) -> None:
        """Forget one of them, if it was not asked meanwhile."""
        with self._lock:
            waiting = self._waiting.get(conversation_id, [])
            if asked in waiting:
                waiting.remove(asked)

    def forget(self, conversation_id: str) -> None:
        """Forget those of a conversation that is deleted."""
        with self._lock:
            self._waiting.pop(conversation_id, None)
