"""How likely an answer is there, from how well the best passages fit."""

from __future__ import annotations

import pytest

from localrag.retrieval.candidates import TYPICAL, Fit
from localrag.retrieval.confidence import confidence


def test_a_better_fit_of_either_channel_is_more_likely_an_answer() -> None:
    nothing = confidence(TYPICAL)
    assert confidence(Fit(0.9, 0.2)) > nothing
    assert confidence(Fit(0.0, 0.9)) > nothing  # another language's words, the same meaning
    assert confidence(Fit(0.0, 0.0)) < nothing < 0.5
    assert confidence(Fit(1.0, 1.0)) > 0.9


def test_what_means_nothing_in_a_collection_of_like_documents_means_much_in_another() -> None:
    assert confidence(Fit(0.4, 0.5), Fit(0.4, 0.6)) < confidence(Fit(0.4, 0.5), Fit(0.1, 0.2))


@pytest.mark.parametrize("nothing", [Fit(0.0, 0.0), Fit(0.999, 0.999), Fit(1.0, 1.0)])
def test_it_is_a_probability_whatever_a_collection_is_like(nothing: Fit) -> None:
    assert 0.0 <= confidence(Fit(1.0, 1.0), nothing) <= 1.0
    assert 0.0 <= confidence(Fit(0.0, 0.0), nothing) <= 1.0
