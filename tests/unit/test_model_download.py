"""Downloading a model from a real server on this machine: whole, broken, resumed, lying, moved, refused and stopped."""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import pytest

from localrag.errors import DownloadError, DownloadStoppedError
from localrag.models import download as downloading
from localrag.models.catalogue import list_models
from localrag.models.download import Step
from localrag.models.http_file import Patience, Stop
from localrag.models.model_download import (
    CATALOGUE,
    GIVEN,
    NOTHING,
    STATED,
    STATED_MD5,
    Downloaded,
    Order,
    download_model,
)
from localrag.models.starter import DOWNLOAD_FOLDER
from tests.tools.download_server import (
    Handler,
    Host,
    another_range,
    breaks_off,
    claims,
    data,
    download_server,
    drips,
    good,
    ignores_ranges,
    in_chunks,
    moved,
    stalls,
    status,
    tiny_model,
)

QUICK = Patience(connect_s=5, stall_s=0.2, tries=4, pause_s=0.01, longest_wait_s=2)
WAIT_S = 20
HALF = 300_000


@pytest.fixture
def host() -> Iterator[Host]:
    with download_server() as served:
        yield served


@pytest.fixture
def proxied(host: Host, monkeypatch: pytest.MonkeyPatch) -> Host:
    """The server as a proxy, so that it stands for any host by name."""
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, host.address)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return host


def run(address: str, folder: Path, sha256: str = "", **order: str | int) -> tuple[list[Step], Downloaded]:
    *steps, done = download_model(Order(address, sha256, **order), folder, patience=QUICK)  # type: ignore[arg-type]
    assert isinstance(done, Downloaded)
    assert all(isinstance(step, Step) for step in steps)
    return [step for step in steps if isinstance(step, Step)], done


def failure(address: str, folder: Path, sha256: str = "", **order: str | int) -> str:
    there = {path.name for path in folder.glob("*.*") if path.is_file()}
    with pytest.raises(DownloadError) as caught:
        run(address, folder, sha256, **order)
    said = str(caught.value)
    assert said.endswith(".")
    assert "\n" not in said
    assert {path.name for path in folder.glob("*.*") if path.is_file()} == there
    return said


def part(folder: Path, name: str = "tiny.gguf") -> Path:
    return folder / DOWNLOAD_FOLDER / f"{name}.part"


def half(host: Host, folder: Path) -> None:
    """Leave half of the file behind, as a download that was broken off does."""
    for event in download_model(Order(host.model), folder, patience=QUICK):
        if isinstance(event, Step) and event.done >= HALF:
            break
    assert part(folder).exists()


# Whole


def test_a_model_is_downloaded_with_progress_and_checked(host: Host, tmp_path: Path) -> None:
    steps, done = run(host.model, tmp_path, host.sha256)
    assert (tmp_path / "tiny.gguf").read_bytes() == host.content
    assert (done.path, done.bytes, done.sha256) == (tmp_path / "tiny.gguf", len(host.content), host.sha256)
    assert (done.checked_against, done.already, done.note) == (GIVEN, False, "")
    counted = [step.done for step in steps if step.state == "downloading"]
    assert counted == sorted(counted)
    assert (counted[0], counted[-1]) == (0, len(host.content))
    assert {step.total for step in steps if step.state == "downloading"} == {len(host.content)}
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.gguf"]


def test_without_a_checksum_that_is_said(host: Host, tmp_path: Path) -> None:
    assert run(host.model, tmp_path)[1].checked_against == NOTHING


def test_a_model_folder_that_is_not_there_is_made(host: Host, tmp_path: Path) -> None:
    assert run(host.model, tmp_path / "new" / "models")[1].path.exists()


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ('attachment; filename="nice.gguf"', "nice.gguf"),
        ("attachment; filename*=UTF-8''%ED%95%9C.gguf", "한.gguf"),
        ('attachment; filename="../../../etc/evil.gguf"', "evil.gguf"),
        (r'attachment; filename="C:\\windows\\evil.gguf"', "evil.gguf"),
        ('attachment; filename="tool.llamafile"', "tool.llamafile"),
    ],
)
def test_the_name_may_stand_in_a_header_and_is_never_a_path(host: Host, tmp_path: Path, disposition: str, name: str) -> None:
    host.headers["Content-Disposition"] = disposition
    if name.endswith("llamafile"):
        host.content = b"MZqFpD='" + bytes(1000)
    _, done = run(f"{host.address}/download?id=3", tmp_path)
    assert done.path == tmp_path / name
    assert ("program" in done.note) == name.endswith("llamafile")


