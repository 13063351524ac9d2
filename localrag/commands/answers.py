"""search, ask, attribute."""

from __future__ import annotations

import json
import os
from argparse import Namespace
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from localrag.chat.attribution import attribute as attribute_answer
from localrag.chat.jobs import progress_text
from localrag.chat.marks import marked
from localrag.commands.output import DONE, FAILED, complain, first_line, say, say_json, say_text
from localrag.documents.sources import printable, read_file
from localrag.engine import Engine
from localrag.errors import DocumentError, StoreError
from localrag.library import Library
from localrag.prompts.plan import NOT_GIVEN
from localrag.settings import Settings
from localrag.types import Evidence, SearchFilter, SearchResult, Turn
from localrag.wording import counted

MAX_LINES_MB = 100


def search(args: Namespace, settings: Settings) -> int:
    """Find evidence for one question, or for every line of a file; no model answers."""
    library = Library(settings)
    try:
        questions = [args.question]
        if args.questions is not None:
            questions = [printable(str(line["question"])) for line in read_lines(args.questions, "question")]
        filters = _filters(args, library)
        for question in questions:
            result = library.search(args.collection, question, args.k, args.budget_chars, filters=filters)
            if args.json:
                say_json(search_line(result))
            else:
                _say_evidence(result)
                _say_doubt(result.confidence, settings.retrieval.least_confidence)
                if result.note:
                    say(f"  {result.note}")
        return DONE
    finally:
        library.close()


def _filters(args: Namespace, library: Library) -> SearchFilter:
    """Where the flags say to look; StoreError when a document is not there or a date is none."""
    return SearchFilter(
        documents=tuple(library.find_document(args.collection, name).id for name in args.document),
        folders=tuple(os.path.abspath(folder) for folder in args.folder),
        types=tuple(args.type),
        languages=tuple(args.language),
        added_from=_moment(args.added_from),
        added_to=_moment(args.added_to),
    )


def _moment(given: str) -> str:
    """A date, or a time in UTC, as documents' times are written; StoreError when it is neither."""
    if not given:
        return ""
    with suppress(ValueError):
        return date.fromisoformat(given).isoformat()
    try:
        moment = datetime.fromisoformat(given)
    except ValueError as exc:
        raise StoreError(f"{given} is no date. Write it as 2026-01-31.") from exc
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).isoformat(timespec="seconds")


def search_line(result: SearchResult) -> dict[str, Any]:
    """A search result as the command line's JSON has it."""
    line = {
        "question": result.question,
        "confidence": round(result.confidence, 4),
        "evidence": [evidence_line(evidence) for evidence in result.evidence],
        "seconds": round(result.seconds, 4),
    }
    return line | {"note": result.note} if result.note else line


def evidence_line(evidence: Evidence) -> dict[str, Any]:
    """A span as the command line's JSON has it."""
    return {
        "document": evidence.document,
        "page": evidence.page,
        "location": evidence.location,
        "start": evidence.start,
        "end": evidence.end,
        "text": evidence.text,
        "score": round(evidence.score, 4),
        "channels": evidence.channels,
        "given": evidence.given,
    }


def _say_evidence(result: SearchResult) -> None:
    say(f"{result.question}  ({counted(len(result.evidence), 'passage')}, {result.seconds * 1000:.0f} ms)")
    for evidence in result.evidence:
        aside = "" if evidence.given else "(shown only) "
        say(f"  {evidence.score:.2f}  {aside}{evidence.name} › {evidence.location or 'beginning'}: {first_line(evidence.text)}")


def ask(args: Namespace, settings: Settings) -> int:
    """Answer a question from a collection, in a new conversation or in one that goes on."""
    engine = Engine(settings)
    try:
        if args.conversation is None:
            engine.library.collection(args.collection)
        else:
            engine.conversation(args.conversation)
        engine.formatting.chosen(settings.answer)
        engine.start_model(wait=True)
        engine.library.embeddings()
        conversation = args.conversation or engine.new_conversation(args.collection)
        filters = _filters(args, engine.library)
        one = filters == SearchFilter(documents=filters.documents[:1])  # one document and nothing else: it is read whole
        document = filters.documents[0] if one and filters else None
        job = engine.ask(conversation, args.question, filters=filters, document=document)
        job.wait()
        return _say_turn(args, job.turn, conversation)
    finally:
        engine.close()


def summarise(args: Namespace, settings: Settings) -> int:
    """Summarise a document in a new conversation; how far it is goes to standard error."""
    engine = Engine(settings)
    try:
        engine.library.find_document(args.collection, args.document)
        engine.start_model(wait=True)
        conversation = engine.new_conversation(args.collection)
        job = engine.summarise(conversation, args.document)
        progress = None
        while not job.finished:
            job.wait_for_progress(progress)
            if job.progress is not None and job.progress != progress:
                progress = job.progress
                complain(progress_text(progress))
        return _say_turn(args, job.turn, conversation)
    finally:
        engine.close()


