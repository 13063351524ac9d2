"""A loopback server that sends the head of its answer a byte at a time and never ends it."""

from __future__ import annotations

import itertools
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

EVERY_S = 0.05


@contextmanager
def trickling_server() -> Iterator[str]:
    """Its address; each connection gets bytes of headers until the block ends or the other side leaves."""
    over = threading.Event()

    def trickle(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while not over.wait(EVERY_S):
                connection.sendall(b"a")

    def accept() -> None:
        with suppress(OSError):
            for _ in itertools.count():
                threading.Thread(target=trickle, args=(listening.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=accept, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            over.set()
            listening.shutdown(socket.SHUT_RDWR)