@pytest.mark.parametrize("path", ["model.bin", "model.gguf.exe", "", "x/..", "%2e%2e", ".gguf"])
def test_a_file_that_is_no_model_by_its_name_is_refused(host: Host, tmp_path: Path, path: str) -> None:
    assert "ends neither in .gguf nor in .llamafile" in failure(f"{host.address}/{path}", tmp_path)


def test_a_path_hidden_in_the_address_stays_in_the_folder(host: Host, tmp_path: Path) -> None:
    _, done = run(f"{host.address}/files/%2e%2e%2f%2e%2e%2fevil.gguf", tmp_path / "models")
    assert done.path == tmp_path / "models" / "evil.gguf"


def test_one_part_of_a_split_model_says_that_there_are_others(host: Host, tmp_path: Path) -> None:
    _, done = run(f"{host.address}/big-00001-of-00003.gguf", tmp_path)
    assert "part 1 of 3" in done.note


# Resumed


def test_a_broken_download_goes_on_by_itself(host: Host, tmp_path: Path) -> None:
    host.replies = [breaks_off(HALF), status(503), breaks_off(HALF + 100_000)]
    steps, done = run(host.model, tmp_path)
    assert done.sha256 == host.sha256
    assert [asked.range for asked in host.asked] == [None, f"bytes={HALF}-", f"bytes={HALF}-", f"bytes={HALF + 100_000}-"]
    assert {asked.headers.get("if-range") for asked in host.asked[1:]} == {'"one"'}
    waits = [step.note for step in steps if step.state == "waiting"]
    assert "broke off" in waits[0]
    assert "503" in waits[1]


def test_an_abandoned_download_goes_on_where_it_was(host: Host, tmp_path: Path) -> None:
    half(host, tmp_path)
    have = part(tmp_path).stat().st_size
    steps, done = run(host.model, tmp_path)
    assert host.asked[-1].range == f"bytes={have}-"
    assert done.sha256 == host.sha256
    assert steps[0] == Step("checking", have, have)
    assert next(step.done for step in steps if step.state == "downloading") == have


def test_a_file_that_changed_meanwhile_starts_over(host: Host, tmp_path: Path) -> None:
    half(host, tmp_path)
    host.content, host.headers = tiny_model(seed=2), {"ETag": '"two"'}
    _, done = run(host.model, tmp_path)
    assert host.asked[-1].headers["if-range"] == '"one"'
    assert done.sha256 == host.sha256


def test_a_date_takes_the_place_of_an_etag(host: Host, tmp_path: Path) -> None:
    host.headers = {"Last-Modified": "Mon, 02 Mar 2026 10:00:00 GMT"}
    half(host, tmp_path)
    assert run(host.model, tmp_path)[1].sha256 == host.sha256
    assert host.asked[-1].headers["if-range"] == "Mon, 02 Mar 2026 10:00:00 GMT"


@pytest.mark.parametrize("headers", [{}, {"ETag": 'W/"weak"'}])
def test_where_nothing_tells_that_the_rest_belongs_to_it_it_starts_over(
    host: Host, tmp_path: Path, headers: dict[str, str]
) -> None:
    host.headers = headers
    half(host, tmp_path)
    assert run(host.model, tmp_path)[1].sha256 == host.sha256
    assert host.asked[-1].range is None


def test_a_known_checksum_is_enough_to_go_on(host: Host, tmp_path: Path) -> None:
    host.headers = {}
    half(host, tmp_path)
    assert run(host.model, tmp_path, host.sha256)[1].sha256 == host.sha256
    assert host.asked[-1].range is not None


@pytest.mark.parametrize("reply", [ignores_ranges, another_range])
def test_a_host_without_ranges_or_with_wrong_ones_starts_over(host: Host, tmp_path: Path, reply: object) -> None:
    half(host, tmp_path)
    host.reply = reply  # type: ignore[assignment]
    steps, done = run(host.model, tmp_path)
    assert done.sha256 == host.sha256
    assert next(step.done for step in steps if step.state == "downloading") == 0


