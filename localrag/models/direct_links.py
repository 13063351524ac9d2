"""Addresses of model files: which may be fetched, what the file is called, and the link that a page's address stands for."""

from __future__ import annotations

import ipaddress
import re
from email.message import Message
from urllib.parse import SplitResult, unquote, urljoin, urlsplit, urlunsplit

from localrag.errors import DownloadError

SUFFIXES = (".gguf", ".llamafile")
HUGGING_FACE = frozenset({"huggingface.co", "www.huggingface.co", "hf.co"})
GPT4ALL = frozenset({"gpt4all.io", "www.gpt4all.io"})
LONGEST_NAME = 200  # bytes; file systems take 255, and the part's name is longer
# On Hugging Face `blob` is the page about a file and `raw` its Git LFS pointer; the file itself is at `resolve`.
_PAGE = re.compile(r"^(/[^/]+/[^/]+)/(?:blob|raw)/")
_NOT_IN_NAMES = re.compile(r'[\x00-\x1f\x7f<>:"|?*]')


def direct(address: str) -> str:
    """The address of the file itself; that of Hugging Face's page about a file is turned into it.

    Raises:
        DownloadError: it is no http or https address.
    """
    address = address.strip()
    parts = _split(address)
    if parts.scheme not in ("http", "https"):
        raise DownloadError(
            f"{shown(address)} cannot be fetched: only http and https addresses can. Give the address of a .gguf file."
        )
    if not parts.hostname or re.search(r"[\x00-\x20\x7f]", address):
        raise DownloadError(f"{shown(address)} is no web address. Check its spelling.")
    if parts.hostname in HUGGING_FACE:
        parts = parts._replace(path=_PAGE.sub(r"\1/resolve/", parts.path))
    return urlunsplit(parts._replace(fragment=""))


def _split(address: str) -> SplitResult:
    try:
        parts = urlsplit(address)
        _ = parts.port  # raises when it is no number
    except ValueError as exc:
        raise DownloadError(f"{shown(address)} is no web address. Check its spelling.") from exc
    return parts


def next_hop(origin: str, location: str) -> str:
    """Where a redirect leads: to http or https, and never from https down to http on another machine.

    Raises:
        DownloadError: it may not be followed.
    """
    try:
        target = urljoin(origin, location)
    except ValueError:
        target = location
    parts = _split(target)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise DownloadError(f"{host(origin)} redirects to {shown(target)}, which is no web address. Try another link.")
    if urlsplit(origin).scheme == "https" and parts.scheme == "http" and not is_loopback(parts.hostname):
        raise DownloadError(
            f"{host(origin)} redirects from https to {shown(target)}, where anybody on the way could change the file. "
            "It was not followed; try another link."
        )
    return target


def is_loopback(hostname: str) -> bool:
    """Whether a host is this machine by its name or number."""
    try:
        return hostname == "localhost" or ipaddress.ip_address(hostname).is_loopback
    except ValueError:
        return False


def host(address: str) -> str:
    """The host (and port) of an address, for messages."""
    try:
        return urlsplit(address).netloc.rpartition("@")[2] or address[:100]
    except ValueError:
        return address[:100]


def shown(address: str) -> str:
    """An address as it may stand in a sentence: without user, password, query and control characters, not too long."""
    plain = re.sub(r"[\x00-\x1f\x7f]", "", address).partition("?")[0].partition("#")[0]
    plain = re.sub(r"(?<=//)[^/\\]*@", "", plain, count=1)
    return plain if len(plain) <= 200 else plain[:199] + "…"


def name_in(address: str) -> str:
    """The model's file name at the end of an address; empty when it does not end in one."""
    return safe_name(unquote(urlsplit(address).path.rpartition("/")[2]))


def name_in_header(disposition: str) -> str:
    """The model's file name in a Content-Disposition header; empty when it names none."""
    message = Message()
    message["Content-Disposition"] = disposition
    return safe_name(message.get_filename() or "")


def safe_name(name: str) -> str:
    """A name for a file of the models folder: no path, nothing a system refuses; empty unless it ends as a model does."""
    name = _NOT_IN_NAMES.sub("", name.replace("\\", "/").rpartition("/")[2]).strip().lstrip(".")
    stem, dot, suffix = name.rpartition(".")
    if f"{dot}{suffix}".lower() not in SUFFIXES or not stem.strip(". "):
        return ""
    while len(stem.encode()) > LONGEST_NAME:
        stem = stem[:-1]
    return f"{stem}{dot}{suffix}"
