"""LangChain's notebook and LocalRAG side by side, in one run: same document, same splits, same weights, same machine.

The sides take turns, run after run, and medians are quoted. Only one side's chat model is in memory at a time: two pools of
threads that wait for each other in a loop slow both down many times.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from langchain_core.documents import Document

from localrag.evaluation.figures import Figure, ratio
from localrag.evaluation.machine import Watch
from localrag.evaluation.notebook import NotebookModel, NotebookStore, read_splits
from localrag.evaluation.ours import BareLoop, OurModel, Shelf, Speed
from localrag.models.devices import cpu_threads
from localrag.models.starter import STARTER_CHAT, STARTER_CHAT_AS_SHIPPED

PROMPT_TOKENS = 380  # as many as a question with four passages has
ANSWER_TOKENS = 128
Report = Callable[[str], None]


class Asking(Protocol):
    """Our engine on one model file, the document taken in. `evidence_s` are the seconds from each question to its evidence."""

    evidence_s: list[float]

    def first_texts_s(self, questions: Sequence[str]) -> list[float]:
        """Seconds from each question of one conversation to the first text of its answer; the model was warm."""
        ...

    def close(self) -> None: ...


class Workshop(Protocol):
    """What the bench needs of the product as a whole."""

    def shelf(self) -> Shelf: ...

    def take_in(self, path: Path) -> tuple[int, float]:
        """Ingest the file as the product does; returns chunks and seconds."""
        ...

    def asking(self, model: Path) -> Asking: ...


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure with: the first question is asked first, the rest are follow-ups."""

    document: Path
    questions: tuple[str, ...]
    runs: int
    models_dir: Path

    @property
    def shipped(self) -> Path:
        return self.models_dir / STARTER_CHAT_AS_SHIPPED

    @property
    def default(self) -> Path:
        return self.models_dir / STARTER_CHAT


def measure(plan: Plan, workshop: Workshop, report: Report = lambda _line: None) -> dict[str, Any]:
    """Measure everything; minutes. `report` is told what is measured next.

    Raises:
        LocalRagError: the document, a model or the vector database cannot be used.
    """
    watch = Watch()
    splits = read_splits(plan.document)
    with closing(NotebookStore(plan.models_dir)) as store:
        ingest, threads = _ingest(plan, workshop, store, splits, report)
        first, follow_up, model_threads = _answers(plan, workshop, store, report)
    evidence = follow_up.pop("evidence")
    speed, counts = _speed(plan, splits, report)
    machine = watch.machine()
    return {
        "machine": machine.as_json(),
        "warning": machine.warning,
        "document": str(plan.document),
        "questions": list(plan.questions),
        "runs": plan.runs,
        "threads": threads | model_threads,
        "models": {"notebook": plan.shipped.name, "ours": plan.default.name, "ours_same_file": plan.shipped.name},
        "tokens": counts,
        "ingest_chunks": len(splits),
        "ingest": _json(ingest),
        "evidence_s": evidence.as_json(),
        "first_text_s": _json(first),
        "follow_up_s": _json(follow_up),
        "prefill": _json({name: Figure.of([one.prefill for one in runs]) for name, runs in speed.items()}),
        "generation": _json({name: Figure.of([one.generation for one in runs]) for name, runs in speed.items()}),
        "ratio": ratios(ingest, first, follow_up, speed),
        "ratio_same_file": _text_ratios(first, follow_up, "ours_same_file"),
    }


def measure_answers(plan: Plan, workshop: Workshop, report: Report = lambda _line: None) -> dict[str, Any]:
    """Measure questions alone: seconds to their evidence and to the first text of their answers. Errors as `measure`."""
    watch = Watch()
    splits = read_splits(plan.document)
    with closing(NotebookStore(plan.models_dir)) as store:
        store.ingest(splits)
        workshop.take_in(plan.document)
        first, follow_up, threads = _answers(plan, workshop, store, report)
    machine = watch.machine()
    evidence = follow_up.pop("evidence")
    return {
        "machine": machine.as_json(),
        "warning": machine.warning,
        "document": str(plan.document),
        "questions": list(plan.questions),
        "runs": plan.runs,
        "threads": threads,
        "models": {"notebook": plan.shipped.name, "ours": plan.default.name, "ours_same_file": plan.shipped.name},
        "evidence_s": evidence.as_json(),
        "first_text_s": _json(first),
        "follow_up_s": _json(follow_up),
        "ratio": _text_ratios(first, follow_up, "ours"),
        "ratio_same_file": _text_ratios(first, follow_up, "ours_same_file"),
    }


