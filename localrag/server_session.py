"""Exchanges with a server the user named: nothing of the environment is used, and an exchange ends when it has to."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import NewConnectionError

PIECE_BYTES = 64 * 1024


class OverdueError(Exception):
    """An exchange was not over at its end."""


class EndlessError(Exception):
    """A body is longer than it may be."""


class ServerSession(requests.Session):
    """One connection, for one thread at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False  # no proxy, no .netrc: what is sent goes to this server and nowhere else
        self._connection: socket.socket | None = None
        self.mount("http://", _NotingAdapter(self._note))
        self.mount("https://", _NotingAdapter(self._note))

    @contextmanager
    def until(self, end: float) -> Iterator[None]:
        """Cut the connection at `end` (monotonic seconds). A timeout of requests begins anew with every byte that trickles in.

        Raises:
            OverdueError: in place of whatever the cut, or a silence until then, raised.
        """
        overdue = threading.Event()
        timer = threading.Timer(max(0.0, end - time.monotonic()), self._cut, (overdue,))
        timer.daemon = True
        timer.start()
        try:
            yield
        except (requests.RequestException, OSError) as exc:
            if overdue.is_set():
                raise OverdueError from exc
            raise
        finally:
            timer.cancel()
        if overdue.is_set():  # a head that is cut counts as a whole one
            raise OverdueError

    def _cut(self, overdue: threading.Event) -> None:
        overdue.set()
        if self._connection is not None:
            with suppress(OSError):  # closed meanwhile
                self._connection.shutdown(socket.SHUT_RDWR)

    def _note(self, connection: socket.socket) -> None:
        self._connection = connection


class _NotingAdapter(HTTPAdapter):
    """Tells of every connection that is made."""

    def __init__(self, note: Callable[[socket.socket], None]) -> None:
        self._note = note
        super().__init__()

    def init_poolmanager(self, *args: Any, **more: Any) -> None:
        super().init_poolmanager(*args, **more)
        pools = self.poolmanager.pool_classes_by_scheme
        self.poolmanager.pool_classes_by_scheme = {scheme: _noting(pool, self._note) for scheme, pool in pools.items()}


def _noting(pool: Any, note: Callable[[socket.socket], None]) -> Any:
    class Connection(pool.ConnectionCls):  # type: ignore[misc]
        def connect(self) -> None:
            super().connect()
            note(self.sock)

    return type(pool.__name__, (pool,), {"ConnectionCls": Connection})


def body(response: requests.Response, end: float, most_bytes: int) -> str:
    """The text of a streamed response.

    Raises:
        OverdueError: it was not whole at `end` (monotonic seconds).
        EndlessError: it is longer than it may be.
    """
    held = bytearray()
    while piece := response.raw.read1(PIECE_BYTES, decode_content=True):
        held += piece
        if len(held) > most_bytes:
            raise EndlessError
        if time.monotonic() > end:
            raise OverdueError
    return held.decode("utf-8", "replace")


def never_connected(exc: BaseException) -> bool:
    """Whether no connection was made: refused, no route, name not known. Waiting would not help."""
    reason = getattr(exc.args[0], "reason", exc.args[0]) if exc.args else None
    return isinstance(reason, NewConnectionError)
