"""One OpenAI-compatible server: JSON in and out, patience while it is busy, a key nobody sees, one sentence when it fails."""

from __future__ import annotations

import json
import math
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import requests
from pydantic import SecretStr
from urllib3.exceptions import HTTPError, LocationParseError, ReadTimeoutError
from urllib3.util import parse_url

from localrag.errors import EmbeddingError
from localrag.server_session import EndlessError, OverdueError, ServerSession, body, never_connected

MAX_ANSWER_BYTES = 256 * 1024 * 1024
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 8.0
SAID_CHARS = 200
_BUSY = frozenset({429, 502, 503, 504})
_REFUSED_INPUT = frozenset({400, 413, 422, 500})  # llama-server says 500 for what is longer than its batch
_BROKEN_OFF = 0
# llama-server, vLLM, TEI, Ollama and OpenAI, each in its own words.
_TOO_LONG = re.compile(
    r"too (?:long|large|many)|larger than the max|exceed|less than \d+ tokens|batch size"
    r"|(?:context|sequence|input)[ _-](?:length|size|window)|maximum (?:context|sequence|input|model)",
    re.IGNORECASE,
)


class TooLongError(EmbeddingError):
    """The server takes no input of this size. The message is what would be said if nothing smaller could be sent."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. Status 0: the connection broke off, and `text` says how."""

    status: int
    headers: Mapping[str, str]
    text: str


class Endpoint:
    """One connection, for one thread at a time; others wait. `stopped` ends waiting for a busy server."""

    def __init__(self, address: str, key: SecretStr | None, timeout_s: float, stopped: threading.Event) -> None:
        """Raises EmbeddingError when the address or the key cannot be used; nothing is sent yet."""
        self.base = base_address(address)
        self.timeout_s = timeout_s
        self._stopped = stopped
        self._lock = threading.Lock()
        self._secret = key.get_secret_value().strip() if key else ""
        if not re.fullmatch(r"[\x21-\x7e]*", self._secret):
            raise EmbeddingError("embedding_api_key holds a space, a line end or a letter no key has. Copy the key again.")
        self._session = ServerSession()

    def ask(self, path: str, payload: Mapping[str, Any] | None = None) -> Any:
        """The JSON a path of the server gives; POST with a payload, which is sent again while the server is busy.

        Raises:
            TooLongError: the input is larger than the server takes.
            EmbeddingError: what else went wrong, and what to do.
        """
        end = time.monotonic() + self.timeout_s
        pause_s = FIRST_PAUSE_S
        with self._lock:
            while True:
                answer = self._attempt(path, payload, end)
                if answer.status not in _BUSY and answer.status != _BROKEN_OFF:
                    return self._read(answer)
                wait_s = max(pause_s, _asked_pause_s(answer.headers))
                if time.monotonic() + wait_s >= end:
                    raise self._refusal(answer)
                if self._stopped.wait(wait_s):
                    raise EmbeddingError("The embedding server was given up while it was busy. Add the documents again.")
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def _attempt(self, path: str, payload: Mapping[str, Any] | None, end: float) -> Answer:
        headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {self._secret}"} if self._secret else {})
        method = "GET" if payload is None else "POST"
        left_s = max(0.001, end - time.monotonic())
        try:
            with (
                self._session.until(end),
                self._session.request(
                    method, self.base + path, json=payload, headers=headers, timeout=left_s, allow_redirects=False, stream=True
                ) as response,
            ):
                return Answer(response.status_code, response.headers, body(response, end, MAX_ANSWER_BYTES))
        except EndlessError as exc:
            raise EmbeddingError(
                f"The embedding server at {self.base} sent an endless answer. Check embedding_server."
            ) from exc
        except (OverdueError, requests.Timeout, ReadTimeoutError) as exc:
            raise self._too_slow() from exc
        except requests.exceptions.SSLError as exc:
            raise EmbeddingError(
                f"No secure connection to the embedding server at {self.base} could be made. Check its certificate."
            ) from exc
        except (requests.RequestException, HTTPError, OSError) as exc:
            if never_connected(exc):
                raise EmbeddingError(
                    f"No embedding server answers at {self.base}. Start it, or correct embedding_server."
                ) from exc
            return Answer(_BROKEN_OFF, {}, "the connection broke off")

    def _read(self, answer: Answer) -> Any:
        if answer.status != 200:
            raise self._refusal(answer)
        try:
            return json.loads(answer.text)
        except (ValueError, RecursionError) as exc:
            what = "a web page" if answer.text.lstrip()[:1] == "<" else "something that is not JSON"
            raise EmbeddingError(
                f"The embedding server at {self.base} answered with {what}. Check embedding_server: it often ends in /v1."
            ) from exc

    def _refusal(self, answer: Answer) -> EmbeddingError:
        status, server = answer.status, f"The embedding server at {self.base}"
        said = self._said(answer)
        if status in (401, 403):
            problem = "does not accept the key" if self._secret else "wants a key"
            return EmbeddingError(f"{server} {problem} ({status}). Put its key into LOCALRAG_EMBEDDING_API_KEY.")
        if 300 <= status < 400:
            target = self._line(_shown(answer.headers.get("Location", "another address")))
            return EmbeddingError(f"{server} sends on to {target}, which is not followed. Give the final address.")
        if status in (404, 405, 501):
            return EmbeddingError(
                f"{server} gives no embeddings here ({status}{said})."
                " Check embedding_server and embedding_model, and that it was started for embeddings."
            )
        if status in _REFUSED_INPUT and (status == 413 or _TOO_LONG.search(said)):
            return TooLongError(f"{server} takes no input of this size ({status}{said}). Give it a larger window or batch.")
        if status == _BROKEN_OFF:
            return EmbeddingError(f"{server} broke the connection off again and again. Look at its log.")
        if status in _BUSY:
            return EmbeddingError(
                f"{server} stays busy ({status}{said}). Try again later or raise embedding_timeout_s = {self.timeout_s:g}."
            )
        return EmbeddingError(f"{server} refused the texts ({status}{said}). Check embedding_model and the server's log.")

    def _said(self, answer: Answer) -> str:
        """': ' and the server's own words, on one line, short, without the key; empty when it said nothing readable."""
        text = answer.text.strip()
        try:
            found = json.loads(text)
            while isinstance(found, dict):
                found = next((found[name] for name in ("error", "message", "detail") if name in found), "")
            text = found if isinstance(found, str) else ""
        except (ValueError, RecursionError):
            text = "" if text.startswith("<") else text
        line = self._line(text).rstrip(".")
        return f": {line}" if line else ""

    def _line(self, text: str) -> str:
        """Words of a stranger as they may stand in a sentence: one line, not too long, without the key."""
        if self._secret:
            text = text.replace(self._secret, "(key)")
        line = " ".join("".join(sign if sign.isprintable() else " " for sign in text[: 4 * SAID_CHARS]).split())
        return line if len(line) <= SAID_CHARS else line[: SAID_CHARS - 1] + "…"

    def _too_slow(self) -> EmbeddingError:
        return EmbeddingError(
            f"The embedding server at {self.base} did not answer within {self.timeout_s:g} s."
            " Raise embedding_timeout_s, or look whether it works at all."
        )

    def close(self) -> None:
        """Close the connection."""
        self._session.close()