def test_a_part_that_is_whole_needs_no_request(host: Host, tmp_path: Path) -> None:
    part(tmp_path).parent.mkdir()
    part(tmp_path).write_bytes(host.content)
    assert run(host.model, tmp_path, host.sha256)[1].sha256 == host.sha256
    assert host.asked == []


def test_a_part_that_is_longer_than_the_file_is_thrown_away(host: Host, tmp_path: Path) -> None:
    part(tmp_path).parent.mkdir()
    part(tmp_path).write_bytes(bytes(len(host.content) + 5))
    assert run(host.model, tmp_path, host.sha256)[1].sha256 == host.sha256


def test_a_stalled_connection_is_tried_again_from_where_it_was(host: Host, tmp_path: Path) -> None:
    host.replies = [stalls(HALF)]
    steps, done = run(host.model, tmp_path)
    assert done.sha256 == host.sha256
    assert host.asked[1].range == f"bytes={HALF}-"
    assert any("sent nothing for 0.2 s" in step.note for step in steps)


def test_a_host_that_never_gets_further_is_given_up_and_what_came_is_kept(host: Host, tmp_path: Path) -> None:
    host.reply = breaks_off(HALF)
    said = failure(host.model, tmp_path)
    assert "broke off after 300 kB, which are kept" in said
    assert len(host.asked) == QUICK.tries
    assert part(tmp_path).read_bytes() == host.content[:HALF]


# Lies and damage


@pytest.mark.parametrize("known", [True, False])
def test_other_bytes_are_thrown_away(host: Host, tmp_path: Path, known: bool) -> None:
    if known:
        said = failure(host.model, tmp_path, "0" * 64)
        assert "than the SHA-256 given says" in said
    else:
        host.headers["X-Linked-ETag"] = '"' + "0" * 64 + '"'
        said = failure(host.model, tmp_path)
        assert "than it states itself" in said
    assert "other bytes" in said
    assert not part(tmp_path).exists()


def test_a_file_cut_short_by_a_false_length_is_noticed(host: Host, tmp_path: Path) -> None:
    host.reply = claims(Content_Length=len(host.content) - 1000)
    host.content = host.content[:-1000]
    assert "is cut off" in failure(host.model, tmp_path)
    assert not part(tmp_path).exists()
    assert "other bytes" in failure(host.model, tmp_path, hashlib.sha256(tiny_model()).hexdigest())


def test_a_length_beyond_the_end_costs_one_more_question(host: Host, tmp_path: Path) -> None:
    host.replies = [claims(Content_Length=len(host.content) + 1000)]
    assert run(host.model, tmp_path)[1].sha256 == host.sha256
    assert host.asked[1].range == f"bytes={len(host.content)}-"


def test_a_body_of_unknown_length_ends_with_the_connection(host: Host, tmp_path: Path) -> None:
    host.reply = claims(Content_Length=None)
    steps, done = run(host.model, tmp_path)
    assert done.sha256 == host.sha256
    assert {step.total for step in steps} == {0}


def test_a_body_in_chunks_is_whole_when_its_last_chunk_came(host: Host, tmp_path: Path) -> None:
    host.replies = [in_chunks(whole=False), in_chunks(whole=True)]
    steps, done = run(host.model, tmp_path)
    assert done.sha256 == host.sha256
    assert len([step for step in steps if step.state == "waiting"]) == 1


def test_another_size_than_the_catalogue_s_is_refused_before_the_first_byte(host: Host, tmp_path: Path) -> None:
    said = failure(host.model, tmp_path, host.sha256, known_by=CATALOGUE, size=5)
    assert "other bytes for tiny.gguf than the catalogue says" in said
    assert "instead of 5" in said
    assert not part(tmp_path).exists()


def test_a_size_that_changes_between_two_tries_starts_over(host: Host, tmp_path: Path) -> None:
    host.headers = {"ETag": '"same"'}
    host.replies = [breaks_off(HALF)]
    steps = download_model(Order(host.model), tmp_path, patience=QUICK)
    while not (isinstance(step := next(steps), Step) and step.state == "waiting"):
        pass
    host.content = tiny_model(200_000, seed=3)
    *_, done = steps
    assert isinstance(done, Downloaded)
    assert done.sha256 == host.sha256


