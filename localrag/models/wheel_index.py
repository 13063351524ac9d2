"""Finding a wheel in a Python package index: PEP 691 (JSON) or PEP 503 (a page of links)."""

from __future__ import annotations

from dataclasses import dataclass
from html.parser import HTMLParser
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import requests

from localrag.errors import DownloadError
from localrag.models.direct_links import host

PYPI = "https://pypi.org/simple/"
ACCEPT = "application/vnd.pypi.simple.v1+json, text/html;q=0.5"
CONNECT_TIMEOUT_S = 15.0
READ_TIMEOUT_S = 60.0
LARGEST_LISTING = 16 << 20  # bytes; a project's listing has some kB
CONTINUE = "`python -m localrag setup` continues where it stopped"


@dataclass(frozen=True, slots=True)
class WheelFile:
    """A wheel as the index lists it. `size` is None when the index does not say."""

    filename: str
    url: str
    sha256: str
    size: int | None


def wheel_name(package: str, version: str) -> str:
    """The file name of a pure Python wheel (binary distribution format, packaging.python.org)."""
    return f"{package.replace('-', '_')}-{version}-py3-none-any.whl"


def find_wheel(package: str, version: str, index_url: str = PYPI) -> WheelFile:
    """Ask the index for one wheel.

    Raises:
        DownloadError: the index is out of reach, or does not list this wheel with a SHA-256.
    """
    address = urljoin(index_url.rstrip("/") + "/", package + "/")
    filename = wheel_name(package, version)
    try:
        with requests.get(
            address, headers={"Accept": ACCEPT}, timeout=(CONNECT_TIMEOUT_S, READ_TIMEOUT_S), stream=True
        ) as response:
            response.raise_for_status()
            body = response.raw.read(LARGEST_LISTING, decode_content=True)
            is_json = "json" in response.headers.get("Content-Type", "")
            found = _from_json(response, body, filename) if is_json else _from_html(response, body, filename)
    except requests.HTTPError as exc:
        raise DownloadError(
            f"{host(address)} answers {exc.response.status_code} for {package}. Check the index address."
        ) from exc
    except (requests.RequestException, OSError) as exc:
        raise out_of_reach(address, filename) from exc
    except (ValueError, KeyError, TypeError) as exc:
        raise DownloadError(f"The package index at {host(address)} answers in an unknown form. Check its address.") from exc
    if found is None or len(found.sha256) != 64:
        raise DownloadError(f"The package index at {host(address)} does not list {filename} with a SHA-256. Try another index.")
    return found


def _from_json(response: requests.Response, body: bytes, filename: str) -> WheelFile | None:
    import json

    for entry in json.loads(body)["files"]:
        if entry["filename"] == filename:
            size = entry.get("size")
            digest = str(entry["hashes"].get("sha256", "")).lower()
            return WheelFile(filename, urljoin(response.url, entry["url"]), digest, size if isinstance(size, int) else None)
    return None


def _from_html(response: requests.Response, body: bytes, filename: str) -> WheelFile | None:
    links = _Links()
    links.feed(body.decode("utf-8", "replace"))
    for link in links.addresses:
        url, fragment = urldefrag(urljoin(response.url, link))
        if unquote(urlsplit(url).path).rsplit("/", 1)[-1] == filename:
            return WheelFile(filename, url, fragment.removeprefix("sha256=").lower(), None)
    return None


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.addresses += [value for name, value in attrs if name == "href" and value]


def out_of_reach(address: str, filename: str) -> DownloadError:
    """The error for a host that does not answer."""
    return DownloadError(
        f"{host(address)} is out of reach, so {filename} cannot be fetched. Connect to the network; {CONTINUE}."
    )
