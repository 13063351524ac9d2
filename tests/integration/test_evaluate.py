"""`python -m localrag evaluate` on the starter models: a file of questions, questions made, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from localrag.__main__ import main
from localrag.documents.source import Source
from localrag.library import Library
from localrag.settings import Settings

pytestmark = pytest.mark.models

GUIDE = Path(__file__).parents[2] / "docs" / "guide.md"
TEXTS = {
    "ferry.txt": "The ferry to Marrow Island leaves the quay at eight. It carries forty cars.",
    "keeper.txt": "The keeper of the lighthouse wound its clockwork every four hours, all night.",
    "bank.txt": "지방은행이 시중은행으로 전환하려면 금융위원회의 인가를 받아야 한다. 예비인가는 생략할 수 있다.",
}
QUESTIONS = """question;document;text;answerable
When does the boat depart?;ferry.txt;leaves the quay at\xa0eight;
Who looked after the lamp of the tower?;keeper;;
시중은행 전환에 예비인가가 필요한가요?;;예비인가는 생략할 수 있다.;
Which team lost the final of the cup in Madrid?;;;false
"""
Evaluate = Callable[..., dict[str, Any]]


@pytest.fixture
def evaluate(real_settings: Settings, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Evaluate:
    library = Library(real_settings)
    list(library.ingest("c", [Source(name, data=text.encode()) for name, text in TEXTS.items()]))
    list(library.ingest("guide", [Source("guide.md", path=GUIDE)]))
    library.close()
    (tmp_path / "q.csv").write_text(QUESTIONS, "utf-8-sig")
    places = ["--data-dir", str(real_settings.data_dir), "--models-dir", str(real_settings.models_dir)]

    def run(*arguments: str | Path, status: int = 0) -> dict[str, Any]:
        capfd.readouterr()
        assert main(["evaluate", *places, *map(str, arguments)]) == status
        out, err = capfd.readouterr()
        return json.loads(out) if "--json" in arguments and not status else {"out": out, "err": err}

    return run


def test_a_file_of_questions_is_searched_for_and_judged(evaluate: Evaluate, tmp_path: Path) -> None:
    result = evaluate("-c", "c", "--json", "--details", "-k", "1", tmp_path / "q.csv")
    counts = {"count": 4, "answerable": 3, "unanswerable": 1, "missed": 0}
    assert result["questions"] == {"name": "q.csv", "label": "questions of your own", **counts}
    assert result["collection"] == "c"
    assert (result["settings"]["k"], result["settings"]["budget_chars"]) == (1, None)
    metrics = result["metrics"]
    assert metrics["documents"]["hit@1"] == {"value": 1.0, "low": 1.0, "high": 1.0, "questions": 3}
    assert metrics["passages"]["mrr"]["questions"] == 2
    by_hand = [
        len("leaves the quay at eight") / len(TEXTS["ferry.txt"]),
        len("예비인가는 생략할 수 있다.") / len(TEXTS["bank.txt"]),
    ]
    assert metrics["characters"]["recall"]["value"] == 1.0
    assert metrics["characters"]["iou"]["value"] == pytest.approx(sum(by_hand) / 2, abs=1e-4)
    assert metrics["unanswerable"]["confidence_auc"]["questions"] == 4
    first, *_, last = result["rows"]
    assert first["evidence"][0]["document"] == "ferry.txt"
    assert first["evidence"][0]["relevant"]
    assert last["answerable"] is False
    again = evaluate("-c", "c", "--json", "-k", "1", tmp_path / "q.csv")
    assert {**again["metrics"], "cost": 0} == {**metrics, "cost": 0}


def test_people_get_a_table(evaluate: Evaluate, tmp_path: Path) -> None:
    out = evaluate("-c", "c", "--budget-chars", "80", tmp_path / "q.csv")["out"]
    assert "Questions: q.csv (4 questions; questions of your own)" in out
    assert "budget_chars 80" in out
    assert "  hit@10 " in out
    assert "100.0 %" in out


def test_questions_made_from_sentences_are_the_same_when_saved_and_asked_again(evaluate: Evaluate, tmp_path: Path) -> None:
    saved = tmp_path / "made.jsonl"
    made = evaluate("-c", "guide", "--json", "--make", "10", "--seed", "3", "--save", saved)
    assert made["questions"]["label"] == "made from sentences, without a model: easier than real questions"
    assert made["questions"]["count"] == 10
    assert made["metrics"]["passages"]["hit@10"]["value"] > 0.5
    asked = evaluate("-c", "guide", "--json", saved, "--seed", "3")
    assert asked["questions"] == {**made["questions"], "name": "made.jsonl"}
    assert {**asked["metrics"], "cost": 0} == {**made["metrics"], "cost": 0}


def test_the_chat_model_writes_questions(evaluate: Evaluate) -> None:
    result = evaluate("-c", "guide", "--json", "--details", "--make", "5", "--by-model")
    assert "written by the chat model" in result["questions"]["label"]
    assert all(row["question"].endswith("?") and row["tokens"] > 0 for row in result["rows"])
    assert result["metrics"]["cost"]["tokens"]["value"] > 0


def test_what_is_wrong_is_one_sentence_and_no_report(evaluate: Evaluate, tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("question,document\nWho?,ferry.txt\nWhere?,sea.txt\n")
    failed = evaluate("-c", "c", "--json", tmp_path / "bad.csv", status=1)
    assert failed["out"] == ""
    assert failed["err"] == (
        "Line 3 of bad.csv expects the document sea.txt, which is not in the collection. Add it, or correct the line.\n"
    )
    assert "There is no collection named d" in evaluate("-c", "d", "--make", "3", status=1)["err"]


@pytest.mark.parametrize("arguments", [(), ("q.csv", "--make", "3"), ("q.csv", "--by-model"), ("q.csv", "--seed", "-1")])
def test_what_does_not_go_together_is_wrong_usage(arguments: tuple[str, ...], capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["evaluate", *arguments])
    assert ended.value.code == 2
    assert "usage:" in capfd.readouterr().err