def test_a_checksum_of_the_host_that_contradicts_the_given_one_is_refused_at_once(host: Host, tmp_path: Path) -> None:
    host.headers["X-Linked-ETag"] = '"' + "a" * 64 + '"'
    said = failure(host.model, tmp_path, "b" * 64)
    assert "states another SHA-256 for tiny.gguf (aaaaaaaaaaaa…)" in said
    assert not part(tmp_path).exists()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 12\n", "a Git LFS pointer"),
        (b"tjgg" + bytes(600_000), "the old GGJT format"),
        (b"\x1f\x8b" + bytes(600_000), "a gzip archive"),
        (b"<html>no</html>", "a web page"),
    ],
)
def test_what_is_no_model_is_named_after_its_first_bytes(host: Host, tmp_path: Path, body: bytes, said: str) -> None:
    host.content = body
    assert said in failure(host.model, tmp_path)
    assert not part(tmp_path).exists()


def test_a_model_that_is_as_promised_but_cannot_be_read_is_kept_aside(host: Host, tmp_path: Path) -> None:
    host.content = b"GGUF" + (99).to_bytes(4, "little") + bytes(600_000)
    assert "thrown away: Model file has GGUF version 99" in failure(host.model, tmp_path)
    assert not part(tmp_path).exists()
    assert f"It is kept as {part(tmp_path)}" in failure(host.model, tmp_path, host.sha256)
    asked = len(host.asked)
    assert "It is kept as" in failure(host.model, tmp_path, host.sha256)
    assert len(host.asked) == asked
    assert list_models(tmp_path) == []


# Addresses, redirects, statuses


@pytest.mark.parametrize(
    "address", ["ftp://x/a.gguf", "file:///etc/a.gguf", "javascript:a.gguf", "http:///a.gguf", "http://[x/a.gguf"]
)
def test_only_web_addresses_are_fetched(tmp_path: Path, address: str) -> None:
    said = failure(address, tmp_path)
    assert "only http and https" in said or "no web address" in said


def test_a_password_in_an_address_is_not_repeated(tmp_path: Path) -> None:
    assert "secret" not in failure("http://ada:secret@127.0.0.1:9/a.gguf", tmp_path)


def test_redirects_are_followed_to_other_hosts_by_name(host: Host, tmp_path: Path) -> None:
    with download_server() as cdn:
        host.reply = moved(f"{cdn.address}/there".replace("127.0.0.1", "localhost"))
        host.places["/files/tiny.gguf"] = moved("/again", 307)
        _, done = run(host.model, tmp_path, host.sha256)
        assert done.path.name == "tiny.gguf"
        assert [asked.path for asked in (*host.asked, *cdn.asked)] == ["/files/tiny.gguf", "/again", "/there"]


def test_a_circle_of_redirects_and_a_redirect_to_no_web_address_are_said(host: Host, tmp_path: Path) -> None:
    host.reply = moved("/files/tiny.gguf")
    assert "in a circle" in failure(host.model, tmp_path)
    host.reply = moved("file:///etc/passwd")
    assert "which is no web address" in failure(host.model, tmp_path)
    host.reply = moved("http://[bad")
    assert "is no web address" in failure(host.model, tmp_path)


def test_the_body_of_a_redirect_is_not_waited_for(host: Host, tmp_path: Path) -> None:
    def endless(handler: Handler) -> None:
        handler.send(302, {"Location": "/there", "Content-Length": 10**12}, b"moved")
        host.gate.wait(WAIT_S)

    host.places["/files/tiny.gguf"] = endless
    assert run(host.model, tmp_path)[1].sha256 == host.sha256


def test_a_web_page_in_place_of_the_model_is_said(host: Host, tmp_path: Path) -> None:
    half(host, tmp_path)
    kept = part(tmp_path).read_bytes()
    host.reply = data(b"<html>Log in to this network</html>", Content_Type="text/html; charset=utf-8")
    assert "answers with a web page, not a model (tiny.gguf). Use the file's own link" in failure(host.model, tmp_path)
    assert part(tmp_path).read_bytes() == kept


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (404, "has no tiny.gguf"),
        (410, "has no tiny.gguf"),
        (403, "does not give tiny.gguf to everybody"),
        (400, "answers 400"),
        (204, "204"),
    ],
)
def test_a_refusal_is_one_sentence_at_the_first_try(host: Host, tmp_path: Path, code: int, said: str) -> None:
    host.reply = status(code, b"")
    assert said in failure(host.model, tmp_path)
    assert len(host.asked) == 1


