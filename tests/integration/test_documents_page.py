"""The Documents page through Streamlit's AppTest: filters, outcomes, deleting, pausing, collections."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from localrag.documents.ingest import Control, IngestEvent
from localrag.documents.source import Source, sources_at
from localrag.engine import Engine
from localrag.removal import Removal
from localrag.settings import GUIDE_COLLECTION, Settings
from localrag.sync import keep_in_sync
from localrag.types import SourceRecord
from tests.integration.test_pages import WAIT_S, app, engine, shown

__all__ = ["app", "engine"]
ROOT = Path(__file__).parents[2]
RERUN_S = 1.0
"""Generous, for busy machines; 10,000 documents take a third of it here."""


@pytest.fixture
def page(app: AppTest, engine: Engine) -> AppTest:
    """The page with four documents in: a good one, a second one, an empty one, a broken one."""
    sources = [
        Source("coffee.md", data=b"# Coffee\n\nThe coffee is hot and takes two minutes."),
        Source("blank.txt", data=b"  \n "),
        Source("noise.bin", data=bytes(range(256)) * 8),
    ]
    assert engine.intake.start("default", sources).wait(WAIT_S)
    return app.switch_page("pages/documents.py").run()


def by_label(widgets: Any, label: str) -> Any:
    return next(widget for widget in widgets if widget.label == label)


def titles(page: AppTest) -> list[str]:
    return [str(title) for title in page.dataframe[0].value["title"]]


def status_pills(page: AppTest) -> Any:
    return by_label(page.get("button_group"), "Status")


def tick(page: AppTest, rows: list[int]) -> AppTest:
    """Tick rows of the table. AppTest cannot click into a canvas, so the ticks are what the browser would send."""
    page.session_state[page.dataframe[0].key] = {"selection": {"rows": rows, "columns": [], "cells": []}}
    return page.run()


def test_outcomes_say_what_failed_and_why_and_the_counts_choose(page: AppTest) -> None:
    assert not page.exception
    text = shown(page).replace("\\", "")
    assert "default: 1 of 3 documents in" in text
    assert "noise.bin holds binary data" in text
    assert "blank.txt holds no text" in text
    assert "coffee.md · indexed" not in text
    by_label(page.get("button_group"), "Show").set_value(["indexed"]).run()
    text = shown(page).replace("\\", "")
    assert "coffee.md · indexed" in text
    assert "noise.bin holds binary data" not in text


def test_closing_the_outcome_puts_it_away(page: AppTest) -> None:
    by_label(page.button, "Close").click().run()
    assert "documents in" not in shown(page)
    assert page.dataframe


def test_problems_stand_first_with_their_reason(page: AppTest) -> None:
    table = page.dataframe[0].value
    assert [status.split()[-1] for status in table["status"]][:2] == ["failed", "empty"]
    assert "binary data" in table["reason"][0]
    assert "3 documents (1 without text) · 1 could not be read · 2 chunks" in shown(page)


def test_filters_by_words_status_and_type(page: AppTest) -> None:
    by_label(page.text_input, "Find").set_value("COFFEE").run()
    assert titles(page) == ["Coffee"]
    assert "1 of 4 documents" in shown(page)
    by_label(page.text_input, "Find").set_value("").run()
    status_pills(page).set_value(["failed", "empty"]).run()
    assert len(titles(page)) == 2
    status_pills(page).set_value([]).run()
    by_label(page.selectbox, "Type").set_value("md").run()
    assert titles(page) == ["Coffee"]
    by_label(page.text_input, "Find").set_value("kettle").run()
    assert not page.dataframe
    assert "No document is like that" in shown(page)
    assert not page.exception


def test_the_order_can_be_chosen(page: AppTest) -> None:
    by_label(page.selectbox, "Order").set_value("longest first").run()
    lengths = list(page.dataframe[0].value["characters"])
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[0] > 0


def test_a_ticked_document_is_shown_with_its_chunks_and_can_be_deleted(page: AppTest, engine: Engine) -> None:
    by_label(page.text_input, "Find").set_value("coffee").run()
    tick(page, [0])
    assert not page.exception
    text = shown(page)
    assert "characters 1 to" in text
    assert "<b>1</b>" in text
    assert "two minutes" in text
    by_label(page.button, "Delete 1 document").click().run()
    assert not page.exception
    assert "1 chunk and vectors of 1 document" in shown(page).replace("\\", "")
    next(button for button in page.button if button.key == "confirm_removal").click().run()
    assert not page.exception
    assert "coffee.md" not in [record.name for record in engine.library.documents("default")]
    assert "1 document and 1 chunk are out of default" in shown(page)
    by_label([b for b in page.button if b.key != "dismiss"], "Close").click().run()
    assert "are out of" not in shown(page)


def test_the_files_of_documents_go_only_when_that_is_ticked(app: AppTest, engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text("The juice is sweet.", "utf-8")
    assert engine.intake.start("Juices", sources_at(str(path))).wait(WAIT_S)
    app.session_state["collection"] = "Juices"
    page = tick(app.switch_page("pages/documents.py").run(), [0])
    by_label(page.button, "Delete 1 document").click().run()
    assert str(path) in shown(page).replace("\\", "")
    box = by_label(page.checkbox, "Also delete this file from the disk, for good")
    assert not box.value
    box.set_value(True).run()
    by_label(page.button, "Delete 1 document and 1 file from disk").click().run()
    assert not path.exists()
    assert isinstance(page.session_state["removal"], Removal)
    assert "mine.txt: deleted" in shown(page).replace("\\", "")


def test_a_document_is_read_again_from_its_file(app: AppTest, engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text("The juice is sweet.", "utf-8")
    assert engine.intake.start("Juices", sources_at(str(path))).wait(WAIT_S)
    app.session_state["collection"] = "Juices"
    page = tick(app.switch_page("pages/documents.py").run(), [0])
    by_label(page.button, "Read 1 document again").click().run()
    assert not page.exception
    assert engine.intake.jobs[-1].wait(WAIT_S)
    assert [event.status for event in engine.intake.jobs[-1].snapshot().events] == ["replaced"]


def test_an_address_no_page_can_have_is_one_sentence_and_leaves_nothing(page: AppTest, engine: Engine) -> None:
    before = engine.library.ledger.documents(engine.library.collection("default").id)
    for place, said in (("ftp://a.example/x", "only http and https can"), ("http://", "names no host")):
        by_label(page.text_input, "A web address, or a folder on this machine").set_value(place)
        by_label(page.button, "Add").click().run()
        assert not page.exception
        assert any(said in error.value for error in page.error), [error.value for error in page.error]
    assert engine.intake.wait(WAIT_S)
    assert engine.library.ledger.documents(engine.library.collection("default").id) == before


def test_what_is_added_while_the_guide_is_shown_goes_into_a_collection_of_its_own(
    app: AppTest, engine: Engine, tmp_path: Path
) -> None:
    assert engine.intake.start(GUIDE_COLLECTION, [Source("guide.md", data=b"# Guide\n\nThe guide.")]).wait(WAIT_S)
    (tmp_path / "mine.txt").write_text("The juice is sweet.", "utf-8")
    app.session_state["collection"] = GUIDE_COLLECTION
    page = app.switch_page("pages/documents.py").run()
    assert "The guide stays as it is" in shown(page)
    by_label(page.text_input, "A web address, or a folder on this machine").set_value(str(tmp_path / "mine.txt"))
    by_label(page.button, "Add").click().run()
    assert not page.exception
    assert engine.intake.wait(WAIT_S)
    assert [record.name for record in engine.library.documents(GUIDE_COLLECTION)] == ["guide.md"]
    assert "mine.txt" in [record.name for record in engine.library.documents("default")]
    assert by_label(page.selectbox, "Collection").value == "default"


@pytest.fixture
def held(engine: Engine) -> Iterator[threading.Event]:
    """A job that has embedded 10 of 40 chunks and goes on once the event is set; another one waits behind it."""
    go_on, begun = threading.Event(), threading.Event()

    def work(control: Control) -> Iterator[IngestEvent]:
        yield IngestEvent("long.txt", "long.txt", "long.txt", None, 10, 40)
        begun.set()
        go_on.wait(WAIT_S)
        control.wait()
        yield IngestEvent("long.txt", "long.txt", "long.txt", "indexed", 40, 40)

    engine.intake.run("default", 1, work)
    assert begun.wait(WAIT_S)
    engine.intake.start("default", [Source("later.txt", data=b"The juice is sweet.")])
    yield go_on
    go_on.set()
    for job in engine.intake.jobs:
        job.control.resume()
        job.wait(WAIT_S)


def test_running_jobs_show_progress_pause_resume_and_the_queue(app: AppTest, engine: Engine, held: threading.Event) -> None:
    page = app.switch_page("pages/documents.py").run()
    assert not page.exception
    text = shown(page).replace("\\", "") + str(page.get("progress")[0].proto)
    assert "10 of 40 chunks" in text
    assert "Number 2 in the queue: 1 document for default" in text
    job = engine.intake.jobs[0]
    by_label(page.button, "Pause").click().run()
    assert job.control.paused
    assert "behind the paused one" in shown(page)
    by_label(page.button, "Resume").click().run()
    assert not job.control.paused
    later = engine.intake.jobs[1]
    [button for button in page.button if button.label == "Cancel"][1].click().run()
    assert later.control.cancelled
    held.set()
    assert later.wait(WAIT_S)
    assert "later.txt" not in [record.name for record in engine.library.documents("default")]


def test_a_collection_is_renamed_copied_exported_and_imported(page: AppTest, engine: Engine, tmp_path: Path) -> None:
    by_label(page.text_input, "New name").set_value("Drinks")
    by_label(page.button, "Rename").click().run()
    assert not page.exception
    assert "Drinks" in [record.name for record in engine.library.collections()]
    by_label(page.text_input, "Name of the copy").set_value("Drinks too")
    by_label(page.button, "Copy").click().run()
    assert engine.intake.jobs[-1].wait(WAIT_S)
    by_label(page.text_input, "Folder or file on this machine").set_value(str(tmp_path))
    by_label(page.button, "Export").click().run()
    assert engine.intake.jobs[-1].wait(WAIT_S)
    assert (tmp_path / "Drinks.localrag").exists()
    by_label(page.text_input, "Or an exported file on this machine").set_value(str(tmp_path / "Drinks.localrag"))
    by_label(page.text_input, "Its name here").set_value("From a file")
    by_label(page.button, "Import").click().run()
    assert engine.intake.jobs[-1].wait(WAIT_S)
    page.run()
    assert not page.exception
    assert {"Drinks", "Drinks too", "From a file"} <= {record.name for record in engine.library.collections()}
    assert "From a file was imported" in shown(page)
    assert len(engine.library.documents("From a file")) == len(engine.library.documents("Drinks too"))


def test_a_collection_is_deleted_in_two_steps_and_another_one_is_shown(page: AppTest, engine: Engine) -> None:
    engine.library.create_collection("Able")
    engine.library.create_collection("Zoo")
    page.run()
    assert by_label(page.selectbox, "Collection").value == "default"
    assert by_label(page.button, "Delete the collection").disabled
    by_label(page.checkbox, "Yes: 3 documents and 2 chunks go").check().run()
    by_label(page.button, "Delete the collection").click().run()
    assert not page.exception
    assert [record.name for record in engine.library.collections()] == ["Able", "Zoo"]
    assert by_label(page.selectbox, "Collection").value == "Able"
    assert by_label(page.button, "Delete the collection").disabled


def test_one_collection_after_the_other_can_be_chosen(page: AppTest, engine: Engine) -> None:
    for name in ("One", "Two"):
        engine.library.create_collection(name)
    page.run()
    for name in ("One", "Two", "default", "One"):
        by_label(page.selectbox, "Collection").set_value(name).run()
        assert by_label(page.selectbox, "Collection").value == name
        assert page.session_state["collection"] == name


def test_a_name_that_is_taken_is_one_sentence(page: AppTest, engine: Engine) -> None:
    engine.library.create_collection("Recipes")
    page.run()
    by_label(page.text_input, "New name").set_value("Recipes")
    by_label(page.button, "Rename").click().run()
    assert not page.exception
    assert "Recipes" in page.error[0].value


def test_a_collection_of_another_embedding_model_offers_the_way_out(app: AppTest, engine: Engine) -> None:
    home = engine.library.collection("default")
    engine.library.ledger.switch_index(home.id, "c-old", "old:model", "old-model", 256)
    page = app.switch_page("pages/documents.py").run()
    assert "was embedded with old" in shown(page)
    by_label(page.button, "Embed 1 chunk with fake").click().run()
    assert engine.intake.jobs[-1].wait(WAIT_S)
    page.run()
    assert "was embedded with old" not in shown(page)
    assert engine.library.search("default", "tea").evidence


def test_folders_in_sync_are_listed_synced_and_forgotten(app: AppTest, engine: Engine, tmp_path: Path) -> None:
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "one.txt").write_text("The milk is cold.", "utf-8")
    keep_in_sync(engine.library, "default", str(folder))
    page = app.switch_page("pages/documents.py").run()
    assert "not synced yet" in shown(page)
    by_label(page.button, "Sync now").click().run()
    assert engine.intake.jobs[-1].wait(WAIT_S)
    assert "one.txt" in [record.name for record in engine.library.documents("default")]
    by_label(page.button, "Forget").click().run()
    assert not page.exception
    assert "Sync now" not in [button.label for button in page.button]
    assert "one.txt" in [record.name for record in engine.library.documents("default")]


def records_in(engine: Engine, name: str, count: int, language: str = "en", embedding: str = "all-MiniLM-L6-v2") -> None:
    """Documents straight in the ledger, without chunks in the index."""
    ledger = engine.library.ledger
    home = ledger.add_collection(name, f"id-of-{embedding}", embedding, 4)
    with ledger.db.transaction() as db:
        db.executemany(
            "INSERT INTO documents VALUES (?, ?, ?, 'pdf', ?, '', ?, '2', 's', 'indexed', '', '', 3, 900, 2, ?)",
            [
                (f"{name}-{n}", home.id, f"{n:064}", f"Report number {n}", language, f"2026-01-01T00:00:{n % 60:02d}+00:00")
                for n in range(count)
            ],
        )
        sources = [SourceRecord(f"/reports/{n}.pdf", f"{n}.pdf", f"{name}-{n}") for n in range(count)]
        db.executemany(
            "INSERT INTO sources VALUES (?, ?, ?, ?, '', '', 0, '', '')",
            [(home.id, source.source, source.name, source.document_id) for source in sources],
        )


def test_a_language_the_embedding_model_does_not_know_is_marked_with_advice(app: AppTest, engine: Engine) -> None:
    records_in(engine, "Czech", 2, "cs")
    app.session_state["collection"] = "Czech"
    page = app.switch_page("pages/documents.py").run()
    assert not page.exception
    table = page.dataframe[0].value
    assert all("other language" in status for status in table["status"])
    assert "all-MiniLM-L6-v2 knows English only and this text is Czech" in table["reason"][0]


def test_ten_thousand_documents_are_drawn_and_filtered_at_once(app: AppTest, engine: Engine) -> None:
    records_in(engine, "Many", 10_000)
    app.session_state["collection"] = "Many"
    page = app.switch_page("pages/documents.py").run()
    assert len(page.dataframe[0].value) == 10_000
    started = time.perf_counter()
    by_label(page.text_input, "Find").set_value("number 777").run()
    seconds = time.perf_counter() - started
    assert len(page.dataframe[0].value) == 11
    assert not page.exception
    assert seconds < RERUN_S, f"a rerun with 10,000 documents took {seconds:.2f} s"


def test_markup_in_names_titles_and_texts_is_shown_as_text(app: AppTest, engine: Engine) -> None:
    hostile = "<script>x</script> ![x](http://tracker.invalid/p.png)"
    sources = [Source(f"{hostile}.txt", data=f"{hostile} tea".encode()), Source(f"{hostile}.bin", data=bytes(range(256)))]
    assert engine.intake.start(f"c {hostile}", sources).wait(WAIT_S)
    app.session_state["collection"] = f"c {hostile}"
    page = tick(app.switch_page("pages/documents.py").run(), [1])
    by_label(page.button, "Delete 1 document").click().run()
    assert not page.exception
    assert "<script>" not in "".join(h.proto.body for h in page.get("html"))
    drawn = "".join([*(m.value for m in page.markdown), *(c.value for c in page.caption)])
    assert "![x](" not in drawn


STOPPED = """
import time
from localrag.documents.source import Source
from localrag.ui.cache import get_engine
engine = get_engine()
texts = ["\\n\\n".join(f"Sentence {n} of {i} about tea." * 8 for n in range(400)).encode() for i in range(60)]
job = engine.intake.start("default", [Source(f"{i}.txt", data=text) for i, text in enumerate(texts)])
while not job.snapshot().done:
    time.sleep(0.01)
"""


def test_a_server_that_is_stopped_goes_on_with_its_documents_at_the_next_start(fake_settings: Settings) -> None:
    env = {
        **os.environ,
        "LOCALRAG_DATA_DIR": str(fake_settings.data_dir),
        "LOCALRAG_LLM": "fake",
        "LOCALRAG_EMBEDDINGS": "fake",
    }
    ended = subprocess.run([sys.executable, "-c", STOPPED], env=env, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0
    assert "Traceback" not in ended.stderr
    engine = Engine(fake_settings)
    left = engine.library.backlog.jobs()
    assert left
    assert 0 < len(left[0].sources) < 60
    for job in engine.intake.go_on():
        assert job.wait(WAIT_S)
    assert len(engine.library.documents("default")) == 60
    engine.close()