def ratios(
    ingest: dict[str, Figure], first: dict[str, Figure], follow_up: dict[str, Figure], speed: dict[str, list[Speed]]
) -> dict[str, float]:
    """How many times better ours is: above 1 is better, each against the faster of the notebook's ways."""
    best = max(ingest["notebook"], ingest["notebook_all_cores"], key=lambda figure: figure.median)
    generation = {name: Figure.of([one.generation for one in runs]) for name, runs in speed.items()}
    return {
        "ingest_ratio": ratio(ingest["ours"], best),
        **_text_ratios(first, follow_up, "ours"),
        "generation_vs_bare": ratio(generation["ours"], generation["bare"]),
    }


def _text_ratios(first: dict[str, Figure], follow_up: dict[str, Figure], ours: str) -> dict[str, float]:
    return {
        "first_text_vs_invoke": ratio(first["notebook_invoke"], first[ours]),
        "first_text_vs_streamed": ratio(first["notebook_streamed"], first[ours]),
        "follow_up_vs_invoke": ratio(follow_up["notebook_invoke"], follow_up[ours]),
        "follow_up_vs_streamed": ratio(follow_up["notebook_streamed"], follow_up[ours]),
    }


def _ingest(
    plan: Plan, workshop: Workshop, store: NotebookStore, splits: Sequence[Document], report: Report
) -> tuple[dict[str, Figure], dict[str, Any]]:
    """Chunks per second into a store, the same splits for all, and ours from the file on."""
    rates: dict[str, list[float]] = {"notebook": [], "notebook_all_cores": [], "ours": [], "ours_from_file": []}
    texts = [split.page_content for split in splits]
    with closing(NotebookStore(plan.models_dir, cpu_threads())) as all_cores:
        shelf = workshop.shelf()
        for side in (store, all_cores, shelf):
            side.warm_up()
        for run in range(plan.runs):
            report(f"Documents in, run {run + 1} of {plan.runs} …")
            rates["notebook"].append(len(splits) / store.ingest(splits))
            rates["ours"].append(len(texts) / shelf.ingest(texts, f"bench {uuid.uuid4().hex}"))
            rates["notebook_all_cores"].append(len(splits) / all_cores.ingest(splits))
            chunks, seconds = workshop.take_in(plan.document)
            rates["ours_from_file"].append(chunks / seconds)
        threads = {
            "notebook_embeddings": store.threads,
            "notebook_embeddings_all_cores": all_cores.threads,
            "our_embedding_workers": cpu_threads(),
        }
    return {name: Figure.of(values) for name, values in rates.items()}, threads


def _answers(
    plan: Plan, workshop: Workshop, store: NotebookStore, report: Report
) -> tuple[dict[str, Figure], dict[str, Figure], dict[str, Any]]:
    """Seconds to the first text of the first question and of the follow-ups."""
    first: dict[str, list[float]] = {}
    later: dict[str, list[float]] = {}
    threads: dict[str, Any] = {"our_model": cpu_threads()}

    def note(name: str, seconds: list[float]) -> None:
        first.setdefault(name, []).append(seconds[0])
        later.setdefault(name, []).extend(seconds[1:])

    for run in range(plan.runs):
        report(f"Questions, run {run + 1} of {plan.runs} …")
        with closing(NotebookModel(plan.shipped, store.retriever())) as notebook:
            threads["notebook_model"], threads["notebook_model_prompt"] = notebook.threads
            for name, ask in (("notebook_invoke", notebook.invoked_s), ("notebook_streamed", notebook.streamed_s)):
                notebook.warm_up()
                note(name, [ask(question) for question in plan.questions])
        for name, file in (("ours", plan.default), ("ours_same_file", plan.shipped)):
            with closing(workshop.asking(file)) as engine:
                note(name, engine.first_texts_s(plan.questions))
                later.setdefault("evidence", []).extend(engine.evidence_s)
    return _figures(first), _figures(later), threads


def _speed(plan: Plan, splits: Sequence[Document], report: Report) -> tuple[dict[str, list[Speed]], dict[str, int]]:
    """Tokens per second of our adapter and of llama-cpp-python's bare loop: same file, prompt, threads and count."""
    speeds: dict[str, list[Speed]] = {"bare": [], "ours": []}
    text = "\n\n".join(split.page_content for split in splits)
    with ExitStack() as stack:
        ours = stack.enter_context(closing(OurModel(plan.default)))
        bare = stack.enter_context(closing(BareLoop(plan.default, cpu_threads())))
        tokens = ours.tokens(text)[:PROMPT_TOKENS]
        for run in range(plan.runs):
            report(f"Tokens per second, run {run + 1} of {plan.runs} …")
            speeds["ours"].append(ours.speed(tokens, ANSWER_TOKENS))
            speeds["bare"].append(bare.speed(tokens, speeds["ours"][-1].answer_tokens))
    return speeds, {"prompt": len(tokens), "answer": speeds["ours"][-1].answer_tokens}


def _figures(values: dict[str, list[float]]) -> dict[str, Figure]:
    return {name: Figure.of(runs) for name, runs in values.items()}


def _json(figures: dict[str, Figure]) -> dict[str, Any]:
    return {name: figure.as_json() for name, figure in figures.items()}
