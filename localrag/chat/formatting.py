"""How questions are put to the model: the prompt formats and prompts to choose from, and what they look like as tokens."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from localrag.chat.store import ConversationStore
from localrag.errors import GenerationError
from localrag.llms.base import LoadedModel, TemplatedModel
from localrag.llms.format_check import format_warnings
from localrag.llms.formats import FormatChoice, FormatLibrary, format_of, with_format
from localrag.llms.worker import ModelWorker
from localrag.prompts.hub import HubPrompt
from localrag.prompts.library import PromptLibrary
from localrag.prompts.plan import plan_prompt
from localrag.prompts.token_view import ShownToken, shown_tokens
from localrag.settings import AnswerSettings
from localrag.types import Evidence, PromptPlan

CHAT = "chat"
"""The prompt that is a conversation; every other one is of the hub's kind and puts one question alone."""
SAMPLE_QUESTION = "How long is the warranty of the drill?"
_TEXT = "The drill weighs 1.4 kg. Its warranty is 31 months."
SAMPLE = Evidence("sample", "sample.txt", "sample.txt", 0, len(_TEXT), _TEXT, 1.0)


@dataclass(frozen=True, slots=True)
class FormatPreview:
    """The prompt of a real question, or of a `sample`, as it would be evaluated; `warnings` are sentences.

    `tokens` are empty where the model's tokens cannot be seen, as on a server.
    """

    question: str
    sample: bool
    plan: PromptPlan
    tokens: tuple[ShownToken, ...]
    warnings: tuple[str, ...]


class Formatting:
    """Part of the engine; every method may be called from any thread."""

    def __init__(self, data_dir: Path, worker: ModelWorker, store: ConversationStore) -> None:
        self.formats = FormatLibrary(data_dir / "formats")
        self.prompts = PromptLibrary(data_dir / "prompts")
        self._worker, self._store = worker, store

    def chosen(self, settings: AnswerSettings) -> tuple[FormatChoice | None, HubPrompt | None]:
        """What the settings name: None for the model's own format, None for a conversation.

        Raises:
            PromptError: there is no format or no prompt of that name.
        """
        hub = None if settings.prompt == CHAT else self.prompts.get(settings.prompt)
        return self.formats.choice(settings.template), hub

    def warnings(self, choice: FormatChoice | None) -> list[str]:
        """Where a format and the loaded model do not agree, a sentence each; empty too when no model is loaded."""

        def look(model: LoadedModel | None) -> list[str]:
            return [] if model is None else format_warnings(format_of(model, choice), model)

        return self._worker.look(look)

    def preview(self, choice: FormatChoice | None, hub: HubPrompt | None, settings: AnswerSettings) -> FormatPreview:
        """The last question of the newest conversation, or a sample, as these make a prompt of it.

        Raises:
            GenerationError: no model is loaded.
            PromptError: the format cannot be rendered, or the question does not fit.
        """
        newest = next(iter(self._store.conversations()), None)
        turns = tuple(self._store.get(newest.id).turns) if newest else ()
        turn = turns[-1] if turns else None
        question, evidence = (turn.question, turn.evidence) if turn else (SAMPLE_QUESTION, (SAMPLE,))
        documents = bool(newest.collection) if newest else True

        def look(model: LoadedModel | None) -> FormatPreview:
            if model is None:
                raise GenerationError("No model is loaded, so there are no tokens to show. Choose one on the Model page.")
            form = with_format(model, choice)
            plan = plan_prompt(form, model.model_id, question, evidence, turns[:-1], settings, documents, hub)
            tokens = shown_tokens(plan, model.vocabulary) if isinstance(model, TemplatedModel) else ()
            return FormatPreview(question, turn is None, plan, tokens, tuple(format_warnings(format_of(model, choice), model)))

        return self._worker.look(look)
