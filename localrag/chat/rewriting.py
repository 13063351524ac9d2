"""A follow-up made to stand alone by the chat model, before anything is searched for: an option, for it takes its time."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from localrag.chat.answering import Answering, guarded
from localrag.chat.jobs import AnswerJob
from localrag.chat.store import ConversationStore
from localrag.llms.base import GenerationStats, LoadedModel
from localrag.llms.formats import with_format
from localrag.prompts.plan import plan_prompt
from localrag.settings import AnswerSettings
from localrag.types import Timings, Turn

INSTRUCTION = (
    "Write my next question again so that it can be understood without this conversation. Write the question only.\n"
    "My next question: "
)
MOST_TOKENS = 64
MOST_TIMES_LONGER = 8
"""Of a rewritten question, beside the one that was asked and the one before it."""
_LABEL = re.compile(r"^\s*(?:(?:rewritten|next|new|my)\s+)*question\s*:\s*", re.IGNORECASE)

Search = Callable[[str], Mapping[str, Any]]
"""Searches for a question; what the turn is to hold then, by field."""


@dataclass(frozen=True, slots=True)
class Rewriting:
    """The model writes the question anew, that is searched for, then the answer is made as always."""

    store: ConversationStore
    turns: Sequence[Turn]
    by_rule: str
    """What is searched for when the model writes nothing that can be."""
    search: Search
    answering: Answering

    def run(self, job: AnswerJob, model: LoadedModel | None) -> bool:
        """Rewrite, search and answer in one go."""
        return guarded(job, self.store, model, lambda loaded: self._run(job, loaded))

    def _run(self, job: AnswerJob, model: LoadedModel) -> bool:
        job.update("reading")
        stats = GenerationStats()
        wanted = self._rewritten(job.turn.question, model, stats)
        if stats.finish == "cancelled":
            job.update(timings=Timings(finish="cancelled", total_s=job.elapsed()))
            return False
        turn = job.update(**self.search(wanted))
        self.store.save_turn(job.conversation_id, turn)
        return False if turn.refused else self.answering.answer(job, model)

    def _rewritten(self, question: str, model: LoadedModel, stats: GenerationStats) -> str:
        """What the model makes of the question, after the turns as they are in the cache; else what the rule makes."""
        settings = AnswerSettings(temperature=0.0, max_tokens=MOST_TOKENS, repeat_penalty=1.0)
        form = with_format(model, self.answering.choice)
        plan = plan_prompt(form, model.model_id, INSTRUCTION + question, (), self.turns, settings)
        settings = settings.model_copy(update={"max_tokens": plan.reserved})
        text = "".join(piece.text for piece in model.generate(plan.prompt, settings, (*plan.stop, "\n"), stats))
        return usable(text, question, self.by_rule)


def usable(written: str, question: str, by_rule: str) -> str:
    """A model's rewritten question, or what the rule made where it wrote nothing, an essay, or about something else."""
    text = " ".join(_LABEL.sub("", written).strip(" \n\"'“”").split())
    shared = set(_words(text)) & set(_words(by_rule))
    too_long = len(text) > MOST_TIMES_LONGER * max(20, len(question))
    return by_rule if not text or too_long or not shared else text


def _words(text: str) -> list[str]:
    return [word for word in re.findall(r"\w+", text.casefold()) if len(word) > 3 or not word.isascii()]
