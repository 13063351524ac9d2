"""Fetching a web page, the only thing that ever leaves the machine: every address checked, time and size limited."""

from __future__ import annotations

import http
import http.client
import re
import socket
import ssl
import zlib
from dataclasses import dataclass
from urllib.parse import urljoin

import certifi
from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError, LocationParseError, ProtocolError
from urllib3.util import Url, parse_url

from localrag.documents.addresses import AddressPolicy, AnyAddress, Deadline, Guard, GuardedHTTP, GuardedHTTPS, RefusedAddress
from localrag.errors import FetchError
from localrag.settings import WebSettings

BYTES_PER_MB = 1_000_000
MAX_REDIRECTS = 5
USER_AGENT = "LocalRAG/0.1"
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PIECE_BYTES = 64 * 1024
# What is fed to the unpacker at once: of many tiny gzip members, each copies the rest of its piece.
_FED_BYTES = 4 * 1024
_GZIP_MARK = b"\x1f"
_READABLE = re.compile(r"text/[\w.+-]+|application/(?:xhtml\+xml|xml|json|markdown|[\w.+-]+\+(?:xml|json))")
_CHARSET = re.compile(r"""charset\s*=\s*["']?([^\s;"']+)""", re.IGNORECASE)
_HEADERS = {
    "User-Agent": USER_AGENT,
    "Accept": "text/html, application/xhtml+xml, text/markdown, text/plain;q=0.9, text/*;q=0.8, application/json;q=0.5",
    # Only what every installation can unpack.
    "Accept-Encoding": "gzip, deflate",
    "Connection": "close",
}


@dataclass(frozen=True, slots=True)
class FetchedPage:
    """A page as it arrived. `address`: after redirects. `content_type`: the whole header. `charset`: what it states, or ""."""

    address: str
    body: bytes
    content_type: str
    charset: str


def fetch(address: str, settings: WebSettings, policy: AddressPolicy | None = None) -> FetchedPage:
    """Fetch a page by http or https, following at most 5 redirects.

    Nothing of the environment is used: no proxy variables, no .netrc, no cookies, no user name from the address; certificates
    are checked against the system's and certifi's authorities. `policy` (default: by `settings.allow_private_addresses`)
    decides on every address that is connected to, redirects included. `fetch_timeout_s` limits all of it together,
    `fetch_max_mb` the body both as sent and unpacked.
    Raises:
        FetchError: one sentence that names the address.
    """
    if policy is None:
        policy = AnyAddress() if settings.allow_private_addresses else AddressPolicy()
    deadline = Deadline(settings.fetch_timeout_s)
    try:
        return _follow(address.strip(), settings, Guard(policy, deadline))
    except (HTTPError, OSError, http.client.HTTPException) as exc:
        if deadline.is_over or isinstance(exc, TimeoutError):
            raise _too_slow(address, settings) from exc
        raise FetchError(f"{_shown(address)} cannot be fetched: {_reason(exc)}. Check the address and the connection.") from exc
    finally:
        deadline.close()


def _follow(address: str, settings: WebSettings, guard: Guard) -> FetchedPage:
    current = address
    for _ in range(MAX_REDIRECTS + 1):
        try:
            found = _visit(current, settings, guard)
        except RefusedAddress as exc:
            origin = "" if current == address else f" ({_shown(address)} redirects to it)"
            raise FetchError(
                f"{_shown(current)}{origin} leads to {exc}, which is no public internet address. "
                "Set allow_private_addresses if you mean it."
            ) from exc
        if isinstance(found, FetchedPage):
            return found
        try:
            current = urljoin(current, found)
        except ValueError as exc:
            raise FetchError(f"{_shown(address)} redirects to {_shown(found)}, which is not a web address. Check it.") from exc
    raise FetchError(f"{_shown(address)} leads from page to page more than {MAX_REDIRECTS} times. Give the final address.")


def _visit(address: str, settings: WebSettings, guard: Guard) -> FetchedPage | str:
    """The page at one address, or where it redirects to."""
    url = parse_address(address)
    connection = _connection(url, guard)
    response = None
    try:
        connection.request("GET", url.request_uri, headers=_HEADERS, preload_content=False)
        response = connection.getresponse()
        target = response.headers.get("Location", "").strip()
        return target if response.status in _REDIRECTS and target else _page(address, response, settings, guard.deadline)
    finally:
        # The answer keeps the socket open by itself when the server closes after it.
        if response is not None:
            response.close()
        connection.close()


def parse_address(address: str) -> Url:
    """The parts of an address; the one parser whose host is both checked and connected to. Nothing is sent.

    Raises:
        FetchError: it is none, or no address of a page.
    """
    try:
        if re.search(r"[\x00-\x20\x7f]", address):
            raise LocationParseError(address)
        url = parse_url(address)
    except LocationParseError as exc:
        raise FetchError(f"{_shown(address)} is not a web address. Check its spelling.") from exc
    if url.scheme not in {"http", "https"}:
        raise FetchError(f"{_shown(address)} cannot be fetched: only http and https can. Give a web address.")
    if not url.host:
        raise FetchError(f"{_shown(address)} names no host. Check its spelling.")
    return url


