"""What a host's answer says: a range, a checksum, how long to wait, or why there is no file."""

from __future__ import annotations

import http
import re
import time
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import requests

from localrag.errors import DownloadError
from localrag.models.direct_links import HUGGING_FACE, host, shown

SHA256 = re.compile(r"[0-9a-f]{64}")
_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)")
_TRY_LATER = (408, 425, 429)


class Broken(Exception):  # noqa: N818  what happened, not what went wrong: it is tried again
    """A try that failed and may be repeated. `why` follows the host's name in a sentence; `pause_s` is what the host asks."""

    def __init__(self, why: str, pause_s: float | None = None, out_of_reach: bool = False) -> None:
        super().__init__(why)
        self.why, self.pause_s, self.out_of_reach = why, pause_s, out_of_reach


def range_of(response: requests.Response) -> tuple[int | None, int | None]:
    """The first byte and the size of the whole file by Content-Range; None for what it does not say."""
    match = _RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
    if match is None:
        return None, None
    return int(match[1]) if match[1] else None, int(match[2]) if match[2] != "*" else None


def header(response: requests.Response, name: str) -> str:
    """A header as text: it comes as Latin-1, and hosts put UTF-8 into it."""
    value = str(response.headers.get(name, "")).strip()
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return value


def validator_of(response: requests.Response) -> str:
    """What to send as If-Range: a strong ETag, else the date of the last change, else nothing (RFC 9110, 13.1.5)."""
    etag, changed = (response.headers.get(name, "").strip() for name in ("ETag", "Last-Modified"))
    found = etag if etag.startswith('"') else "" if etag else changed
    return found if found.isprintable() else ""


def linked_sha256(address: str, response: requests.Response) -> str:
    """The file's SHA-256 as Hugging Face and its mirrors state it on the way to the file; empty when nobody does.

    Where the file itself comes from, an ETag of this form may be something else (the hash of Xet storage), so the plain
    ETag is taken from the hub alone.
    """
    etag = response.headers.get("X-Linked-ETag", "")
    if not etag and urlsplit(address).hostname in HUGGING_FACE:
        etag = response.headers.get("ETag", "")
    etag = etag.removeprefix("W/").strip('"').lower()
    return etag if SHA256.fullmatch(etag) else ""


def refuse(response: requests.Response, address: str, name: str, longest_wait_s: float) -> Exception:
    """The error for an answer that brings no file: `Broken` when it may pass, else a `DownloadError`."""
    status = response.status_code
    if status in _TRY_LATER or status >= 500:
        wait_s = _retry_after(response.headers.get("Retry-After", ""))
        if wait_s is not None and wait_s > longest_wait_s:
            minutes = f"{wait_s / 60:.0f} minutes"
            return DownloadError(f"{host(address)} answers {_phrase(status)} and asks to wait {minutes}. Start it again then.")
        return Broken(f"answers {_phrase(status)}", wait_s)
    if status in (401, 403):
        return DownloadError(_locked(response, address, name))
    if status in (404, 410):
        return DownloadError(f"{host(address)} has no {name} at {shown(address)} ({_phrase(status)}). Check the address.")
    return DownloadError(f"{host(address)} answers {_phrase(status)} for {name}. Check the address.")


def _locked(response: requests.Response, address: str, name: str) -> str:
    said = f"{host(address)} does not give {name} to everybody ({_phrase(response.status_code)})."
    if urlsplit(address).hostname not in HUGGING_FACE:
        return f"{said} Download it in a browser and put it into the models folder, or try another link."
    if response.headers.get("X-Error-Code", "") == "RepoNotFound":
        return f"{said} There is no such repository, or it is private: check the address, or give a token in HF_TOKEN."
    return f"{said} Accept the licence on the model's page there, and give a token of your account in HF_TOKEN."


def _phrase(status: int) -> str:
    try:
        return f"{status} {http.HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _retry_after(text: str) -> float | None:
    """Seconds from a Retry-After header, which holds a number or a date."""
    text = text.strip()
    if text.isdecimal():
        return float(text[:9])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
