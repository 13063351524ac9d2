"""An answer made anew from its saved trace, to see whether it comes out the same, and what differs if it does not."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from localrag.chat.continuing import was_cut
from localrag.chat.writing import Writing
from localrag.errors import GenerationError, LocalRagError
from localrag.llms.base import GenerationStats, LoadedModel
from localrag.llms.formats import FormatChoice, with_format
from localrag.prompts.plan import plan_prompt
from localrag.settings import AnswerSettings
from localrag.types import Evidence, PromptPlan, Turn
from localrag.wording import counted

logger = logging.getLogger(__name__)
MOST_NAMED = 5
SHOWN_CHARS = 60
AROUND_CHARS = 30


@dataclass(frozen=True, slots=True)
class Replay:
    """What came of it. `same`: the answer is the same, word for word. `differences` are sentences, those of the search first.

    `answer` is the one made now, empty when none could be or there was none.
    """

    turn_id: str
    answer: str
    same: bool
    differences: tuple[str, ...]


class ReplayJob:
    """A replay on its way. Every method may be called from any thread."""

    def __init__(self, turn_id: str) -> None:
        self.turn_id = turn_id
        self.stopping = threading.Event()
        self._finished = threading.Event()
        self._result: Replay | None = None
        self._error: LocalRagError | None = None

    @property
    def finished(self) -> bool:
        return self._finished.is_set()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for the end; False when the time ran out first."""
        return self._finished.wait(timeout_s)

    def stop(self) -> None:
        """Give it up, after the word at hand."""
        self.stopping.set()

    def result(self) -> Replay:
        """What came of it, once it is finished.

        Raises:
            LocalRagError: it failed, or was given up.
        """
        self._finished.wait()
        if self._error is not None:
            raise self._error
        assert self._result is not None  # one of both is set before the end
        return self._result

    def run(self, work: Callable[[], Replay]) -> None:
        """Do it, whatever happens."""
        try:
            self._result = work()
        except LocalRagError as exc:
            self._error = exc
        except Exception as exc:  # the provider boundary: the model's thread must outlive any failure
            logger.exception("a replay failed")
            self._error = GenerationError(f"The replay failed: {exc}. Try again.")
        finally:
            self._finished.set()


@dataclass(frozen=True, slots=True)
class Replaying:
    """Answers a turn anew from the passages it was answered from, always taking the likeliest words.

    `turns` are those before it. `found_now` are the differences of the search.
    """

    turn: Turn
    turns: Sequence[Turn]
    settings: AnswerSettings
    found_now: Sequence[str] = field(default=())
    choice: FormatChoice | None = None

    def run(self, job: ReplayJob, model: LoadedModel | None) -> Replay:
        """Do it, on the model's thread; GenerationError when there is no model, or it was given up."""
        turn = self.turn
        if turn.plan is None or not turn.answer:
            return Replay(turn.id, "", not self.found_now, tuple(self.found_now))
        if model is None:
            raise GenerationError("No model is loaded. Choose one on the Model page, then try again.")
        differences = list(self.found_now)
        plan = self._plan(model, differences)
        if plan is None:
            return Replay(turn.id, "", False, tuple(differences))
        answer = self._answer(job, model, plan)
        same = answer == turn.answer
        if not same:
            temperature = turn.settings.get("temperature", 0.0)
            if temperature:
                differences.append(f"The answer was drawn at temperature {temperature}; a replay takes the likeliest words.")
            differences.append(_parting(turn.answer, answer))
            if plan == turn.plan and not temperature:
                differences.append(
                    "Model, prompt and settings are the same: its tokens were evaluated in other steps, and rounded otherwise."
                )
        return Replay(turn.id, answer, same, tuple(differences))

    def _plan(self, model: LoadedModel, differences: list[str]) -> PromptPlan | None:
        """The prompt as it was, or for another model made anew; None when that cannot be."""
        turn = self.turn
        if turn.plan is not None and turn.model_id == model.model_id:
            if turn.plan.count() + turn.plan.reserved <= model.n_ctx:
                return turn.plan
            differences.append(
                f"The window has {model.n_ctx:,} tokens now, and had {turn.plan.n_ctx:,}: the prompt does not fit."
            )
            return None
        differences.append(f"The model changed: {turn.model} wrote the answer, {model.name} is loaded now.")
        if turn.mode == "summary" or turn.settings.get("prompt", "chat") != "chat":
            differences.append("Its prompt was made for that model alone, so it is not answered anew.")
            return None
        form = with_format(model, self.choice)
        return plan_prompt(form, model.model_id, turn.question, turn.evidence, self.turns, self.settings, turn.mode != "chat")

    def _answer(self, job: ReplayJob, model: LoadedModel, plan: PromptPlan) -> str:
        turn = self.turn
        longest = len(turn.answer_tokens) if was_cut(turn) and turn.model_id == model.model_id else plan.reserved
        settings = self.settings.model_copy(update={"temperature": 0.0, "max_tokens": longest})
        model.reset_cancel()
        stats = GenerationStats()
        writing = Writing(model, replace(plan, reserved=longest), settings, stats)
        for _ in writing.pieces():
            if job.stopping.is_set():
                break
        if job.stopping.is_set() or stats.finish == "cancelled":
            raise GenerationError("The replay was given up before its end.")
        return writing.answer


def search_differences(then: Sequence[Evidence], now: Sequence[Evidence], why_gone: Callable[[Evidence], str]) -> list[str]:
    """What a search finds otherwise than it did, of what a model reads; `why_gone` says what became of a passage."""
    then, now = ([span for span in spans if span.given] for spans in (then, now))
    places, before = ({(s.document_id, s.start, s.text) for s in spans} for spans in (now, then))
    gone = [span for span in then if (span.document_id, span.start, span.text) not in places]
    new = [span for span in now if (span.document_id, span.start, span.text) not in before]
    lines = [f"{why_gone(span)}: {_named(span)}" for span in gone[:MOST_NAMED]]
    lines += [f"Found now and not then: {_named(span)}" for span in new[:MOST_NAMED]]
    left = max(0, len(gone) - MOST_NAMED) + max(0, len(new) - MOST_NAMED)
    return [*lines, *([f"And {counted(left, 'passage')} more."] if left else [])]


def _named(span: Evidence) -> str:
    text = " ".join(span.text.split())
    text = text if len(text) <= SHOWN_CHARS else text[: SHOWN_CHARS - 1] + "…"
    return f"{' › '.join(part for part in (span.name, span.location) if part)}, “{text}”"


def _parting(then: str, now: str) -> str:
    """Where two answers part."""
    at = next((i for i, (a, b) in enumerate(zip(then, now, strict=False)) if a != b), min(len(then), len(now)))
    if at == 0:
        return "The answer is another one from its first word on."
    lead = " ".join(then[max(0, at - AROUND_CHARS) : at].split())
    return f"The answers are the same for {at:,} characters and part after “{lead}”."
