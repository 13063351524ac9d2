"""doctor: is everything whole, and make the vectors again."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import asdict

from localrag.commands.output import DONE, FAILED, say, say_json
from localrag.doctor import Check, examine, make_again
from localrag.settings import Settings


def doctor(args: Namespace, settings: Settings) -> int:
    """A line for each check; with `--rebuild` the vectors are made again first. Fails when a check does."""
    if args.rebuild:
        _rebuild(args, settings)
    status = DONE
    for check in examine(settings, args.collection):
        if check.status == "failed":
            status = FAILED
        say_json(asdict(check)) if args.json else say(_line(check))
    return status


def _line(check: Check) -> str:
    detail = f"{check.detail.removesuffix('.')}. {check.advice}" if check.advice else check.detail
    return f"{check.status:<8} {check.check}: {detail}"


def _rebuild(args: Namespace, settings: Settings) -> None:
    counts: dict[str, int] = {}
    for name, _, total in make_again(settings, args.collection):
        counts[name] = total
    for name, total in counts.items():
        check = Check(f"rebuild of {name}", "ok", f"{total} chunks")
        say_json(asdict(check)) if args.json else say(_line(check))