def base_address(address: str) -> str:
    """An address as people write it, as the one that /embeddings and /models follow on: it ends in /v1, or in a longer path.

    Raises:
        EmbeddingError: it is none, or it carries a password.
    """
    plain = address.strip()
    if not plain:
        raise EmbeddingError("No embedding server is named. Set embedding_server, e.g. to http://127.0.0.1:8080/v1.")
    try:
        url = parse_url(plain)
    except LocationParseError as exc:
        raise EmbeddingError(f"{_shown(plain)} is no address of an embedding server. Check embedding_server.") from exc
    if url.scheme not in ("http", "https") or not url.host:
        raise EmbeddingError(f"{_shown(plain)} is no address of an embedding server. Write http://host:port/v1.")
    if url.auth or url.query or url.fragment:
        raise EmbeddingError(
            f"{_shown(plain)} has more than a host and a path. Remove the rest; a key belongs in LOCALRAG_EMBEDDING_API_KEY."
        )
    path = (url.path or "").rstrip("/").removesuffix("/embeddings")
    return f"{url.scheme}://{url.netloc}{path or '/v1'}"


def _shown(address: str) -> str:
    """An address without what may be secret in it: user, password, query."""
    return re.sub(r"(?<=//)[^/]*@", "", re.split(r"[?#]", address)[0])[:SAID_CHARS]


def _asked_pause_s(headers: Mapping[str, str]) -> float:
    """Seconds the server asks to wait in Retry-After, a number or a date; 0 when it does not."""
    value = headers.get("Retry-After", "").strip()
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
        except (ValueError, TypeError, OverflowError):
            return 0.0
    return max(0.0, seconds) if math.isfinite(seconds) else 0.0
