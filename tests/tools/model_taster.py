"""The process of `mutate_models` that does with a model file what the app does: inspect it, load it, answer with it.

Lines of JSON: a path in, one line for each step out.
"""

from __future__ import annotations

import contextlib
import io
import json
import resource
import sys
import threading
from pathlib import Path
from typing import Any

import psutil

from localrag.__main__ import main as command
from localrag.errors import LocalRagError
from localrag.llms.base import GenerationStats, LoadedModel
from localrag.llms.chat_model import prompt_of
from localrag.llms.worker import ModelWorker
from localrag.models.trials import Trials
from localrag.settings import AnswerSettings, ModelSettings

MOST_BYTES = 6_000_000_000
"""A copy that makes it grow by less than this is found out; more would take the machine down with it."""
FAKE = ModelSettings(llm="fake")
ANSWER = AnswerSettings(temperature=0.0, max_tokens=8)
ROLES, TEXTS = ["system", "user"], ["You are a helpful assistant.", "What is the capital of France? Naïve 한국어 🦊"]


def taste(path: Path, worker: ModelWorker) -> dict[str, Any]:
    """All steps; each is told on standard output."""
    tell("inspect", **inspect(path))
    tell("load", error=load(worker, ModelSettings(model_path=path, n_ctx=1024, n_batch=128, n_threads=1)))
    answer, error = ask(worker)
    tell("answer", answer=answer, **({"error": error} if error else {}))
    broken = load(worker, FAKE)  # lets go of the file, which is about to be changed
    return {"rss": psutil.Process().memory_info().rss} | ({"broken": broken} if broken else {})


def inspect(path: Path) -> dict[str, Any]:
    """What the command line says of the file."""
    out, err = io.TextIOWrapper(io.BytesIO()), io.TextIOWrapper(io.BytesIO())
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = command(["inspect", str(path), "--json"])
    out.seek(0)
    line = json.loads(out.read())
    return {"inspect": status, "runs": line["runs"], "reason": line["reason"]}


def load(worker: ModelWorker, settings: ModelSettings) -> str:
    """Load a model as the app does; returns the reason when it cannot be, empty when it is in use."""
    done, failed = threading.Event(), list[str]()

    def then(error: LocalRagError | None) -> None:
        if error is not None:
            failed.append(str(error))
        done.set()

    worker.load(settings, then)
    done.wait()
    return failed[0] if failed else ""


def ask(worker: ModelWorker) -> tuple[str | None, str]:
    """A short answer of the model in use, or the reason why there is none."""
    done, found = threading.Event(), list[tuple[str | None, str]]()

    def answer(model: LoadedModel | None) -> None:
        try:
            assert model is not None
            found.append((_answer(model), ""))
        except LocalRagError as exc:
            found.append((None, str(exc)))
        finally:
            done.set()

    worker.submit(answer)
    done.wait()
    return found[0]


def _answer(model: LoadedModel) -> str:
    prompt = prompt_of(model, list(zip(ROLES, TEXTS, strict=True)))
    return "".join(piece.text for piece in model.generate(prompt, ANSWER, model.stop, GenerationStats()))


def tell(step: str, **found: Any) -> None:
    """A line for who watches."""
    sys.__stdout__.write(json.dumps({"step": step} | found) + "\n")  # type: ignore[union-attr]
    sys.__stdout__.flush()  # type: ignore[union-attr]


def main() -> None:
    """Taste what is named on standard input until it ends."""
    resource.setrlimit(resource.RLIMIT_DATA, (MOST_BYTES, MOST_BYTES))
    worker = ModelWorker(Trials(Path(sys.argv[1]) / "data"))
    load(worker, FAKE)
    tell("ready")
    for line in sys.stdin:
        tell("release", done=True, **taste(Path(json.loads(line)), worker))
    worker.close()


if __name__ == "__main__":
    main()
