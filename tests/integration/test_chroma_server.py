"""Vectors on a real Chroma server: the same results, patience while it restarts, one sentence when it fails."""

from __future__ import annotations

import json
import random
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from localrag.__main__ import main
from localrag.documents.ingest import IngestEvent
from localrag.documents.source import Source
from localrag.embeddings.fake import FakeEmbeddings
from localrag.engine import open_engine
from localrag.errors import SettingsError, StoreError
from localrag.library import Library
from localrag.retrieval.server import ServerAddress
from localrag.retrieval.vectors import VectorIndex
from localrag.settings import Settings
from tests.tools.chroma_server import ChromaServer, Door, free_port, make_certificate
from tests.tools.kill_corpus import QUESTIONS, sentences

TOKEN = "t0p-secret-token"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChromaServer]:
    running = ChromaServer(tmp_path_factory.mktemp("chroma"))
    running.start()
    yield running
    running.stop()


def on(server_url: str, settings: Settings, **more: Any) -> Settings:
    """Settings that name the server; every test has a database of its own."""
    database = f"db{abs(hash(str(settings.data_dir)))}"
    return settings.with_values({"chroma_url": server_url, "chroma_database": database, "chroma_timeout_s": 60.0, **more})


def documents(count: int = 12, paragraphs: int = 25) -> list[Source]:
    chance = random.Random(9)
    return [
        Source(f"{n}.txt", data="\n\n".join(sentences(chance, 6) for _ in range(paragraphs)).encode()) for n in range(count)
    ]


def take_in(library: Library, sources: list[Source]) -> list[IngestEvent]:
    return [event for event in library.ingest("default", sources) if event.status is not None]


def results(settings: Settings) -> list[list[tuple[str, int, float]]]:
    library = Library(settings)
    try:
        found = [library.search("default", question, k=5).evidence for question in QUESTIONS]
        return [[(e.document, e.start, pytest.approx(e.score, abs=1e-4)) for e in evidence] for evidence in found]
    finally:
        library.close()


def refusal(settings: Settings) -> str:
    """What is said when the server of the settings cannot be used."""
    library = Library(settings)
    try:
        with pytest.raises(StoreError) as caught:
            library.index()
    finally:
        library.close()
    return str(caught.value)


@contextmanager
def opened(address: ServerAddress) -> Iterator[VectorIndex]:
    index = VectorIndex(address)
    try:
        yield index
    finally:
        index.close()


def exact(library: Library) -> bool:
    """Whether the server holds exactly the ledger's chunks."""
    record = library.collection("default")
    return library.index().ids(record.index_name) == library.ledger.chunk_ids(record.id)


def test_a_server_finds_what_local_files_find(server: ChromaServer, fake_settings: Settings, tmp_path: Path) -> None:
    local, remote = fake_settings.with_values({"data_dir": tmp_path / "local"}), on(server.url, fake_settings)
    for settings in (local, remote):
        library = Library(settings)
        assert {event.status for event in take_in(library, documents())} == {"indexed"}
        assert exact(library)
        library.close()
    assert results(remote) == results(local)
    assert not (remote.data_dir / "chroma").exists()
    library = Library(remote)
    library.delete_document("default", "3.txt")
    assert exact(library)
    list(library.rebuild("default"))
    assert exact(library)
    assert len(library.index().names()) == 1
    library.delete_collection("default")
    assert library.index().names() == set()
    library.close()


def test_a_tenant_and_a_database_are_made_when_missing_and_kept_apart(server: ChromaServer, fake_settings: Settings) -> None:
    model, vectors = FakeEmbeddings(), np.eye(2, 256, dtype=np.float32)
    address = ServerAddress(server.url, tenant="a_new_tenant", database="first_database")
    with opened(address) as index, opened(address) as again, opened(replace(address, database="second_database")) as other:
        index.put("shelf", model, ["a", "b"], vectors)
        assert again.ids("shelf") == {"a", "b"}
        assert (other.names(), other.count("shelf")) == (set(), 0)


def test_more_vectors_than_the_server_takes_at_once_go_in(server: ChromaServer) -> None:
    with opened(ServerAddress(server.url, database="large_database")) as index:
        count = int(index.client.get_max_batch_size()) + 300
        vectors = np.random.default_rng(3).standard_normal((count, 256)).astype(np.float32)
        ids = [f"c{n}" for n in range(count)]
        index.put("shelf", FakeEmbeddings(), ids, vectors)
        assert index.ids("shelf") == set(ids)
        index.remove("shelf", ids[:-1])
        assert index.ids("shelf") == {ids[-1]}


def test_another_process_sees_at_once_what_was_written(server: ChromaServer, fake_settings: Settings) -> None:
    settings = on(server.url, fake_settings)
    writer, reader = Library(settings), Library(settings)
    take_in(writer, [Source("one.txt", data=b"The first gauge reads nine.")])
    assert "nine" in reader.search("default", "What does the gauge read?", k=1).evidence[0].text
    for reading in ("ten", "eleven", "twelve"):
        take_in(writer, [Source("one.txt", data=f"The first gauge reads {reading}.".encode())])
        assert [reading in e.text for e in reader.search("default", "What does the gauge read?", k=4).evidence] == [True]
    writer.close()
    reader.close()


