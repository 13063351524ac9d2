"""models, download."""

from __future__ import annotations

import time
from argparse import Namespace
from pathlib import Path
from typing import Any

from localrag.commands.output import DONE, FAILED, complain, say, say_json
from localrag.errors import DownloadError
from localrag.models.catalogue import list_models
from localrag.models.download import Step
from localrag.models.download_jobs import Downloads, Events, Pace
from localrag.models.memory import available_memory, format_bytes
from localrag.models.model_download import Downloaded, Order, download_model
from localrag.models.offers import Offer, find_offer, offers
from localrag.models.starter import STARTER_CHAT, STARTER_EMBEDDING
from localrag.settings import Settings, hub_token

EVERY_S, EVERY_SHARE = 30.0, 0.05  # how often people are told how far it is
EVERY_JSON_S = 0.5


def models(args: Namespace, settings: Settings) -> int:
    """List the model files, what each is or why it cannot be used, and with `--catalogue` what can be downloaded."""
    in_use = _in_use(settings)
    entries = list_models(settings.models_dir)
    for entry in entries:
        use = in_use.pop(entry.path.absolute(), None)
        if args.json:
            what = {"kind": entry.kind, "bytes": entry.size, "summary": entry.summary or None, "error": entry.error or None}
            say_json({"file": entry.path.name, "path": str(entry.path), **what, "in_use": use})
        else:
            say(f"{'● ' + use if use else '':<12}{entry.path.name}  {entry.summary or entry.error}")
    for path, use in in_use.items():  # named in the settings, but in no models folder
        if path.exists() and args.json:
            say_json({"file": path.name, "path": str(path), "kind": use, "bytes": path.stat().st_size, "in_use": use})
        elif path.exists():
            say(f"{'● ' + use:<12}{path}")
    if not entries and not args.json:
        say(f"There is no model in {settings.models_dir}. Run `python -m localrag setup`, or download one.")
    if args.catalogue:
        _catalogue(args.json, settings.models_dir)
    return DONE


def _in_use(settings: Settings) -> dict[Path, str]:
    """The model files of the settings, each with what it is used for."""
    used: dict[Path, str] = {}
    if settings.model.llm not in ("fake", "server"):
        used[(settings.model.model_path or settings.models_dir / STARTER_CHAT).absolute()] = "chat"
    if settings.documents.embeddings not in ("fake", "server"):
        used[(settings.documents.embedding_path or settings.models_dir / STARTER_EMBEDDING).absolute()] = "embedding"
    return used


def _catalogue(as_json: bool, models_dir: Path) -> None:
    free = available_memory()
    if not as_json:
        say(f"To download with `python -m localrag download NAME`; {format_bytes(free)} of memory are free now:")
    for offer in offers():
        there = (models_dir / offer.file).exists()
        if as_json:
            say_json({"offer": offer.name, **_facts(offer), "there": there, "fits": offer.need <= free})
            continue
        marks = ", there already" if there else "" if offer.need <= free else ", more than is free now"
        sizes = f"{format_bytes(offer.bytes)}, needs {format_bytes(offer.need)}{marks}"
        say(f"{offer.name:<18}{sizes} · {offer.licence} · {offer.languages} · {offer.good_for}")


def _facts(offer: Offer) -> dict[str, Any]:
    names = "title kind file address bytes licence languages parameters quantisation n_ctx_train need sha256 good_for"
    return {name: getattr(offer, name) for name in names.split()} | {"sha256": offer.sha256 or None}


def download(args: Namespace, settings: Settings) -> int:
    """Fetch a model by its name in the catalogue or its address."""
    telling = _Telling(args.json)
    try:
        for event in _events(args, settings):
            telling.tell(event)
    except DownloadError as exc:
        if args.json:
            say_json({"file": None, "error": str(exc)})
        complain(str(exc))
        return FAILED
    return DONE


def _events(args: Namespace, settings: Settings) -> Events:
    if "://" in args.model:
        return download_model(Order(args.model, args.sha256), settings.models_dir, token=hub_token())
    offer = find_offer(args.model)
    if args.sha256:
        raise DownloadError("--sha256 goes with an address. The catalogue's models are checked without it.")
    return Downloads(settings.models_dir, hub_token()).offered(offer)


class _Telling:
    """Prints how far a download is, now and then, and what came of it."""

    def __init__(self, as_json: bool) -> None:
        self._json, self._pace = as_json, Pace()
        self._said_at, self._said_share = 0.0, -1.0
        self._said: tuple[str, str] = ("", "")

    def tell(self, event: Step | Downloaded) -> None:
        if isinstance(event, Downloaded):
            self._result(event)
            return
        self._pace.note(event)
        share = event.done / event.total if event.total else 0.0
        passed = time.perf_counter() - self._said_at
        if (event.state, event.note) == self._said and not self._is_due(passed, share):
            return
        self._said, self._said_at, self._said_share = (event.state, event.note), time.perf_counter(), share
        say_json(self._line(event)) if self._json else self._sentence(event)

    def _is_due(self, passed: float, share: float) -> bool:
        if self._json:
            return passed >= EVERY_JSON_S
        return passed >= EVERY_S or share >= self._said_share + EVERY_SHARE

    def _line(self, step: Step) -> dict[str, Any]:
        left_s = self._pace.left_s(step)
        return {
            "state": step.state,
            "done": step.done,
            "total": step.total or None,
            "rate": round(self._pace.rate()),
            "left_s": None if left_s is None else round(left_s),
            "note": step.note or None,
        }

    def _sentence(self, step: Step) -> None:
        if step.note and (step.state == "waiting" or not step.done):
            say(step.note)
        elif step.state in ("downloading", "checking") and step.done:
            of = f" of {format_bytes(step.total)}" if step.total else ""
            left_s, rate = self._pace.left_s(step), self._pace.rate()
            how = f", {format_bytes(round(rate))}/s" if rate else ""
            left = f", about {left_s:.0f} s left" if left_s is not None else ""
            say(f"{step.state}: {format_bytes(step.done)}{of}{how}{left}")

    def _result(self, done: Downloaded) -> None:
        if self._json:
            line = {"file": str(done.path), "bytes": done.bytes, "sha256": done.sha256, "seconds": round(done.seconds, 3)}
            say_json(line | {"checked_against": done.checked_against, "already": done.already, "note": done.note or None})
            return
        what = "was there already" if done.already else f"is there now ({format_bytes(done.bytes)} in {done.seconds:.0f} s)"
        say(f"{done.path} {what}.")
        say(f"SHA-256 {done.sha256}, checked against: {done.checked_against}.")
        if done.note:
            say(done.note)
