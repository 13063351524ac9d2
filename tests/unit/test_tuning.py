"""Tuning: which points are tried, which one is chosen, what is remembered for which machine, what stays on the disk."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from localrag.errors import GenerationError, ModelFileError, ModelLoadError
from localrag.settings import ModelSettings, load_settings
from localrag.tuning import copies, remembered
from localrag.tuning.copies import check_room, keep, make_scratch, remove_left
from localrag.tuning.perplexity import prose, windows
from localrag.tuning.plan import CHECK_RUNS, COPIES, Plan, full_plan, thread_counts
from localrag.tuning.points import Measured, Point, default_point, felt_s
from localrag.tuning.remembered import TunedChoice, TuneResult, best, machine_id, remember
from localrag.tuning.rig import Copy, Rates
from localrag.tuning.sweep import Event, Sweep, acceptable, is_better
from localrag.tuning.told import changes, result_lines

DEFAULT = Point(4)
PLAN = Plan((4, 2), copies=("Q8_0", "Q4_0"))


class MadeUpMachine:
    """A bench whose figures follow from the point; it remembers what was asked of it."""

    def __init__(self, **faults: str) -> None:
        self.asked: list[tuple[Point, bool]] = []
        self.copies: set[str] = set()
        self.faults = faults

    def speed(self, point: Point, generate: bool) -> Rates:
        self.asked.append((point, generate))
        if point.cache_type in self.faults:
            raise ModelLoadError(self.faults[point.cache_type])
        if point.flash_attn and "flash" in self.faults:
            raise GenerationError(self.faults["flash"])
        assert point.quantisation in self.copies | {""}
        rate = {"": 300.0, "Q8_0": 600.0, "Q4_0": 900.0}[point.quantisation] * point.n_threads / 4
        rate *= {256: 1.0, 512: 1.02, 128: 0.9, 64: 0.5}[point.n_ubatch]
        return rate * (0.8 if point.flash_attn else 1.0), *((60.0, 200.0) if generate else (None, None))

    def perplexity(self, point: Point) -> float:
        return {"": 18.1, "Q8_0": 18.2, "Q4_0": 21.9}[point.quantisation] + {"f16": 0.0, "q8_0": 0.01, "q4_0": 1.0}[
            point.cache_type
        ]

    def add_copy(self, quantisation: str) -> Copy:
        if quantisation in self.faults:
            raise ModelLoadError(self.faults[quantisation])
        self.copies.add(quantisation)
        return Copy(1000, quantisation)

    def drop_copy(self, quantisation: str) -> None:
        self.copies.remove(quantisation)

    def rest(self) -> None: ...


def swept(machine: MadeUpMachine, plan: Plan = PLAN) -> list[Event]:
    return list(Sweep(machine, DEFAULT, plan).run())


def points(events: list[Event], stage: str) -> list[Measured]:
    return [event.measured for event in events if event.measured is not None and event.measured.stage == stage]


def test_the_fastest_point_of_the_same_quality_is_chosen_and_a_faster_worse_one_shown() -> None:
    machine = MadeUpMachine()
    events = swept(machine)
    outcome = events[-1].outcome
    assert outcome is not None
    assert outcome.after.point == replace(DEFAULT, quantisation="Q8_0")
    assert outcome.before.point == DEFAULT
    assert outcome.after.prefill_rate == 2 * outcome.before.prefill_rate
    worse = points(events, "copies")[-1]
    assert (worse.point.quantisation, worse.perplexity, worse.size) == ("Q4_0", 21.9, 1000)
    assert worse.felt is not None
    assert worse.felt < 1  # faster, and not chosen
    assert machine.copies == {"Q8_0"}  # the loser is deleted


def test_a_worse_quality_is_chosen_when_that_is_asked_for() -> None:
    machine = MadeUpMachine()
    outcome = swept(machine, replace(PLAN, loss=0.25))[-1].outcome
    assert outcome is not None
    assert outcome.after.point.quantisation == "Q4_0"
    assert machine.copies == {"Q4_0"}


def test_stages_follow_each_other_and_each_keeps_the_best() -> None:
    events = swept(MadeUpMachine(), replace(PLAN, threads=(4, 8), copies=()))
    stages = list(dict.fromkeys(event.measured.stage for event in events if event.measured))
    assert stages == ["threads", "batch", "flash", "cache", "check"]
    assert {one.point.n_threads for stage in stages[1:4] for one in points(events, stage)} == {8}


def test_a_tie_leaves_the_default() -> None:
    outcome = swept(MadeUpMachine(), replace(PLAN, copies=()))[-1].outcome
    assert outcome is not None
    assert outcome.after.point == DEFAULT  # n_ubatch = 512 is 2 % faster here: chance


def test_points_take_turns_and_the_hopeless_are_run_once() -> None:
    machine = MadeUpMachine()
    swept(machine, replace(PLAN, threads=(4, 2, 3), copies=(), batches=(256,), flash=(False,), caches=("f16",), notebook=False))
    order = [point.n_threads for point, _ in machine.asked[:7]]
    assert order == [4, 2, 3, 4, 3, 4, 3]


def test_a_fast_point_of_worse_quality_makes_nobody_hopeless() -> None:
    class Fast(MadeUpMachine):
        def speed(self, point: Point, generate: bool) -> Rates:
            prefill, *rest = super().speed(point, generate)
            return prefill * {"f16": 1.0, "q8_0": 1.5, "q4_0": 9.0}[point.cache_type], *rest

    outcome = swept(Fast(), replace(PLAN, copies=()))[-1].outcome
    assert outcome is not None
    assert outcome.after.point.cache_type == "q8_0"
    assert len(outcome.after.prefill) == PLAN.runs + CHECK_RUNS


def test_batch_sizes_are_judged_by_the_prompt_alone() -> None:
    machine = MadeUpMachine()
    swept(machine, replace(PLAN, notebook=False))
    assert all(not generate for point, generate in machine.asked if point.n_ubatch != 256)


def test_a_point_that_cannot_be_run_is_told_and_the_sweep_goes_on() -> None:
    machine = MadeUpMachine(q8_0="no such KV type", Q8_0="no room", flash="no flash attention")
    events = swept(machine)
    assert {one.error for one in points(events, "cache")} == {"", "no such KV type", "no flash attention"}
    assert "no room" in [one.error for one in points(events, "copies")]
    assert "no flash attention" in [one.error for one in points(events, "flash")]
    assert events[-1].outcome is not None
    assert events[-1].outcome.after.point == DEFAULT


def test_a_default_that_cannot_be_run_ends_it_with_the_reason() -> None:
    machine = MadeUpMachine(f16="out of memory.")
    with pytest.raises(GenerationError, match="out of memory"):
        swept(machine, replace(PLAN, copies=()))


def test_progress_only_grows_and_ends_full() -> None:
    events = swept(MadeUpMachine())
    done = [event.done for event in events]
    assert done == sorted(done)
    assert events[-1].done == events[-1].total


def test_what_wins_in_its_stage_must_win_at_the_end_too() -> None:
    class Moody(MadeUpMachine):
        def speed(self, point: Point, generate: bool) -> Rates:
            prefill, *rest = super().speed(point, generate)
            late = any(one.cache_type == "q4_0" for one, _ in self.asked)
            return (100.0 if late and point.quantisation else prefill), *rest

    machine = Moody()
    outcome = swept(machine)[-1].outcome
    assert outcome is not None
    assert outcome.after is outcome.before
    assert machine.copies == set()


@pytest.mark.parametrize(
    ("rival", "wins"),
    [
        (Measured(DEFAULT, "flash", (400.0,), (60.0,), 18.1), True),
        (Measured(DEFAULT, "flash", (306.0,), (60.0,), 18.1), False),
        (Measured(DEFAULT, "flash", (400.0,), (60.0,), 18.27), True),
        (Measured(DEFAULT, "flash", (400.0,), (60.0,), 18.29), False),
        (Measured(DEFAULT, "flash", error="no"), False),
        (Measured(DEFAULT, "flash", (400.0,), (60.0,)), True),
    ],
)
def test_the_rule_of_choice(rival: Measured, wins: bool) -> None:
    assert is_better(rival, Measured(DEFAULT, "flash", (300.0,), (60.0,), 18.1), 18.1, 0.01) is wins
    assert acceptable(None, 18.1, 0.01)


def test_seconds_of_waiting_weigh_more_than_those_in_which_one_reads() -> None:
    assert felt_s(400.0, None) == 1.0
    assert felt_s(400.0, 64.0) == pytest.approx(1.2)
    assert felt_s(400.0, 5.0) == pytest.approx(1.0 + 0.1 * 12.8 + 12.8)  # slower than one reads: that counts in full
    assert felt_s(500.0, 50.0) < felt_s(440.0, 70.0)


def test_a_follow_up_one_waits_for_counts_as_much_as_the_first_question() -> None:
    assert felt_s(400.0, 64.0, 40.0) == pytest.approx(2.2)
    assert felt_s(520.0, 50.0, 120.0) > felt_s(480.0, 66.0, 380.0)  # flash attention on two cores, and without


def test_thread_counts_start_with_every_core() -> None:
    assert thread_counts(1) == (1,)
    assert thread_counts(2) == (2, 1)
    assert thread_counts(8) == (8, 7, 6, 4)
    assert full_plan(copies=False).copies == ()
    assert full_plan(copies=True).copies == COPIES


def test_a_plan_and_a_point_are_the_same_after_json() -> None:
    assert Plan.of_json(json.loads(json.dumps(PLAN.as_json()))) == PLAN
    one = Measured(DEFAULT, "cache", (300.0, 310.0), (), 18.1, 0.9, 5, "note", "error")
    assert Measured.of_json(json.loads(json.dumps(one.as_json()))) == one


def test_windows_cover_the_text_to_its_end() -> None:
    assert windows(512, 4) == [0]
    assert windows(1987, 4) == [0, 492, 983, 1475]
    assert windows(1987, 1) == [0]
    assert len(prose().split()) > 1300


def result(path: Path, copy: Path | None = None, machine: str = "") -> TuneResult:
    before = Measured(DEFAULT, "check", (300.0,), (60.0,), 18.1)
    point = replace(DEFAULT, n_batch=256, n_ubatch=256, quantisation="Q8_0" if copy else "")
    after = Measured(point, "check", (600.0,), (66.0,), 18.2)
    broken = Measured(DEFAULT, "flash", error="no")
    return TuneResult(
        path.name, TunedChoice(point, copy), before, after, None, (before, broken, after), machine or machine_id(), "2026-01-01"
    )


def model_file(path: Path, text: str = "weights") -> Path:
    path.write_text(text)
    return path


def test_a_result_is_remembered_for_this_file_and_machine(tmp_path: Path) -> None:
    path, other = model_file(tmp_path / "a.gguf"), model_file(tmp_path / "b.gguf", "others")
    assert best(tmp_path, path) is None
    remember(tmp_path, path, result(path))
    assert remembered.remembered(tmp_path, path) == result(path)
    assert best(tmp_path, other) is None
    moved = path.rename(tmp_path / "moved.gguf")
    choice = best(tmp_path, moved)
    assert choice is not None
    assert choice.values(moved)["model_path"] == moved
    moved.write_text("replaced")
    assert best(tmp_path, moved) is None


def test_a_result_of_another_machine_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = model_file(tmp_path / "a.gguf")
    remember(tmp_path, path, result(path))
    monkeypatch.setattr(remembered, "cpu_name", lambda: "another processor")
    assert best(tmp_path, path) is None


def test_the_machine_is_its_processor_cores_and_library() -> None:
    assert "cores" in machine_id()
    assert "llama-cpp-python" in machine_id()


def test_the_copy_is_used_while_it_is_there_and_known_as_tuned_itself(tmp_path: Path) -> None:
    path, copy = model_file(tmp_path / "a.gguf"), model_file(tmp_path / "a.Q8_0.gguf", "copy")
    remember(tmp_path, path, result(path, copy))
    for asked in (path, copy):
        choice = best(tmp_path, asked)
        assert choice is not None
        assert choice.values(asked)["model_path"] == copy
    copy.unlink()
    assert best(tmp_path, path) is None


def test_the_values_are_settings_that_can_be_applied(tmp_path: Path) -> None:
    path = model_file(tmp_path / "a.gguf")
    settings = load_settings({"data_dir": tmp_path}, {}, tmp_path)
    values = result(path).choice.values(path)
    model = settings.with_values(values).model
    assert (model.n_batch, model.n_ubatch, model.model_path) == (256, 256, path)
    assert "n_batch 512 → 256" in changes(settings.flat(), values)
    every = TunedChoice(default_point(ModelSettings())).values(path)
    assert every["n_threads"] == 0
    assert changes(settings.with_values(every).flat(), every) == []


def test_what_is_kept_may_be_damaged(tmp_path: Path) -> None:
    path = model_file(tmp_path / "a.gguf")
    for text in ("", "{", "[]", '{"a": 1}', json.dumps({f"{remembered.fingerprint(path)} {machine_id()}": {"after": 1}})):
        (tmp_path / remembered.FILE).write_text(text)
        assert best(tmp_path, path) is None
    remember(tmp_path, path, result(path))
    assert best(tmp_path, path) is not None


def test_the_table_names_every_point_and_what_the_choice_brings(tmp_path: Path) -> None:
    path = model_file(tmp_path / "a.gguf")
    text = "\n".join(result_lines(result(path, model_file(tmp_path / "a.Q8_0.gguf", "copy"))))
    assert "2.00 times as fast" in text
    assert "perplexity 18.10 → 18.20 (+0.6 %)" in text
    assert "a.Q8_0.gguf" in text
    assert "no" in text


def test_a_full_disk_is_said_before_a_copy_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "read_gguf", lambda path: SimpleNamespace(parameters=8_000_000_000))
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=1_000_000))
    with pytest.raises(ModelLoadError, match=r"A Q8_0 copy of a\.gguf may need 11\.1 GB .*1 MB are free"):
        check_room(tmp_path / "a.gguf", tmp_path / "scratch", "Q8_0")


def test_a_kept_copy_gets_a_name_that_says_what_it_is_and_replaces_nothing(tmp_path: Path) -> None:
    source, folder = tmp_path / "Some-Model.Q4_1.gguf", tmp_path / "models"
    folder.mkdir()
    first = keep(model_file(tmp_path / "copy", "one"), source, "Q8_0", folder)
    assert first == folder / "Some-Model.Q8_0.gguf"
    assert keep(model_file(tmp_path / "copy", "one"), source, "Q8_0", folder) == first  # the very same: no second one
    assert keep(model_file(tmp_path / "copy", "two"), source, "Q8_0", folder).name == "Some-Model.Q8_0-2.gguf"
    assert first.read_text() == "one"
    assert (
        keep(model_file(tmp_path / "copy", "x"), tmp_path / "llama-7b.Q4_K_M.gguf", "Q6_K", folder).name == "llama-7b.Q6_K.gguf"
    )
    assert keep(model_file(tmp_path / "copy", "y"), tmp_path / "Q4_0.gguf", "Q8_0", folder).name == "Q4_0.Q8_0.gguf"


def test_what_a_killed_process_left_is_removed_and_that_of_a_living_one_is_not(tmp_path: Path) -> None:
    gone, alive = tmp_path / f"{copies.SCRATCH}999999999-a", tmp_path / f"{copies.SCRATCH}1-b"
    for folder in (gone, alive):
        folder.mkdir()
        (folder / "Q8_0.gguf").write_text("x")
    remove_left(tmp_path)
    assert not gone.exists()
    assert alive.exists()
    own = make_scratch(tmp_path)
    (own / "Q8_0.gguf").write_text("x")
    assert make_scratch(tmp_path) != own
    assert any(own.iterdir())


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    model_file(tmp_path / "file")
    with pytest.raises(ModelFileError, match="Tune without copies"):
        make_scratch(tmp_path / "file" / "models")