def test_a_refusal_before_the_name_is_known_names_what_was_asked_for(host: Host, tmp_path: Path) -> None:
    host.reply = status(404)
    assert "has no pip at " in failure(f"{host.address}/project/pip/", tmp_path)
    assert f"{host.address[7:]} has no {host.address[7:]} at" in failure(host.address, tmp_path)


def test_a_host_that_asks_to_wait_is_waited_for_or_named(host: Host, tmp_path: Path) -> None:
    host.replies = [status(429, Retry_After="0"), status(503, Retry_After="Mon, 02 Mar 2020 10:00:00 GMT")]
    steps, done = run(host.model, tmp_path)
    assert done.sha256 == host.sha256
    assert [step.note for step in steps if step.state == "waiting"] == [
        f"{host.address[7:]} answers 429 Too Many Requests; trying again in 0 s",
        f"{host.address[7:]} answers 503 Service Unavailable; trying again in 0 s",
    ]
    (tmp_path / "tiny.gguf").unlink()
    host.reply = status(429, Retry_After="3600")
    assert "asks to wait 60 minutes" in failure(host.model, tmp_path)


def test_an_error_that_does_not_pass_ends_after_some_tries(host: Host, tmp_path: Path) -> None:
    host.reply = status(500)
    assert "answers 500 Internal Server Error" in failure(host.model, tmp_path)
    assert len(host.asked) == QUICK.tries


# Hosts by name, through a proxy


