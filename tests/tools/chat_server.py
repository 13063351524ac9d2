"""A loopback server that speaks /v1/chat/completions as a test wants it: well, wrongly, late or not at all."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODEL = "good-model"
Reply = tuple[int, dict[str, str], bytes]
"""Status, headers, body. Status 0 breaks the connection off without a word."""
Events = Iterator[bytes | float | None]
"""Bytes are sent as they are, a number waits so many seconds, None breaks the connection off."""
LONG_S = 30.0


def json_reply(content: Any, status: int = 200, **headers: str) -> Reply:
    """A reply of JSON."""
    return status, {"Content-Type": "application/json"} | headers, json.dumps(content).encode()


def event(delta: dict[str, Any] | None = None, finish: str | None = None, **more: Any) -> bytes:
    """One event of a streamed answer."""
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    chunk = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": MODEL, "choices": choices} | more
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"


def said(*words: str) -> Events:
    """A good answer of these words, with its usage."""
    yield event({"role": "assistant", "content": None})
    for word in words:
        yield event({"content": word})
    yield event({}, "stop")
    yield event(None, usage={"prompt_tokens": 11, "completion_tokens": len(words), "total_tokens": 11 + len(words)})
    yield DONE


def gated(gate: threading.Event, *words: str) -> Events:
    """A good answer that stops after its first word until the gate is open."""
    yield event({"role": "assistant", "content": None})
    for number, word in enumerate(words):
        if number == 1:
            gate.wait(LONG_S)
        yield event({"content": word})
    yield event({}, "stop")
    yield DONE


@dataclass
class Served:
    """A running server: its address, what it was asked, and how it answers from now on."""

    address: str = ""
    answer: Callable[[dict[str, Any]], Events | Reply] = lambda _asked: said("Hello", " you", ".")
    models: Callable[[], Reply] = lambda: json_reply({"object": "list", "data": [{"id": MODEL}, {"id": "other"}]})
    others: dict[str, Callable[[dict[str, Any]], Reply]] = field(default_factory=dict)
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    gone: threading.Event = field(default_factory=threading.Event)
    """Set once a client has left in the middle of an answer."""
    over: threading.Event = field(default_factory=threading.Event)


@contextmanager
def chat_server() -> Iterator[Served]:
    """Serve on a free loopback port until the block ends."""
    served = Served()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # headers and body in one packet: two of them cost 40 ms

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            served.headers.append({name.lower(): value for name, value in self.headers.items()})
            if self.path == "/v1/models":
                return self._send(served.models())
            return self._send(self._other({}))

        def do_POST(self) -> None:
            served.headers.append({name.lower(): value for name, value in self.headers.items()})
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path != "/v1/chat/completions":
                return self._send(self._other(body))
            served.asked.append(body)
            reply = served.answer(body)
            return self._send(reply) if isinstance(reply, tuple) else self._stream(reply)

        def _other(self, body: dict[str, Any]) -> Reply:
            make = served.others.get(self.path)
            return make(body) if make else json_reply({"error": "File Not Found"}, 404)

        def _send(self, reply: Reply) -> None:
            status, headers, body = reply
            self.close_connection = status == 0
            if status == 0:
                return
            try:
                self.send_response(status)
                for name, value in (headers | {"Content-Length": str(len(body))}).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)
            except OSError:
                self.close_connection = True  # who asked has gone

        def _stream(self, events: Events) -> None:
            self.close_connection = True
            try:
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                self.wfile.flush()
                for item in events:
                    if item is None:
                        return
                    if isinstance(item, bytes):
                        self.wfile.write(b"%x\r\n%s\r\n" % (len(item), item))
                        self.wfile.flush()
                    elif self._left(item):
                        return
                self.wfile.write(b"0\r\n\r\n")
            except OSError:
                served.gone.set()

        def _left(self, wait_s: float) -> bool:
            """Wait, unless the client leaves or the test ends first."""
            end = time.monotonic() + wait_s
            self.connection.settimeout(0.02)
            while time.monotonic() < end and not served.over.is_set():
                try:
                    if self.connection.recv(1) == b"":
                        served.gone.set()
                        return True
                except TimeoutError:
                    continue
            self.connection.settimeout(None)
            return served.over.is_set()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # who asked has gone
    served.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield served
    finally:
        served.over.set()
        server.shutdown()
        thread.join()
        server.server_close()
