"""A loopback server of one model file that behaves as a test wants: well, or as bad hosts and networks do.

It answers as a proxy too: whatever host a request names, it is answered here.
"""

from __future__ import annotations

import hashlib
import random
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

WAIT_S = 60


def tiny_model(weights: int = 150_000, seed: int = 1) -> bytes:
    """A sound GGUF file with one tensor of this many random numbers of four bytes."""

    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value)) + value.encode()

    facts = {"general.architecture": "llama", "general.name": "Tiny"}
    out = b"GGUF" + struct.pack("<IQQ", 3, 1, len(facts))
    for key, value in facts.items():
        out += text(key) + struct.pack("<I", 8) + text(value)
    out += text("token_embd.weight") + struct.pack("<IQIQ", 1, weights, 0, 0)
    return out + b"\0" * (-len(out) % 32) + random.Random(seed).randbytes(4 * weights)


@dataclass(frozen=True)
class Asked:
    """A request as it came: its path (with a proxy the whole address) and headers."""

    path: str
    headers: dict[str, str]

    @property
    def range(self) -> str | None:
        return self.headers.get("range")


@dataclass
class Host:
    """A running server: where it is, what it serves, what it was asked, and how it answers."""

    address: str = ""
    content: bytes = field(default_factory=tiny_model)
    headers: dict[str, str] = field(default_factory=lambda: {"ETag": '"one"'})
    asked: list[Asked] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)
    """Answers to the next requests in turn; then `reply` answers."""
    reply: Reply = field(default_factory=lambda: good)
    places: dict[str, Reply] = field(default_factory=dict)
    """Answers of their own for some paths or, as a proxy, addresses."""
    gate: threading.Event = field(default_factory=threading.Event)
    """What `stalls` and `drips` wait for; open at the end."""

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def model(self) -> str:
        return f"{self.address}/files/tiny.gguf"


class Handler(BaseHTTPRequestHandler):
    """Set up by `download_server`."""

    served: Host
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.served.asked.append(Asked(self.path, {name.lower(): value for name, value in self.headers.items()}))
        self.close_connection = True
        act = self.served.places.get(self.path) or (self.served.replies.pop(0) if self.served.replies else self.served.reply)
        with suppress(OSError):  # who asked has gone
            act(self)

    def do_CONNECT(self) -> None:
        """As a proxy for https: refuses the tunnel, once it was asked for."""
        self.served.asked.append(Asked(f"https://{self.path}", {}))
        self.close_connection = True
        self.send(403, {})

    def start(self) -> int:
        """The first byte asked for, if the file is still the one it was."""
        wanted = self.headers.get("Range")
        same = self.headers.get("If-Range") in (None, self.served.headers.get("ETag"), self.served.headers.get("Last-Modified"))
        return int(wanted[6:-1]) if wanted and same else 0

    def send(self, status: int, headers: dict[str, Any], body: bytes = b"") -> None:
        """Status and headers, and some of the body; `Content-Length` is the body's unless given (None: left out)."""
        self.send_response(status)
        for name, value in ({"Content-Length": len(body), "Connection": "close"} | headers).items():
            if value is not None:
                self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


Reply = Callable[[Handler], None]


def part_of(handler: Handler, start: int, **claims: Any) -> None:
    """Answer with the file from byte `start` on."""
    content = handler.served.content
    headers = dict(handler.served.headers)
    if start >= len(content) > 0:
        handler.send(416, headers | {"Content-Range": f"bytes */{len(content)}"})
        return
    if start:
        headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
    stop = claims.pop("stop", len(content))
    length = {"Content-Length": len(content) - start} | {name.replace("_", "-"): value for name, value in claims.items()}
    handler.send(206 if start else 200, headers | length, content[start:stop])


def good(handler: Handler) -> None:
    """What a host answers when all is well."""
    part_of(handler, handler.start())


def breaks_off(after: int) -> Reply:
    """Breaks the connection off when so many bytes of the file were sent."""
    return lambda handler: part_of(handler, start := handler.start(), stop=max(after, start))


def claims(**headers: Any) -> Reply:
    """Sends the file under other headers than it should: `Content_Length=5`."""
    return lambda handler: part_of(handler, handler.start(), **headers)


def ignores_ranges(handler: Handler) -> None:
    """Sends the whole file whatever was asked for."""
    part_of(handler, 0)


def another_range(handler: Handler) -> None:
    """Answers a question for a range with another one."""
    part_of(handler, max(0, handler.start() - 1000)) if handler.start() else good(handler)


def stalls(after: int) -> Reply:
    """Sends so many bytes of the file, then nothing until the gate opens."""

    def reply(handler: Handler) -> None:
        start = handler.start()
        part_of(handler, start, stop=max(after, start))
        handler.served.gate.wait(WAIT_S)

    return reply


def drips(handler: Handler, piece: int = 16_384, pause_s: float = 0.02) -> None:
    """Sends the file a little at a time, so that there is time to end it, and at once when the gate is open."""
    start = handler.start()
    part_of(handler, start, stop=start)
    for at in range(start, len(handler.served.content), piece):
        if not handler.served.gate.is_set():
            time.sleep(pause_s)
        handler.wfile.write(handler.served.content[at : at + piece])
        handler.wfile.flush()


def in_chunks(whole: bool) -> Reply:
    """Sends the file in chunks, without saying how long it is; unless `whole`, the last one is missing."""

    def reply(handler: Handler) -> None:
        content = handler.served.content
        handler.send(200, {"Content-Length": None, "Transfer-Encoding": "chunked"})
        for at in range(0, len(content), 100_000):
            piece = content[at : at + 100_000]
            handler.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        handler.wfile.write(b"0\r\n\r\n" if whole else b"")

    return reply


def status(code: int, body: bytes = b"sorry", **headers: Any) -> Reply:
    """Answers with this status."""
    return lambda handler: handler.send(code, {name.replace("_", "-"): value for name, value in headers.items()}, body)


def moved(target: str, code: int = 302, **headers: Any) -> Reply:
    """Redirects to another address."""
    return status(code, b"", Location=target, **headers)


def data(body: bytes, **headers: Any) -> Reply:
    """Answers with these bytes."""
    return status(200, body, **headers)


@contextmanager
def download_server(**state: Any) -> Iterator[Host]:
    """Serve on a free loopback port until the block ends."""
    served = Host(**state)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("OneHandler", (Handler,), {"served": served}))
    server.daemon_threads = True
    served.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield served
    finally:
        served.gate.set()
        server.shutdown()
        thread.join()
        server.server_close()
