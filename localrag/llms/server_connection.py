"""Small questions to a chat server (is it there, which models, how many tokens): JSON over one connection that is kept."""

from __future__ import annotations

import json
import re
import threading
import time
from typing import Any

import requests
from pydantic import SecretStr
from urllib3.exceptions import HTTPError, LocationParseError, ReadTimeoutError
from urllib3.util import parse_url

from localrag.errors import GenerationError
from localrag.llms.server_words import CONNECT_S, Reply, ServerWords
from localrag.server_session import EndlessError, OverdueError, ServerSession, body, never_connected

MAX_REPLY_BYTES = 32 * 1024 * 1024
SMALL_ANSWER_S = 10.0
"""Longest time a small question may take; less where chat_timeout_s is less."""


class ServerConnection:
    """One connection for all threads, which take turns. `words` says what went wrong."""

    def __init__(self, address: str, key: SecretStr | None, timeout_s: float) -> None:
        """Raises GenerationError when the address or the key cannot be used; nothing is sent yet."""
        secret = key.get_secret_value().strip() if key else ""
        if not re.fullmatch(r"[\x21-\x7e]*", secret):
            raise GenerationError("chat_api_key holds a space, a line end or a letter no key has. Copy the key again.")
        self.base = base_address(address)
        self.root = self.base.removesuffix("/v1")
        self.timeout_s = timeout_s
        self.words = ServerWords(self.base, timeout_s, secret)
        self._within_s = min(timeout_s, SMALL_ANSWER_S)
        self._lock = threading.Lock()
        self._session = ServerSession()

    def reply(self, url: str, payload: dict[str, Any] | None = None) -> Reply:
        """What the server says at a whole address; POST with a payload. A connection that went stale is made anew.

        Raises:
            GenerationError: no server there, or it did not answer in time.
        """
        end = time.monotonic() + self._within_s
        with self._lock:
            try:
                return self._attempt(url, payload, end)
            except _BrokeOffError:
                try:
                    return self._attempt(url, payload, end)
                except _BrokeOffError as exc:
                    raise GenerationError(self.words.broke_off()) from exc

    def json(self, url: str, payload: dict[str, Any] | None = None) -> Any:
        """The JSON the server gives at an address.

        Raises:
            GenerationError: what else it did, and what to do.
        """
        reply = self.reply(url, payload)
        if reply.status != 200:
            raise GenerationError(self.words.refusal(reply))
        return self.parsed(reply)

    def parsed(self, reply: Reply) -> Any:
        """The JSON of a reply; raises GenerationError when it is none."""
        try:
            return json.loads(reply.text)
        except (ValueError, RecursionError) as exc:
            raise GenerationError(self.words.no_json(reply.text)) from exc

    def _attempt(self, url: str, payload: dict[str, Any] | None, end: float) -> Reply:
        secret = self.words.secret
        headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {secret}"} if secret else {})
        left_s = max(0.001, end - time.monotonic())
        try:
            with (
                self._session.until(end),
                self._session.request(
                    "GET" if payload is None else "POST",
                    url,
                    json=payload,
                    headers=headers,
                    timeout=(min(CONNECT_S, left_s), left_s),
                    allow_redirects=False,
                    stream=True,
                ) as response,
            ):
                text = body(response, end, MAX_REPLY_BYTES)
                headers_in = {name.lower(): value for name, value in response.headers.items()}
                return Reply(response.status_code, text, headers_in)
        except EndlessError as exc:
            raise GenerationError(f"{self.words.server} sent an endless answer. Check chat_server.") from exc
        except requests.ConnectTimeout as exc:
            raise GenerationError(self.words.nobody()) from exc
        except (OverdueError, requests.Timeout, ReadTimeoutError) as exc:
            raise GenerationError(self._too_slow()) from exc
        except requests.exceptions.SSLError as exc:
            raise GenerationError(self.words.certificate()) from exc
        except (requests.RequestException, HTTPError, OSError) as exc:
            if never_connected(exc):
                raise GenerationError(self.words.nobody()) from exc
            raise _BrokeOffError from exc

    def _too_slow(self) -> str:
        return f"{self.words.server} did not answer within {self._within_s:g} s. Look whether it works at all."

    def close(self) -> None:
        """Close the connection."""
        self._session.close()


class _BrokeOffError(Exception):
    """The connection ended without an answer."""


def base_address(address: str) -> str:
    """An address as people write it, as the one that /chat/completions follows on: it ends in /v1, or in a longer path.

    Raises:
        GenerationError: it is none, or it carries a password.
    """
    plain = address.strip()
    if not plain:
        raise GenerationError("No chat server is named. Set chat_server, e.g. to http://127.0.0.1:8080/v1.")
    shown = re.sub(r"(?<=//)[^/]*@", "", re.split(r"[?#]", plain)[0])[:200]
    try:
        url = parse_url(plain)
    except LocationParseError as exc:
        raise GenerationError(f"{shown} is no address of a chat server. Check chat_server.") from exc
    if url.scheme not in ("http", "https") or not url.host:
        raise GenerationError(f"{shown} is no address of a chat server. Write http://host:port/v1.")
    if url.auth or url.query or url.fragment:
        raise GenerationError(
            f"{shown} has more than a host and a path. Remove the rest; a key goes into LOCALRAG_CHAT_API_KEY."
        )
    path = (url.path or "").rstrip("/").removesuffix("/completions").removesuffix("/chat")
    return f"{url.scheme}://{url.netloc}{path or '/v1'}"