@pytest.mark.parametrize("kill", [False, True])
def test_a_server_that_is_stopped_and_started_again_meanwhile_misses_nothing(
    tmp_path: Path, fake_settings: Settings, kill: bool
) -> None:
    server = ChromaServer(tmp_path / "chroma")
    server.start()
    library = Library(on(server.url, fake_settings))
    events: list[IngestEvent] = []
    stops = 0
    try:
        for event in library.ingest("default", documents()):
            if event.status is not None:
                events.append(event)
                if len(events) in (2, 5, 8):
                    server.away(1.0, kill)
                    stops += 1
        assert stops == 3
        assert [event.status for event in events] == ["indexed"] * 12
        assert exact(library)
        assert library.backlog.jobs() == []
    finally:
        library.close()
        server.stop()


def test_a_server_that_lost_everything_gets_it_back_from_the_ledger(
    tmp_path: Path, fake_settings: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = ChromaServer(tmp_path / "chroma")
    server.start()
    settings = on(server.url, fake_settings)
    library = Library(settings)
    take_in(library, documents(3))
    library.close()
    before = results(settings)
    server.stop()
    shutil.rmtree(tmp_path / "chroma")
    server.start()
    values = {name: settings.flat()[name] for name in ("data_dir", "llm", "embeddings", "chroma_url", "chroma_database")}
    for name, value in values.items():
        monkeypatch.setenv(f"LOCALRAG_{name.upper()}", str(value))
    try:
        assert main(["doctor", "--json"]) == 1
        checks = {line["check"]: line for line in map(json.loads, capsys.readouterr().out.splitlines())}
        assert "missing" in checks["vectors of default"]["detail"]
        engine = open_engine(settings)
        assert engine.intake.wait(60)
        engine.close()
        assert results(settings) == before
        assert main(["doctor"]) == 0
    finally:
        server.stop()


def test_a_token_is_sent_and_never_shown(
    server: ChromaServer, fake_settings: Settings, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    door = Door(server.port, TOKEN)
    try:
        library = Library(on(door.url, fake_settings, chroma_token=TOKEN))
        assert {event.status for event in take_in(library, documents(2))} == {"indexed"}
        library.close()
        for wrong in ({}, {"chroma_token": "wrong-" + TOKEN}):
            said = refusal(on(door.url, fake_settings, **wrong))
            assert "refused chroma_token" in said
            assert TOKEN not in said
        assert door.refused
        assert "chroma_token holds a space" in refusal(on(door.url, fake_settings, chroma_token="a b"))
    finally:
        door.close()
    shown = capfd.readouterr()
    assert TOKEN not in shown.out + shown.err
    assert TOKEN not in "".join(path.read_text("utf-8", "replace") for path in fake_settings.data_dir.glob("*.json"))


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes a certificate with openssl")
def test_tls_in_front_of_the_server_is_used_and_checked(
    server: ChromaServer, fake_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_certificate(tmp_path / "own.pem")
    door = Door(server.port, TOKEN, tmp_path / "own.pem")
    settings = on(door.url, fake_settings, chroma_token=TOKEN)
    try:
        assert "Check its certificate" in refusal(settings)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "own.pem"))
        library = Library(settings)
        assert {event.status for event in take_in(library, documents(2))} == {"indexed"}
        library.close()
    finally:
        door.close()


def test_nobody_at_the_address_is_said_after_the_time_allowed(fake_settings: Settings) -> None:
    started = time.monotonic()
    url = f"http://127.0.0.1:{free_port()}"
    assert f"No Chroma server answered at {url} within 2 s" in refusal(on(url, fake_settings, chroma_timeout_s=2))
    assert 0.5 < time.monotonic() - started < 10


def test_a_server_that_takes_a_connection_and_says_nothing_is_not_waited_for_for_ever(fake_settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        assert "within 2 s" in refusal(on(url, fake_settings, chroma_timeout_s=2))
        assert time.monotonic() - started < 10


@pytest.mark.parametrize("status", [200, 404, 418])
@pytest.mark.parametrize("body", [b"<html>an old version</html>", b'{"surprise": []}', b"[]", b'"1.0.0"', b""])
def test_something_else_that_answers_is_said_in_a_sentence(fake_settings: Settings, status: int, body: bytes) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as strange:
        threading.Thread(target=strange.serve_forever, daemon=True).start()
        said = refusal(on(f"http://127.0.0.1:{strange.server_port}", fake_settings, chroma_timeout_s=5))
        strange.shutdown()
    assert "no Chroma server of this version" in said
    assert len(said) < 500


@pytest.mark.parametrize("url", ["ftp://x", "localhost:8000", "http://", "http://user:word@x", "http://x?y=1"])
def test_an_address_that_is_none_is_refused_by_the_settings(fake_settings: Settings, url: str) -> None:
    with pytest.raises(SettingsError, match="chroma_url"):
        fake_settings.with_values({"chroma_url": url})
