"""What the Lab writes as HTML: lines between ranks, spans with their changes, figures with their differences."""

from __future__ import annotations

import base64
import re

from localrag.evaluation.metrics import Estimate
from localrag.evaluation.rank_changes import rank_changes
from localrag.types import Evidence
from localrag.ui.lab_figures import clear
from localrag.ui.lab_settings import changes
from localrag.ui.lab_spans import SHOWN_RANKS, change, rank_lines, span_list


def span(start: int, end: int, text: str = "", given: bool = True) -> Evidence:
    text = text or "x" * (end - start)
    return Evidence("d", "/d.txt", "d.txt", start, start + len(text), text, 0.5, given=given, channels=("words",))


def drawn(html: str) -> list[str]:
    """The lines of the picture in a list of ranks."""
    picture = re.search(r"base64,([^']+)'", html)
    assert picture
    return re.findall(r"<line [^>]+>", base64.b64decode(picture[1]).decode())


def test_a_line_joins_each_span_with_its_counterpart_and_is_dashed_where_nothing_moved() -> None:
    first, second = [span(0, 10), span(20, 30), span(40, 50)], [span(0, 10), span(40, 50)]
    html = rank_lines(first, second, rank_changes(first, second))
    stayed, moved = drawn(html)
    assert "stroke-dasharray" in stayed
    assert "stroke-dasharray" not in moved
    assert "alt='Places in A and in B: 1 to 1, 3 to 2'" in html


def test_only_the_first_ranks_are_drawn() -> None:
    many = [span(at * 20, at * 20 + 10) for at in range(SHOWN_RANKS + 5)]
    assert len(drawn(rank_lines(many, many, rank_changes(many, many)))) == SHOWN_RANKS


def test_markup_of_a_document_is_shown_as_text() -> None:
    hostile = [span(0, 1, "<img src=x onerror=alert(1)> \"quoted\" 'too'")]
    html = rank_lines(hostile, hostile, rank_changes(hostile, hostile)) + span_list(hostile, None, [0], "A")
    assert "<img src=x" not in html
    assert '"quoted"' not in html
    assert "&lt;img src=x" in html


def test_a_change_of_place_is_said_from_either_side() -> None:
    assert change(3, 1, "A") == "↑ to 2 in B"
    assert change(1, 3, "B") == "↑ from 4 in A"
    assert change(1, 3, "A") == "↓ to 4 in B"
    assert change(2, 2, "B") == "= 3 in A"
    assert change(0, None, "A") == "gone, not in B"
    assert change(0, None, "B") == "new, not in A"


def test_a_span_says_whether_the_model_reads_it_and_how_it_was_found() -> None:
    html = span_list([span(0, 10), span(20, 30, given=False)], [3, 4], [0, None], "A")
    assert "for the model · 10 characters · 3 tokens" in html
    assert "for you alone · 10 characters · 4 tokens" in html
    assert "score 0.500 · cosine 0.000 · BM25 0.00 · found by words" in html


def test_a_difference_is_clear_when_its_interval_lies_on_one_side_of_nothing() -> None:
    assert clear(Estimate(0.1, 0.02, 0.2, 9)) == "clear"
    assert clear(Estimate(-0.1, -0.2, -0.02, 9)) == "clear"
    assert clear(Estimate(0.1, -0.02, 0.2, 9)) == "not clear"
    assert clear(Estimate(0.0, 0.0, 0.0, 9)) == "no difference"
    assert clear(None) == ""


def test_changes_are_told_by_name() -> None:
    before = {
        "vector_weight": 0.4,
        "read_share": 0.75,
        "least_share": 0.55,
        "evidence_chars": 4000,
        "evidence_tokens": 800,
        "k": 0,
        "diversity": 0.0,
    }
    assert changes(before, before | {"vector_weight": 1.0, "evidence_chars": 12000}) == [
        "vector weight 0.4 → 1.0",
        "evidence chars 4,000 → 12,000",
    ]
