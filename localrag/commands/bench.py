"""bench."""

from __future__ import annotations

import tempfile
import time
from argparse import Namespace
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from localrag.chat.jobs import AnswerJob
from localrag.commands.answers import read_lines
from localrag.commands.models import GUIDE
from localrag.commands.output import DONE, complain, say, say_json
from localrag.commands.tuning import bench_model
from localrag.documents.source import Source, sources_at
from localrag.embeddings.base import EmbeddingModel
from localrag.engine import Engine
from localrag.errors import DocumentError, GenerationError, ModelFileError, PromptError
from localrag.evaluation.bench import Plan, measure, measure_answers
from localrag.evaluation.ingest_bench import Synthetic, measure_ingest
from localrag.evaluation.machine import Watch
from localrag.evaluation.ours import UNRELATED, Shelf
from localrag.evaluation.plot import plot_svg
from localrag.evaluation.search_bench import LIMIT_MS, Grown, measure_search
from localrag.evaluation.table import ask_table, bench_table, ingest_table, search_table
from localrag.library import Library
from localrag.models.starter import setup_done
from localrag.settings import Settings, load_settings

POST_QUESTIONS = ("What are the approaches to Task Decomposition?", "Which of them needs a person, and why?")
GUIDE_QUESTIONS = ("How do I see which passages support an answer?", "What do the small numbers in it lead to?")
COLLECTION = "bench"
RUNS, MODEL_RUNS = 3, 5
ANSWER_TIMEOUT_S = 600.0


def bench(args: Namespace, settings: Settings) -> int:
    """Measure LocalRAG beside LangChain's notebook; everything is written into a temporary folder."""
    args.runs = args.runs or (MODEL_RUNS if args.what == "model" else RUNS)
    if args.what == "model":
        return bench_model(args, settings)
    if not setup_done(settings.models_dir):
        raise ModelFileError(f"The starter models are not all in {settings.models_dir}. Run `python -m localrag setup`.")
    document = (args.document or GUIDE).absolute()
    if not document.is_file():
        raise DocumentError(f"There is no file {document}. Give an HTML, Markdown or text file with --document.")
    models_dir = settings.models_dir.absolute()
    with tempfile.TemporaryDirectory(prefix="localrag-bench-", ignore_cleanup_errors=True) as folder:
        if args.what == "search":
            result, table = _search(args, models_dir, Path(folder)), search_table
        elif args.what == "ingest":
            result, table = _ingest(args, document, models_dir, Path(folder)), ingest_table
        elif args.what == "ask":
            plan = Plan(document, _questions(args), args.runs, models_dir)
            with closing(EngineWorkshop(Path(folder), models_dir)) as workshop:
                result, table = measure_answers(plan, workshop, complain), ask_table
        else:
            result, table = _everything(Plan(document, _questions(args), args.runs, models_dir), Path(folder)), bench_table
    if args.json:
        say_json(result)
    else:
        for line in table(result):
            say(line)
    return DONE


def _everything(plan: Plan, folder: Path) -> dict[str, Any]:
    with closing(EngineWorkshop(folder, plan.models_dir)) as workshop:
        return measure(plan, workshop, complain)


def _ingest(args: Namespace, document: Path, models_dir: Path, folder: Path) -> dict[str, Any]:
    with (
        closing(IngestBed(folder / "real", models_dir)) as real,
        closing(IngestBed(folder / "made", models_dir, Synthetic())) as made,
    ):
        return measure_ingest(document, args.runs, models_dir, real, made, folder / "files", complain)


def _search(args: Namespace, models_dir: Path, folder: Path) -> dict[str, Any]:
    sizes = sorted({10**power for power in range(3, 10) if 10**power < args.chunks} | {args.chunks})
    library = Library(load_settings({"data_dir": folder / "real", "models_dir": models_dir}, {}, folder))
    watch, grown = Watch(), list[Grown]()
    with closing(library):
        for point in measure_search(sizes, folder, library.embeddings(), complain):
            grown.append(point)
            complain(f"{point.chunks:,} passages: {point.median_ms:.0f} ms a search")
    if args.plot is not None:
        points = [(float(point.chunks), point.median_ms) for point in grown]
        svg = plot_svg(points, "A search as a collection grows", "passages", "ms", LIMIT_MS)
        args.plot.write_text(svg, "utf-8")
    machine = watch.machine()
    return {"machine": machine.as_json(), "warning": machine.warning, "searches": [point.as_json() for point in grown]}


