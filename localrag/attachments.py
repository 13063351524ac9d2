"""Documents that come with a question: taken in first, then the question is asked about them."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from localrag.asking import Asking, Request, checked
from localrag.chat.jobs import AnswerJob
from localrag.chat.queue import AnswerQueue
from localrag.chat.store import ConversationStore
from localrag.documents.jobs import IngestJob
from localrag.documents.ledger import now
from localrag.documents.source import Source
from localrag.errors import LocalRagError, PromptError
from localrag.intake import Intake
from localrag.library import Library
from localrag.types import SearchFilter, Turn

logger = logging.getLogger(__name__)

MOST_SAID = 3


class Attachments:
    """Every method may be called from any thread."""

    def __init__(self, library: Library, store: ConversationStore, queue: AnswerQueue, asking: Asking, intake: Intake) -> None:
        self._library, self._store = library, store
        self._queue, self._asking, self._intake = queue, asking, intake
        self._waiting: dict[str, IngestJob] = {}

    def ask(self, conversation_id: str, question: str, sources: Sequence[Source], collection: str) -> IngestJob:
        """Take documents into a collection, which the conversation is about from now on; then ask the question about them.

        The question is kept at once and waits, without holding up others; without one they are only taken in. One document
        is read whole if it fits the window.
        Raises:
            LocalRagError: the question cannot be asked, or the documents cannot go in; nothing was begun.
        """
        started = time.perf_counter()
        if question.strip():
            question = checked(question)
        if self._queue.unfinished(conversation_id):
            raise PromptError("This conversation's last answer is not finished. Wait for it, or stop it first.")
        ingest = self._intake.start(collection, sources)
        self._store.set_collection(conversation_id, collection)
        if question.strip():
            turn = Turn(uuid.uuid4().hex, question, "", asked=now(), mode="documents", collection=collection)
            job = AnswerJob(conversation_id, turn, started)
            self._queue.hold(job)
            self._waiting[job.turn.id] = ingest
            threading.Thread(target=self._when_in, args=(job, ingest), name="question with documents", daemon=True).start()
        return ingest

    def waits_for(self, turn_id: str) -> IngestJob | None:
        """The documents a question waits for; None when it waits for none."""
        return self._waiting.get(turn_id)

    def _when_in(self, job: AnswerJob, ingest: IngestJob) -> None:
        """Ask a held question once its documents are in."""
        ingest.wait()
        if ingest.control.goes_on_later:  # the app closes: the question is kept, and can be asked again
            return
        try:
            documents, trouble = self._taken_in(ingest)
            job.started = time.perf_counter()  # the figures of an answer are not those of its documents
            conversation = self._store.get(job.conversation_id)
            earlier = conversation.turns[-2].id if len(conversation.turns) > 1 else ""
            request = Request(
                job.turn.question,
                filters=SearchFilter(documents=tuple(documents)),
                document=documents[0] if len(documents) == 1 else None,
                collection=ingest.collection,
                after=earlier,
            )
            turn, work = self._asking.prepare(conversation, request, job.started)
            job.update(**_fields(replace(turn, id=job.turn.id, asked=job.turn.asked, note=trouble)))
            self._queue.begin(job, work)
        except LocalRagError as exc:
            self._queue.fail(job, str(exc))
        except Exception as exc:  # the question must not wait for ever, whatever a library raised
            logger.exception("asking about new documents failed")
            self._queue.fail(job, f"The question could not be asked: {exc}. Ask it again.")
        finally:
            self._waiting.pop(job.turn.id, None)

    def _taken_in(self, ingest: IngestJob) -> tuple[list[str], str]:
        """The ids of the documents a job has taken in, and what of it went wrong; PromptError when there are none."""
        view = ingest.snapshot()
        documents: list[str] = []
        for event in view.events:
            if event.status in ("indexed", "unchanged", "replaced"):
                documents.append(self._library.find_document(view.collection, event.document).id)
        troubles = [
            event.error or f"{event.name} holds no text." for event in view.events if event.status in ("failed", "empty")
        ]
        trouble = " ".join([*troubles[:MOST_SAID], *([view.error] if view.error else [])])
        if not documents:
            raise PromptError(trouble or "The upload was cancelled, so the question was not asked.")
        return list(dict.fromkeys(documents)), trouble


def _fields(turn: Turn) -> dict[str, Any]:
    return {name: getattr(turn, name) for name in Turn.__dataclass_fields__}
