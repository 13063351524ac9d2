"""An answer as a model writes it: thinking and answer apart, and ended at the stop texts of its prompt."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace

from localrag.llms.base import GenerationStats, LoadedModel, Piece
from localrag.llms.formats import thinks
from localrag.llms.stop_text import StopText
from localrag.llms.thinking import ThinkingSplit
from localrag.prompts.plan import STOP
from localrag.settings import AnswerSettings
from localrag.types import PromptPlan

CUT_WHILE_THINKING = (
    "The model was still thinking when the longest answer was reached. Raise max tokens, or ask something simpler."
)
ENDED_WHILE_THINKING = "The model ended while it was still thinking, and wrote no answer. Ask again, or put it differently."


class Writing:
    """One answer in the making: what was written so far, in `thinking` and `answer`.

    `tokens` are all tokens of it. `thinking_s` are the seconds the thinking took.
    """

    def __init__(
        self,
        model: LoadedModel,
        plan: PromptPlan,
        settings: AnswerSettings,
        stats: GenerationStats,
        conversation: str = "",
        begun: Sequence[int] = (),
    ) -> None:
        """`begun` are the tokens of an answer that was cut and is gone on with; `plan.reserved` has room for those too."""
        self.thinking, self.answer = "", ""
        self.tokens: list[int] = list(begun)
        self.thinking_s = 0.0
        self._stats = stats
        prompt = plan.segments[-1].text if plan.segments else ""
        self._split = ThinkingSplit(prompt)
        # A question in the thinking is no reason to stop; where there may be thinking, only the answer is watched for one.
        may_think = self._split.inside or thinks(model)
        own = [text for text in plan.stop if text in STOP] if may_think else []
        self._stops = StopText(own)
        settings = settings.model_copy(update={"max_tokens": plan.reserved - len(begun)})
        asked = replace(plan.prompt, conversation=conversation, begun=tuple(begun))
        self._pieces = model.generate(asked, settings, [text for text in plan.stop if text not in own], stats)

    def pieces(self) -> Iterator[None]:
        """Write the answer; yields whenever there is more of it, however little."""
        started = 0.0
        try:
            for piece in self._pieces:
                started = started or time.perf_counter()  # the prompt was read by then
                self._add(piece)
                if self.thinking and not self.answer:
                    self.thinking_s = time.perf_counter() - started
                yield
                if self._stops.hit:
                    self._stats.finish, self._stats.hit_stop_text = "stop", True
                    break
        finally:
            if isinstance(self._pieces, Generator):
                self._pieces.close()
        thinking, answer = self._split.rest()
        self.thinking = (self.thinking + thinking).strip()
        self.answer = (self.answer + self._stops.feed(answer) + self._stops.rest()).strip()

    def _add(self, piece: Piece) -> None:
        if piece.token is not None:
            self.tokens.append(piece.token)
        thinking, answer = self._split.feed(piece.text)
        self.thinking = (self.thinking + thinking).lstrip()
        self.answer += self._stops.feed(answer)

    @property
    def note(self) -> str:
        """A sentence when there is thinking and no answer, and nobody stopped it."""
        if not self._split.inside or self._stats.finish == "cancelled":
            return ""
        return CUT_WHILE_THINKING if self._stats.finish == "length" else ENDED_WHILE_THINKING
