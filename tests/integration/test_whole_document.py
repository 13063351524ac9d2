"""Questions about one document and summaries of it, with the starter model: whole where it fits, part by part where not."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from localrag.__main__ import main
from localrag.chat.jobs import AnswerJob
from localrag.chat.summary import Summarising
from localrag.documents.source import Source
from localrag.engine import Engine
from localrag.errors import PromptError, StoreError
from localrag.settings import Settings
from localrag.types import Evidence

pytestmark = pytest.mark.models

WAIT_S = 120
N_CTX = 1024
ROOT = Path(__file__).parents[2]
SHORT = (
    "\n# Tools\n\nThe Kestrel drill has a warranty of 31 months. It weighs 1.4 kg.\n\n"
    "Its motor was designed in Oslo by Ada Berg.\n"
)
QUESTION = "How long is the warranty of the Kestrel drill?"
WORDS = "harbour tide keeper lantern stone granite ledge storm signal fog bell pilot rope cliff cove boat mooring chart".split()


def story(characters: int) -> str:
    """A text in paragraphs and sections, no two sentences alike."""
    chance, paragraphs, size = random.Random(3), [], 0
    while size < characters:
        sentences = [
            f"In year {chance.randint(1700, 1999)} the {chance.choice(WORDS)} and the {chance.choice(WORDS)} were brought to"
            f" the {chance.choice(WORDS)} by {chance.randint(2, 90)} men."
            for _ in range(4)
        ]
        heading = f"## Chapter {len(paragraphs) + 1}\n\n" if len(paragraphs) % 5 == 0 else ""
        paragraphs.append(heading + " ".join(sentences))
        size += len(paragraphs[-1])
    return "\n\n".join(paragraphs)


LONG = story(12_000)
"""About four windows of N_CTX tokens."""


@pytest.fixture
def engine(real_settings: Settings) -> Iterator[Engine]:
    """The starter models with a small window; a short document, a long one, and one without text."""
    opened = Engine(real_settings.with_values({"n_ctx": N_CTX, "max_tokens": 32}))
    opened.start_model(wait=True)
    fill(opened)
    yield opened
    opened.close()


@pytest.fixture
def plumbing(fake_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """The same documents, and a model that repeats the end of its prompt at once: for how parts come together."""
    monkeypatch.setattr("localrag.llms.fake._WORD_SECONDS", 0.0)
    fill(fake_engine)
    return fake_engine


def fill(engine: Engine) -> None:
    files = {"drill.md": SHORT, "story.md": LONG, "blank.txt": " \n "}
    job = engine.intake.start("default", [Source(name, data=text.encode()) for name, text in files.items()])
    assert job.wait(WAIT_S)


def finished(job: AnswerJob) -> AnswerJob:
    assert job.wait(WAIT_S)
    assert job.turn.error == ""
    return job


def at_part(job: AnswerJob, part: int) -> None:
    """Wait until a summary is at a part."""
    while job.progress is None or job.progress.part < part:
        assert not job.finished
        assert job.wait_for_progress(job.progress, WAIT_S)


def prompts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The starts of the parts that the model is asked to summarise, in order; it summarises them all the same."""
    starts: list[int] = []
    summarise = Summarising._summarise_next

    def noted(self: Summarising, job: AnswerJob, model: object, ground: object) -> bool:
        if ground.level == 0:  # type: ignore[attr-defined]
            starts.append(ground.groups[len(ground.done)][0].start)  # type: ignore[attr-defined]
        return summarise(self, job, model, ground)  # type: ignore[arg-type]

    monkeypatch.setattr(Summarising, "_summarise_next", noted)
    return starts


def spans(evidence: tuple[Evidence, ...]) -> list[tuple[int, int]]:
    return [(each.start, each.end) for each in evidence]


def test_a_document_that_fits_is_read_whole_as_one_span(engine: Engine) -> None:
    conversation = engine.new_conversation("default")
    turn = finished(engine.ask(conversation, QUESTION, document="drill.md")).turn
    assert spans(turn.evidence) == [(1, len(SHORT) - 1)]
    assert turn.evidence[0].text == SHORT.strip()
    assert turn.evidence[0].channels == ("whole",)
    assert "31" in turn.answer
    assert turn.plan is not None
    assert turn.plan.dropped == ()
    read = "".join(segment.text for segment in turn.plan.segments)
    assert "Tools: The Kestrel drill has" in read, "a whole document keeps its headings"
    second = finished(engine.ask(conversation, "Who designed its motor?", document="drill.md")).turn
    assert second.plan is not None
    assert second.plan.count("evidence") == 0, "it stands in the window already"
    assert second.timings.evaluated_tokens < turn.timings.evaluated_tokens


def test_of_a_document_that_does_not_fit_only_its_own_passages_are_found(engine: Engine) -> None:
    turn = finished(engine.ask(engine.new_conversation("default"), QUESTION, document="story.md")).turn
    assert turn.evidence
    assert {evidence.name for evidence in turn.evidence} == {"story.md"} or len({e.document_id for e in turn.evidence}) == 1
    assert all(evidence.text == LONG[evidence.start : evidence.end] for evidence in turn.evidence)
    assert turn.plan is not None
    assert [dropped.why for dropped in turn.plan.dropped if "longer than the window of 1024" in dropped.why]