def _say_turn(args: Namespace, turn: Turn, conversation: str) -> int:
    if args.json:
        say_json(ask_line(turn, conversation))
    else:
        _say_answer(turn)
    if turn.error:
        complain(turn.error)
    return FAILED if turn.error else DONE


def ask_line(turn: Turn, conversation: str) -> dict[str, Any]:
    """A turn as the command line's JSON has it."""
    plan, timings = turn.plan, turn.timings
    return {
        "answer": turn.answer,
        "sentences": [{"text": s.text, "support": s.support, "evidence": list(s.evidence)} for s in turn.sentences],
        "evidence": [evidence_line(evidence) for evidence in turn.evidence],
        "refused": turn.refused,
        "conversation": conversation,
        "plan": {
            "segments": [{"kind": s.kind, "tokens": len(s.tokens)} for s in plan.segments] if plan else [],
            "n_ctx": plan.n_ctx if plan else 0,
            "reserved": plan.reserved if plan else 0,
            "dropped": [{"kind": d.kind, "why": d.why} for d in plan.dropped] if plan else [],
        },
        "timings": {
            name: round(value, 4) if isinstance(value, float) else value
            for name, value in asdict(timings).items()
            if not name.endswith("_rate")
        },
    }


def _say_doubt(confidence: float, least: float) -> None:
    if confidence < least:
        say(f"  The documents most likely hold no answer (confidence {confidence:.2f}).")


def _say_answer(turn: Turn) -> None:
    if turn.searched and turn.searched != turn.question:
        say(f"  searched for: {turn.searched}")
    say_text("The documents most likely hold no answer. Nearest passages:" if turn.refused else marked(turn))
    if turn.note:
        say(f"  {turn.note}")
    if turn.confidence is not None and not turn.refused:
        _say_doubt(turn.confidence, turn.settings.get("least_confidence", 0.0))
    for number, evidence in enumerate(turn.evidence, 1):
        aside = "" if evidence.given else "(not read by the model) "
        say(f"  [{number}] {aside}{evidence.name} › {evidence.location or 'beginning'}: {first_line(evidence.text)}")
    for dropped in (item for item in turn.plan.dropped if item.why != NOT_GIVEN) if turn.plan else ():
        say(f"  left out: {dropped.kind} ({first_line(dropped.text)}): {dropped.why}")
    timings = turn.timings
    say(
        f"  {timings.prompt_tokens} prompt tokens, {timings.evaluated_tokens} evaluated, first text after"
        f" {timings.first_token_s:.2f} s, {timings.answer_tokens} tokens at {timings.generation_rate:.0f}/s"
    )


def attribute(args: Namespace, settings: Settings) -> int:
    """Judge pairs of a sentence and its evidence: how far the evidence carries the sentence."""
    library = Library(settings)
    try:
        model = library.embeddings()
        for pair in read_lines(args.pairs, "sentence", "evidence"):
            evidence = Evidence("", "", "", 0, len(str(pair["evidence"])), str(pair["evidence"]), 0.0)
            judged = attribute_answer(str(pair["sentence"]), [evidence], model)
            weakest = min(judged, key=lambda sentence: sentence.score) if judged else None
            support, score = (weakest.support, weakest.score) if weakest else ("unsupported", 0.0)
            if args.json:
                say_json({"support": support, "score": score})
            else:
                say(f"{support:<12} {score:.2f}  {first_line(str(pair['sentence']))}")
        return DONE
    finally:
        library.close()


def read_lines(path: Path, *fields: str) -> Iterator[dict[str, Any]]:
    """The objects of a JSONL file that hold all `fields`; StoreError names the line that does not."""
    try:
        text = read_file(path, MAX_LINES_MB).decode("utf-8-sig")
    except (DocumentError, UnicodeDecodeError) as exc:
        reason = str(exc).rstrip(".")
        raise StoreError(f"The file {path} cannot be read: {reason}. Give a JSONL file in UTF-8.") from exc
    for number, line in enumerate(text.split("\n"), 1):  # splitlines() would split at U+2028 inside a JSON text
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as exc:
            raise StoreError(f"Line {number} of {path} is no JSON object: {exc}. Correct it and try again.") from exc
        if not isinstance(value, dict):
            raise StoreError(f"Line {number} of {path} is no JSON object: {line:.40}. Correct it and try again.")
        missing = [field for field in fields if not isinstance(value.get(field), str) or not value[field].strip()]
        if missing:
            raise StoreError(f"Line {number} of {path} has no text in {missing[0]!r}. Correct it and try again.")
        yield value
