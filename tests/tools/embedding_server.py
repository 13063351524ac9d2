"""A loopback server that speaks /v1/embeddings as a test wants it: well, wrongly, late or not at all."""

from __future__ import annotations

import json
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

DIMENSION = 16
MODEL = "all-MiniLM-L6-v2"
Reply = tuple[int, dict[str, str], bytes]
"""Status, headers, body. Status 0 breaks the connection off without a word."""


def vector(text: str) -> list[float]:
    """A vector that depends on the words of a text, longer than 1."""
    row = np.full(DIMENSION, 0.1)
    for word in text.split():
        row[zlib.crc32(word.encode()) % DIMENSION] += 1.0
    return [float(value) for value in row]


def json_reply(content: Any, status: int = 200, **headers: str) -> Reply:
    """A reply of JSON."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return status, {"Content-Type": "application/json"} | named, json.dumps(content).encode()


def good(texts: list[str]) -> Reply:
    """What a server answers when all is well."""
    data = [{"object": "embedding", "index": index, "embedding": vector(text)} for index, text in enumerate(texts)]
    return json_reply({"object": "list", "data": data, "model": MODEL})


@dataclass
class Served:
    """A running server: its address, what it was asked, and how it answers from now on."""

    address: str = ""
    answer: Callable[[list[str]], Reply] = good
    models: Callable[[], Reply] = lambda: json_reply({"object": "list", "data": [{"id": MODEL}]})
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    def first_then(self, *replies: Reply) -> None:
        """Give these replies in turn, then good ones."""
        left = list(replies)
        self.answer = lambda texts: left.pop(0) if left else good(texts)


@contextmanager
def embedding_server() -> Iterator[Served]:
    """Serve on a free loopback port until the block ends."""
    served = Served()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # headers and body in one packet: two of them cost 40 ms

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            self._note()
            self._send(served.models() if self.path == "/v1/models" else json_reply({"error": "not found"}, 404))

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self._note()
            served.asked.append(body)
            known = self.path == "/v1/embeddings"
            self._send(served.answer(body["input"]) if known else json_reply({"error": "File Not Found"}, 404))

        def _note(self) -> None:
            served.paths.append(self.path)
            served.headers.append(dict(self.headers))

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

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    served.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
