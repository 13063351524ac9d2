"""tune, and `bench model`."""

from __future__ import annotations

import shutil
import threading
from argparse import Namespace
from pathlib import Path
from typing import Any

import platformdirs

from localrag.commands.output import DONE, FAILED, complain, say, say_json
from localrag.errors import ModelFileError
from localrag.evaluation.table import number
from localrag.models.starter import starter_chat
from localrag.settings import Settings, save_applied
from localrag.tuning.jobs import TuneJob, TuneView
from localrag.tuning.model_bench import bench_model as measure_model
from localrag.tuning.plan import full_plan
from localrag.tuning.told import changes, result_lines

POLL_S = 0.2
LLAMA_BENCH = "llama-bench"


def tune(args: Namespace, settings: Settings) -> int:
    """Measure how a model file answers fastest on this machine, and keep what was found; Ctrl-C ends it and keeps nothing."""
    path = _model(args.model, settings)
    plan = full_plan(args.quantise, args.loss / 100)
    job = TuneJob(path, settings.model, plan, settings.data_dir, settings.models_dir)
    worker = threading.Thread(target=job.run, name="tuning", daemon=True)
    worker.start()
    try:
        _follow(job, args.json)
    finally:
        job.cancel()  # nothing to end when it is through
        worker.join()
    view = job.snapshot()
    if view.result is None:
        complain(view.error or "Tuning was cancelled.")
        return FAILED
    values = view.result.choice.values(path)
    if args.json:
        said = {name: str(value) if isinstance(value, Path) else value for name, value in values.items()}
        say_json({"result": view.result.as_json(), "settings": said, "applied": args.apply})
    else:
        for line in result_lines(view.result):
            say(line)
    if args.apply:
        settings.with_values(values, "the tuning")  # refuses what cannot be
        save_applied(settings.data_dir, values)
        if not args.json:
            say(f"Applied: {', '.join(changes(settings.flat(), values)) or 'nothing had to be changed'}.")
    return DONE


def _follow(job: TuneJob, as_json: bool) -> None:
    """Print what is measured until it is through."""
    last, told = "", 0
    while True:
        finished = job.wait(POLL_S)
        view = job.snapshot()
        if view.text != last and not finished:
            last = view.text
            if as_json:
                say_json({"step": view.text, "done": view.done, "total": view.total})
            else:
                say(f"{100 * view.share:3.0f} %  {view.text}")
        told = _tell_points(view, told) if as_json else told
        if finished:
            return


def _tell_points(view: TuneView, told: int) -> int:
    for one in view.tried[told:]:
        say_json({"measured": one.as_json()})
    return len(view.tried)


def bench_model(args: Namespace, settings: Settings) -> int:
    """Measure our adapter beside llama-bench, in one run."""
    path = _model(args.model, settings)
    program = find_llama_bench(args.llama_bench)
    if program is None:
        complain("llama-bench was not found: llama-cpp-python's bare loop stands in for it. Name one with --llama-bench.")
    model = settings.model.model_copy(update={"model_path": path})
    result = measure_model(model, args.runs, program, complain)
    if args.json:
        say_json(result)
    else:
        for line in model_table(result):
            say(line)
    return DONE


def find_llama_bench(given: Path | None) -> Path | None:
    """The program that was named, the one on PATH, or the one this project's tests have built; None when there is none.

    Raises:
        ModelFileError: the one that was named is not there.
    """
    if given is not None:
        if not given.is_file():
            raise ModelFileError(f"There is no llama-bench at {given}. Name the program itself.")
        return given.absolute()
    found = shutil.which(LLAMA_BENCH)
    if found:
        return Path(found)
    built = platformdirs.user_cache_path("localrag-tests", appauthor=False)
    return next(iter(sorted(built.glob(f"llama.cpp-*/{LLAMA_BENCH}"), reverse=True)), None)


def model_table(result: dict[str, Any]) -> list[str]:
    """The result of `bench model`: a line for each figure, with its ratio."""
    machine, tokens, used = result["machine"], result["tokens"], result["settings"]
    flash = "flash attention" if used["flash_attn"] else "no flash attention"
    beside = result["beside"]
    return [
        f"{machine['cpu']}, {machine['cores']} cores, other programs on {machine['others_during']:.1f} cores while measuring",
        *([result["warning"]] if result["warning"] else []),
        f"{result['model']}: {used['n_threads']} threads, n_batch {used['n_batch']}, {flash}, KV {used['cache_type']}."
        f" Behind {tokens['depth']} tokens in the cache. Medians of {result['runs']} runs, tokens a second:",
        *(
            f"  {label + ', ' + str(tokens[key]) + ' tokens':<24} LocalRAG {number(result[what]['LocalRAG']['median'])}"
            f"   {beside} {number(result[what][beside]['median'])}   ratio {result['ratio'][what]:.2f}"
            for what, label, key in (("prefill", "prompt", "prompt"), ("generation", "answer", "answer"))
        ),
    ]


def _model(given: Path | None, settings: Settings) -> Path:
    """The file that was named, the one in use, or the starter model."""
    if settings.model.llm != "llamacpp" and given is None:
        raise ModelFileError(f"The chat model in use runs on {settings.model.llm}. Name a GGUF file to measure.")
    return (given or settings.model.model_path or starter_chat(settings.models_dir)).absolute()