def _connection(url: Url, guard: Guard) -> GuardedHTTP | GuardedHTTPS:
    host, timeout = url.host or "", guard.deadline.remaining_s
    connection: GuardedHTTP | GuardedHTTPS
    if url.scheme == "https":
        connection = GuardedHTTPS(host.strip("[]"), url.port or 443, timeout=timeout, ssl_context=_tls())
    else:
        connection = GuardedHTTP(host.strip("[]"), url.port or 80, timeout=timeout)
    connection.guard = guard
    return connection


def _tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


def _page(address: str, response: BaseHTTPResponse, settings: WebSettings, deadline: Deadline) -> FetchedPage:
    """The body of a final answer, within the limits."""
    if not 200 <= response.status < 300:
        raise FetchError(f"{_shown(address)} answered {_status(response.status)}. Check the address.")
    content_type = response.headers.get("Content-Type", "")
    kind = content_type.partition(";")[0].strip().lower()
    if kind and not _READABLE.fullmatch(kind):
        raise FetchError(f"{_shown(address)} is {kind[:80]}, not a page of text. Save it as text and add the file.")
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in {"", "identity", "gzip", "x-gzip", "deflate"}:
        raise FetchError(
            f"{_shown(address)} is packed as {encoding[:40]}, which cannot be unpacked. Save the page and add the file."
        )
    limit = int(settings.fetch_max_mb * BYTES_PER_MB)
    stated = response.headers.get("Content-Length", "")
    if stated.isascii() and stated.isdigit() and int(stated[:18]) > limit:
        raise _too_large(address, settings)
    sent = bytearray()
    while piece := response.read(_PIECE_BYTES, decode_content=False):
        sent += piece
        if len(sent) > limit:
            raise _too_large(address, settings)
    body = bytes(sent)
    if encoding not in {"", "identity"}:
        try:
            body = _unpacked(body, encoding, limit)
        except zlib.error as exc:
            raise FetchError(
                f"{_shown(address)} sent a damaged {encoding} body. Try again, or save the page and add the file."
            ) from exc
        except EOFError as exc:
            raise FetchError(
                f"{_shown(address)} sent a {encoding} body that breaks off before its end. "
                "Try again, or save the page and add the file."
            ) from exc
        if len(body) > limit:
            raise _too_large(address, settings)
    if deadline.is_over:
        raise _too_slow(address, settings)
    charset = _CHARSET.search(content_type)
    return FetchedPage(address, body, content_type, charset[1] if charset else "")


def _unpacked(packed: bytes, encoding: str, limit: int) -> bytes:
    """A gzip or deflate body, at most one byte more than the limit.

    urllib3 takes a stream that was cut off for a whole one, hence this. What follows a whole stream is left out unless it is
    another gzip member. Raises zlib.error when it is damaged, EOFError when it does not end.
    """
    if not packed:
        return b""
    if encoding != "deflate":
        window = 16 + zlib.MAX_WBITS
    else:
        # By the standard with the two bytes of zlib in front, from some servers without.
        is_zlib = packed[0] & 0x0F == zlib.DEFLATED and int.from_bytes(packed[:2]) % 31 == 0
        window = zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS
    body = bytearray()
    unpacker = zlib.decompressobj(window)
    for start in range(0, len(packed), _FED_BYTES):
        rest = packed[start : start + _FED_BYTES]
        while rest:
            if unpacker.eof:
                if encoding == "deflate" or not rest.startswith(_GZIP_MARK):
                    return bytes(body)
                unpacker = zlib.decompressobj(window)
            body += unpacker.decompress(rest, limit + 1 - len(body))
            if len(body) > limit:
                return bytes(body)
            rest = unpacker.unused_data or unpacker.unconsumed_tail
    if not unpacker.eof:
        raise EOFError
    return bytes(body)


def _shown(address: str) -> str:
    """An address as it may stand in a sentence: without user name, password and control characters, not too long."""
    plain = re.sub(r"[\x00-\x1f\x7f]", "", address)
    plain = re.sub(r"(?<=//)[^/?#\\]*@", "", plain, count=1)
    return plain if len(plain) <= 200 else plain[:199] + "…"


def _status(status: int) -> str:
    try:
        return f"{status} {http.HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _reason(exc: Exception) -> str:
    if isinstance(exc, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({exc.verify_message.rstrip('.')})"
    if isinstance(exc, ssl.SSLError):
        return "no secure connection could be made"
    if isinstance(exc, socket.gaierror):
        return "the host name is not known"
    if isinstance(exc, ConnectionRefusedError):
        return "nothing answers at this host and port"
    if isinstance(exc, ProtocolError | http.client.HTTPException):
        return "the answer broke off or is no HTTP"
    return (getattr(exc, "strerror", None) or str(exc) or type(exc).__name__).rstrip(".")


def _too_slow(address: str, settings: WebSettings) -> FetchError:
    return FetchError(
        f"{_shown(address)} took longer than {settings.fetch_timeout_s:g} s. Try again later or raise fetch_timeout_s."
    )


def _too_large(address: str, settings: WebSettings) -> FetchError:
    return FetchError(
        f"{_shown(address)} is larger than {settings.fetch_max_mb:g} MB. Raise fetch_max_mb, or save the page and add the file."
    )