def test_the_proxy_of_the_environment_is_used_and_no_proxy_heeded(
    proxied: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("http://models.example/tiny.gguf", tmp_path)[1].sha256 == proxied.sha256
    assert proxied.asked[-1].path == "http://models.example/tiny.gguf"
    with download_server() as other:
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        run(f"{other.address}/direct.gguf", tmp_path)
        assert other.asked[-1].path == "/direct.gguf"


def test_https_goes_through_the_proxy_of_https(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "NO_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", host.address)
    said = failure("https://huggingface.co/ada/tiny/resolve/main/tiny.gguf", tmp_path)
    assert "huggingface.co is out of reach through the proxy" in said
    assert [asked.path for asked in host.asked] == ["https://huggingface.co:443"]


def test_a_proxy_that_does_not_answer_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with download_server() as gone:
        pass
    monkeypatch.setenv("http_proxy", gone.address)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert "models.example is out of reach through the proxy" in failure("http://models.example/a.gguf", tmp_path)


def test_hugging_face_states_the_checksum_on_the_way_to_its_storage(proxied: Host, tmp_path: Path) -> None:
    stated = {"X_Linked_ETag": f'"{proxied.sha256}"', "X_Linked_Size": len(proxied.content)}
    page = "http://huggingface.co/ada/tiny/blob/main/sub/tiny.gguf?download=true"
    proxied.places[page.replace("blob", "resolve")] = moved("http://cas.hf.example/xet?sign=1", **stated)
    proxied.headers = {"ETag": '"' + "f" * 64 + '"'}  # of the storage: no SHA-256 of the file
    _, done = run(page, tmp_path)
    assert (done.checked_against, done.sha256) == (STATED, proxied.sha256)
    assert [asked.path.partition("?")[0] for asked in proxied.asked] == [
        "http://huggingface.co/ada/tiny/resolve/main/sub/tiny.gguf",
        "http://cas.hf.example/xet",
    ]


def test_a_file_that_changed_on_hugging_face_starts_over(proxied: Host, tmp_path: Path) -> None:
    address, there = "http://huggingface.co/ada/tiny/resolve/main/tiny.gguf", "http://cas.hf.example/xet"
    proxied.places[address] = moved(there, X_Linked_ETag=f'"{proxied.sha256}"')
    proxied.replies = [breaks_off(HALF)]
    steps = download_model(Order(address), tmp_path, patience=QUICK)
    while not (isinstance(step := next(steps), Step) and step.state == "waiting"):
        pass
    steps.close()
    proxied.content = tiny_model(seed=5)
    proxied.places[address] = moved(there, X_Linked_ETag=f'"{proxied.sha256}"')
    _, done = run(address, tmp_path)
    assert done.sha256 == proxied.sha256
    assert proxied.asked[-1].range is None


def test_where_hugging_face_vouches_for_the_file_another_etag_of_its_storage_starts_nothing_over(
    proxied: Host, tmp_path: Path
) -> None:
    address = "http://huggingface.co/ada/tiny/resolve/main/tiny.gguf"
    proxied.places[address] = moved("http://cas.hf.example/xet", X_Linked_ETag=f'"{proxied.sha256}"')

    def elsewhere(handler: Handler) -> None:
        proxied.headers = {"ETag": '"another"'}
        good(handler)

    proxied.replies = [breaks_off(HALF), elsewhere]
    _, done = run(address, tmp_path)
    assert (done.checked_against, done.sha256) == (STATED, proxied.sha256)
    assert proxied.asked[-1].range == f"bytes={HALF}-"


def test_a_locked_model_of_hugging_face_says_what_to_do(proxied: Host, tmp_path: Path) -> None:
    proxied.reply = status(401, X_Error_Code="GatedRepo")
    said = failure("http://huggingface.co/ada/tiny/resolve/main/tiny.gguf", tmp_path)
    assert "Accept the licence on the model's page there, and give a token of your account in HF_TOKEN" in said
    proxied.reply = status(401, X_Error_Code="RepoNotFound")
    assert "no such repository" in failure("http://huggingface.co/ada/tiny/resolve/main/tiny.gguf", tmp_path)


@pytest.mark.parametrize(
    ("entry", "against"),
    [({"md5sum": hashlib.md5}, STATED_MD5), ({"sha256sum": hashlib.sha256, "md5sum": hashlib.md5}, STATED)],
)
def test_gpt4all_s_list_gives_the_checksum(proxied: Host, tmp_path: Path, entry: dict[str, object], against: str) -> None:
    stated = {name: made(proxied.content).hexdigest() for name, made in entry.items()}  # type: ignore[operator]
    models = [{"filename": "other.gguf"}, {"filename": "tiny.gguf", "filesize": str(len(proxied.content))} | stated]
    proxied.places["http://gpt4all.io/models/models3.json"] = data(json.dumps(models).encode())
    address = "http://gpt4all.io/models/gguf/tiny.gguf"
    assert run(address, tmp_path)[1].checked_against == against
    assert run(address, tmp_path)[1].already
    (tmp_path / "tiny.gguf").unlink()
    proxied.content = tiny_model(seed=9)
    assert "other bytes" in failure(address, tmp_path)


@pytest.mark.parametrize("reply", [status(500), data(b"<html>"), data(b'{"a": 1}'), data(b'[{"filename": "tiny.gguf"}]')])
def test_without_gpt4all_s_list_the_file_comes_unchecked(proxied: Host, tmp_path: Path, reply: object) -> None:
    proxied.places["http://gpt4all.io/models/models3.json"] = reply  # type: ignore[assignment]
    assert run("http://gpt4all.io/models/gguf/tiny.gguf", tmp_path)[1].checked_against == NOTHING


# What is there already


def test_the_same_file_is_there_already_without_a_request(host: Host, tmp_path: Path) -> None:
    (tmp_path / "tiny.gguf").write_bytes(host.content)
    _, done = run(host.model, tmp_path, host.sha256)
    assert (done.already, done.sha256, host.asked) == (True, host.sha256, [])


def test_another_file_of_that_name_is_not_replaced(host: Host, tmp_path: Path) -> None:
    (tmp_path / "tiny.gguf").write_bytes(b"mine")
    assert "with other contents" in failure(host.model, tmp_path, host.sha256)
    assert "states no checksum" in failure(host.model, tmp_path)
    host.headers["X-Linked-ETag"] = f'"{host.sha256}"'
    assert "with other contents" in failure(host.model, tmp_path)
    assert (tmp_path / "tiny.gguf").read_bytes() == b"mine"
    (tmp_path / "tiny.gguf").write_bytes(host.content)
    assert run(host.model, tmp_path)[1].checked_against == STATED


def test_what_is_no_file_is_not_replaced_either(host: Host, tmp_path: Path) -> None:
    (tmp_path / "tiny.gguf").mkdir()
    (tmp_path / "gone.gguf").symlink_to(tmp_path / "nowhere")
    for name in ("tiny", "gone"):
        assert "cannot be read" in failure(f"{host.address}/{name}.gguf", tmp_path, host.sha256)


def test_a_file_that_appears_meanwhile_is_not_replaced(host: Host, tmp_path: Path) -> None:
    steps = download_model(Order(host.model), tmp_path, patience=QUICK)
    next(steps)
    (tmp_path / "tiny.gguf").write_bytes(b"mine")
    with pytest.raises(DownloadError, match="appeared meanwhile"):
        list(steps)
    assert (tmp_path / "tiny.gguf").read_bytes() == b"mine"
    assert part(tmp_path).read_bytes() == host.content


def test_two_downloads_of_one_file_at_once_are_refused(host: Host, tmp_path: Path) -> None:
    first = download_model(Order(host.model), tmp_path, patience=QUICK)
    next(first)
    assert "tiny.gguf is being downloaded already" in failure(host.model, tmp_path)
    *_, done = first
    assert isinstance(done, Downloaded)
    assert done.sha256 == host.sha256


@pytest.mark.parametrize("sha256", ["abc", "g" * 64, "1" * 63])
def test_a_checksum_that_is_none_is_refused(host: Host, tmp_path: Path, sha256: str) -> None:
    assert "is no SHA-256" in failure(host.model, tmp_path, sha256)
    assert host.asked == []


def test_a_checksum_may_be_pasted_as_it_is_found(host: Host, tmp_path: Path) -> None:
    assert run(host.model, tmp_path, f" sha256:{host.sha256.upper()}\n")[1].checked_against == GIVEN


# The disk, and stopping


def quota(monkeypatch: pytest.MonkeyPatch, *free: int) -> None:
    usage, left = namedtuple("usage", "total used free"), list(free)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(0, 0, left.pop(0) if len(left) > 1 else left[0]))


