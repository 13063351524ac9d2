"""evaluate."""

from __future__ import annotations

import sys
from argparse import Namespace
from functools import partial

from localrag.commands.output import DONE, complain, say, say_json
from localrag.evaluation.evaluate import DEFAULT_K, Report, Searching, evaluate, searching_settings
from localrag.evaluation.made_questions import make_questions
from localrag.evaluation.question_files import read_question_set
from localrag.evaluation.question_sets import QuestionSet, write_question_set
from localrag.evaluation.report_table import report_json, report_table
from localrag.library import Library
from localrag.settings import Settings

EVERY = 25
"""Questions between two lines that say how far it is."""


def evaluate_search(args: Namespace, settings: Settings) -> int:
    """Say how well the search answers a set of questions: a file's, or made from the collection's own sentences."""
    library = Library(settings)
    try:
        questions = _questions(args, library)
        if args.save is not None:
            write_question_set(questions, args.save)
            complain(f"The questions are in {args.save}.")
        report = _report(args, library, questions)
        if args.json:
            say_json({"collection": args.collection, **report_json(report, args.details)})
        else:
            for line in report_table(report):
                say(line)
        return DONE
    finally:
        library.close()


def _questions(args: Namespace, library: Library) -> QuestionSet:
    if args.questions is not None:
        return read_question_set(args.questions)
    return make_questions(library.documents(args.collection), library.ledger.text, args.make, args.choice)


def _report(args: Namespace, library: Library, questions: QuestionSet) -> Report:
    collection = library.collection(args.collection)
    k, budget = args.k, args.budget_chars
    searching = Searching(
        find=partial(library.search, args.collection, k=k, budget_chars=budget),
        documents=library.documents(args.collection),
        text_of=library.ledger.text,
        k=k or (DEFAULT_K if budget else library.settings.retrieval.k),
        settings=searching_settings(library.settings, k, budget) | {"embedding": collection.embedding_name},
    )
    report = None
    for event in evaluate(questions, searching, args.choice):
        report = event.report
        if sys.stderr.isatty() and event.done % EVERY == 0:
            complain(f"{event.done} of {event.total} questions …")
    assert report is not None  # the last event has it
    return report
