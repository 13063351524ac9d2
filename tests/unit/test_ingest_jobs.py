"""What a job tells of itself: documents, chunks, the rate, and how long it will take."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace

from localrag.documents.ingest import Control, IngestEvent
from localrag.documents.jobs import IngestJob


def announced(name: str) -> IngestEvent:
    return IngestEvent(name, name, name)


def drained(total: int, *events: IngestEvent) -> IngestJob:
    job = IngestJob("c", total, lambda control: iter(events))
    job.drain()
    return job


def test_files_of_an_archive_count_each_and_the_archive_no_more() -> None:
    zipped = [replace(announced(f"a.zip/{n}.txt"), status="indexed", chunks=1, done=1) for n in range(5)]
    view = drained(2, announced("a.zip"), *zipped, announced("b.txt"), replace(announced("b.txt"), status="empty")).snapshot()
    assert (view.done, view.total) == (6, 6)
    assert view.current is None
    assert view.share == 1.0


def test_an_archive_in_an_archive_is_no_document_either() -> None:
    inner = replace(announced("a.zip/b.zip/c.txt"), status="indexed", chunks=1, done=1)
    view = drained(1, announced("a.zip"), inner, replace(inner, document="a.zip/d.txt")).snapshot()
    assert (view.done, view.total) == (2, 2)


def test_an_address_below_another_one_is_not_a_file_in_it() -> None:
    first, second = announced("https://x.org/a"), announced("https://x.org/a/b")
    view = drained(2, first, second, replace(second, status="indexed"), replace(first, status="indexed")).snapshot()
    assert (view.done, view.total) == (2, 2)


def test_the_document_being_embedded_is_the_current_one() -> None:
    reading, embedding = announced("later.txt"), replace(announced("now.txt"), done=3, chunks=9)
    assert drained(2, embedding, reading).snapshot().current == embedding
    assert drained(2, announced("one"), reading).snapshot().current == reading


def test_unchanged_documents_are_no_work_in_the_rate() -> None:
    view = drained(1, replace(announced("a"), status="unchanged", done=500, chunks=500)).snapshot()
    assert view.chunks == 0
    assert view.rate == 0.0


def test_a_pause_is_no_time_of_work() -> None:
    resumed, paused = threading.Event(), threading.Event()

    def run(control: Control) -> Iterator[IngestEvent]:
        yield replace(announced("a"), done=10, chunks=20)
        paused.set()
        control.wait()
        resumed.set()
        yield replace(announced("a"), done=20, chunks=20, status="indexed")

    job = IngestJob("c", 1, run)
    job.control.pause()
    thread = threading.Thread(target=job.drain)
    thread.start()
    assert paused.wait(10)
    begun = job.snapshot()
    threading.Event().wait(0.3)
    still = job.snapshot()
    assert still.paused
    assert still.seconds - begun.seconds < 0.1
    assert still.rate == begun.rate or abs(still.rate - begun.rate) < 0.5 * begun.rate
    job.control.resume()
    thread.join(10)
    assert resumed.is_set()
    assert job.snapshot().seconds < 0.25


def test_what_is_left_follows_from_what_is_done() -> None:
    half = drained(2, replace(announced("a"), status="indexed", done=5, chunks=5)).snapshot()
    assert half.share == 0.5
    assert half.left_s is None, "it is finished"
    running = replace(half, finished=False, seconds=30.0)
    assert running.left_s == 30.0
    assert replace(running, seconds=0.2).left_s is None, "too early to say"
