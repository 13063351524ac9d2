"""The connection an answer comes over: watched while bytes come in, and cut from another thread.

Closing a response does not wake a thread that waits for its bytes; shutting its socket down does, at once, and the
server sees it and frees its slot.
"""

from __future__ import annotations

import contextvars
import json
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import openai

from localrag.llms.server_words import CONNECT_S, Reply, ServerWords

MAX_LINE_BYTES = 8 * 1024 * 1024
MAX_REFUSAL_BYTES = 64 * 1024
END, TAIL_BYTES = re.compile(rb"[\r\n]data: ?\[DONE\]"), 16
"""The line that ends a stream; in a line of an answer the same words mean nothing."""
OURS = frozenset({"accept", "accept-encoding", "authorization", "content-length", "content-type", "host"})
"""Headers that are sent; the library would add the organisation of a variable and the make of this machine."""


class RefusedError(openai.OpenAIError):
    """The server answered with something else than a stream. Of OpenAI's errors, so that its client lets it through."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(f"status {reply.status}")
        self.reply = reply


class Wire:
    """One request's connection. `done`: the server said [DONE]."""

    def __init__(self) -> None:
        self.cancelled = threading.Event()
        self.done = False
        self._stream: Any = None

    def cut(self) -> None:
        """End the request, from any thread; whoever reads from it gets an error."""
        self.cancelled.set()
        self._shut()

    def trace(self, event: str, info: dict[str, Any]) -> None:
        """httpcore's trace extension: hands out the connection as soon as there is one."""
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self._stream = info["return_value"]
            if self.cancelled.is_set():
                self._shut()

    def _shut(self) -> None:
        stream = self._stream
        if stream is not None:
            with suppress(OSError, ValueError, AttributeError):  # closed meanwhile
                stream.get_extra_info("socket").shutdown(socket.SHUT_RDWR)


WIRE: contextvars.ContextVar[Wire | None] = contextvars.ContextVar("wire", default=None)
"""The wire of the request that is being made on this thread."""


def timeout(words: ServerWords) -> openai.Timeout:
    """How long a connection may take, and then each silence."""
    return openai.Timeout(words.timeout_s, connect=min(CONNECT_S, words.timeout_s))


def http_client(words: ServerWords) -> Any:
    """An HTTP client that talks to this server alone: no proxy, no redirect, no header but ours, a connection per answer."""

    def before(request: Any) -> None:
        if not str(request.url).startswith(f"{words.base}/"):
            raise RefusedError(Reply(0, "another address than chat_server"))
        for name in set(request.headers) - OURS:
            del request.headers[name]
        if not words.secret and "authorization" in request.headers:
            del request.headers["authorization"]
        request.headers["connection"] = "close"  # one kept open may be dead by the next question
        wire = WIRE.get()
        if wire is not None:
            request.extensions["trace"] = wire.trace

    def after(response: Any) -> None:
        if response.status_code != 200:
            headers = {name.lower(): value for name, value in response.headers.items()}
            raise RefusedError(Reply(response.status_code, _text(response.iter_bytes(MAX_REFUSAL_BYTES)), headers))
        whole = response.iter_bytes
        wire = WIRE.get() or Wire()
        response.iter_bytes = lambda chunk_size=None: _watched(whole(chunk_size), wire)

    hooks: dict[str, list[Any]] = {"request": [before], "response": [after]}
    return openai.DefaultHttpxClient(trust_env=False, follow_redirects=False, event_hooks=hooks, verify=certificates(words))


def unused_client(words: ServerWords) -> Any:
    """For the asynchronous side of ChatOpenAI, which would else make one that follows the environment's proxy."""
    return openai.DefaultAsyncHttpxClient(trust_env=False, follow_redirects=False, verify=certificates(words))


def certificates(words: ServerWords) -> ssl.SSLContext | bool:
    """Whom to trust: the usual authorities; nobody where no certificate is met, as reading them all takes 0.2 s."""
    return True if words.base.startswith("https:") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _watched(pieces: Iterator[bytes], wire: Wire) -> Iterator[bytes]:
    """The bytes of a stream of events; RefusedError when it is a page or one JSON, or has a line without end."""
    begun, line, tail = False, 0, b"\n"
    for piece in pieces:
        if not begun and (head := piece.lstrip(b"\xef\xbb\xbf \r\n")):
            begun = True
            if head[:1] in (b"<", b"{"):
                raise RefusedError(Reply(200, _text(_chained(piece, pieces))))
        broken = piece.rfind(b"\n")
        line = len(piece) - broken - 1 if broken >= 0 else line + len(piece)
        if line > MAX_LINE_BYTES:
            raise RefusedError(Reply(0, "a line without end"))
        wire.done = wire.done or END.search(tail + piece) is not None
        tail = (tail + piece)[-TAIL_BYTES:]
        yield piece
        if wire.cancelled.is_set():
            return  # what has come in before the cut can still be read, and from a flood without end


def _chained(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _text(pieces: Iterator[bytes]) -> str:
    """The beginning of a body, or all of it when it is one short JSON."""
    body = b""
    for piece in pieces:
        body += piece
        if len(body) > MAX_REFUSAL_BYTES:
            break
        with suppress(ValueError):
            json.loads(body)
            break
    return body.decode("utf-8", "replace")
