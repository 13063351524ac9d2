"""setup, inspect."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

from localrag.commands.output import DONE, FAILED, complain, say, say_json
from localrag.documents.source import Source
from localrag.errors import BusyError, ModelFileError, ModelLoadError
from localrag.library import Library
from localrag.models.catalogue import summary
from localrag.models.gguf_file import GGUFFile, read_gguf
from localrag.models.memory import available_memory, check_fits, estimate_memory, format_bytes
from localrag.models.purpose import why_no_answer
from localrag.models.starter import setup as fetch_starter_models
from localrag.settings import GUIDE_COLLECTION, ModelSettings, Settings

GUIDE = Path(__file__).parents[2] / "docs" / "guide.md"


def setup(args: Namespace, settings: Settings) -> int:
    """Fetch the starter models and make the sample collection from the user guide; what is there is left alone."""
    last = ""
    for event in fetch_starter_models(settings.models_dir, args.index_url):
        if args.json:
            say_json({"step": event.step, "file": event.file, "done": event.done, "total": event.total})
        elif event.text != last:
            say(event.text)
            last = event.text
    return DONE if args.no_sample else _sample(args, settings)


def _sample(args: Namespace, settings: Settings) -> int:
    library = Library(settings)
    try:
        known = library.ledger.collection(GUIDE_COLLECTION)
        if known is not None and known.chunks:
            return DONE
        guide = Source(GUIDE.name, data=GUIDE.read_bytes())
        chunks = sum(event.chunks for event in library.ingest(GUIDE_COLLECTION, [guide]) if event.status)
        line = {"step": "sample", "file": str(GUIDE), "chunks": chunks}
        say_json(line) if args.json else say(f"The sample collection “{GUIDE_COLLECTION}” is ready ({chunks} chunks).")
        return DONE
    except BusyError as exc:
        complain(str(exc))
        return FAILED
    finally:
        library.close()


def inspect(args: Namespace, settings: Settings) -> int:
    """Say what a GGUF file is and whether it fits here, without loading it."""
    names = ("n_ctx", "n_batch", "n_gpu_layers", "cache_type")
    given = {name: getattr(args, name) for name in names} | {"model_path": args.model}
    model = settings.with_values({name: value for name, value in given.items() if value is not None}, "the command line").model
    try:
        header = read_gguf(args.model)
        reason = _reason(header, model)
        n_ctx = model.window(header.n_ctx_train)
        need = estimate_memory(header, model)
    except ModelFileError as exc:
        if args.json:
            say_json({"path": str(args.model), "runs": False, "reason": str(exc)})
        complain(str(exc))
        return FAILED
    line = facts(header) | {
        "memory": {"weights": need.weights, "kv": need.kv, "compute": need.compute, "total": need.total},
        "n_ctx": n_ctx,
        "available_memory": available_memory(),
        "runs": reason is None,
        "reason": reason,
    }
    if args.json:
        say_json(line)
    else:
        say(summary(header))
        parts = (("weights", need.weights), ("KV cache", need.kv), ("compute", need.compute), ("total", need.total))
        say("Memory at n_ctx = {}: {}".format(n_ctx, ", ".join(f"{name} {format_bytes(size)}" for name, size in parts)))
        say(reason or "It fits into the memory that is free now.")
    return DONE


def _reason(header: GGUFFile, model: ModelSettings) -> str | None:
    """Why the file cannot answer here, or None."""
    reason = why_no_answer(header)
    if reason is None:
        try:
            check_fits(header, model)
        except ModelLoadError as exc:
            return str(exc)
    return reason


def facts(header: GGUFFile) -> dict[str, Any]:
    """What the header says, for JSON."""
    return {
        "path": str(header.path),
        "kind": header.kind,
        "name": header.name,
        "architecture": header.architecture,
        "parameters": header.parameters,
        "quantisation": header.quantisation,
        "file_bytes": header.file_size,
        "n_ctx_train": header.n_ctx_train,
        "n_layers": header.n_layers,
        "n_embd": header.n_embd,
        "n_head": header.n_head,
        "n_head_kv": header.n_head_kv,
        "n_vocab": header.n_vocab,
        "tokenizer": header.tokenizer_model,
        "pre_tokenizer": header.pre_tokenizer,
        "chat_template": header.chat_template,
        "licence": header.licence,
        "pooling": header.pooling,
        "version": header.version,
        "tensors": len(header.tensors),
    }
