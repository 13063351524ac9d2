"""A model's chat template, rendered so that template text and message text stay apart.

Template text may hold control tokens; message text must never become one (a document that contains "<|im_end|>" would
otherwise end its own message). So every message is rendered as a marker, and the parts between markers are the template.
"""

from __future__ import annotations

import datetime
import json
import re
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

from localrag.errors import PromptError

Role = str
PLAIN = """{% for m in messages %}{% if m.role == 'system' %}{{ m.content }}

{% elif m.role == 'user' %}Question: {{ m.content }}
{% else %}Answer: {{ m.content }}

{% endif %}{% endfor %}{% if add_generation_prompt %}Answer:{% endif %}"""
"""Used when a model file brings no template: a base model continues this pattern."""

MAX_RENDERED_CHARS = 1_000_000
MAX_RENDER_S = 5.0
MAX_LOOP_STEPS = 1_000_000
_FAILURES = (
    jinja2.TemplateError,
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,
)
"""What a template written by strangers may raise while it renders."""
_MARKER = re.compile("\ue000(\\d+)\ue001")  # private use area: no template writes it, no filter changes it


class ChatFormat:
    """One chat template, ready to render."""

    def __init__(self, template: str | None, bos: str, eos: str) -> None:
        """Raises PromptError when the template is no valid Jinja."""
        self.has_template = bool(template)
        self.stop = () if template else ("\nQuestion:",)
        self._bos, self._eos = bos, eos
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[jinja2.ext.loopcontrols, _GenerationTag]
        )
        environment.filters["tojson"] = _to_json
        try:
            self._template = environment.from_string(template or PLAIN)
        except (jinja2.TemplateError, RecursionError) as exc:
            raise PromptError(
                f"The model's chat template is not valid: {exc}. Choose another model on the Model page."
            ) from exc

    def parts(self, roles: Sequence[Role], add_generation_prompt: bool = True) -> list[str | int]:
        """Render messages of these roles: template texts (str) with the index of each message (int) in its place.

        A template that refuses a system message gets it as part of the first user message: then both indices follow
        each other with a blank line between.
        Raises:
            PromptError: the template fails or does not show every message once.
        """
        try:
            parts = self._split(self._render(list(enumerate(roles)), add_generation_prompt))
        except PromptError:
            parts = []
        if _indices(parts) == list(range(len(roles))):
            return parts
        if roles and roles[0] == "system" and len(roles) > 1:
            parts = self._split(self._render(list(enumerate(roles))[1:], add_generation_prompt))
            first = parts.index(1) if 1 in parts else 0
            parts = [*parts[:first], 0, "\n\n", *parts[first:]]
        else:
            parts = self._split(self._render(list(enumerate(roles)), add_generation_prompt))
        if _indices(parts) != list(range(len(roles))):
            raise PromptError("The model's chat template leaves messages out. Choose another model on the Model page.")
        return parts

    def _render(self, messages: list[tuple[int, Role]], add_generation_prompt: bool) -> str:
        pieces = self._template.generate(
            messages=[{"role": role, "content": f"\ue000{index}\ue001"} for index, role in messages],
            add_generation_prompt=add_generation_prompt,
            bos_token=self._bos,
            eos_token=self._eos,
            raise_exception=_refuse,
            strftime_now=lambda form: datetime.datetime.now().strftime(form),
            tools=None,
            range=_limited_range(),
        )
        try:
            return _join(pieces)
        except _FAILURES as exc:
            reason = str(exc) or type(exc).__name__
            raise PromptError(f"The model's chat template fails: {reason}. Choose another model on the Model page.") from exc

    @staticmethod
    def _split(text: str) -> list[str | int]:
        parts: list[str | int] = []
        for position, piece in enumerate(_MARKER.split(text)):
            if position % 2:
                parts.append(int(piece))
            elif piece:
                parts.append(piece)
        return parts


class _GenerationTag(jinja2.ext.Extension):
    """Hugging Face's {% generation %} marks training targets; for rendering it is nothing."""

    tags = {"generation"}

    def parse(self, parser: Any) -> Any:
        parser.stream.skip(1)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _to_json(value: Any, **options: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=options.get("indent"))


def _join(pieces: Iterator[str]) -> str:
    """The rendered text; ValueError for a template that goes on and on."""
    limit, text, size = time.monotonic() + MAX_RENDER_S, [], 0
    for piece in pieces:
        text.append(piece)
        size += len(piece)
        if size > MAX_RENDERED_CHARS or time.monotonic() > limit:
            raise ValueError("it writes without end")
    return "".join(text)


def _limited_range() -> Callable[..., range]:
    """Jinja's `range` with a budget for one rendering, so that nested loops end."""
    steps = 0

    def limited(*bounds: int) -> range:
        nonlocal steps
        steps += len(range(*bounds)) + 1
        if steps > MAX_LOOP_STEPS:
            raise ValueError("it loops without end")
        return range(*bounds)

    return limited


def _refuse(message: str) -> None:
    raise ValueError(message)


def _indices(parts: Sequence[str | int]) -> list[int]:
    return [part for part in parts if isinstance(part, int)]
