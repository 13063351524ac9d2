"""Killed while it writes, LocalRAG ends where it would have ended; the long version is `python -m tests.tools.kill_ingest`."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

from tests.tools.kill_ingest import Killer
from tests.tools.replace_watch import watch
from tests.tools.store_state import differences

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes that were left running in /proc")

KILLS, MOST_ROUNDS = 4, 6


def test_what_is_killed_and_begun_again_ends_as_if_nothing_had_happened(tmp_path: Path) -> None:
    killer = Killer(tmp_path, random.Random(11), "fake", big_chunks=600, works=("ingest", "replace"))
    killer.prepare()
    for _ in range(MOST_ROUNDS):  # a work may be through before the kill: then it was begun in vain
        for work in killer.works:
            assert killer.round(work, least=4, most=4)[1] == []
        if killer.kills >= KILLS:
            break
    assert killer.kills >= KILLS
    changed = {**killer.wanted["replace"], "inbox": ["left behind"]}
    assert differences(changed, killer.wanted["replace"])
    assert differences(killer.wanted["replace"], killer.wanted["ingest"])


def test_a_search_beside_a_writing_process_sees_the_old_text_or_the_new_one(tmp_path: Path) -> None:
    found = watch(tmp_path / "data", 6.0, "fake")
    assert found["wrong"] == []
    assert found["searches"]
    assert found["replaced"]