def test_whether_a_document_fits_is_decided_by_the_model_that_answers(plumbing: Engine) -> None:
    conversation = plumbing.new_conversation("default")
    gate = threading.Event()
    plumbing._worker.submit(lambda _model: gate.wait(WAIT_S) and None)
    plumbing.apply({"n_ctx": 16_384})
    job = plumbing.ask(conversation, QUESTION, document="story.md")
    assert len(job.turn.evidence[0].text) < 1000, "passages, as the window still is"
    gate.set()
    turn = finished(job).turn
    assert spans(turn.evidence) == [(0, len(LONG))]
    assert turn.plan is not None
    assert turn.plan.n_ctx == 16_384


def test_a_question_about_no_such_document_or_an_empty_one_is_refused(plumbing: Engine) -> None:
    engine = plumbing
    conversation = engine.new_conversation("default")
    with pytest.raises(StoreError, match="no document is named nothing"):
        engine.ask(conversation, QUESTION, document="nothing")
    for refused in (lambda: engine.ask(conversation, "What?", document="blank.txt"),
                    lambda: engine.summarise(conversation, "blank.txt")):  # fmt: skip
        with pytest.raises(PromptError, match=r"blank holds no text\. Choose another document\."):
            refused()
    with pytest.raises(PromptError, match="without documents"):
        engine.summarise(engine.new_conversation(""), "drill.md")
    assert engine.conversation(conversation).turns == []


def test_a_short_document_is_summarised_in_one_step(engine: Engine) -> None:
    conversation = engine.new_conversation("default")
    job = finished(engine.summarise(conversation, "drill.md"))
    assert job.progress is None
    assert job.turn.question in ("Summarise drill.md", "Summarise Tools")
    assert spans(job.turn.evidence) == [(1, len(SHORT) - 1)]
    assert job.turn.answer
    assert job.turn.sentences
    assert list(engine.conversation(conversation).turns) == [job.turn]


def test_the_parts_of_a_long_document_cover_it_in_order(engine: Engine) -> None:
    conversation = engine.new_conversation("default")
    job = finished(engine.summarise(conversation, "story.md"))
    turn = job.turn
    assert len(turn.evidence) >= 4
    assert (turn.evidence[0].start, turn.evidence[-1].end) == (0, len(LONG))
    assert all(before.end == after.start for before, after in pairwise(turn.evidence))
    assert all(evidence.text == LONG[evidence.start : evidence.end] for evidence in turn.evidence)
    assert [evidence.score for evidence in turn.evidence] == sorted(evidence.score for evidence in turn.evidence)
    assert "Chapter" in turn.evidence[-1].location
    assert turn.plan is not None
    assert turn.plan.count() + turn.plan.reserved <= N_CTX
    assert turn.timings.prompt_tokens == len(turn.plan.tokens)
    assert any("reached the longest answer" in dropped.why for dropped in turn.plan.dropped)
    assert (turn.note, turn.timings.finish in ("stop", "length")) == ("", True)
    assert job.progress is not None
    assert job.progress.parts == len(turn.evidence)
    follow_up = finished(engine.ask(conversation, "And who brought the bell?"))
    assert follow_up.turn.answer


