"""Two channels' scores in one."""

from __future__ import annotations

import pytest

from localrag.retrieval.fusion import fuse


def test_each_channel_counts_as_a_share_of_its_best() -> None:
    fused = fuse({"a": 0.8, "b": 0.4, "c": 0.2}, {"a": 0.0, "b": 6.0, "c": 3.0}, 0.5)
    assert fused == pytest.approx({"a": 0.5, "b": 0.75, "c": 0.375})


def test_vectors_alone_keep_their_cosines_and_words_alone_their_order() -> None:
    cosines, words = {"a": 0.5, "b": -0.1}, {"a": 1.0, "b": 2.0}
    assert fuse(cosines, words, 1.0) == cosines
    assert fuse(cosines, words, 0.0) == {"a": 0.5, "b": 1.0}


def test_a_channel_that_found_nothing_leaves_the_other_one_as_it_is() -> None:
    assert fuse({"a": 0.9, "b": 0.3}, {"a": 0.0, "b": 0.0}, 0.5) == pytest.approx({"a": 0.5, "b": 0.5 / 3})
    assert fuse({"a": -0.2, "b": 0.0}, {"a": 2.0, "b": 1.0}, 0.5) == {"a": 0.5, "b": 0.25}
    assert fuse({}, {}, 0.5) == {}
