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


REPEATED = "The model went on repeating itself and was stopped. Ask again with a higher temperature or repeat penalty."
LOOP_CHARS, LONGEST_ROUND = 600, 150
"""A text whose last so many characters are one piece of at most so many, four times and more, has nothing new to say. No
document or list of ours comes near: those who repeat themselves change a number or a name."""
PROBE = 24


def is_loop(text: str) -> bool:
    """Whether a text ends in the same words over and over."""
    end = text[-LOOP_CHARS:]
    if len(end) < LOOP_CHARS:
        return False
    before = end.rfind(end[-PROBE:], 0, -1)
    length = LOOP_CHARS - PROBE - before
    return before >= 0 and length <= LONGEST_ROUND and end[length:] == end[:-length]


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
        self._repeats = False
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
                if is_loop(self.answer or self.thinking):
                    self._stats.finish, self._repeats = "stop", True
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
        """A sentence when the answer has no end, or thinking has no answer, and nobody stopped it."""
        if self._repeats:
            return REPEATED
        if not self._split.inside or self._stats.finish == "cancelled":
            return ""
        return CUT_WHILE_THINKING if self._stats.finish == "length" else ENDED_WHILE_THINKING
