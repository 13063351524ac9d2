"""The arithmetic and the table of `python -m localrag bench`, and its refusals; nothing is measured here."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from localrag.__main__ import main
from localrag.evaluation.bench import ratios
from localrag.evaluation.figures import Figure, digits, ratio
from localrag.evaluation.machine import Machine, others_now
from localrag.evaluation.ours import Speed
from localrag.evaluation.page_server import served
from localrag.evaluation.table import bench_table, number

QUIET = Machine("A processor", 2, 0.1, 1.4, 0.05, 0.1)


def figures(**values: float) -> dict[str, Figure]:
    return {name: Figure.of([value]) for name, value in values.items()}


FIRST = figures(notebook_invoke=4.0, notebook_streamed=0.8, ours=0.5, ours_same_file=1.0)
LATER = figures(notebook_invoke=5.0, notebook_streamed=1.0, ours=0.2, ours_same_file=0.25)
INGEST = figures(notebook=30.0, notebook_all_cores=40.0, ours=60.0, ours_from_file=50.0)
SPEED = {"bare": [Speed(600, 100, 128), Speed(620, 120, 128)], "ours": [Speed(610, 99, 128), Speed(590, 110, 128)]}


def result(machine: Machine = QUIET) -> dict[str, Any]:
    def spread(values: dict[str, Figure]) -> dict[str, Any]:
        return {name: figure.as_json() for name, figure in values.items()}

    return {
        "machine": machine.as_json(),
        "warning": machine.warning,
        "document": "/posts/post.html",
        "runs": 1,
        "threads": {
            "notebook_embeddings": 4,
            "notebook_embeddings_all_cores": 2,
            "notebook_model": 1,
            "notebook_model_prompt": 2,
            "our_embedding_workers": 2,
            "our_model": 2,
        },
        "models": {"notebook": "a.Q4_1.gguf", "ours": "a.Q8_0.gguf", "ours_same_file": "a.Q4_1.gguf"},
        "tokens": {"prompt": 380, "answer": 128},
        "ingest_chunks": 133,
        "ingest": spread(INGEST),
        "first_text_s": spread(FIRST),
        "follow_up_s": spread(LATER),
        "prefill": spread(figures(bare=600.0, ours=590.0)),
        "generation": spread(figures(bare=110.0, ours=104.5)),
        "ratio": ratios(INGEST, FIRST, LATER, SPEED),
    }


def test_a_figure_quotes_the_median_and_keeps_every_run() -> None:
    figure = Figure.of([3.0, 1.0, 10.0])
    assert figure.as_json() == {"median": 3.0, "min": 1.0, "max": 10.0, "runs": [3.0, 1.0, 10.0]}
    assert Figure.of([1.0, 2.0]).median == 1.5
    with pytest.raises(ValueError, match="at least one run"):
        Figure.of([])


def test_figures_are_cut_to_four_digits() -> None:
    assert [digits(value) for value in (0.123456, 1234.56, 0.0)] == [0.1235, 1235.0, 0.0]
    assert [number(value) for value in (0.126, 4.6, 38.21, 672.3)] == ["0.13", "4.60", "38.2", "672"]


def test_a_ratio_divides_medians() -> None:
    assert ratio(Figure.of([2.0, 9.0, 3.0]), Figure.of([1.5])) == 2.0
    assert ratio(Figure.of([2.0]), Figure.of([0.0])) == 0.0


def test_every_ratio_is_above_one_where_ours_is_better() -> None:
    assert ratios(INGEST, FIRST, LATER, SPEED) == {
        "ingest_ratio": 1.5,  # against the faster of the notebook's thread counts
        "first_text_vs_invoke": 8.0,
        "first_text_vs_streamed": 1.6,
        "follow_up_vs_invoke": 25.0,
        "follow_up_vs_streamed": 5.0,
        "generation_vs_bare": 0.95,
    }


def test_the_table_names_both_files_and_every_figure() -> None:
    lines = bench_table(result())
    text = "\n".join(lines)
    for said in ("A processor, 2 cores", "a.Q4_1.gguf as it is shipped", "a.Q8_0.gguf", "(133 chunks)", "4.00", "0.50", "8.00"):
        assert said in text, said
    assert "busy" not in text
    assert all(len(line) <= 170 for line in lines)


@pytest.mark.parametrize(
    "machine",
    [
        Machine("cpu", 2, 1.9, 2.0, 0.0, 0.0),
        Machine("cpu", 2, 0.0, 2.0, 0.9, 0.0),
        Machine("cpu", 2, None, None, 0.0, 1.1),
    ],
)
def test_a_busy_machine_is_named_in_a_sentence(machine: Machine) -> None:
    assert machine.warning.startswith("This machine is busy (")
    assert machine.warning.endswith("figures may be off by half or more.")
    assert machine.warning in bench_table(result(machine))


def test_an_idle_machine_is_not_called_busy() -> None:
    assert QUIET.warning == ""
    assert Machine("cpu", 8, 2.0, 3.0, 1.0, 1.0).warning == ""


def test_other_programs_are_counted_in_cores() -> None:
    assert 0.0 <= others_now(0.05) < 1024


def test_a_file_is_served_with_its_bytes_and_kind(tmp_path: Path) -> None:
    page = tmp_path / "a post.html"
    page.write_bytes("<html>é</html>".encode())
    with served(page) as address, urllib.request.urlopen(address, timeout=5) as reply:
        assert reply.read() == page.read_bytes()
        assert reply.headers["Content-Type"] == "text/html"


def test_without_starter_models_the_next_step_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--models-dir", str(tmp_path / "none"), "--data-dir", str(tmp_path / "data")]) == 1
    captured = capsys.readouterr()
    assert "Run `python -m localrag setup`." in captured.err
    assert captured.out == ""
    assert not (tmp_path / "data").exists()


def test_a_file_with_one_question_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("localrag.commands.bench.setup_done", lambda _folder: True)
    questions = tmp_path / "questions.jsonl"
    questions.write_text(json.dumps({"question": "Why?"}), "utf-8")
    assert main(["bench", "--questions", str(questions), "--data-dir", str(tmp_path)]) == 1
    assert "the second and later are follow-ups" in capsys.readouterr().err


def test_a_document_that_is_not_there_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("localrag.commands.bench.setup_done", lambda _folder: True)
    assert main(["bench", "--document", str(tmp_path / "post.html"), "--data-dir", str(tmp_path)]) == 1
    assert "There is no file" in capsys.readouterr().err
