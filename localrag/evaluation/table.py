"""A bench result as a table for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

LABEL, COLUMN = 46, 12
NOTHING = "–"


def bench_table(result: Mapping[str, Any]) -> list[str]:
    """Lines of at most 100 characters or so: what ran on what, then a row for each figure with its ratio."""
    machine, threads, models = result["machine"], result["threads"], result["models"]
    load = " to ".join(f"{value:.2f}" for value in (machine["load_before"], machine["load_after"]) if value is not None)
    lines = [
        f"{machine['cpu']}, {machine['cores']} cores, load {load or 'unknown'},"
        f" other programs on {machine['others_during']:.1f} cores while measuring",
        *([result["warning"]] if result["warning"] else []),
        f"Document: {result['document']} ({result['ingest_chunks']} chunks). Medians of {result['runs']} runs.",
        f"Weights: the notebook runs {models['notebook']} as it is shipped, LocalRAG the {models['ours']} that setup writes"
        " from it; “same file” is LocalRAG on the notebook's.",
        f"Threads: notebook {threads['notebook_embeddings']} for embeddings, {threads['notebook_model']} for answers and"
        f" {threads['notebook_model_prompt']} for prompts; LocalRAG {threads['our_embedding_workers']} and"
        f" {threads['our_model']}.",
        "",
        _row("", ("notebook", "LocalRAG", "same file", "times")),
    ]
    lines += _ingest_rows(result) + _text_rows(result) + _speed_rows(result)
    return lines


def search_table(result: Mapping[str, Any]) -> list[str]:
    """The result of `bench search`: a line for each size of the collection."""
    machine = result["machine"]
    return [
        f"{machine['cpu']}, {machine['cores']} cores, other programs on {machine['others_during']:.1f} cores while measuring",
        *([result["warning"]] if result["warning"] else []),
        "Passages are made up, questions are embedded by the starter model. Medians, in milliseconds.",
        *(
            f"  {found['chunks']:>9,} passages {found['median_ms']:>8.0f} ms   slowest of {found['searches']}:"
            f" {found['slowest_ms']:.0f} ms"
            for found in result["searches"]
        ),
    ]


def ingest_table(result: Mapping[str, Any]) -> list[str]:
    """The result of `bench ingest`: a line for each figure, with its ratio."""
    machine, threads, rates = result["machine"], result["threads"], result["chunks_per_s"]
    memory, growth = result["memory"], result["growth"]
    small, large = growth["seconds"]
    return [
        f"{machine['cpu']}, {machine['cores']} cores, other programs on {machine['others_during']:.1f} cores while measuring",
        *([result["warning"]] if result["warning"] else []),
        f"Document: {result['document']} ({result['chunks']} chunks). Medians of {result['runs']} runs.",
        f"Threads: notebook {threads['notebook']} and {threads['notebook_all_cores']},"
        f" LocalRAG {threads['our_workers']} workers.",
        "",
        "Documents in, the same splits, chunks a second",
        *(
            f"  {label:<42} {rates[name]['median']:>8}   ({rates[name]['min']} to {rates[name]['max']})"
            for label, name in (
                ("notebook", "notebook"),
                ("notebook, a thread a core", "notebook_all_cores"),
                ("LocalRAG", "ours"),
                ("LocalRAG's workers, embedding alone", "bare"),
            )
        ),
        f"  LocalRAG against the faster notebook: {result['ratio']['vs_notebook']} times,"
        f" against embedding alone: {result['ratio']['vs_bare']}",
        f"{result['unchanged']['files']:,} unchanged files looked at again: {result['unchanged']['seconds']} s",
        f"{memory['text_mb']:.0f} MB of text: memory grew by {memory['grown_mb']} MB at most, {memory['index_mb']} MB stay",
        f"{growth['added']:,} chunks into {growth['at'][0]:,}: {small} s, into {growth['at'][1]:,}: {large} s"
        f" ({growth['ratio']} times), vectors made up",
    ]


def ask_table(result: Mapping[str, Any]) -> list[str]:
    """The result of `bench ask`: seconds to the first text beside the notebook's, and to the evidence."""
    machine, threads, models, evidence = result["machine"], result["threads"], result["models"], result["evidence_s"]
    return [
        f"{machine['cpu']}, {machine['cores']} cores, other programs on {machine['others_during']:.1f} cores while measuring",
        *([result["warning"]] if result["warning"] else []),
        f"Document: {result['document']}. Medians of {result['runs']} runs.",
        f"Weights: the notebook runs {models['notebook']} as it is shipped, LocalRAG {models['ours']} made from it.",
        f"Threads: notebook {threads['notebook_model']} for answers and {threads['notebook_model_prompt']} for prompts,"
        f" LocalRAG {threads['our_model']}.",
        "",
        _row("", ("notebook", "LocalRAG", "same file", "times")),
        *_text_rows(result),
        f"Milliseconds to the evidence: {1000 * evidence['median']:.0f}"
        f" ({1000 * evidence['min']:.0f} to {1000 * evidence['max']:.0f})",
    ]


def _ingest_rows(result: Mapping[str, Any]) -> list[str]:
    figures = result["ingest"]
    return [
        "Documents in, chunks a second",
        _row("  same splits, the notebook's threads", _cells(figures, "notebook", "ours")),
        _row(
            "  same splits, a thread a core",
            (*_cells(figures, "notebook_all_cores", "ours"), "", _times(result, "ingest_ratio")),
        ),
        _row("  LocalRAG from the file on", _cells(figures, "", "ours_from_file")),
    ]


def _text_rows(result: Mapping[str, Any]) -> list[str]:
    rows = ["Seconds to the first text"]
    for key, label, name in (("first_text_s", "first question", "first_text"), ("follow_up_s", "follow-up", "follow_up")):
        for way, said in (("invoke", "as written (invoke)"), ("streamed", "streamed")):
            cells = _cells(result[key], f"notebook_{way}", "ours", "ours_same_file")
            rows.append(_row(f"  {label}, notebook {said}", (*cells, _times(result, f"{name}_vs_{way}"))))
    return rows


def _speed_rows(result: Mapping[str, Any]) -> list[str]:
    rows = [f"Tokens a second, {result['models']['ours']}, beside llama-cpp-python's bare loop in place of the notebook"]
    for key, label in (("prefill", "prompt"), ("generation", "answer")):
        tokens = result["tokens"][label]
        times = (_times(result, "generation_vs_bare"),) if key == "generation" else ()
        rows.append(_row(f"  {label}, {tokens} tokens", (*_cells(result[key], "bare", "ours"), "", *times)))
    return rows


def _cells(figures: Mapping[str, Any], *names: str) -> tuple[str, ...]:
    return tuple(number(figures[name]["median"]) if name else NOTHING for name in names)


def _times(result: Mapping[str, Any], name: str) -> str:
    return f"{result['ratio'][name]:.2f}"


def _row(label: str, cells: Sequence[str]) -> str:
    return (label.ljust(LABEL) + "".join(cell.rjust(COLUMN) for cell in cells)).rstrip()


def number(value: float) -> str:
    """Three digits at least, no more than two after the point: 0.63, 4.61, 38.2, 672."""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