def test_what_was_summarised_before_a_stop_is_not_summarised_again(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    starts = prompts(monkeypatch)
    conversation = engine.new_conversation("default")
    job = engine.summarise(conversation, "story.md")
    at_part(job, 3)
    engine.stop(conversation)
    finished(job)
    assert job.turn.timings.finish == "cancelled"
    assert job.turn.answer == ""
    assert "2 of " in engine.conversation(conversation).turns[0].note
    assert "parts are summarised and kept" in job.turn.note
    before = starts[:2]
    starts.clear()
    again = finished(engine.summarise(engine.new_conversation("default"), "story.md"))
    assert again.turn.answer
    assert not set(before) & set(starts)
    assert [evidence.start for evidence in again.turn.evidence] == before + starts
    assert again.progress is not None
    assert again.progress.kept == 2
    other = engine.summarise(conversation, "story.md", {"max_tokens": 24})
    at_part(other, 1)
    engine.stop(conversation)
    finished(other)
    assert other.progress is not None
    assert (other.progress.part, other.progress.kept) == (1, 0), "other settings make other summaries"


def test_a_question_of_another_conversation_is_answered_between_two_parts(engine: Engine) -> None:
    summary = engine.summarise(engine.new_conversation("default"), "story.md")
    at_part(summary, 1)
    other = engine.ask(engine.new_conversation("default"), QUESTION)
    finished(other)
    assert "31" in other.turn.answer
    assert not summary.finished
    assert summary.progress is not None
    assert summary.progress.part <= 3
    engine.stop(summary.conversation_id)
    finished(summary)


def test_a_summary_waiting_for_its_next_part_is_stopped_at_once(plumbing: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, gate = plumbing, threading.Event()
    summarise = Summarising._summarise_next

    def then_busy(self: Summarising, *arguments: Any) -> bool:
        more = summarise(self, *arguments)
        engine._worker.submit(lambda _model: gate.wait(WAIT_S) and None)  # in front of the next part
        at_rest.set()
        return more

    at_rest = threading.Event()
    monkeypatch.setattr(Summarising, "_summarise_next", then_busy)
    conversation = engine.new_conversation("default")
    summary = engine.summarise(conversation, "story.md")
    assert at_rest.wait(WAIT_S)
    started = time.perf_counter()
    engine.stop(conversation)
    finished(summary)
    assert time.perf_counter() - started < 0.1
    gate.set()
    assert summary.turn.timings.finish == "cancelled"
    assert finished(engine.ask(conversation, "Say hello.", ())).turn.answer


@pytest.mark.parametrize("n_ctx", [700, 1024])
def test_summaries_that_do_not_fit_one_window_are_merged_in_levels(plumbing: Engine, n_ctx: int) -> None:
    """Tokens of this model are characters, so its windows are small."""
    plumbing.apply({"n_ctx": n_ctx, "max_tokens": 40}, wait=True)
    job = finished(plumbing.summarise(plumbing.new_conversation("default"), "story.md"))
    spans_of = spans(job.turn.evidence)
    assert (spans_of[0][0], spans_of[-1][1], len(spans_of) > 6) == (0, len(LONG), True)
    rows = plumbing.store.db.run('SELECT level, start, "end" FROM summaries ORDER BY level, start')
    levels = {row["level"]: [(r["start"], r["end"]) for r in rows if r["level"] == row["level"]] for row in rows}
    assert len(levels) >= 2
    assert levels[0] == spans_of
    for level in range(1, len(levels)):
        borders = {at for below in range(level) for span in levels[below] for at in span}
        assert all({start, end} <= borders for start, end in levels[level])
    assert job.turn.plan is not None
    assert job.turn.plan.count() + job.turn.plan.reserved <= n_ctx
    assert not any(segment.ref is not None for segment in job.turn.plan.segments)
    again = finished(plumbing.summarise(plumbing.new_conversation("default"), "story.md"))
    assert again.turn.answer == job.turn.answer
    assert len(plumbing.store.db.run("SELECT 1 FROM summaries")) == len(rows), "nothing is summarised twice"


def test_a_model_that_is_changed_halfway_starts_the_parts_anew(plumbing: Engine) -> None:
    plumbing.apply({"n_ctx": 1024}, wait=True)
    job = plumbing.summarise(plumbing.new_conversation("default"), "story.md")
    at_part(job, 2)
    plumbing.apply({"n_ctx": 2048})
    finished(job)
    assert job.turn.plan is not None
    assert job.turn.plan.n_ctx == 2048
    assert (job.turn.evidence[0].start, job.turn.evidence[-1].end) == (0, len(LONG))
    assert all(before.end == after.start for before, after in pairwise(job.turn.evidence))


def test_a_window_too_small_to_summarise_in_is_said(plumbing: Engine) -> None:
    plumbing.apply({"n_ctx": 128, "max_tokens": 64}, wait=True)
    job = plumbing.summarise(plumbing.new_conversation("default"), "story.md")
    assert job.wait(WAIT_S)
    assert "Raise n_ctx" in job.turn.error


def test_the_command_line_asks_about_one_document_and_goes_on_with_a_summary_that_was_killed(
    tmp_path: Path, models_dir: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    values = {"data_dir": tmp_path / "data", "models_dir": models_dir, "n_ctx": N_CTX, "max_tokens": 24}
    for name, value in values.items():
        monkeypatch.setenv(f"LOCALRAG_{name.upper()}", str(value))
    (tmp_path / "story.md").write_text(LONG[:5000])
    (tmp_path / "drill.md").write_text(SHORT)
    assert main(["ingest", str(tmp_path / "story.md"), str(tmp_path / "drill.md")]) == 0
    capfd.readouterr()
    command = [sys.executable, "-m", "localrag", "summarise", str(tmp_path / "story.md")]
    killed = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    assert killed.stderr is not None
    assert any(line.startswith("Part 2 of 2") for line in killed.stderr)
    killed.kill()
    killed.wait(WAIT_S)
    killed.stderr.close()
    assert main(["summarise", "--json", str(tmp_path / "story.md")]) == 0
    out, err = capfd.readouterr()
    line = json.loads(out)
    assert err.startswith("Part 2 of 2")
    assert "1 part kept from before" in err
    assert line["answer"]
    assert [each["document"] for each in line["evidence"]] == [str(tmp_path / "story.md")] * 2
    assert main(["ask", "--json", "--document", "drill.md", QUESTION]) == 0
    line = json.loads(capfd.readouterr()[0])
    assert (len(line["evidence"]), line["evidence"][0]["text"]) == (1, SHORT.strip())
    assert main(["summarise", "nothing.md"]) == 1
    assert "no document is named nothing.md" in capfd.readouterr()[1]
