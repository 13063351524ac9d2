"""A Chroma server in place of files: patience while it restarts, a token nobody sees, one sentence when it fails."""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import httpx
from chromadb.api import ServerAPI
from chromadb.api.models.Collection import Collection
from chromadb.config import Settings as ChromaSettings
from chromadb.config import System
from chromadb.errors import ChromaError, NotFoundError, UniqueConstraintError
from pydantic import SecretStr

from localrag.errors import StoreError

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 5.0
CONNECT_S = 10.0
SAID_CHARS = 200
BATCH = 1000
"""Vectors in one request where the server does not say how many it takes."""
_BUSY = frozenset({429, 500, 502, 503, 504})
_REFUSED = frozenset({401, 403})
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """Where a Chroma server answers. `timeout_s` is for one request, new attempts included."""

    url: str
    token: SecretStr | None = None
    tenant: str = "default_tenant"
    database: str = "default_database"
    timeout_s: float = 60.0


class ServerClient:
    """What `VectorIndex` needs of a Chroma client. Every method may be called from any thread."""

    def __init__(self, address: ServerAddress) -> None:
        """Connect; tenant and database are made when they are missing.

        Chroma's own client would wait for ever on a server that does not answer, and go through a proxy of the environment.
        Raises:
            StoreError: no Chroma server answers there in time, or it refuses.
        """
        self.address = address
        self._secret = address.token.get_secret_value().strip() if address.token else ""
        if not re.fullmatch(r"[\x21-\x7e]*", self._secret):
            raise StoreError("chroma_token holds a space, a line end or a letter no token has. Copy the token again.")
        self._api = self._connect()
        self._where = {"tenant": address.tenant, "database": address.database}
        try:
            self.patiently(self._make_room)
            self.max_batch_size = self.patiently(self._batch_size)
        except BaseException:
            self.close()
            raise

    def _connect(self) -> Any:
        settings = ChromaSettings(
            anonymized_telemetry=False,
            chroma_api_impl="chromadb.api.fastapi.FastAPI",
            chroma_server_host=self.address.url,
            chroma_server_ssl_enabled=self.address.url.startswith("https:"),
            chroma_server_http_port=httpx.URL(self.address.url).port,
        )
        api: Any = System(settings).instance(ServerAPI)
        headers = {"Authorization": f"Bearer {self._secret}", "X-Chroma-Token": self._secret} if self._secret else {}
        session = httpx.Client(
            timeout=httpx.Timeout(self.address.timeout_s, connect=min(CONNECT_S, self.address.timeout_s)),
            headers={**dict(api._session.headers), **headers},
            verify=ssl.create_default_context(),  # the system's certificates, and those SSL_CERT_FILE names
            trust_env=False,
        )
        api._session.close()
        api._session = session
        return api

    def _make_room(self) -> None:
        """Make the tenant and the database; that another process does so at the same moment is no error."""
        tenant, database = self.address.tenant, self.address.database
        for find, make in (
            (partial(self._api.get_tenant, tenant), partial(self._api.create_tenant, tenant)),
            (partial(self._api.get_database, database, tenant), partial(self._api.create_database, database, tenant)),
        ):
            try:
                find()
            except NotFoundError:
                try:
                    make()
                except UniqueConstraintError:
                    find()

    def _batch_size(self) -> int:
        most = int(self._api.get_max_batch_size())
        return most if most > 0 else BATCH

    def patiently(self, action: Callable[[], T]) -> T:
        """Do something on the server, again and again while it is away or busy; everything we ask may be asked twice.

        Raises:
            NotFoundError: what it is about is not there.
            StoreError: anything else, in one sentence.
        """
        until, pause_s = time.monotonic() + self.address.timeout_s, FIRST_PAUSE_S
        while True:
            try:
                return action()
            except NotFoundError:
                raise
            except Exception as exc:
                if not _may_pass(exc) or time.monotonic() + pause_s > until:
                    raise self._failure(exc) from exc
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def _failure(self, exc: Exception) -> StoreError:
        url, status = self.address.url, _status(exc)
        if isinstance(exc, httpx.ConnectError) and "certificate" in str(exc).lower():
            return StoreError(f"No secure connection to the Chroma server at {url} could be made. Check its certificate.")
        if isinstance(exc, httpx.TransportError):
            return StoreError(
                f"No Chroma server answered at {url} within {self.address.timeout_s:g} s ({type(exc).__name__})."
                " Start it, or correct chroma_url."
            )
        if status in _REFUSED:
            return StoreError(f"The Chroma server at {url} refused chroma_token (status {status}). Correct the token.")
        said = " ".join(str(exc).split())[:SAID_CHARS]
        said = said.replace(self._secret, "(hidden)") if self._secret else said
        if isinstance(exc, ChromaError):
            return StoreError(f"The Chroma server at {url} failed: {said}. Look at its own log, and try again.")
        if status in _BUSY:
            return StoreError(f"The Chroma server at {url} is not ready (status {status}). Wait for it, or restart it.")
        return StoreError(f"What answers at {url} is no Chroma server of this version ({said}). Correct chroma_url.")

    # What Chroma's own client is asked for

    def get_max_batch_size(self) -> int:
        """The most vectors of one request, as the server said when we came."""
        return self.max_batch_size

    def list_collections(self) -> Sequence[Collection]:
        """All collections of the database."""
        return [
            Collection(client=self._api, model=m, embedding_function=None) for m in self._api.list_collections(**self._where)
        ]

    def get_or_create_collection(self, name: str, configuration: Any, metadata: Any, embedding_function: None) -> Collection:
        """A collection, made when missing."""
        model = self._api.create_collection(
            name=name, configuration=configuration, metadata=metadata, get_or_create=True, **self._where
        )
        return Collection(client=self._api, model=model, embedding_function=embedding_function)

    def get_collection(self, name: str, embedding_function: None) -> Collection:
        """A collection; NotFoundError when there is none."""
        model = self._api.get_collection(name=name, **self._where)
        return Collection(client=self._api, model=model, embedding_function=embedding_function)

    def delete_collection(self, name: str) -> None:
        """Delete a collection."""
        self._api.delete_collection(name=name, **self._where)

    def close(self) -> None:
        """Close the connections."""
        self._api._session.close()


def _status(exc: Exception) -> int:
    """The HTTP status an error came with; 0 when it came with none. Chroma's client tells it only by what it handled."""
    cause: BaseException | None = exc
    while cause is not None:
        if isinstance(cause, httpx.HTTPStatusError):
            return cause.response.status_code
        cause = cause.__context__
    return 0


def _may_pass(exc: Exception) -> bool:
    """Whether waiting may help: the server is down, restarting, or overrun."""
    if isinstance(exc, httpx.ConnectError) and "certificate" in str(exc).lower():
        return False
    return isinstance(exc, httpx.TransportError) or _status(exc) in _BUSY
