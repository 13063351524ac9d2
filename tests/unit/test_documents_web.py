"""Fetching: every address checked, every limit kept, every failure one sentence. Against real servers on 127.0.0.1."""

import gzip
import http.server
import ipaddress
import random
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from localrag.documents import web
from localrag.documents.addresses import Address, AddressPolicy
from localrag.documents.web import USER_AGENT, FetchedPage, fetch
from localrag.errors import FetchError
from localrag.settings import WebSettings

OPEN = WebSettings(allow_private_addresses=True, fetch_timeout_s=10.0, fetch_max_mb=0.2)
PAGE = "<html><body>안녕</body></html>".encode()
# A self-signed certificate for "localhost" with its key: made for this test, trusted by nobody.
CERTIFICATE = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgYDj6V14aotQb3RYF
Lq+CPBA7hUuiec95fcVupblzap2hRANCAATGCNq226tv7P5guPlCVQ2mF2CODa7l
bQEpqQSYjYE7OZ3CTBrghDKUshWqHxx3EQ/651g//9/iWB7GVqFckCk1
-----END PRIVATE KEY-----
-----BEGIN CERTIFICATE-----
MIIBlTCCATugAwIBAgIUCbYwgE+vVzJdQTQg4BoUfmhcIDcwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMjE3MDQyN1oYDzIxMjYxMDI5
MTcwNDI3WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAATGCNq226tv7P5guPlCVQ2mF2CODa7lbQEpqQSYjYE7OZ3CTBrghDKU
shWqHxx3EQ/651g//9/iWB7GVqFckCk1o2kwZzAdBgNVHQ4EFgQUbtDjkKU9EdOa
f7FUeOQp19XgBbkwHwYDVR0jBBgwFoAUbtDjkKU9EdOaf7FUeOQp19XgBbkwDwYD
VR0TAQH/BAUwAwEB/zAUBgNVHREEDTALgglsb2NhbGhvc3QwCgYIKoZIzj0EAwID
SAAwRQIgH3Sz3fUuA6xJJK1pCXa0VjyqHJxFcyTGy02lbFkpngoCIQCO12iJtYZw
4az2YPzVZddf4EbcioXmwR/8AUSYoBhclA==
-----END CERTIFICATE-----
"""


class LocalhostIsPublic(AddressPolicy):
    """127.0.0.1 stands for the internet, everything else is judged as always."""

    def permits(self, address: Address) -> bool:
        return str(address) == "127.0.0.1" or super().permits(address)


Answer = Callable[[http.server.BaseHTTPRequestHandler], None]


class Site:
    """A server whose pages are functions; it remembers what was asked of it."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.pages: dict[str, Answer] = {}
        self.asked: list[http.server.BaseHTTPRequestHandler] = []
        self.stopped = threading.Event()
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked.append(self)
                try:
                    site.pages[self.path](self)
                except (OSError, ValueError):
                    self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        if tls is not None:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def at(self, path: str, host: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{path}"

    def stop(self) -> None:
        self.stopped.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def site() -> Iterator[Site]:
    server = Site()
    yield server
    server.stop()


def answer(body: bytes = PAGE, status: int = 200, content_type: str = "text/html", **headers: str) -> Answer:
    def send(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        if content_type:
            request.send_header("Content-Type", content_type)
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        request.end_headers()
        request.wfile.write(body)

    return send


def failure(address: str, settings: WebSettings = OPEN, policy: AddressPolicy | None = None) -> str:
    with pytest.raises(FetchError) as caught:
        fetch(address, settings, policy)
    message = str(caught.value)
    assert message.endswith(".")
    assert "\n" not in message
    return message


def test_a_page_comes_with_its_final_address_and_declared_charset(site: Site) -> None:
    site.pages["/a"] = answer(content_type='text/html; charset="EUC-KR"')
    assert fetch(f" {site.at('/a')} ", OPEN) == FetchedPage(site.at("/a"), PAGE, 'text/html; charset="EUC-KR"', "EUC-KR")


def test_the_request_names_the_program_and_carries_no_secrets(
    site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password secret")
    for name, value in (("HOME", str(tmp_path)), ("http_proxy", "http://127.0.0.1:9"), ("HTTP_PROXY", "http://127.0.0.1:9")):
        monkeypatch.setenv(name, value)
    site.pages["/"] = answer()
    fetch(f"http://user:pw@127.0.0.1:{site.port}/#fragment", OPEN)
    sent = site.asked[0]
    assert sent.headers["User-Agent"] == USER_AGENT
    assert sent.headers["Host"] == f"127.0.0.1:{site.port}"
    assert sent.path == "/"
    assert "Authorization" not in sent.headers
    assert "Cookie" not in sent.headers


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "0x7f.1",
        "2130706433",
        "127.1",
        "0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "example.com@127.0.0.1",
        "localhost",
        "10.0.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "[64:ff9b::7f00:1]",
        "224.0.1.1",
    ],
)
def test_private_addresses_are_refused_however_they_are_spelt(site: Site, host: str) -> None:
    site.pages["/"] = answer()
    message = failure(f"http://{host}:{site.port}/", WebSettings())
    assert "no public internet address" in message
    assert site.asked == []


@pytest.mark.parametrize(
    ("address", "permitted"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("::ffff:8.8.8.8", True),
        ("127.0.0.1", False),
        ("127.255.255.254", False),
        ("0.0.0.0", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("100.127.255.255", False),
        ("192.0.0.8", False),
        ("192.0.2.1", False),
        ("198.18.0.1", False),
        ("224.0.0.1", False),
        ("239.1.1.1", False),
        ("240.0.0.1", False),
        ("255.255.255.255", False),
        ("::", False),
        ("::1", False),
        ("::7f00:1", False),
        ("::ffff:10.0.0.1", False),
        ("::ffff:0:7f00:1", False),
        ("64:ff9b::808:808", False),
        ("64:ff9b:1::1", False),
        ("2001:0:1::1", False),
        ("2002:7f00:1::", False),
        ("fc00::1", False),
        ("fd12::1", False),
        ("fe80::1", False),
        ("fec0::1", False),
        ("ff02::1", False),
        ("2001:db8::1", False),
    ],
)
def test_the_policy_permits_what_the_internet_routes_and_nothing_else(address: str, permitted: bool) -> None:
    assert AddressPolicy().permits(ipaddress.ip_address(address)) is permitted


def resolver(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Replace name resolution; every look-up takes the next answer, the last one stays."""
    asked: list[str] = []

    def getaddrinfo(host: str, port: int, *_: object, **__: object) -> list[object]:
        asked.append(host)
        found = answers[min(len(asked), len(answers)) - 1]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


def test_a_name_is_resolved_once_and_the_checked_address_is_used(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.pages["/"] = answer()
    asked = resolver(monkeypatch, ["127.0.0.1"], ["127.0.0.2"])
    fetch(site.at("/", "rebind.example"), WebSettings(), LocalhostIsPublic())
    assert asked == ["rebind.example"]
    assert site.asked[0].headers["Host"] == f"rebind.example:{site.port}"


def test_one_private_address_among_several_refuses_the_name(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.pages["/"] = answer()
    resolver(monkeypatch, ["127.0.0.1", "127.0.0.2"])
    assert "leads to 127.0.0.2" in failure(site.at("/", "two.example"), WebSettings(), LocalhostIsPublic())
    assert site.asked == []


def test_the_next_address_is_tried_when_the_first_does_not_answer(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.pages["/"] = answer()
    resolver(monkeypatch, ["127.0.0.9", "127.0.0.1"])
    assert fetch(site.at("/", "two.example"), OPEN).body == PAGE


def test_redirects_are_followed_relative_ones_too(site: Site) -> None:
    site.pages["/a"] = answer(b"", 301, Location="/b?x=1")
    site.pages["/b?x=1"] = answer(b"", 307, Location=site.at("/c"))
    site.pages["/c"] = answer()
    assert fetch(site.at("/a"), OPEN).address == site.at("/c")


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("http://127.0.0.2:{port}/", "127.0.0.2, which is no public internet address"),
        ("http://[::1]:{port}/", "::1, which is no public internet address"),
        ("//127.0.0.2:{port}/", "127.0.0.2, which is no public internet address"),
        ("file:///etc/passwd", "only http and https can"),
        ("ftp://127.0.0.1/x", "only http and https can"),
        ("http://[bad", "is not a web address"),
    ],
)
def test_a_redirect_is_checked_like_the_first_address(site: Site, target: str, expected: str) -> None:
    site.pages["/a"] = answer(b"", 302, Location=target.format(port=site.port))
    assert expected in failure(site.at("/a"), WebSettings(), LocalhostIsPublic())


def test_five_redirects_are_followed_and_a_sixth_is_not(site: Site) -> None:
    for step in range(6):
        site.pages[f"/{step}"] = answer(b"", 302, Location=f"/{step + 1}")
    site.pages["/6"] = answer()
    assert fetch(site.at("/1"), OPEN).address == site.at("/6")
    assert "more than 5 times" in failure(site.at("/0"))
    site.pages["/loop"] = answer(b"", 302, Location="/loop")
    assert failure(site.at("/loop")).startswith(site.at("/loop"))


def test_a_redirect_without_a_target_is_an_error(site: Site) -> None:
    site.pages["/a"] = answer(b"", 302)
    assert "answered 302 Found" in failure(site.at("/a"))


@pytest.mark.parametrize(("status", "said"), [(404, "404 Not Found"), (500, "500 Internal Server Error"), (599, "599")])
def test_an_error_status_is_said(site: Site, status: int, said: str) -> None:
    site.pages["/a"] = answer(b"no", status)
    assert failure(site.at("/a")) == f"{site.at('/a')} answered {said}. Check the address."


@pytest.mark.parametrize("kind", ["application/pdf", "image/png", "application/octet-stream", "video/mp4; x=y"])
def test_what_is_no_text_is_refused(site: Site, kind: str) -> None:
    site.pages["/a"] = answer(content_type=kind)
    assert f"is {kind.split(';')[0]}, not a page of text" in failure(site.at("/a"))


@pytest.mark.parametrize(
    "kind", ["text/markdown", "TEXT/Plain", "application/xhtml+xml", "application/json", "application/rss+xml", ""]
)
def test_texts_of_all_kinds_are_fetched(site: Site, kind: str) -> None:
    site.pages["/a"] = answer(content_type=kind)
    assert fetch(site.at("/a"), OPEN).body == PAGE


def test_a_stated_size_over_the_limit_is_refused_before_the_body(site: Site) -> None:
    site.pages["/a"] = answer(b"", Content_Length="200001")
    assert "is larger than 0.2 MB" in failure(site.at("/a"))


def test_an_endless_body_is_cut_at_the_limit(site: Site) -> None:
    def endless(request: http.server.BaseHTTPRequestHandler) -> None:
        answer(b"")(request)
        while not site.stopped.is_set():
            request.wfile.write(b"x" * 65_536)

    site.pages["/a"] = endless
    assert "is larger than 0.2 MB" in failure(site.at("/a"))


def test_a_body_of_exactly_the_limit_is_fetched(site: Site) -> None:
    site.pages["/a"] = answer(b"x" * 200_000)
    assert len(fetch(site.at("/a"), OPEN).body) == 200_000


def test_a_packed_page_is_unpacked_and_a_bomb_is_not(site: Site) -> None:
    site.pages["/a"] = answer(gzip.compress(PAGE), Content_Encoding="gzip")
    site.pages["/bomb"] = answer(gzip.compress(b"\0" * 50_000_000), Content_Encoding="gzip")
    site.pages["/bad"] = answer(b"\x1f\x8bnonsense", Content_Encoding="gzip")
    site.pages["/br"] = answer(b"x", Content_Encoding="br")
    site.pages["/twice"] = answer(gzip.compress(gzip.compress(PAGE)), Content_Encoding="gzip, gzip")
    assert fetch(site.at("/a"), OPEN).body == PAGE
    assert "is larger than 0.2 MB" in failure(site.at("/bomb"))
    assert "damaged gzip body" in failure(site.at("/bad"))
    assert "packed as br" in failure(site.at("/br"))
    assert "packed as gzip, gzip" in failure(site.at("/twice"))


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


def test_every_way_of_packing_is_unpacked_to_its_end(site: Site) -> None:
    text = random.Random(1).randbytes(40_000).hex().encode()
    half = len(text) // 2
    members = gzip.compress(text[:half]) + gzip.compress(text[half:])
    for number, (body, encoding) in enumerate(
        (
            (gzip.compress(text), "x-gzip"),
            (members, "gzip"),
            (gzip.compress(text) + b"\0" * 100, "gzip"),
            (b"".join(gzip.compress(text[n : n + 100]) for n in range(0, len(text), 100)), "gzip"),
            (zlib.compress(text), "deflate"),
            (raw_deflate(text), "deflate"),
        )
    ):
        site.pages[f"/{number}"] = answer(body, Content_Encoding=encoding)
        assert fetch(site.at(f"/{number}"), OPEN).body == text
    site.pages["/empty"] = answer(b"", Content_Encoding="gzip")
    assert fetch(site.at("/empty"), OPEN).body == b""


@pytest.mark.parametrize(("pack", "encoding"), [(gzip.compress, "gzip"), (zlib.compress, "deflate"), (raw_deflate, "deflate")])
@pytest.mark.parametrize("missing", [1, 9, 100])
def test_a_packed_page_that_breaks_off_is_refused_though_its_length_is_right(
    site: Site, pack: Callable[[bytes], bytes], encoding: str, missing: int
) -> None:
    body = pack(random.Random(1).randbytes(300).hex().encode())[:-missing]
    site.pages["/a"] = answer(body, Content_Encoding=encoding, Content_Length=str(len(body)))
    assert f"sent a {encoding} body that breaks off before its end. Try again" in failure(site.at("/a"))


def drip(site: Site, start: bytes, piece: bytes) -> Answer:
    def send(request: http.server.BaseHTTPRequestHandler) -> None:
        request.wfile.write(start)
        while not site.stopped.wait(0.02):
            request.wfile.write(piece)
            request.wfile.flush()

    return send


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 1000\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\nX-Slow: ", b"x"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (b"", b""),
    ],
)
def test_a_dripping_server_is_cut_off_at_the_time_limit(site: Site, start: bytes, piece: bytes) -> None:
    site.pages["/a"] = drip(site, start, piece)
    started = time.monotonic()
    message = failure(site.at("/a"), OPEN.model_copy(update={"fetch_timeout_s": 0.3}))
    assert time.monotonic() - started < 2.0
    assert message.startswith(f"{site.at('/a')} took longer than 0.3 s.")


def test_the_time_limit_counts_all_redirects_together(site: Site) -> None:
    def slow(request: http.server.BaseHTTPRequestHandler) -> None:
        site.stopped.wait(0.15)
        answer(b"", 302, Location="/a")(request)

    site.pages["/a"] = slow
    assert "took longer" in failure(site.at("/a"), OPEN.model_copy(update={"fetch_timeout_s": 0.3}))


def test_a_resolver_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    def getaddrinfo(*_: object, **__: object) -> list[object]:
        release.wait(10)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    assert "took longer" in failure("http://slow.example/", WebSettings(fetch_timeout_s=0.2))
    release.set()


def test_a_silent_tls_handshake_is_cut_off() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"https://127.0.0.1:{silent.getsockname()[1]}/"
        assert "took longer" in failure(address, OPEN.model_copy(update={"fetch_timeout_s": 0.3}))


def test_a_server_that_is_down_and_an_unknown_name_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert "nothing answers at this host and port" in failure(f"http://127.0.0.1:{port}/")

    def getaddrinfo(*_: object, **__: object) -> list[object]:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    assert "the host name is not known" in failure("http://no.example/")


def test_a_broken_off_or_nonsensical_answer_is_said(site: Site) -> None:
    site.pages["/short"] = answer(b"only this", Content_Length="500")
    site.pages["/odd"] = lambda request: request.wfile.write(b"SSH-2.0-OpenSSH\r\n") and None
    for path in ("/short", "/odd"):
        assert "the answer broke off or is no HTTP" in failure(site.at(path))


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("file:///etc/passwd", "only http and https can"),
        ("ftp://a.example/x", "only http and https can"),
        ("example.com", "only http and https can"),
        ("http://", "names no host"),
        ("http:///x", "names no host"),
        ("http://a b.example/", "is not a web address"),
        ("http://a\x00.example/", "is not a web address"),
        ("http://a.example/\r\nHost: b", "is not a web address"),
        ("http://a.example:99999/", "is not a web address"),
        ("http://[::1", "is not a web address"),
        ("http://" + "a" * 70 + ".example/", "the host name is not known"),
    ],
)
def test_what_is_no_web_address_is_refused(address: str, expected: str) -> None:
    assert expected in failure(address)


def test_a_password_in_the_address_is_not_repeated() -> None:
    assert "secret" not in failure("http://me:secret@10.0.0.1/", WebSettings())


@pytest.fixture
def tls_site(tmp_path: Path) -> Iterator[tuple[Site, list[str]]]:
    path = tmp_path / "localhost.pem"
    path.write_text(CERTIFICATE)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    names: list[str] = []
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    server = Site(context)
    server.pages["/"] = answer()
    yield server, names
    server.stop()


def test_tls_checks_the_hosts_name_though_the_address_is_connected_to(
    tls_site: tuple[Site, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    site, names = tls_site
    monkeypatch.setattr(
        web, "_tls", lambda: ssl.create_default_context(cadata=CERTIFICATE[CERTIFICATE.index("-----BEGIN CERT") :])
    )
    resolver(monkeypatch, ["127.0.0.1"])
    assert fetch(site.at("/", "localhost", "https"), OPEN).body == PAGE
    assert names == ["localhost"]
    assert "its certificate is not trusted" in failure(site.at("/", "other.example", "https"))


def test_an_untrusted_certificate_is_refused(tls_site: tuple[Site, list[str]]) -> None:
    assert "its certificate is not trusted" in failure(tls_site[0].at("/", "localhost", "https"))


def test_plain_http_where_tls_is_expected_is_said(site: Site) -> None:
    assert "no secure connection could be made" in failure(site.at("/", scheme="https"))


def test_no_thread_is_left_waiting_after_a_fetch(site: Site) -> None:
    site.pages["/"] = answer()
    fetch(site.at("/"), OPEN)
    assert not [
        thread for thread in threading.enumerate() if isinstance(thread, threading.Timer) and not thread.finished.is_set()
    ]
