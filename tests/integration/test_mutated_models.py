"""A few of the ways to spoil a model that `tests.tools.mutate_models` has: a reason or an answer, and the app lives on."""

from __future__ import annotations

import pytest

from tests.tools.mutate_models import run

pytestmark = pytest.mark.models

SEED = 1
TOLD = {
    2: "counts: more tensors than there are",
    3: "lengths: an array's",
    8: "sizes: of the model's shape",
    14: "strings: bytes of general.type",
    16: "vocabulary: a token more",
    20: "tensor: one dimension",
    21: "tensor rows: swapped",
    22: "truncated: after the magic",
    23: "weights: random bytes",
    38: "renamed: to another architecture",
    39: "renamed: to a tokenizer over which llama.cpp ends the process",
    63: "added: a key",
    70: "template: one that doubles its text sixty times",
}


@pytest.mark.usefixtures("models_dir")
def test_spoilt_models_give_a_reason_or_work_and_the_app_lives_on() -> None:
    report = run(max(TOLD) + 1, SEED, only=list(TOLD), tell=False)
    assert report.failures == []
    assert sum(report.outcomes.values()) == len(TOLD)
    assert report.outcomes["refused unread"] >= 5
    assert report.outcomes["refused"] >= 4
