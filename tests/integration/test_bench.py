"""`python -m localrag bench` from end to end on the starter models: once, on a small document."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from localrag.__main__ import main

pytestmark = pytest.mark.models

POST = Path(__file__).with_name("seed_post.html")
RATIOS = {
    "ingest_ratio",
    "first_text_vs_invoke",
    "first_text_vs_streamed",
    "follow_up_vs_invoke",
    "follow_up_vs_streamed",
    "generation_vs_bare",
}
FIGURES = {
    "ingest": {"notebook", "notebook_all_cores", "ours", "ours_from_file"},
    "first_text_s": {"notebook_invoke", "notebook_streamed", "ours", "ours_same_file"},
    "follow_up_s": {"notebook_invoke", "notebook_streamed", "ours", "ours_same_file"},
    "prefill": {"bare", "ours"},
    "generation": {"bare", "ours"},
}


@pytest.mark.filterwarnings("ignore:legacy embedding function config:DeprecationWarning")  # Chroma's word for ours
def test_bench_measures_both_sides_and_leaves_nothing_behind(
    tmp_path: Path, models_dir: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    small = tmp_path / "post.html"
    html = POST.read_text("utf-8")
    small.write_text(html[: html.index('<h2 id="memory">')], "utf-8")
    data_dir = tmp_path / "data"
    flags = ["--json", "--runs", "1", "--document", str(small), "--models-dir", str(models_dir), "--data-dir", str(data_dir)]

    assert main(["bench", *flags]) == 0

    out, err = capfd.readouterr()
    (line,) = out.splitlines()
    result: dict[str, Any] = json.loads(line)
    assert set(result["ratio"]) == RATIOS
    assert all(value > 0 for value in result["ratio"].values())
    for group, names in FIGURES.items():
        assert set(result[group]) == names
        for figure in result[group].values():
            assert figure["median"] == figure["min"] == figure["max"] > 0
            assert len(figure["runs"]) == 1
    assert (result["runs"], len(result["questions"])) == (1, 2)
    assert result["ingest_chunks"] > 5
    assert result["tokens"]["answer"] > 1
    assert result["machine"]["cores"] >= 1
    assert all(value >= 1 for value in result["threads"].values())
    assert result["models"]["notebook"] == result["models"]["ours_same_file"] != result["models"]["ours"]
    # Nothing but what it says it does: the libraries' own chatter stays away.
    assert set(err.splitlines()) <= {f"{what}, run 1 of 1 …" for what in ("Documents in", "Questions", "Tokens per second")}
    assert not data_dir.exists()


@pytest.mark.filterwarnings("ignore:legacy embedding function config:DeprecationWarning")
def test_bench_ask_measures_questions_alone_and_when_their_evidence_is_there(
    tmp_path: Path, models_dir: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    small = tmp_path / "post.html"
    html = POST.read_text("utf-8")
    small.write_text(html[: html.index('<h2 id="memory">')], "utf-8")
    flags = ["--json", "--runs", "1", "--document", str(small), "--models-dir", str(models_dir), "--data-dir", str(tmp_path)]
    assert main(["bench", "ask", *flags]) == 0
    result: dict[str, Any] = json.loads(capfd.readouterr().out)
    assert set(result["ratio"]) == {name for name in RATIOS if "vs_invoke" in name or "vs_streamed" in name}
    assert 0 < result["evidence_s"]["median"] < result["first_text_s"]["ours"]["median"]
    assert len(result["evidence_s"]["runs"]) == 4, "two questions to each of our two models"
