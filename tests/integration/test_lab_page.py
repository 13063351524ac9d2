"""The Lab page through Streamlit's AppTest: two settings side by side, the map, an evaluation, and the way to Chat."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from localrag.collection_map import MOST_CHUNKS, collection_map, evidence_points
from localrag.documents.source import Source
from localrag.engine import Engine
from localrag.settings import field_info
from localrag.ui.lab_settings import FIELDS
from tests.integration.test_pages import WAIT_S, app, engine, shown

__all__ = ["app", "engine"]
GUIDE = Path(__file__).parents[2] / "docs" / "guide.md"
QUESTION = "How long does the tea need?"
NOTES = "# Notes\n\n" + "\n\n".join(
    f"Chapter {number}. The harbour of {town} has {number} cranes and a tea house. Its keeper {keeper} boils a kettle at noon."
    for number, (town, keeper) in enumerate(
        [("Aldmere", "Ines"), ("Brackwater", "Tobias"), ("Corrin", "Maud"), ("Dunfell", "Ottilie"), ("Eskmouth", "Fabian")], 2
    )
)


@pytest.fixture
def page(app: AppTest, engine: Engine) -> AppTest:
    """The Lab with two documents in and a question asked."""
    assert engine.intake.start("default", [Source("notes.md", data=NOTES.encode())]).wait(WAIT_S)
    app.switch_page("pages/lab.py").run()
    return by_label(app.text_input, "Question").set_value(QUESTION).run()


def by_label(widgets: Any, label: str, at: int = 0) -> Any:
    return [widget for widget in widgets if widget.label == label][at]


def by_key(widgets: Any, key: str) -> Any:
    return next(widget for widget in widgets if widget.key == key)


def plain_text(page: AppTest) -> str:
    return shown(page).replace("\\", "")


def lists(page: AppTest) -> list[str]:
    """The spans of A and of B."""
    found = [h.proto.body for h in page.get("html") if "score " in h.proto.body]
    assert len(found) == 2
    return found


def test_without_documents_the_page_says_where_to_add_some(app: AppTest) -> None:
    app.switch_page("pages/lab.py").run()
    assert not app.exception
    assert "nothing to search yet" in shown(app)
    assert not app.text_input


def test_without_a_question_nothing_is_searched_and_nothing_is_wrong(app: AppTest, engine: Engine) -> None:
    app.switch_page("pages/lab.py").run()
    assert not app.exception
    assert not app.error
    assert "confidence" not in shown(app)
    by_label(app.text_input, "Question").set_value("   ").run()
    assert not app.error
    assert "confidence" not in shown(app)


def test_both_sides_begin_with_what_chat_uses_and_find_the_same(page: AppTest, engine: Engine) -> None:
    assert not page.exception
    for side in "AB":
        for name in FIELDS:
            widget = by_key([*page.slider, *page.number_input], f"w_lab_{side}_{name}")
            assert widget.value == getattr(engine.settings.retrieval, name)
            assert widget.proto.help == field_info(name).description
    assert shown(page).count("As Chat searches now.") == 2
    a, b = lists(page)
    assert "The tea needs four minutes." in a
    assert a.replace("in B", "in A") == b
    assert "tokens, " in shown(page)


def test_a_change_of_b_changes_what_b_finds_and_is_marked(page: AppTest) -> None:
    by_key(page.slider, "w_lab_B_k").set_value(1).run()
    assert not page.exception
    text = plain_text(page)
    assert "Other than in Chat: k 0 → 1." in text
    assert "Other than the defaults" not in text  # it would say the same
    a, b = lists(page)
    assert a != b
    assert ":material/edit: k" in [slider.label for slider in page.slider]
    assert by_key(page.slider, "w_lab_B_read_share").disabled
    assert not by_key(page.slider, "w_lab_A_read_share").disabled


def test_settings_and_question_survive_a_change_of_page(page: AppTest) -> None:
    by_key(page.slider, "w_lab_B_vector_weight").set_value(0.9).run()
    page.switch_page("pages/chat.py").run()
    page.switch_page("pages/lab.py").run()
    assert not page.exception
    assert by_key(page.slider, "w_lab_B_vector_weight").value == 0.9
    assert by_key(page.slider, "w_lab_A_vector_weight").value == 0.4
    assert by_label(page.text_input, "Question").value == QUESTION
    assert lists(page)


def test_use_b_in_chat_applies_what_differs_and_it_can_be_reset(page: AppTest, engine: Engine) -> None:
    by_key(page.slider, "w_lab_B_diversity").set_value(0.5).run()
    by_key(page.number_input, "w_lab_B_evidence_chars").set_value(2000).run()
    assert engine.settings.retrieval.diversity == 0.0
    by_label(page.button, "Use B in Chat").click().run()
    assert not page.exception
    assert engine.settings.retrieval.diversity == 0.5
    assert engine.settings.retrieval.evidence_chars == 2000
    assert any("Chat searches as B" in toast.value for toast in page.toast)
    text = plain_text(page)
    assert "Other than in Chat: evidence chars 2,000 → 4,000, diversity 0.5 → 0.0." in text  # A is what Chat used before
    assert "Other than the defaults: evidence chars 4,000 → 2,000, diversity 0.0 → 0.5." in text
    by_key(page.button, "set_Defaults_B").click().run()
    assert by_key(page.slider, "w_lab_B_diversity").value == 0.0
    by_label(page.button, "Use B in Chat").click().run()
    assert engine.settings.retrieval.diversity == 0.0
    assert shown(page).count("As Chat searches now.") == 2


def test_what_has_not_changed_is_not_searched_again(page: AppTest, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    searched: list[float] = []
    search = engine.library.search

    def counted(*args: Any, **named: Any) -> Any:
        searched.append(named["retrieval"].vector_weight)
        return search(*args, **named)

    monkeypatch.setattr(engine.library, "search", counted)
    page.run()
    assert searched == []
    by_key(page.slider, "w_lab_B_vector_weight").set_value(0.7).run()
    assert searched == [0.7]


def test_without_a_model_characters_alone_are_counted(page: AppTest, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "token_counter", lambda: None)
    page.run()
    assert not page.exception
    assert "no model is loaded" in shown(page)
    assert "characters, " in shown(page)


def test_markup_in_question_and_documents_is_shown_as_text(page: AppTest, engine: Engine) -> None:
    hostile = "<script>alert(1)</script> ![x](http://tracker.invalid/p.png)"
    assert engine.intake.start("default", [Source("bad.txt", data=f"Zebra {hostile} zebra.".encode())]).wait(WAIT_S)
    by_label(page.text_input, "Question").set_value(f"Zebra {hostile}").run()
    assert not page.exception
    bodies = "".join(h.proto.body for h in page.get("html"))
    assert "<script>" not in bodies
    assert "&lt;script&gt;" in bodies
    assert "tracker.invalid/p.png'" not in bodies


def test_the_map_holds_every_chunk_and_the_evidence_lies_in_its_chunks(page: AppTest, engine: Engine) -> None:
    record = engine.library.collection("default")
    known = collection_map(engine.library, record)
    assert known.chunks == record.chunks == len(known.points) <= MOST_CHUNKS
    found = engine.library.search("default", QUESTION).evidence
    placed = evidence_points(engine.library, record, known.plane, found)
    by_id = {point.chunk_id: point for point in known.points}
    for span, points in zip(found, placed, strict=True):
        assert points
        for point in points:
            assert (point.x, point.y) == pytest.approx((by_id[point.chunk_id].x, by_id[point.chunk_id].y), abs=1e-6)
            assert point.document == span.name


def test_of_a_large_collection_a_sample_is_drawn_always_the_same(
    page: AppTest, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("localrag.collection_map.MOST_CHUNKS", 2)
    record = engine.library.collection("default")
    known = collection_map(engine.library, record)
    assert len(known.points) == 2 < known.chunks
    assert [p.chunk_id for p in collection_map(engine.library, record).points] == [p.chunk_id for p in known.points]


def test_an_evaluation_of_both_runs_as_a_job_and_ends_in_a_table(page: AppTest, engine: Engine) -> None:
    assert engine.intake.start("default", [Source("guide.md", data=GUIDE.read_bytes())]).wait(WAIT_S)
    by_key(page.slider, "w_lab_B_k").set_value(2).run()
    by_label(page.button, "Evaluate A and B").click().run()
    assert not page.exception
    job = engine.evaluations.latest(engine.library.collection("default").id)
    assert job is not None
    page.switch_page("pages/chat.py").run()
    assert job.wait(WAIT_S)
    assert job.snapshot().error == ""
    page.switch_page("pages/lab.py").run()
    assert not page.exception
    text = plain_text(page)
    assert "From A to B: k 0 → 2." in text
    assert "nDCG@10" in text
    assert "B − A" in text
    assert "made from sentences" in text
    assert [button.label for button in page.get("download_button")] == ["The questions", "The whole report"]


def test_questions_that_expect_a_stray_document_are_one_sentence(page: AppTest, engine: Engine) -> None:
    by_label(page.selectbox, "Questions").set_value("From a file").run()
    assert by_label(page.button, "Evaluate A and B").disabled
    stray = b'{"question": "Who?", "document": "nobody.txt"}\n'
    page.file_uploader[0].upload("stray.jsonl", stray, "application/json").run()
    by_label(page.button, "Evaluate A and B").click().run()
    job = engine.evaluations.latest(engine.library.collection("default").id)
    assert job is not None
    assert job.wait(WAIT_S)
    page.run()
    assert not page.exception
    assert "nobody.txt" in page.error[0].value.replace("\\", "")


def test_a_file_that_holds_no_questions_starts_nothing(page: AppTest, engine: Engine) -> None:
    by_label(page.selectbox, "Questions").set_value("From a file").run()
    page.file_uploader[0].upload("notes.csv", b"a,b\n1,2\n", "text/csv").run()
    by_label(page.button, "Evaluate A and B").click().run()
    assert not page.exception
    assert "names no columns that are known" in page.error[0].value.replace("\\", "")
    assert engine.evaluations.latest(engine.library.collection("default").id) is None
