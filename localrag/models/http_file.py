"""Opening a file at an address, from a byte on: redirects followed and checked, statuses turned into sentences."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import requests
from requests.auth import AuthBase
from urllib3.exceptions import HTTPError as TransportError
from urllib3.exceptions import ReadTimeoutError

from localrag.errors import DownloadError
from localrag.models.direct_links import HUGGING_FACE, host, next_hop, shown
from localrag.models.http_status import Broken, header, linked_sha256, range_of, refuse, validator_of

MAX_HOPS = 10
BLOCK = 1 << 18
REDIRECTS = (301, 302, 303, 307, 308)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long is waited, in seconds, and how often is tried without getting further."""

    connect_s: float = 15.0
    stall_s: float = 30.0
    tries: int = 6
    pause_s: float = 2.0  # before the second try; then twice as long each time
    longest_pause_s: float = 30.0
    longest_wait_s: float = 300.0  # a host that asks to wait longer is not waited for

    def pause(self, failures: int) -> float:
        """Seconds before the next try."""
        return min(self.pause_s * 2.0 ** (failures - 1), self.longest_pause_s)


class Stop:
    """Ends a download from another thread, at once, even while it waits for a byte."""

    def __init__(self) -> None:
        self._event, self._lock = threading.Event(), threading.Lock()
        self._response: requests.Response | None = None

    def set(self) -> None:
        """Stop it."""
        self._event.set()
        with self._lock:
            self._cut()

    def is_set(self) -> bool:
        return self._event.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait; True when it was stopped meanwhile."""
        return self._event.wait(seconds)

    def watch(self, response: requests.Response | None) -> None:
        """Cut this response off when stopped, from now on."""
        with self._lock:
            self._response = response
            if self._event.is_set():
                self._cut()

    def _cut(self) -> None:
        if self._response is not None:
            with contextlib.suppress(ValueError, RuntimeError, OSError):  # it ended by itself
                self._response.raw.shutdown()


@dataclass(frozen=True, slots=True)
class Sought:
    """Where to begin, and what was said about the file when its first bytes came."""

    start: int = 0
    validator: str = ""
    sha256: str = ""
    total: int | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """A body that begins at byte `start` of a file of `total` bytes (None: not said). Use as a context to close it.

    `sha256` is what the hub states (empty: nothing). `complete`: nothing is left to send.
    """

    response: requests.Response
    start: int
    total: int | None
    sha256: str
    validator: str
    complete: bool = False

    def __enter__(self) -> Opened:
        return self

    def __exit__(self, *_: object) -> None:
        self.response.close()

    def blocks(self, stall_s: float) -> Iterator[bytes]:
        """The bytes as they come, some at a time.

        Raises:
            Broken: the connection broke, or nothing came for `stall_s` seconds.
        """
        while not self.complete:
            try:
                block = self.response.raw.read1(BLOCK, decode_content=False)
            except ReadTimeoutError as exc:
                raise Broken(f"sent nothing for {stall_s:g} s") from exc
            except (TransportError, OSError, ValueError) as exc:  # ValueError: cut off by `Stop` between two reads
                raise Broken("broke off") from exc
            if not block:
                return
            yield block


def open_file(address: str, name: str, sought: Sought, patience: Patience, token: str = "") -> Opened:
    """Ask for a file from byte `sought.start` on; it begins at 0 where the host cannot, or where the file was changed.

    The token goes to Hugging Face alone, never along a redirect to another host.
    Raises:
        DownloadError: refused for good. Broken: to be tried again.
    """
    start, stated = sought.start, ""
    for _ in range(MAX_HOPS + 1):
        # Where the hub vouches for the file, its storage may give it another ETag each time.
        validator = "" if stated and stated == sought.sha256 else sought.validator
        response = _get(address, start, validator, patience, token)
        stated = stated or linked_sha256(address, response)
        same = not (stated and sought.sha256) or stated == sought.sha256
        target = header(response, "Location")
        if response.status_code in REDIRECTS and target:
            response.close()
            address = next_hop(address, target)
            start = start if same else 0
            continue
        opened = _opened(response, start, sought, stated) if same or not start else None
        if opened is None:
            response.close()
            start = 0
            continue
        if opened.complete or response.status_code in (200, 206):
            _check_kind(response, address, name)
            return opened
        with response:
            raise refuse(response, address, name, patience.longest_wait_s)
    raise DownloadError(f"{host(address)} redirects {name} in a circle or more than {MAX_HOPS} times. Try another link.")


def _opened(response: requests.Response, start: int, sought: Sought, stated: str) -> Opened | None:
    """The body as asked for, or None when it must be asked for again from the first byte."""
    first, total = range_of(response)
    sha256, validator = stated, validator_of(response)
    if response.status_code == 416 and start:
        return Opened(response, start, total, sha256, validator, complete=True) if total == start else None
    if response.status_code == 206:
        changed = total is not None and sought.total is not None and total != sought.total
        if first != start or (start and changed):
            if not start:
                raise Broken("sent another part of the file than it was asked for")
            return None
        return Opened(response, start, total, sha256, validator)
    if response.status_code == 200:
        length = response.headers.get("Content-Length", "")
        return Opened(response, 0, int(length) if length.isdecimal() else None, sha256, validator)
    return Opened(response, start, None, sha256, validator)


def _get(address: str, start: int, validator: str, patience: Patience, token: str) -> requests.Response:
    headers = {"Accept-Encoding": "identity"}
    if start:
        headers |= {"Range": f"bytes={start}-"} | ({"If-Range": validator} if validator else {})
    timeout = (patience.connect_s, patience.stall_s)
    try:
        auth = bearer(address, token)
        with _OneHop() as session:
            return session.get(address, headers=headers, stream=True, timeout=timeout, allow_redirects=False, auth=auth)
    except requests.exceptions.SSLError as exc:
        raise DownloadError(
            f"No secure connection to {host(address)} could be made: its certificate is not trusted. "
            "Check the address, the clock and the proxy."
        ) from exc
    except requests.exceptions.ProxyError as exc:
        raise Broken("is out of reach through the proxy", out_of_reach=True) from exc
    except requests.exceptions.ReadTimeout as exc:
        raise Broken(f"sent nothing for {patience.stall_s:g} s") from exc
    except (requests.exceptions.InvalidURL, requests.exceptions.InvalidHeader, UnicodeError) as exc:
        raise DownloadError(f"{shown(address)} cannot be asked for: {exc}. Check its spelling.") from exc
    except (requests.RequestException, TransportError, OSError) as exc:
        raise Broken("is out of reach", out_of_reach=True) from exc


class _OneHop(requests.Session):
    """Even without following a redirect a session would read its body, however long, and take its target apart."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        return None


class _Bearer(AuthBase):
    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def bearer(address: str, token: str) -> AuthBase | None:
    """What proves who asks: the token for Hugging Face over https, nothing for any other host."""
    parts = urlsplit(address)
    return _Bearer(token) if token and parts.scheme == "https" and parts.hostname in HUGGING_FACE else None


def _check_kind(response: requests.Response, address: str, name: str) -> None:
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind in ("text/html", "application/xhtml+xml"):
        response.close()
        hub = " On Hugging Face that is the download link in the list of files." if "huggingface" in host(address) else ""
        raise DownloadError(f"{host(address)} answers with a web page, not a model ({name}). Use the file's own link.{hub}")
