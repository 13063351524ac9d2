"""Evaluated conversations: what is kept where, what is given back, and what never is."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from localrag.llms.kept_states import KeptState, KeptStates, common_length, identity_of

LIMIT = 10_000


def tokens(*values: int) -> np.ndarray:
    return np.asarray(values, dtype=np.int32)


def state(values: np.ndarray, size: int = 100, identity: str = "model") -> KeptState:
    return KeptState(identity, values, os.urandom(size))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "states"


def test_the_state_that_shares_most_tokens_is_given_back(folder: Path) -> None:
    states = KeptStates(folder, LIMIT, LIMIT)
    near, far = state(tokens(1, 2, 3, 4)), state(tokens(1, 2, 9))
    states.put("a", near)
    states.put("b", far)
    wanted = tokens(1, 2, 3, 4, 5)
    assert states.best("c", "model", wanted, 2) is near
    assert states.best("c", "model", wanted, 5) is None
    assert states.best("c", "another model", wanted, 1) is None


def test_what_no_longer_fits_into_memory_goes_to_disk_and_comes_back(folder: Path) -> None:
    states = KeptStates(folder, 1000, LIMIT)
    first, second = state(tokens(1, 2, 3), 600), state(tokens(4, 5), 600)
    states.put("aa", first)
    states.put("bb", second)
    assert [path.name for path in folder.iterdir()] == ["aa.state"]
    back = states.best("aa", "model", tokens(1, 2, 3, 7), 3)
    assert back is not None
    assert back.data == first.data
    assert list(back.tokens) == [1, 2, 3]
    assert states.best("aa", "model", tokens(1, 8), 2) is None


def test_states_outlive_a_restart_but_not_another_model(folder: Path) -> None:
    before = KeptStates(folder, LIMIT, LIMIT)
    before.put("aa", state(tokens(1, 2, 3)))
    before.close()
    after = KeptStates(folder, LIMIT, LIMIT)
    assert after.best("aa", "model", tokens(1, 2, 3), 3) is not None
    assert after.best("aa", "other settings", tokens(1, 2, 3), 1) is None
    assert not list(folder.iterdir())


@pytest.mark.parametrize("at", [0, 20, 35, 60, -1])
def test_a_damaged_file_is_thrown_away(folder: Path, at: int) -> None:
    before = KeptStates(folder, LIMIT, LIMIT)
    before.put("aa", state(tokens(1, 2, 3)))
    before.close()
    file = folder / "aa.state"
    data = bytearray(file.read_bytes())
    data[at] ^= 0xFF
    file.write_bytes(data)
    assert KeptStates(folder, LIMIT, LIMIT).best("aa", "model", tokens(1, 2, 3), 1) is None
    file.write_bytes(data[: len(data) // 2])
    assert KeptStates(folder, LIMIT, LIMIT).best("aa", "model", tokens(1, 2, 3), 1) is None
    assert not file.exists()


def test_the_disk_limit_holds_and_the_oldest_goes_first(folder: Path) -> None:
    states = KeptStates(folder, 0, 2000)
    for at, name in enumerate(("aa", "bb", "cc")):
        states.put(name, state(tokens(at), 800))
        os.utime(folder / f"{name}.state", ns=(at * 10**9, at * 10**9))
    states.put("dd", state(tokens(9), 5000))
    assert {path.stem for path in folder.iterdir()} == {"bb", "cc"}


def test_a_deleted_conversation_is_never_kept_again(folder: Path) -> None:
    states = KeptStates(folder, 0, LIMIT)
    states.put("aa", state(tokens(1)))
    states.forget("aa")
    states.put("aa", state(tokens(1)))
    assert not list(folder.iterdir())
    states.forget("../../etc/passwd")


def test_nothing_is_written_without_disk_space(folder: Path) -> None:
    states = KeptStates(folder, 0, 0)
    states.put("aa", state(tokens(1)))
    states.close()
    assert not folder.exists()
    assert states.best("aa", "model", tokens(1), 1) is None


def test_common_beginnings_are_counted() -> None:
    assert common_length(tokens(1, 2, 3), tokens(1, 2, 4)) == 2
    assert common_length(tokens(1, 2), tokens(1, 2, 4)) == 2
    assert common_length(tokens(), tokens(1)) == 0
    assert identity_of({"b": 1, "a": Path("x")}) == identity_of({"a": Path("x"), "b": 1})
