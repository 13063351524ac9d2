"""How documents go in, measured: beside the notebook and the bare model, unchanged, large, into a large collection."""

from __future__ import annotations

import os
import threading
import time
import uuid
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import psutil
from langchain_core.documents import Document

from localrag.embeddings.base import EmbeddingModel, Vectors, unit
from localrag.evaluation.bench import Report
from localrag.evaluation.figures import Figure, digits, ratio
from localrag.evaluation.machine import Watch
from localrag.evaluation.notebook import NotebookStore, read_splits
from localrag.evaluation.ours import Shelf
from localrag.models.devices import cpu_threads

UNCHANGED_FILES = 1000
LARGE_TEXT_BYTES = 20_000_000
SMALL, LARGE, ADDED = 1_000, 100_000, 1_000
SENTENCE = "The record number {} of ship {} describes harbour {} and a crew of {} people who sailed before the winter. "
MB = 1_000_000


class Bed(Protocol):
    """What is needed of the product: a library of its own in a new folder."""

    def shelf(self) -> Shelf: ...

    def take_in(self, folder: Path) -> float:
        """Seconds to ingest a folder as the product does."""
        ...


class Synthetic(EmbeddingModel):
    """Random unit vectors by text: the time and memory of everything but the model."""

    name = identity = "synthetic-384"
    dimension = 384

    def embed_texts(self, texts: list[str]) -> Vectors:
        rows = [np.random.default_rng(zlib.crc32(text.encode())).standard_normal(self.dimension, np.float32) for text in texts]
        return unit(np.stack(rows))

    def embed_question(self, text: str) -> Vectors:
        row: Vectors = self.embed_texts([text])[0]
        return row


def measure_ingest(
    document: Path, runs: int, models_dir: Path, real: Bed, synthetic: Bed, folder: Path, report: Report
) -> dict[str, Any]:
    """Measure everything; minutes. `folder` is an empty one for made files; `report` is told what is measured next.

    Raises:
        LocalRagError: the document, the model or the vector database cannot be used.
    """
    watch = Watch()
    splits = read_splits(document)
    rates, threads = _rates(splits, runs, models_dir, real.shelf(), report)
    report(f"{UNCHANGED_FILES:,} unchanged files …")
    unchanged = _unchanged(synthetic, folder / "many")
    report(f"{LARGE_TEXT_BYTES // MB} MB of text …")
    grown, index = _memory(synthetic, folder / "large")
    report(f"{ADDED:,} chunks into {LARGE:,} …")
    at_small, at_large = _growth(synthetic.shelf())
    machine = watch.machine()
    best = max(rates["notebook"], rates["notebook_all_cores"], key=lambda figure: figure.median)
    return {
        "machine": machine.as_json(),
        "warning": machine.warning,
        "document": str(document),
        "runs": runs,
        "chunks": len(splits),
        "threads": threads,
        "chunks_per_s": {name: figure.as_json() for name, figure in rates.items()},
        "ratio": {"vs_notebook": ratio(rates["ours"], best), "vs_bare": ratio(rates["ours"], rates["bare"])},
        "unchanged": {"files": UNCHANGED_FILES, "seconds": digits(unchanged)},
        "memory": {"text_mb": LARGE_TEXT_BYTES / MB, "grown_mb": digits(grown), "index_mb": digits(index)},
        "growth": {
            "added": ADDED,
            "at": [SMALL, LARGE],
            "seconds": [digits(at_small), digits(at_large)],
            "ratio": digits(at_large / at_small),
        },
    }


def _rates(
    splits: Sequence[Document], runs: int, models_dir: Path, shelf: Shelf, report: Report
) -> tuple[dict[str, Figure], dict[str, int]]:
    """Chunks per second of the same splits: the notebook's store, ours, and our workers embedding and nothing else."""
    rates: dict[str, list[float]] = {"notebook": [], "notebook_all_cores": [], "ours": [], "bare": []}
    texts = [split.page_content for split in splits]
    with closing(NotebookStore(models_dir)) as store, closing(NotebookStore(models_dir, cpu_threads())) as all_cores:
        for side in (store, all_cores, shelf):
            side.warm_up()
        for run in range(runs):
            report(f"Documents in, run {run + 1} of {runs} …")
            rates["notebook"].append(len(splits) / store.ingest(splits))
            rates["ours"].append(len(texts) / shelf.ingest(texts, f"bench {uuid.uuid4().hex}"))
            rates["notebook_all_cores"].append(len(splits) / all_cores.ingest(splits))
            rates["bare"].append(len(texts) / _seconds(lambda: shelf.model.embed_texts(texts)))
        threads = {
            "notebook": store.threads,
            "notebook_all_cores": all_cores.threads,
            "our_workers": cpu_threads(),
        }
    return {name: Figure.of(values) for name, values in rates.items()}, threads


def _unchanged(bed: Bed, folder: Path) -> float:
    """Seconds to look at many files again; they are an hour old, as far as the file system says."""
    folder.mkdir(parents=True)
    old = time.time() - 3600
    for number in range(UNCHANGED_FILES):
        path = folder / f"{number}.txt"
        path.write_text(SENTENCE.format(number, number * 3, number * 7, number * 11), "utf-8")
        os.utime(path, (old, old))
    time.sleep(2.5)  # a file touched a moment ago is read again to be sure
    bed.take_in(folder)
    bed.take_in(folder)
    return bed.take_in(folder)


def _memory(bed: Bed, folder: Path) -> tuple[float, float]:
    """MB this process and its children grew by at most while a large text went in, and MB of that the index takes.

    The index is what stays: resident memory after, less before.
    """
    folder.mkdir(parents=True)
    with (folder / "large.txt").open("w", encoding="utf-8") as file:
        number = 0
        while file.tell() < LARGE_TEXT_BYTES:
            file.write(SENTENCE.format(number, number * 3, number * 7, number * 11))
            number += 1
    before = _resident()
    with _peak() as highest:
        bed.take_in(folder)
    return (highest() - before) / MB, max(0, _resident() - before) / MB


def _growth(shelf: Shelf) -> tuple[float, float]:
    """Seconds to add chunks to a small and to a large collection: the best of three each, to the same index."""
    name = f"growth {uuid.uuid4().hex}"
    texts = [SENTENCE.format(n, n, n, n) for n in range(LARGE + 7 * ADDED)]
    shelf.ingest(texts[:SMALL], name)
    small = min(shelf.ingest(texts[at : at + ADDED], name) for at in range(SMALL, SMALL + 3 * ADDED, ADDED))
    shelf.ingest(texts[SMALL + 3 * ADDED : LARGE], name)
    large = min(shelf.ingest(texts[at : at + ADDED], name) for at in range(LARGE, LARGE + 3 * ADDED, ADDED))
    return small, large


@contextmanager
def _peak() -> Iterator[Callable[[], int]]:
    """The most resident memory while the body runs, looked at every 20 ms."""
    most, stop = [_resident()], threading.Event()

    def look() -> None:
        while not stop.wait(0.02):
            most[0] = max(most[0], _resident())

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield lambda: most[0]
    finally:
        stop.set()
        thread.join()


def _resident() -> int:
    """Bytes of this process and its children that are in memory."""
    total = 0
    own = psutil.Process()
    for process in (own, *own.children(recursive=True)):
        try:
            total += process.memory_info().rss
        except psutil.Error:  # it ended meanwhile
            continue
    return total


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
