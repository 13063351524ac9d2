"""What can be done with a conversation once there are answers in it: ask again, branch, go on, replay, find, export."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from localrag.asking import Asking, Request, before
from localrag.chat.continuing import Continuing, plan_to_go_on
from localrag.chat.export import Kind, exported
from localrag.chat.finding import Found, find_turns
from localrag.chat.jobs import AnswerJob
from localrag.chat.queue import AnswerQueue
from localrag.chat.replay import Replaying, ReplayJob, search_differences
from localrag.chat.store import ConversationStore
from localrag.errors import LocalRagError, PromptError, SettingsError, StoreError
from localrag.library import Library
from localrag.llms.base import LoadedModel
from localrag.llms.worker import ModelWorker
from localrag.settings import FIELD_GROUP, Settings
from localrag.types import Conversation, Evidence, Rating, SearchFilter, Turn


class Conversations:
    """Every method may be called from any thread."""

    def __init__(
        self, library: Library, store: ConversationStore, worker: ModelWorker, queue: AnswerQueue, asking: Asking
    ) -> None:
        self._library, self._store, self._worker = library, store, worker
        self._queue, self._asking = queue, asking

    # Answers

    def regenerate(
        self,
        conversation_id: str,
        turn_id: str | None = None,
        overrides: Mapping[str, Any] | None = None,
        search_again: bool = False,
    ) -> AnswerJob:
        """Answer a question (the last, or that of `turn_id`) once more, from the same passages unless it is to `search_again`.

        With the settings it was answered with, but for `overrides`. The former answer stays as another version: see `show`.
        Raises:
            LocalRagError: there is no such question, its last answer is not finished, or a setting is unusable.
        """
        conversation, turn, after = self._at(conversation_id, turn_id)
        settings = {**_known(turn.settings), **(overrides or {})}
        if turn.mode == "summary":
            return self._asking.summarise(conversation_id, turn.document, settings, after)
        request = self._as_before(conversation, turn, after, settings)
        if not search_again and (turn.evidence or request.collection == ""):
            request = replace(request, again=turn, document=None)
        return self._asking.ask(conversation_id, request)

    def edit(self, conversation_id: str, turn_id: str, question: str, overrides: Mapping[str, Any] | None = None) -> AnswerJob:
        """Ask another question in a turn's place. What stood there and came after it stays as another version: see `show`.

        Raises:
            LocalRagError: as `regenerate`; the question is empty, or its collection cannot be searched.
        """
        conversation, turn, after = self._at(conversation_id, turn_id)
        request = self._as_before(conversation, turn, after, overrides or {})
        return self._asking.ask(conversation_id, replace(request, question=question))

    def without_documents(self, conversation_id: str, turn_id: str) -> AnswerJob:
        """Ask a turn's question again at the end of its conversation, without documents; errors as `regenerate`."""
        _, turn, _ = self._at(conversation_id, turn_id)
        return self._asking.ask(conversation_id, Request(turn.question, collection=""))

    def go_on(self, conversation_id: str) -> AnswerJob:
        """Go on with the last answer, which was cut: generation goes on from its very tokens.

        Raises:
            PromptError: it was not cut, another model is loaded, or the window is full; the answer is as it was.
        """
        _, turn, _ = self._at(conversation_id, None)
        if self._queue.unfinished(conversation_id):
            raise PromptError("This conversation's last answer is not finished. Wait for it, or stop it first.")
        settings = self._library.settings.with_values(_known(turn.settings), "this answer").answer
        self._worker.look(lambda model: plan_to_go_on(turn, model, settings) if model is not None else None)
        embeddings = None if turn.mode == "chat" else self._library.embeddings()
        job = AnswerJob(conversation_id, replace(turn, error=""), time.perf_counter() - turn.timings.total_s)
        self._queue.add(job, Continuing(self._store, settings, embeddings))
        return job

    def _at(self, conversation_id: str, turn_id: str | None) -> tuple[Conversation, Turn, str]:
        """A conversation, a turn of the branch it shows (the last when None), and the id of the turn before that one."""
        conversation = self._store.get(conversation_id)
        ids = [turn.id for turn in conversation.turns]
        if not ids or (turn_id is not None and turn_id not in ids):
            raise StoreError("There is no such question in what is shown of this conversation. Open it anew.")
        at = len(ids) - 1 if turn_id is None else ids.index(turn_id)
        return conversation, conversation.turns[at], ids[at - 1] if at else ""

    def _as_before(self, conversation: Conversation, turn: Turn, after: str, overrides: Mapping[str, Any]) -> Request:
        """The request a turn came of; an old turn's asks what its conversation asks now."""
        if not turn.mode:
            return Request(turn.question, overrides=overrides, after=after)
        return Request(
            turn.question,
            overrides=overrides,
            filters=turn.filters,
            document=turn.document or None,
            collection="" if turn.mode == "chat" else self._collection_of(conversation, turn),
            after=after,
        )

    def _collection_of(self, conversation: Conversation, turn: Turn) -> str:
        """The collection a turn asked; its conversation's where that was renamed since, which takes its conversations along."""
        names = [record.name for record in self._library.collections()]
        return turn.collection if turn.collection in names else conversation.collection

    # Keeping

    def show(self, conversation_id: str, turn_id: str) -> None:
        """Show another version of a turn, with the branch it stands in."""
        self._store.show(conversation_id, turn_id)

    def rate(self, turn_id: str, rating: Rating) -> None:
        """Keep what a person thinks of an answer."""
        self._store.rate(turn_id, rating)

    def rename(self, conversation_id: str, title: str) -> str:
        """Give a conversation a title by hand; StoreError when it cannot be had."""
        return self._store.rename(conversation_id, title)

    def find(self, wanted: str) -> list[Found]:
        """Where words are in all conversations and all their branches, best first."""
        return find_turns(self._store.db, wanted)

    def configure(
        self, conversation_id: str, filters: SearchFilter | None = None, overrides: Mapping[str, Any] | None = None
    ) -> None:
        """Keep with a conversation where its questions look and with which settings; None leaves it as it is.

        Raises:
            SettingsError: a setting is unusable; nothing was kept.
        """
        self._store.get(conversation_id)
        if overrides is not None:
            fixed = [name for name in overrides if FIELD_GROUP.get(name) not in ("answer", "retrieval", None)]
            if fixed:
                raise SettingsError(f"{fixed[0]} is one for all conversations. Change it on the Model page.")
            self._library.settings.with_values(overrides, "this conversation")
            self._store.set_overrides(conversation_id, overrides)
        if filters is not None:
            self._store.set_filters(conversation_id, filters)

    def export(self, conversation_id: str, kind: Kind) -> str:
        """The conversation as Markdown, JSON or one HTML file that needs nothing else."""
        return exported(self._store, self._store.get(conversation_id), kind)

    # Why this answer

    def replay(self, conversation_id: str, turn_id: str) -> ReplayJob:
        """Search and answer anew as a turn did, at temperature 0, to see whether the answer is the same; nothing is kept.

        The search is done now, on this thread; the answer waits for those before it.
        Raises:
            LocalRagError: there is no such turn.
        """
        conversation, turn, after = self._at(conversation_id, turn_id)
        settings = self._library.settings.with_values(_known(turn.settings), "this answer")
        choice = self._asking.format_choice(settings.answer)
        found_now = self._search_again(conversation, turn, settings)
        replaying = Replaying(turn, before(conversation, after), settings.answer, found_now, choice)
        job = ReplayJob(turn_id)

        def work(model: LoadedModel | None) -> None:
            job.run(lambda: replaying.run(job, model))

        self._worker.submit(work)
        return job

    def _search_again(self, conversation: Conversation, turn: Turn, settings: Settings) -> list[str]:
        """What a search for a turn's passages finds otherwise today."""
        lines = [] if turn.settings else ["The settings of this answer were not kept: those of today are taken."]
        if not turn.searched:
            return lines + [f"{self._gone(span)}: {span.name}" for span in turn.evidence[:1] if self._gone(span) != _THERE]
        filters = SearchFilter(documents=(turn.document,)) if turn.document else turn.filters
        try:
            collection = self._collection_of(conversation, turn)
            found = self._asking.search(collection, turn.searched, settings.retrieval, filters)
        except LocalRagError as exc:
            return [*lines, f"The search of then cannot be done: {exc}"]
        return lines + search_differences(turn.evidence, found.evidence, self._gone)

    def _gone(self, span: Evidence) -> str:
        """What became of a passage that is found no more."""
        if self._library.ledger.document(span.document_id) is None:
            return "Its document was deleted or replaced"
        if self._library.ledger.text(span.document_id, span.start, span.end) != span.text:
            return "Its document has changed"
        return _THERE


_THERE = "Found then and not now"


def _known(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What of a turn's settings there still is."""
    return {name: value for name, value in settings.items() if name in FIELD_GROUP}
