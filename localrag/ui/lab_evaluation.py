"""An evaluation of both settings on a set of questions: asked for here, done by the engine, drawn as it goes."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial

import streamlit as st

from localrag.documents.collection_ledger import CollectionRecord
from localrag.engine import Engine
from localrag.errors import QuestionSetError
from localrag.evaluation.jobs import EvaluationView
from localrag.evaluation.made_questions import make_questions
from localrag.evaluation.question_files import MAX_FILE_MB, parse_question_set
from localrag.evaluation.question_sets import QuestionSet, as_jsonl
from localrag.evaluation.report_table import report_json
from localrag.ui.errors import show_errors
from localrag.ui.lab_figures import figures_table
from localrag.ui.lab_settings import SIDES, changes, chosen
from localrag.ui.markup import plain
from localrag.wording import counted

POLL_S = 0.4
MADE, MOST_MADE = 50, 1_000
FROM_COLLECTION, FROM_FILE = "Made from the collection", "From a file"
GIVEN, SHOWN = "what the model reads", "all that is shown"
FILE_HELP = (
    "JSONL or CSV in UTF-8: a question a line with the document or the text that answers it, `question,document,text`; or"
    " `answerable` false. The README has every column."
)


def evaluation(engine: Engine, collection: str) -> None:
    """Draw what is asked for, and how the last evaluation of this collection goes or went."""
    st.header("Evaluation", anchor=False, help="A and B as they stand above, on many questions whose answers are known.")
    record = engine.library.collection(collection)
    job = engine.evaluations.latest(record.id)
    running = job is not None and not job.finished
    with st.container():
        _asked(engine, record, running)
    with st.container():
        if running:
            _running(engine, record.id)
        elif job is not None:
            _outcome(job.snapshot())


@st.fragment
def _asked(engine: Engine, record: CollectionRecord, running: bool) -> None:
    """Draw where the questions come from; a click starts the job."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        kinds = (FROM_COLLECTION, FROM_FILE)
        kind = st.selectbox("Questions", kinds, key="w_lab_questions", persist_state="session", width=230)
        judged = st.selectbox(
            "Judged by",
            (GIVEN, SHOWN),
            key="w_lab_judged",
            persist_state="session",
            width=210,
            help="Whether passages that the model does not read count as found too.",
        )
        if kind == FROM_COLLECTION:
            count = st.number_input("How many", 5, MOST_MADE, MADE, 5, key="w_lab_made", persist_state="session", width=130)
            seed = st.number_input("Seed", 0, 2**31 - 1, 0, 1, key="w_lab_seed", persist_state="session", width=130)
    file = None
    if kind == FROM_FILE:
        file = st.file_uploader("Questions, CSV or JSONL", key="lab_file", max_upload_size=MAX_FILE_MB, help=FILE_HELP)
    else:
        st.caption(
            "Keywords of sentences in the documents, made without a model: easier than what people ask, alike for A and B."
        )
    if st.button("Evaluate A and B", icon=":material/play_arrow:", disabled=running or (kind == FROM_FILE and file is None)):
        with show_errors():
            make: Callable[[], QuestionSet]
            if file is not None:
                read = parse_question_set(file.getvalue(), file.name)
                make = lambda: read  # noqa: E731
            elif kind == FROM_FILE:
                raise QuestionSetError("No file was given. Drop one here first.")
            else:
                documents, text_of = engine.library.documents(record.name), engine.library.ledger.text
                make = partial(make_questions, documents, text_of, int(count), int(seed))
            both = [chosen(engine, side) for side in SIDES]
            engine.evaluations.start(record.name, make, both, engine.token_counter(), judged == GIVEN)
            st.rerun()


@st.fragment(run_every=POLL_S)
def _running(engine: Engine, collection_id: str) -> None:
    """How far it is; the page is drawn anew at the end."""
    job = engine.evaluations.latest(collection_id)
    if job is None or job.finished:
        st.rerun()
        return  # it has ended the run: this is for the type checker
    view = job.snapshot()
    with st.container(horizontal=True, vertical_alignment="center"):
        st.progress(view.done / view.total if view.total else 0.0, text=line(view))
        st.button("Cancel", key="cancel_evaluation", icon=":material/close:", on_click=job.cancel, disabled=view.cancelled)


def line(view: EvaluationView) -> str:
    """Where an evaluation stands."""
    if view.cancelled:
        return "Stopping after the question at hand"
    if not view.total or view.questions is None:
        return "Getting the questions"
    each = len(view.questions.questions)
    side = SIDES[min(len(view.reports), len(SIDES) - 1)]
    if view.done == view.total:
        return "Working out the intervals"
    return f"{side} · {view.done - each * len(view.reports):,} of {counted(each, 'question')}"


def _outcome(view: EvaluationView) -> None:
    if view.error:
        st.error(plain(view.error), icon=":material/error:")
    elif view.cancelled and not view.changes:
        st.caption("Cancelled before both were through.")
    elif len(view.reports) == len(SIDES):
        first, second = view.reports
        different = changes(dict(first.settings), dict(second.settings))
        st.caption(
            f"{counted(len(first.rows), 'question')} ({plain(first.label)}). From A to B:"
            f" {plain(', '.join(different)) if different else 'the same settings'}."
        )
        st.html(figures_table(first, second, view.changes))
        st.caption(
            "In brackets 95 % of what other questions of the same kind would give (bootstrap over questions). The difference"
            " is taken question by question, so it can be clear where the brackets of A and B overlap."
        )
    with st.container(horizontal=True):
        if view.questions is not None:
            _download("The questions", as_jsonl(view.questions), "questions.jsonl")
        if len(view.reports) == len(SIDES):
            both = {side: report_json(report, details=True) for side, report in zip(SIDES, view.reports, strict=True)}
            _download("The whole report", json.dumps(both, ensure_ascii=False, indent=1), "evaluation.json")


def _download(text: str, data: str, name: str) -> None:
    st.download_button(
        text,
        data,
        name,
        "application/json",
        key=f"download_{name}",
        icon=":material/download:",
        type="tertiary",
        on_click="ignore",
    )
