"""The process that renders chat templates: a template may come from anyone, and whatever it does, only this process ends.

Requests and replies are JSON, one a line. The sandbox keeps templates from Python, the limits here end most of those that
go on and on; what is left (one expression that takes all memory or all time) the parent and the system end.
"""

from __future__ import annotations

import datetime
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import lru_cache
from typing import IO, Any

import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

MAX_RENDERED_CHARS = 1_000_000
MAX_LOOP_STEPS = 1_000_000
MEMORY_BYTES = 512_000_000
RENDER_S = 5.0
"""A template that is in order takes milliseconds."""
SPARE_S = 5
"""Longer than the parent waits before it ends this process, so that an orphan ends too."""
_FAILURES = (
    jinja2.TemplateError,
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
    AssertionError,
)
"""What a template written by strangers may raise while it is compiled or rendered."""


def render(request: dict[str, Any]) -> dict[str, Any]:
    """The rendered text, or why there is none: `invalid` (no template), `fails`, or `limit` (out of memory or stack)."""
    try:
        template = _compiled(request["template"])
    except _FAILURES as exc:
        return {"invalid": _reason(exc)}
    except (MemoryError, RecursionError):
        return {"limit": "it is nested too deeply"}
    try:
        pieces = template.generate(
            messages=request["messages"],
            add_generation_prompt=request["add_generation_prompt"],
            bos_token=request["bos"],
            eos_token=request["eos"],
            raise_exception=_refuse,
            strftime_now=lambda form: datetime.datetime.now().strftime(form),
            tools=None,
            range=_limited_range(),
        )
        return {"text": _join(pieces)}
    except _FAILURES as exc:
        return {"fails": _reason(exc)}
    except RecursionError:
        return {"limit": "it calls itself without end"}
    except MemoryError:
        return {"limit": f"it needs more than {MEMORY_BYTES // 1_000_000} MB"}


@lru_cache(maxsize=16)
def _compiled(text: str) -> jinja2.Template:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[jinja2.ext.loopcontrols, _GenerationTag]
    )
    environment.filters["tojson"] = _to_json
    return environment.from_string(text)


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
    limit, text, size = time.monotonic() + RENDER_S, [], 0
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


def _reason(exc: Exception) -> str:
    return " ".join(str(exc).split())[:300] or type(exc).__name__


def _step_back() -> None:
    """No more memory than a template may need, and no core file."""
    try:
        import resource
    except ImportError:  # Windows: the parent's time limit is all there is
        return
    for limit, most in ((resource.RLIMIT_AS, MEMORY_BYTES), (resource.RLIMIT_CORE, 0)):
        with suppress(ValueError, OSError):  # macOS knows no limit of the address space
            resource.setrlimit(limit, (most, most))


def serve(requests: IO[str], replies: IO[str]) -> None:
    """Say that it is ready, then answer requests until the other side is gone."""
    replies.write("{}\n")
    replies.flush()
    for line in requests:
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, RENDER_S + SPARE_S)
        reply = render(json.loads(line))
        replies.write(f"{json.dumps(reply)}\n")
        replies.flush()
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)


def main() -> None:
    """Keep the real standard output for replies."""
    replies = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)
    _step_back()
    serve(sys.stdin, replies)


if __name__ == "__main__":
    main()
