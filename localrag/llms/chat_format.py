"""A chat template, rendered so that template text and message text stay apart.

Template text may hold control tokens; message text must never become one (a document that contains "<|im_end|>" would
otherwise end its own message). So every message is rendered as a marker, and the parts between markers are the template.
"""

from __future__ import annotations

import datetime
import re
import time
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from localrag.errors import PromptError
from localrag.llms.template_process import template_process
from localrag.llms.thinking import mentions_thinking

Role = str
PLAIN = """{% for m in messages %}{% if m.role == 'system' %}{{ m.content }}

{% elif m.role == 'user' %}Question: {{ m.content }}
{% else %}Answer: {{ m.content }}

{% endif %}{% endfor %}{% if add_generation_prompt %}Answer:{% endif %}"""
"""Used when a model file brings no template: a base model continues this pattern."""

MODEL = "model"
"""The name of the format that is the model file's own template."""
CONVERSATION: tuple[Role, ...] = ("system", "user", "assistant", "user")
"""The shortest conversation that shows what a template does with every role."""
MOST_KEPT = 64
RETRY_S = 60.0
"""What took all the time there is, is not tried again for so long: a page asks for it at every click."""
MARK = re.compile(r"<[|｜][^<>\s]{1,60}[|｜]>|</?(?:s|bos|eos|start_of_turn|end_of_turn)>|\[/?INST\]|<</?SYS>>")
"""Texts that templates set apart from what people write."""
_MESSAGE = re.compile("\ue000(\\d+)\ue001")  # private use area: no template writes it, no filter changes it
_Parts = list[str | int]


class _HopelessError(PromptError):
    """A template that fails whatever the messages are."""


class ChatFormat:
    """One chat template. It is rendered, and judged, when it is first asked for parts; from any thread."""

    def __init__(self, template: str | None, bos: str, eos: str, name: str = MODEL) -> None:
        """`bos` and `eos` are how the vocabulary spells these tokens; without a template it is the plain pattern."""
        self.name = name
        self.has_template = bool(template)
        self.template = template or PLAIN
        self._bos, self._eos = bos, eos
        self._kept: dict[object, _Parts] = {}
        self._hopeless = 0.0, ""

    def parts(self, roles: Sequence[Role], add_generation_prompt: bool = True) -> _Parts:
        """Render messages of these roles: template texts (str) with the index of each message (int) in its place.

        A template that refuses a system message gets it as part of the first user message: then both indices follow
        each other with a blank line between.
        Raises:
            PromptError: it is no template, it fails, takes too long or too much memory, or does not show every message once.
        """
        key = (tuple(roles), add_generation_prompt, datetime.date.today())  # a template may write the date
        parts = self._kept.get(key)
        if parts is None:
            parts = self._made(roles, add_generation_prompt)
            if len(self._kept) >= MOST_KEPT:
                self._kept.clear()
            self._kept[key] = parts
        return list(parts)

    def _made(self, roles: Sequence[Role], add_generation_prompt: bool) -> _Parts:
        messages = list(enumerate(roles))
        failure = None
        try:
            parts = self._render(messages, add_generation_prompt)
            if _indices(parts) == list(range(len(roles))):
                return parts
        except _HopelessError:
            raise
        except PromptError as exc:
            failure = exc
        if len(roles) > 1 and roles[0] == "system":
            parts = self._render(messages[1:], add_generation_prompt)
            first = parts.index(1) if 1 in parts else 0
            parts = [*parts[:first], 0, "\n\n", *parts[first:]]
        elif failure is not None:
            raise failure
        if _indices(parts) != list(range(len(roles))):
            raise PromptError(f"{self.title} leaves messages out. {self._advice}")
        return parts

    @property
    def title(self) -> str:
        """What it is called in a sentence."""
        return "The model's chat template" if self.name == MODEL else f"The prompt format {self.name}"

    @property
    def _advice(self) -> str:
        return "Choose another prompt format on the Model page."

    @cached_property
    def thinks(self) -> bool:
        """Whether it knows of a model that writes its thinking before the answer."""
        return mentions_thinking(self.template)

    def takes_system(self) -> bool:
        """Whether it has a place for a system message; else that stands in front of the first question.

        Raises:
            PromptError: as `parts`.
        """
        self.parts(CONVERSATION[:2])
        try:
            return _indices(self._render(list(enumerate(CONVERSATION[:2])), True)) == [0, 1]
        except PromptError:
            return False

    def after_answer(self) -> str:
        """What it writes after an answer, up to the next question.

        Raises:
            PromptError: as `parts`.
        """
        parts = self.parts(CONVERSATION)
        return "".join(part for part in parts[parts.index(2) + 1 : parts.index(3)] if isinstance(part, str))

    def _render(self, messages: list[tuple[int, Role]], add_generation_prompt: bool) -> _Parts:
        request: dict[str, Any] = {
            "template": self.template,
            "messages": [{"role": role, "content": f"\ue000{index}\ue001"} for index, role in messages],
            "add_generation_prompt": add_generation_prompt,
            "bos": self._bos,
            "eos": self._eos,
        }
        failed_at, reason = self._hopeless
        if reason and time.monotonic() - failed_at < RETRY_S:
            raise _HopelessError(reason)
        reply = template_process().render(request)
        if "invalid" in reply or "limit" in reply:
            what = f"is not valid: {reply['invalid'].rstrip('.')}" if "invalid" in reply else f"fails: {reply['limit']}"
            self._hopeless = time.monotonic(), f"{self.title} {what}. {self._advice}"
            raise _HopelessError(self._hopeless[1])
        if "fails" in reply:
            raise PromptError(f"{self.title} fails: {reply['fails'].rstrip('.')}. {self._advice}")
        parts: _Parts = []
        for position, piece in enumerate(_MESSAGE.split(reply["text"])):
            if position % 2:
                parts.append(int(piece))
            elif piece:
                parts.append(piece)
        return parts


def _indices(parts: Sequence[str | int]) -> list[int]:
    return [part for part in parts if isinstance(part, int)]
