"""Downloads in the background: how far they are, their queue, cancelling; the catalogue and the addresses they use."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from localrag.errors import DownloadError
from localrag.models.direct_links import direct, next_hop, safe_name
from localrag.models.download import Step
from localrag.models.download_jobs import DownloadJob, Downloads, Pace
from localrag.models.http_file import Patience, Stop, bearer
from localrag.models.model_download import NOTHING, Downloaded
from localrag.models.offers import find_offer, offers
from localrag.models.starter import CHAT, EMBEDDING, STARTER_CHAT, STARTER_EMBEDDING
from localrag.settings import hub_token
from tests.tools.download_server import Host, breaks_off, download_server, drips, good, stalls

WAIT_S = 20
QUICK = Patience(connect_s=5, stall_s=WAIT_S, tries=2, pause_s=0.01)


@pytest.fixture
def host() -> Iterator[Host]:
    with download_server() as served:
        yield served


@pytest.fixture
def downloads(tmp_path: Path) -> Iterator[Downloads]:
    made = Downloads(tmp_path / "models", patience=QUICK)
    yield made
    made.close()


def until_begun(job: DownloadJob) -> None:
    pause = threading.Event()
    while not job.finished and job.snapshot().done == 0:
        pause.wait(0.005)


def test_a_download_runs_in_the_background_and_ends_with_the_file(downloads: Downloads, host: Host) -> None:
    job = downloads.start(host.model)
    assert job.wait(WAIT_S)
    view = job.snapshot()
    assert (view.name, view.state, view.done, view.total, view.error) == (
        "tiny.gguf",
        "done",
        len(host.content),
        len(host.content),
        "",
    )
    assert view.result is not None
    assert (view.result.sha256, view.result.checked_against) == (host.sha256, NOTHING)
    assert (view.finished, view.share, view.rate, view.left_s) == (True, 1.0, 0.0, None)
    downloads.dismiss(job.key)
    assert downloads.jobs == []


def test_while_it_runs_rate_and_time_left_are_known(downloads: Downloads, host: Host) -> None:
    host.reply = drips
    job = downloads.start(host.model)
    until_begun(job)
    view = job.snapshot()
    assert (view.state, view.finished, view.total) == ("downloading", False, len(host.content))
    assert 0 < view.share < 1
    assert view.rate > 0
    assert view.left_s is not None
    host.gate.set()
    assert job.wait(WAIT_S)


def test_one_runs_and_the_others_wait_in_their_order(downloads: Downloads, host: Host) -> None:
    host.replies = [stalls(300_000)]
    first = downloads.start(host.model)
    until_begun(first)
    second, third = (downloads.start(f"{host.address}/{name}.gguf") for name in ("second", "third"))
    assert [job.snapshot().state for job in downloads.jobs] == ["downloading", "queued", "queued"]
    with pytest.raises(DownloadError, match=r"tiny\.gguf is being downloaded already"):
        downloads.start(host.model)
    second.cancel()
    assert second.wait(0)
    assert (second.snapshot().state, third.finished) == ("cancelled", False)
    host.gate.set()
    assert third.wait(WAIT_S)
    assert first.snapshot().state == third.snapshot().state == "done"
    assert [asked.path for asked in host.asked] == ["/files/tiny.gguf", "/files/tiny.gguf", "/third.gguf"]


def test_a_cancelled_download_goes_on_where_it_was(downloads: Downloads, host: Host) -> None:
    host.reply = stalls(300_000)
    job = downloads.start(host.model)
    until_begun(job)
    job.cancel()
    assert job.wait(2)
    assert job.snapshot().state == "cancelled"
    assert "which are kept; start it again, and it goes on from there" in job.snapshot().error
    host.reply = good
    again = downloads.start(host.model)
    assert again.wait(WAIT_S)
    assert again.snapshot().state == "done"
    assert host.asked[-1].range is not None


def test_what_fails_is_said_and_the_next_one_runs(downloads: Downloads, host: Host) -> None:
    host.replies = [breaks_off(100_000), breaks_off(100_000)]
    first, second = downloads.start(host.model), downloads.start(f"{host.address}/second.gguf")
    assert second.wait(WAIT_S)
    assert (first.snapshot().state, second.snapshot().state) == ("failed", "done")
    assert "broke off after 100 kB" in first.snapshot().error


def test_an_address_that_is_none_starts_nothing(downloads: Downloads) -> None:
    with pytest.raises(DownloadError, match="only http and https"):
        downloads.start("tiny.gguf")
    with pytest.raises(DownloadError, match="neither an http address nor a name"):
        downloads.start_offer("gpt-5")
    assert downloads.jobs == []


def test_closing_ends_what_runs_and_what_waits(downloads: Downloads, host: Host) -> None:
    host.reply = stalls(300_000)
    jobs = [downloads.start(f"{host.address}/{name}.gguf") for name in ("first", "second")]
    until_begun(jobs[0])
    downloads.close()
    assert [job.wait(2) and job.snapshot().state for job in jobs] == ["cancelled", "cancelled"]
    with pytest.raises(DownloadError, match="being closed"):
        downloads.start(host.model)


def test_what_goes_wrong_in_a_library_ends_the_job_and_is_said(caplog: pytest.LogCaptureFixture) -> None:
    def broken(stop: Stop) -> Iterator[Step | Downloaded]:
        yield Step("connecting", 0, 0)
        raise RuntimeError("out of paper")

    job = DownloadJob("tiny.gguf", broken)
    job.run()
    assert job.snapshot().state == "failed"
    assert "out of paper" in job.snapshot().error
    assert "a download failed" in caplog.text


def test_the_rate_begins_anew_after_a_pause() -> None:
    pace = Pace()
    assert pace.rate() == 0.0
    for done in (0, 1000, 2000):
        pace.note(Step("downloading", done, 4000))
    assert pace.rate() > 0
    pace.note(Step("waiting", 2000, 4000))
    assert pace.rate() == 0.0
    pace.note(Step("downloading", 2000, 4000))
    assert pace.left_s(Step("downloading", 2000, 4000)) is None


# The catalogue


def test_the_catalogue_is_short_permissive_and_speaks_more_than_english() -> None:
    assert 5 <= len(offers()) <= 9
    assert {offer.licence for offer in offers()} <= {"Apache-2.0", "MIT"}
    assert sum("languages" in offer.languages or "German" in offer.languages for offer in offers()) >= 5
    assert {offer.kind for offer in offers()} == {"chat", "embedding"}


def test_every_entry_of_the_catalogue_is_whole() -> None:
    names = [offer.name for offer in offers()]
    assert len({*names, *(offer.file for offer in offers())}) == 2 * len(names)
    for offer in offers():
        assert offer.sha256 == "" or (len(offer.sha256) == 64 and set(offer.sha256) <= set("0123456789abcdef"))
        assert offer.good_for.endswith(".")
        assert offer.bytes > 10**7
        assert offer.need > 10**8
        assert offer.n_ctx_train >= 512
        assert find_offer(offer.name.upper()) is offer
        assert find_offer(offer.file) is offer
        if not offer.starter:
            assert direct(offer.address) == offer.address
            assert urlsplit(offer.address).scheme == "https"
            assert urlsplit(offer.address).path.endswith(f"/{offer.file}")
            assert offer.need > offer.bytes
            assert offer.order.sha256 == offer.sha256


def test_the_starter_models_in_the_catalogue_are_those_of_the_set_up() -> None:
    chat, embedding = (offer for offer in offers() if offer.starter)
    assert (chat.file, chat.bytes, chat.kind) == (STARTER_CHAT, CHAT.wheel_size, "chat")
    assert (embedding.file, embedding.bytes, embedding.kind) == (STARTER_EMBEDDING, EMBEDDING.wheel_size, "embedding")
    assert CHAT.package in chat.address
    assert EMBEDDING.package in embedding.address


# Addresses


@pytest.mark.parametrize(
    ("given", "fetched"),
    [
        ("https://huggingface.co/a/b/blob/main/c.gguf", "https://huggingface.co/a/b/resolve/main/c.gguf"),
        (" https://hf.co/a/b/raw/v1/d/c.gguf#x\n", "https://hf.co/a/b/resolve/v1/d/c.gguf"),
        ("https://huggingface.co/a/b/resolve/main/blob/c.gguf", "https://huggingface.co/a/b/resolve/main/blob/c.gguf"),
        ("https://example.org/a/b/blob/main/c.gguf?x=1", "https://example.org/a/b/blob/main/c.gguf?x=1"),
    ],
)
def test_the_page_about_a_file_on_hugging_face_becomes_the_file(given: str, fetched: str) -> None:
    assert direct(given) == fetched


def test_a_redirect_never_leads_from_https_down_to_http_but_on_this_machine() -> None:
    assert next_hop("https://a.example/x/y", "../z?a=b") == "https://a.example/z?a=b"
    for origin, target in (
        ("https://a.example/x", "https://b.example/x"),
        ("http://a.example/x", "http://b.example/x"),
        ("https://a.example/x", "http://127.0.0.1:8000/x"),
        ("https://a.example/x", "http://[::1]/x"),
    ):
        assert next_hop(origin, target) == target
    for target in (
        "http://b.example/x",
        "http://127.0.0.1.b.example/x",
        "ftp://b.example/x",
        "http://:80/x",
        "https://b:x/",
        "//[b",
    ):
        with pytest.raises(DownloadError):
            next_hop("https://a.example/x", target)


def test_the_token_goes_to_hugging_face_over_https_alone() -> None:
    assert bearer("https://huggingface.co/a", "t") is not None
    for address in ("http://huggingface.co/a", "https://huggingface.co.evil.example/a", "https://cas-bridge.xethub.hf.co/a"):
        assert bearer(address, "t") is None
    assert bearer("https://huggingface.co/a", "") is None
    assert hub_token({"HF_TOKEN": " hf_x\n"}) == "hf_x"
    assert hub_token({}) == hub_token({"HF_TOKEN": "hf_x\nHost: y"}) == ""


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("a.gguf", "a.gguf"),
        ("A.GGUF", "A.GGUF"),
        ("/etc/a.gguf", "a.gguf"),
        ("..\\a.gguf", "a.gguf"),
        ("..gguf", ""),
        (".a.gguf", "a.gguf"),
        ("a\0\n:*.gguf", "a.gguf"),
        ("a.txt", ""),
        ("", ""),
        (" .gguf", ""),
        ("a.gguf/", ""),
        ("é" * 300 + ".gguf", "é" * 100 + ".gguf"),
    ],
)
def test_names_become_safe_or_nothing(name: str, safe: str) -> None:
    assert safe_name(name) == safe
