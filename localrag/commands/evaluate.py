"""evaluate."""

from __future__ import annotations

import sys
from argparse import Namespace
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial

from localrag.commands.output import DONE, complain, say, say_json
from localrag.engine import Engine
from localrag.evaluation.evaluate import DEFAULT_K, CountTokens, Report, Searching, evaluate, searching_settings
from localrag.evaluation.made_questions import make_questions
from localrag.evaluation.model_questions import asking, write_questions
from localrag.evaluation.question_files import read_question_set
from localrag.evaluation.question_sets import QuestionSet, write_question_set
from localrag.evaluation.report_table import report_json, report_table
from localrag.library import Library
from localrag.llms.base import LoadedModel
from localrag.llms.registry import load_model
from localrag.models.trials import Trials
from localrag.settings import Settings
from localrag.types import SearchResult

EVERY = 25
"""Questions between two lines that say how far it is."""


def evaluate_search(args: Namespace, settings: Settings) -> int:
    """Say how well the search answers a set of questions: a file's, or made from the collection's own documents."""
    with ExitStack() as stack:
        engine = stack.enter_context(closing(Engine(settings)))
        engine.library.collection(args.collection)
        if args.questions is not None:
            questions, count_tokens = read_question_set(args.questions), None
        elif args.by_model:
            model = stack.enter_context(closing(load_model(engine.model_settings(), Trials(engine.settings.data_dir))))
            questions, count_tokens = _written(args, engine.library, model), partial(_tokens, model)
        else:
            documents, text_of = engine.library.documents(args.collection), engine.library.ledger.text
            questions, count_tokens = make_questions(documents, text_of, args.make, args.choice), None
        if args.save is not None:
            write_question_set(questions, args.save)
            complain(f"The questions are in {args.save}.")
        report = _report(args, engine.library, questions, count_tokens)
    if args.json:
        say_json({"collection": args.collection, **report_json(report, args.details)})
    else:
        for line in report_table(report):
            say(line)
    return DONE


def _written(args: Namespace, library: Library, model: LoadedModel) -> QuestionSet:
    documents, questions = library.documents(args.collection), None
    for event in write_questions(documents, library.ledger.text, asking(model), args.make, args.choice, model.name):
        questions = event.questions
        _say_progress("written", event.done, event.total)
    assert questions is not None  # the last event has it
    return questions


def _given(result: SearchResult) -> SearchResult:
    """A result without what is shown to the person alone."""
    return replace(result, evidence=tuple(evidence for evidence in result.evidence if evidence.given))


def _tokens(model: LoadedModel, text: str) -> int:
    return len(model.tokenize(text))


def _report(args: Namespace, library: Library, questions: QuestionSet, count_tokens: CountTokens | None) -> Report:
    collection = library.collection(args.collection)
    k, budget = args.k, args.budget_chars
    find = partial(library.search, args.collection, k=k, budget_chars=budget)
    searching = Searching(
        find=(lambda question: _given(find(question))) if args.given else find,
        documents=library.documents(args.collection),
        text_of=library.ledger.text,
        k=k or (0 if budget else library.settings.retrieval.k) or DEFAULT_K,
        settings=searching_settings(library.settings, k, budget) | {"embedding": collection.embedding_name},
        count_tokens=count_tokens,
    )
    report = None
    for event in evaluate(questions, searching, args.choice):
        report = event.report
        _say_progress("searched for", event.done, event.total)
    assert report is not None  # the last event has it
    return report


def _say_progress(what: str, done: int, total: int) -> None:
    if done and done % EVERY == 0 and sys.stderr.isatty():
        complain(f"{done} of {total} questions {what} …")