class IngestBed:
    """A library on a data directory of its own; with `model` in place of the settings' embedding model."""

    def __init__(self, folder: Path, models_dir: Path, model: EmbeddingModel | None = None) -> None:
        self._library = Library(load_settings({"data_dir": folder, "models_dir": models_dir}, {}, folder), model)
        self._library.claim_writing()

    def shelf(self) -> Shelf:
        return Shelf(self._library.ledger, self._library.index(), self._library.embeddings())

    def take_in(self, folder: Path) -> float:
        started = time.perf_counter()
        for event in self._library.ingest(folder.name, sources_at(str(folder))):
            if event.error:
                raise DocumentError(event.error)
        return time.perf_counter() - started

    def close(self) -> None:
        self._library.close()


def _questions(args: Namespace) -> tuple[str, ...]:
    if args.questions is None:
        return POST_QUESTIONS if args.document else GUIDE_QUESTIONS
    questions = tuple(str(line["question"]) for line in read_lines(args.questions, "question"))
    if len(questions) < 2:
        raise PromptError(f"{args.questions} holds {len(questions)} question; the second and later are follow-ups. Add one.")
    return questions


class EngineWorkshop:
    """Engines as a new installation has them, on a data directory of their own."""

    def __init__(self, folder: Path, models_dir: Path) -> None:
        self._folder, self._models_dir = folder, models_dir
        self._documents: Engine | None = self._engine({})
        self._document: Path | None = None

    def _engine(self, values: dict[str, Any]) -> Engine:
        places = {"data_dir": self._folder / "data", "models_dir": self._models_dir}
        return Engine(load_settings(places | values, {}, self._folder))

    def shelf(self) -> Shelf:
        assert self._documents is not None
        library = self._documents.library
        library.claim_writing()
        return Shelf(library.ledger, library.index(), library.embeddings())

    def take_in(self, path: Path) -> tuple[int, float]:
        assert self._documents is not None
        library = self._documents.library
        if any(record.name == COLLECTION for record in library.collections()):
            library.delete_collection(COLLECTION)
        started = time.perf_counter()
        *_, last = library.ingest(COLLECTION, [Source(path.name, path=path)])
        if not last.chunks:
            raise DocumentError(last.error or f"{path} holds no text. Choose another document.")
        return last.chunks, time.perf_counter() - started

    def asking(self, model: Path) -> EngineAsking:
        self.close()  # one engine at a time writes in a data directory
        return EngineAsking(self._engine({"model_path": model}))

    def close(self) -> None:
        if self._documents is not None:
            self._documents.close()
            self._documents = None


class EngineAsking:
    """An engine as the app has it after its start: the model loaded, the system prompt evaluated, nothing asked yet."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.evidence_s: list[float] = []
        engine.start_model(wait=True)
        engine.library.search(COLLECTION, UNRELATED)  # opens what the notebook has open already: vectors, embedding model

    def first_texts_s(self, questions: Sequence[str]) -> list[float]:
        conversation = self._engine.new_conversation(COLLECTION)
        seconds = []
        for question in questions:
            started = time.perf_counter()
            job = self._engine.ask(conversation, question)
            self.evidence_s.append(time.perf_counter() - started)
            while not job.finished and not job.turn.answer.strip():
                job.wait_for_text(ANSWER_TIMEOUT_S)
            seconds.append(time.perf_counter() - started)
            _finish(job)
        return seconds

    def close(self) -> None:
        self._engine.close()


def _finish(job: AnswerJob) -> None:
    """Wait for the end of an answer; raises GenerationError when there is none to measure."""
    done = job.wait(ANSWER_TIMEOUT_S)
    if not done or job.state == "failed" or not job.turn.timings.evaluated_tokens:
        raise GenerationError(f"No answer to “{job.turn.question}”: {job.turn.error or 'the model was not asked'}. Try again.")
