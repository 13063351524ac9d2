"""The command line as scripts call it: what it prints, how it ends, and never a traceback."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from localrag.__main__ import main
from localrag.library import Library
from localrag.settings import Settings, load_settings
from tests.tools.attribution_pairs import read_pairs, recall_and_precision, table, write_jsonl

pytestmark = pytest.mark.models

ROOT = Path(__file__).parents[2]
DRILL = "\ufeffThe Kestrel drill has a warranty of 31 months.\r\nIt weighs 1.4 kg – naïve 한글.\r\n"
QUESTION = "How long is the warranty of the Kestrel drill?"
EVIDENCE_KEYS = {"document", "page", "location", "start", "end", "text", "score", "channels", "given"}
SEARCH_KEYS = {"question", "confidence", "evidence", "seconds"}
ASK_KEYS = {"answer", "sentences", "evidence", "refused", "conversation", "plan", "timings"}
TIMING_KEYS = {"search_s", "first_token_s", "total_s", "prompt_tokens", "evaluated_tokens", "answer_tokens", "finish"}
DOCUMENT_KEYS = {"document", "source", "type", "language", "pages", "chunks", "characters", "status", "error", "added"}
Run = Callable[..., "Done"]


class Done:
    """How a command ended."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err
        assert "Traceback" not in out + err, out + err

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.split("\n") if line]


@pytest.fixture
def place(tmp_path: Path, models_dir: Path) -> Path:
    """A folder with documents; the command line keeps its data beside them."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "drill ü.txt").write_bytes(DRILL.encode())
    (tmp_path / "docs" / "empty.txt").write_bytes(b"")
    return tmp_path


@pytest.fixture
def run(place: Path, models_dir: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in this process, with the starter models."""
    monkeypatch.chdir(place)
    for name, value in environment(place, models_dir).items():
        monkeypatch.setenv(name, value)

    def command(*arguments: str) -> Done:
        capfd.readouterr()
        try:
            status = main(arguments)
        except SystemExit as exc:  # argparse: wrong usage, or --help
            status = int(exc.code or 0)
        return Done(status, *capfd.readouterr())

    return command


def environment(place: Path, models_dir: Path) -> dict[str, str]:
    values = {"data_dir": place / "data", "models_dir": models_dir, "n_ctx": 2048, "temperature": 0, "max_tokens": 32}
    return {f"LOCALRAG_{name.upper()}": str(value) for name, value in values.items()}