def test_too_little_room_is_said_before_the_first_byte(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quota(monkeypatch, 500_000)
    said = failure(host.model, tmp_path)
    assert "500 kB are free. Make room" in said
    assert not part(tmp_path).exists()


def test_a_disk_that_fills_meanwhile_ends_it_and_keeps_what_came(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloading, "ROOM_EVERY", 100_000)
    quota(monkeypatch, 10**12, 10**12, 1000)
    assert "The rest of tiny.gguf, with some to spare, needs 100" in failure(host.model, tmp_path)
    kept = part(tmp_path).stat().st_size
    assert 100_000 < kept < len(host.content)
    quota(monkeypatch, 10**12)
    assert run(host.model, tmp_path)[1].sha256 == host.sha256
    assert host.asked[-1].range == f"bytes={kept}-"


def test_a_full_disk_is_said_by_the_write_itself(host: Host, tmp_path: Path) -> None:
    (tmp_path / DOWNLOAD_FOLDER).mkdir()
    part(tmp_path).symlink_to("/dev/full")
    assert "cannot be written: No space left on device. Make room" in failure(host.model, tmp_path)


@pytest.mark.parametrize("reply", [drips, stalls(HALF), status(503, Retry_After="2")])
def test_stopping_takes_effect_at_once_and_keeps_the_part(host: Host, tmp_path: Path, reply: object) -> None:
    host.reply = reply  # type: ignore[assignment]
    stop, begun = Stop(), threading.Event()
    caught: list[DownloadError] = []

    def work() -> None:
        try:
            for event in download_model(Order(host.model), tmp_path, stop, Patience(stall_s=WAIT_S)):
                if isinstance(event, Step) and (event.done >= 65_536 or event.state == "waiting"):
                    begun.set()
        except DownloadError as exc:
            caught.append(exc)

    thread = threading.Thread(target=work)
    thread.start()
    assert begun.wait(WAIT_S)
    stop.set()
    thread.join(2)
    assert not thread.is_alive()
    assert isinstance(caught[0], DownloadStoppedError)
    if part(tmp_path).exists():
        kept = part(tmp_path).stat().st_size
        assert "which are kept" in str(caught[0])
        host.reply = good
        assert run(host.model, tmp_path)[1].sha256 == host.sha256
        assert host.asked[-1].range == f"bytes={kept}-"