def process(place: Path, models_dir: Path, *arguments: str | bytes, **variables: str) -> Done:
    """Runs a command as a process of its own, in a locale that is not UTF-8."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("LOCALRAG_")}
    environ |= environment(place, models_dir) | {"PYTHONPATH": str(ROOT), "LC_ALL": "C", "PYTHONUTF8": "0"} | variables
    environ["PYTHONCOERCECLOCALE"] = "0"
    command = [sys.executable, "-m", "localrag", *arguments]
    done = subprocess.run(command, cwd=place, env=environ, capture_output=True, timeout=120)
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.fixture
def filled(run: Run) -> Run:
    assert run("ingest", "docs").status == 0
    return run


def test_ingest_prints_a_line_a_file_and_a_summary(run: Run, place: Path) -> None:
    done = run("ingest", "--json", "docs", "missing.txt")
    assert done.status == 1
    *lines, summary = done.lines
    assert all(set(line) == {"path", "document", "status", "chunks", "error", "seconds"} for line in lines)
    statuses = {Path(line["document"]).name: line["status"] for line in lines}
    assert statuses == {"drill ü.txt": "indexed", "empty.txt": "empty", "missing.txt": "failed"}
    assert all(Path(line["document"]).is_absolute() for line in lines)
    assert {line["status"]: line["error"] is None for line in lines} == {"indexed": True, "empty": False, "failed": False}
    assert set(summary) == {"summary"}
    expected = {"files": 3, "indexed": 1, "empty": 1, "failed": 1, "chunks": 1}
    assert summary["summary"] | expected == summary["summary"]
    assert set(summary["summary"]) == {*expected, "seconds"}
    again = run("ingest", "--json", "docs")
    assert (again.status, again.lines[0]["status"]) == (0, "unchanged")
    (place / "docs" / "drill ü.txt").write_text("Other words.")
    assert run("ingest", "--json", "docs").lines[0]["status"] == "replaced"


def test_search_prints_one_object_a_question(filled: Run, place: Path) -> None:
    (found,) = filled("search", "--json", QUESTION).lines
    assert set(found) == SEARCH_KEYS
    assert all(set(evidence) == EVIDENCE_KEYS for evidence in found["evidence"])
    evidence = found["evidence"][0]
    assert evidence["document"] == str(place / "docs" / "drill ü.txt")
    (shown,) = filled("documents", "show", evidence["document"], "--json").lines
    assert set(shown) == {"document", "text", "pages"}
    assert shown["text"] == DRILL.removeprefix("\ufeff")
    assert evidence["text"] == shown["text"][evidence["start"] : evidence["end"]]


@pytest.mark.parametrize(
    ("flags", "status"),
    [
        (("--type", "TXT"), 0),
        (("--folder", "docs"), 0),
        (("--added-from", "20200101", "--added-to", "2120-01-01T06:00:00+05:00"), 0),
        (("--type", "pdf"), 1),
        (("--folder", "elsewhere"), 1),
        (("--added-to", "2020-01-01"), 1),
        (("--added-from", "tomorrow"), 1),
        (("--document", "nowhere.txt"), 1),
    ],
)
def test_search_looks_where_it_is_told_and_says_when_there_is_nothing(filled: Run, flags: tuple[str, ...], status: int) -> None:
    result = filled("search", "--json", *flags, QUESTION)
    assert result.status == status
    assert bool(result.lines) == (status == 0)
    assert (result.err == "") == (status == 0)


def test_search_takes_a_number_a_budget_or_a_file_of_questions(filled: Run, place: Path) -> None:
    (place / "long.txt").write_text(
        "".join(f"Harbour {n} has {n * 3} berths and a crane of its own.\n\n" * 8 for n in range(20))
    )
    assert filled("ingest", "long.txt").status == 0
    assert len(filled("search", "--json", "-k", "7", "harbour").lines[0]["evidence"]) == 7
    (budget,) = filled("search", "--json", "--budget-chars", "700", "harbour").lines
    assert 0 < sum(len(evidence["text"]) for evidence in budget["evidence"]) <= 700
    assert "note" not in budget
    (nothing,) = filled("search", "--json", "--budget-chars", "10", "harbour").lines
    assert nothing["evidence"] == []
    assert "of the 10 that are allowed" in nothing["note"]
    assert nothing["note"] in filled("search", "--budget-chars", "10", "harbour").out
    questions = ["한글?", "line\u2028separator", "x"]
    (place / "q.jsonl").write_bytes("\n\n".join(json.dumps({"question": q}, ensure_ascii=False) for q in questions).encode())
    done = filled("search", "--json", "--questions", "q.jsonl")
    assert [line["question"] for line in done.lines] == questions


def test_ask_prints_the_answer_with_its_proof(filled: Run) -> None:
    (first,) = filled("ask", "--json", QUESTION).lines
    assert set(first) == ASK_KEYS
    assert "31 months" in first["answer"]
    assert all(set(sentence) == {"text", "support", "evidence"} for sentence in first["sentences"])
    assert all(set(evidence) == EVIDENCE_KEYS for evidence in first["evidence"])
    assert set(first["plan"]) == {"segments", "n_ctx", "reserved", "dropped"}
    assert all(set(segment) == {"kind", "tokens"} for segment in first["plan"]["segments"])
    assert set(first["timings"]) == TIMING_KEYS
    assert sum(segment["tokens"] for segment in first["plan"]["segments"]) == first["timings"]["prompt_tokens"]
    assert (first["plan"]["n_ctx"], first["plan"]["reserved"], first["refused"]) == (2048, 32, False)
    going_on = filled("ask", "--json", "--conversation", first["conversation"], "--max-tokens", "5", "And its weight?")
    (second,) = going_on.lines
    assert second["conversation"] == first["conversation"]
    assert second["timings"]["prompt_tokens"] > first["timings"]["prompt_tokens"]
    assert second["timings"]["answer_tokens"] <= 5


def test_ask_marks_the_sentences_for_people(filled: Run) -> None:
    answer, *_ = filled("ask", QUESTION).out.split("\n  [1] ")
    assert "31 months" in answer
    assert re.search(r" \[(\d[\d, ]*|weak: \d[\d, ]*|not in the documents)\]$", answer)


def test_a_name_that_would_steer_the_terminal_is_a_row_of_escapes(run: Run, place: Path) -> None:
    (place / "docs" / "a\x1b[2Jb\nindexed c.txt").write_text("The lamp\x1b[2J burns whale oil.")
    for command in (["ingest", "docs"], ["documents"], ["search", "Which oil does the lamp burn?"]):
        out = run(*command).out
        assert "\\x1b[2J" in out
        assert "\x1b" not in out
        assert not [line for line in out.split("\n") if line.startswith("indexed c.txt")]
    assert "\x1b" not in run("documents", "show", str(place / "docs" / "a\x1b[2Jb\nindexed c.txt")).out


def test_documents_prints_a_line_a_document(filled: Run, place: Path) -> None:
    lines = {Path(line["document"]).name: line for line in filled("documents", "--json").lines}
    assert set(lines) == {"drill ü.txt", "empty.txt"}
    assert all(set(line) >= DOCUMENT_KEYS and set(line) - DOCUMENT_KEYS <= {"title", "note", "also"} for line in lines.values())
    drill = lines["drill ü.txt"]
    assert (drill["status"], drill["chunks"], drill["characters"], drill["error"]) == ("indexed", 1, len(DRILL) - 1, None)
    assert lines["empty.txt"]["status"] == "empty"
    assert filled("documents", "show", "docs/drill ü.txt").out == DRILL.removeprefix("\ufeff") + "\n"
    assert filled("documents", "show", "drill ü.txt").status == 0


def test_delete_and_collections_say_what_they_did(filled: Run, place: Path) -> None:
    assert filled("ingest", "-c", "two", "docs").status == 0
    names = [line["collection"] for line in filled("collections", "--json").lines]
    assert names == ["default", "two"]
    (deleted, unknown) = filled("delete", "--json", "drill ü.txt", "nobody.txt").lines
    assert (deleted["status"], unknown["status"]) == ("deleted", "failed")
    assert (place / "docs" / "drill ü.txt").exists()
    assert filled("collections", "--delete", "two").status == 0
    assert filled("documents", "-c", "two").status == 1


def test_one_is_said_as_one(run: Run) -> None:
    assert re.search(r"^indexed +1 chunk  .*\n2 documents .*, 1 chunk in ", run("ingest", "docs").out, re.DOTALL | re.MULTILINE)
    assert re.search(r"^indexed +1 chunk  ", run("documents").out, re.MULTILINE)
    assert run("collections").out == "default  2 documents, 1 chunk\n"
    assert "(1 chunk); the file itself stays" in run("delete", "drill ü.txt").out


def test_attribute_judges_pairs(run: Run, place: Path) -> None:
    evidence = "The Kestrel drill has a warranty of 31 months."
    pairs = [{"sentence": evidence, "evidence": evidence}, {"sentence": evidence.replace("31", "13"), "evidence": evidence}]
    (place / "pairs.jsonl").write_text("\n".join(map(json.dumps, pairs)))
    done = run("attribute", "--json", "--pairs", "pairs.jsonl")
    assert [set(line) for line in done.lines] == [{"support", "score"}] * 2
    assert [line["support"] for line in done.lines] == ["supported", "unsupported"]


@pytest.mark.parametrize("part", ["heldout", "fresh", "others", "everyday"])
def test_attribute_finds_what_the_evidence_does_not_carry(run: Run, place: Path, part: str) -> None:
    """Labelled pairs, of another hand too; docs/attribution.md has the figures of each kind."""
    pairs = read_pairs(part)
    write_jsonl(pairs, place / "pairs.jsonl")
    supports = [line["support"] for line in run("attribute", "--json", "--pairs", "pairs.jsonl").lines]
    recall, precision = recall_and_precision(pairs, supports)
    assert (recall >= 0.9, precision >= 0.8) == (True, True), f"{recall:.3f}, {precision:.3f}\n{table(pairs, supports)}"


def test_inspect_says_what_a_file_is_or_why_it_cannot_run(run: Run, models_dir: Path, place: Path) -> None:
    chat = str(next(models_dir.glob("*Q8_0.gguf")))
    (line,) = run("inspect", "--json", chat, "--n-ctx", "4096").lines
    assert set(line["memory"]) == {"weights", "kv", "compute", "total"}
    assert (line["runs"], line["n_ctx"], line["architecture"]) == (True, 4096, "llama")
    (place / "no.gguf").write_bytes(b"<html>")
    broken = run("inspect", "--json", "no.gguf")
    assert (broken.status, broken.lines[0]["runs"]) == (1, False)
    assert broken.lines[0]["reason"]


def test_setup_with_finished_models_makes_the_sample_collection_once(run: Run) -> None:
    assert run("setup", "--json", "--index-url", "http://127.0.0.1:9/simple").status == 0
    (sample,) = run("collections", "--json").lines
    assert sample["documents"] == 1
    assert run("setup", "--json", "--index-url", "http://127.0.0.1:9/simple").status == 0
    assert run("collections", "--json").lines == [sample]


def test_reading_commands_work_beside_a_writing_process_and_writing_ones_say_it_runs(
    filled: Run, place: Path, models_dir: Path
) -> None:
    settings: Settings = load_settings({"data_dir": place / "data", "models_dir": models_dir}, {}, place)
    app = Library(settings)
    app.claim_writing()
    try:
        assert process(place, models_dir, "documents", "--json").lines
        assert "31 months" in process(place, models_dir, "search", "--json", QUESTION).lines[0]["evidence"][0]["text"]
        assert "31 months" in process(place, models_dir, "ask", "--json", QUESTION).lines[0]["answer"]
        for command in (["ingest", "docs"], ["delete", "drill ü.txt"], ["collections", "--delete", "default"]):
            refused = process(place, models_dir, *command)
            assert (refused.status, refused.err.count("\n")) == (1, 1), refused.err
            assert "LocalRAG is already running" in refused.err
    finally:
        app.close()
    assert process(place, models_dir, "delete", "drill ü.txt").status == 0


def test_output_is_utf_8_whatever_the_locale(filled: Run, place: Path, models_dir: Path) -> None:
    done = process(place, models_dir, "search", "--json", "naïve 한글?".encode())
    assert done.lines[0]["question"] == "naïve 한글?"
    assert "한글" in done.lines[0]["evidence"][0]["text"]
    assert "한글" in process(place, models_dir, "documents", "show", "drill ü.txt".encode()).out


HOSTILE: dict[str, tuple[int, list[str]]] = {
    "no command": (2, []),
    "unknown command": (2, ["dance"]),
    "no path": (2, ["ingest"]),
    "show nothing": (2, ["documents", "show"]),
    "show too much": (2, ["documents", "show", "a", "b"]),
    "list what": (2, ["documents", "all"]),
    "no number": (2, ["search", "-k", "many", "x"]),
    "none at all": (2, ["search", "-k", "0", "x"]),
    "two limits": (2, ["search", "-k", "1", "--budget-chars", "2", "x"]),
    "question and file": (2, ["search", "--questions", "q.jsonl", "x"]),
    "missing file": (1, ["ingest", "missing.txt"]),
    "a device": (1, ["ingest", "/dev/null"]),
    "a closed port": (1, ["ingest", "http://127.0.0.1:9/x"]),
    "another scheme": (1, ["ingest", "ftp://127.0.0.1/x"]),
    "a strange address": (1, ["ingest", "http://[::1"]),
    "unknown collection": (1, ["search", "-c", "nowhere", "x"]),
    "unknown collection to ask": (1, ["ask", "-c", "nowhere", "x"]),
    "unknown collection to list": (1, ["documents", "-c", "nowhere"]),
    "unknown document": (1, ["documents", "show", "nobody.txt"]),
    "empty question": (1, ["search", ""]),
    "blank question": (1, ["ask", " "]),
    "unknown conversation": (1, ["ask", "--conversation", "nobody", "x"]),
    "missing model": (1, ["ask", "--model", "missing.gguf", "x"]),
    "a text as model": (1, ["ask", "--model", "docs/drill ü.txt", "x"]),
    "too hot": (1, ["ask", "--temperature", "9", "x"]),
    "no number of heat": (1, ["ask", "--temperature", "nan", "x"]),
    "a port too high": (1, ["serve", "--port", "99999"]),
    "missing questions": (1, ["search", "--questions", "missing.jsonl"]),
    "a folder of questions": (1, ["search", "--questions", "docs"]),
    "bad questions": (1, ["search", "--questions", "bad.jsonl"]),
    "a text as question": (1, ["search", "--questions", "text.jsonl"]),
    "deep questions": (1, ["search", "--questions", "deep.jsonl"]),
    "other fields": (1, ["attribute", "--pairs", "q.jsonl"]),
    "missing pairs": (1, ["attribute", "--pairs", "missing.jsonl"]),
    "inspect nothing": (1, ["inspect", "missing.gguf"]),
    "inspect a folder": (1, ["inspect", "docs"]),
    "delete nobody": (1, ["delete", "nobody.txt"]),
    "delete no collection": (1, ["collections", "--delete", "nowhere"]),
    "a file as data": (1, ["documents", "--data-dir", "q.jsonl"]),
    "collection without name": (1, ["ingest", "-c", " ", "docs"]),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_wrong_arguments_get_a_sentence_and_the_right_status(filled: Run, place: Path, kind: str) -> None:
    (place / "q.jsonl").write_text('{"question": "x"}')
    (place / "bad.jsonl").write_text('{"question": "x"}\n{"question": }')
    (place / "text.jsonl").write_text('"question"')
    (place / "deep.jsonl").write_text("[" * 100_000)
    status, arguments = HOSTILE[kind]
    done = filled(*arguments)
    assert done.status == status
    assert (done.out + done.err).strip()
    if status == 1 and arguments[0] != "ingest":
        assert done.err.strip().count("\n") == 0


@pytest.mark.parametrize(
    ("name", "value"), [("N_CTX", "many"), ("N_CTX", "-1"), ("PORT", "99999999999999999999"), ("LLM", "gpt"), ("TOP_P", "nan")]
)
def test_a_bad_variable_is_named(run: Run, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"LOCALRAG_{name}", value)
    done = run("collections")
    assert done.status == 1
    assert name.lower() in done.err
    assert value in done.err
    assert "the environment" in done.err


def test_arguments_that_are_no_unicode_do_no_harm(filled: Run, place: Path, models_dir: Path) -> None:
    raw = b"caf\xe9.txt"
    (place / os.fsdecode(raw)).write_text("The café opens at nine.")
    (line, _) = process(place, models_dir, "ingest", "--json", raw).lines
    assert line["status"] == "indexed"
    assert process(place, models_dir, "documents", "show", raw).out.strip() == "The café opens at nine."
    for command in (["search", b"\xff?"], ["ask", b"\xff?"]):
        assert process(place, models_dir, *command).status == 0
    for command in (["search", "-c", b"\xff", "x"], ["ingest", b"\xff\xfe"], ["ask", "--conversation", b"\xff", "x"]):
        assert process(place, models_dir, *command).status == 1


def test_a_reader_that_leaves_early_is_no_traceback(filled: Run, place: Path, models_dir: Path) -> None:
    environ = os.environ | environment(place, models_dir) | {"PYTHONPATH": str(ROOT)}
    command = f'"{sys.executable}" -m localrag documents --json | true'
    done = subprocess.run(["bash", "-c", command], cwd=place, env=environ, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]


def test_serving_on_a_port_in_use_is_said(run: Run, taken_port: int) -> None:
    done = run("serve", "--port", str(taken_port))
    assert done.status == 1
    assert f"Port {taken_port}" in done.err


def test_help_names_every_command(run: Run) -> None:
    done = run("--help")
    assert done.status == 0
    for name in (
        "setup",
        "serve",
        "ingest",
        "search",
        "ask",
        "documents",
        "attribute",
        "inspect",
        "bench",
        "delete",
        "collections",
    ):
        assert name in done.out
