"""What can be done with an answer in the chat, click by click: plumbing with fake models, started from app.py."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from localrag.documents.source import Source
from localrag.engine import Engine
from localrag.types import Turn
from localrag.ui.cache import get_engine
from localrag.ui.talk import MOST_DRAWN
from tests.integration.test_pages import APP, TEA, WAIT_S, app, conversation_of, engine
from tests.integration.test_pages import shown as page_text

__all__ = ["app", "engine"]
QUESTION = "How long does the tea need?"


@pytest.fixture(autouse=True)
def short_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers of the app are cut after a few words, so that there is something to go on with."""
    monkeypatch.setenv("LOCALRAG_MAX_TOKENS", "12")


def shown(app: AppTest) -> str:
    return page_text(app).replace("\\", "")


def settle(app: AppTest, engine: Engine) -> list[Turn]:
    """Wait for the answer and draw it; returns the turns that are shown."""
    assert not app.exception
    assert engine.wait(conversation_of(app), WAIT_S)
    app.run()
    assert not app.exception
    return list(engine.conversation(conversation_of(app)).turns)


def ask(app: AppTest, engine: Engine, question: str) -> Turn:
    app.chat_input[0].set_value(question).run()
    return settle(app, engine)[-1]


@contextmanager
def waiting(engine: Engine) -> Iterator[None]:
    """Meanwhile the model answers nobody."""
    gate = threading.Event()
    engine._worker.submit(lambda _model: gate.wait(WAIT_S))
    try:
        yield
    finally:
        gate.set()


def keys(app: AppTest) -> list[str]:
    return [str(b.key) for b in app.button if b.key]


def test_an_answer_can_be_had_again_and_the_former_one_is_an_arrow_away(app: AppTest, engine: Engine) -> None:
    first = ask(app, engine, QUESTION)
    app.number_input(key=f"w_again_max_tokens_{first.id}").set_value(3)
    app.slider(key=f"w_again_temperature_{first.id}").set_value(0.3)
    app.button(key=f"again_now_{first.id}").click().run()
    (second,) = settle(app, engine)
    assert (second.timings.answer_tokens, second.settings["temperature"]) == (3, 0.3)
    assert second.evidence == first.evidence
    assert "2 of 2" in shown(app)
    assert app.button(key=f"version_True_{second.id}").disabled
    app.button(key=f"version_False_{second.id}").click().run()
    assert not app.exception
    assert "1 of 2" in shown(app)
    assert engine.conversation(conversation_of(app)).turns[0].id == first.id


def test_an_edited_question_begins_a_branch(app: AppTest, engine: Engine) -> None:
    first = ask(app, engine, QUESTION)
    ask(app, engine, "When does the kettle boil?")
    app.text_area(key=f"w_edit_{first.id}").set_value("How hot is the kettle?")
    next(b for b in app.button if b.label == "Ask" and b.proto.form_id == f"edit_form_{first.id}").click().run()
    (edited,) = settle(app, engine)
    assert edited.question == "How hot is the kettle?"
    assert "When does the kettle boil?" not in shown(app).split("evaluated")[0]
    app.button(key=f"version_False_{edited.id}").click().run()
    assert [turn.question for turn in engine.conversation(conversation_of(app)).turns] == [
        QUESTION,
        "When does the kettle boil?",
    ]


def test_an_edited_question_that_is_empty_is_one_sentence_and_changes_nothing(app: AppTest, engine: Engine) -> None:
    first = ask(app, engine, QUESTION)
    app.text_area(key=f"w_edit_{first.id}").set_value("   ")
    next(b for b in app.button if b.label == "Ask" and b.proto.form_id == f"edit_form_{first.id}").click().run()
    assert not app.exception
    assert "The question is empty" in app.error[0].value
    assert [turn.id for turn in engine.conversation(conversation_of(app)).turns] == [first.id]
    app.run()
    assert not app.error, "said once"


def test_a_cut_answer_goes_on(app: AppTest, engine: Engine) -> None:
    cut = ask(app, engine, QUESTION)
    assert cut.timings.finish == "length"
    app.button(key=f"go_on_{cut.id}").click().run()
    (turn,) = settle(app, engine)
    assert (turn.id, turn.continued) == (cut.id, 1)
    assert turn.answer.startswith(cut.answer)
    assert len(turn.answer) > len(cut.answer)


def test_only_the_last_answer_goes_on_or_is_had_again(app: AppTest, engine: Engine) -> None:
    first = ask(app, engine, QUESTION)
    second = ask(app, engine, "When does the kettle boil?")
    assert {f"go_on_{second.id}", f"again_now_{second.id}"} <= set(keys(app))
    assert not {f"go_on_{first.id}", f"again_now_{first.id}"} & set(keys(app))
    assert f"why_{first.id}" in keys(app)


def test_an_answer_can_be_copied_and_rated(app: AppTest, engine: Engine) -> None:
    turn = ask(app, engine, QUESTION)
    assert app.code[0].value == turn.answer
    app.get("feedback")[0].set_value(1).run()
    assert engine.conversation(conversation_of(app)).turns[0].rating == "up"
    fresh = AppTest.from_file(APP, default_timeout=WAIT_S)
    fresh.query_params["c"] = conversation_of(app)
    fresh.run()
    assert fresh.get("feedback")[0].value == 1
    fresh.get("feedback")[0].set_value(None).run()
    assert engine.conversation(conversation_of(app)).turns[0].rating == ""


def test_why_shows_the_trace_and_replays_it(app: AppTest, engine: Engine) -> None:
    ask(app, engine, QUESTION)
    turn = ask(app, engine, "And how hot is it?")
    app.button(key=f"why_{turn.id}").click().run()
    assert not app.exception
    text = shown(app)
    assert f"Searched for: {turn.searched} in default" in text
    assert "Confidence that the documents hold an answer" in text
    assert "temperature 0.0" in text
    (table,) = [frame.value for frame in app.dataframe]
    assert table["document"].tolist() == [span.name for span in turn.evidence]
    alone = AppTest.from_function(trace_page, default_timeout=WAIT_S)  # AppTest closes a dialog at the next click
    alone.session_state["at"] = (conversation_of(app), turn.id)
    alone.run()
    alone.button(key=f"replay_{turn.id}").click().run()
    assert not alone.exception
    assert "the same answer, word for word" in shown(alone)
    assert engine.intake.start("default", [Source("tea.txt", data=b"The tea needs five minutes.")]).wait(WAIT_S)
    alone.button(key=f"replay_{turn.id}").click().run()
    assert "Its document was deleted or replaced" in shown(alone)


def trace_page() -> None:
    import streamlit as st

    from localrag.ui.cache import get_engine
    from localrag.ui.why_view import trace

    conversation, turn = st.session_state["at"]
    trace(get_engine(), conversation, get_engine().store.turn(conversation, turn))


def test_what_was_searched_for_stands_above_the_answer_where_it_is_another_text(app: AppTest, engine: Engine) -> None:
    ask(app, engine, QUESTION)
    assert "Searched for" not in shown(app)
    ask(app, engine, "And the kettle?")
    assert "Searched for: How long does the kettle need?" in shown(app)


def test_where_the_documents_hold_no_answer_there_are_two_ways_on(app: AppTest, engine: Engine) -> None:
    engine.apply({"refuse": True, "least_confidence": 1.0})
    refused = ask(app, engine, QUESTION)
    assert refused.refused
    assert "Not answered" in shown(app)
    assert "The tea needs four minutes." in shown(app), "the nearest passages"
    app.button(key=f"without_{refused.id}").click().run()
    turn = settle(app, engine)[-1]
    assert (turn.mode, turn.question, bool(turn.answer)) == ("chat", QUESTION, True)
    assert "Without documents: nothing in this answer is checked" in shown(app)
    anyway = ask(app, engine, QUESTION)
    app.button(key=f"anyway_{anyway.id}").click().run()
    last = settle(app, engine)[-1]
    assert (last.refused, bool(last.answer)) == (False, True)


def test_a_low_confidence_is_said_quietly_where_nothing_is_refused(app: AppTest, engine: Engine) -> None:
    engine.apply({"refuse": False, "least_confidence": 1.0})
    doubted = ask(app, engine, QUESTION)
    assert doubted.answer
    assert "most likely hold no answer" in shown(app)
    assert "Answer from these passages" not in [b.label for b in app.button]
    app.button(key=f"without_{doubted.id}").click().run()
    last = settle(app, engine)[-1]
    assert (last.mode, last.question, last.evidence) == ("chat", QUESTION, ())


def test_a_question_that_comes_with_a_file_is_asked_about_it(app: AppTest, engine: Engine) -> None:
    app.chat_input[0].upload("coffee.txt", b"The coffee needs three minutes.").set_value("How long does it need?").run()
    (turn,) = settle(app, engine)
    assert [span.channels for span in turn.evidence] == [("whole",)]
    assert "The coffee needs three minutes." in shown(app)
    assert engine.conversation(conversation_of(app)).collection == "default"
    assert next(s for s in app.selectbox if s.label == "Collection").value == "default"


def test_files_of_a_newcomer_never_go_into_the_guide(app: AppTest, engine: Engine) -> None:
    assert engine.intake.start("LocalRAG guide", [Source("guide.md", data=b"# Guide\n\nThe guide.")]).wait(WAIT_S)
    app.run()
    next(s for s in app.selectbox if s.label == "Collection").set_value("LocalRAG guide").run()
    app.chat_input[0].upload("coffee.txt", b"The coffee needs three minutes.").run()
    assert not app.exception
    assert engine.intake.wait(WAIT_S)
    app.run()
    assert [r.name for r in engine.library.documents("LocalRAG guide")] == ["guide.md"]
    assert {r.name for r in engine.library.documents("default")} == {"tea.txt", "coffee.txt"}
    assert next(s for s in app.selectbox if s.label == "Collection").value == "default"


def test_a_newcomers_first_question_with_a_file_leads_to_others_about_it(app: AppTest) -> None:
    app.run()
    engine = get_engine()
    engine.start_model(wait=True)
    assert engine.intake.start("LocalRAG guide", [Source("guide.md", data=b"# Guide\n\nThe guide.")]).wait(WAIT_S)
    app.run()
    app.chat_input[0].upload("tea.txt", TEA.encode()).set_value(QUESTION).run()
    settle(app, engine)
    for question in ("When does the kettle boil?", "How hot is it?"):
        assert next(s for s in app.selectbox if s.label == "Collection").value == "default"
        assert (ask(app, engine, question)).mode == "documents"


def test_what_waits_is_asked_of_what_the_boxes_said_when_it_was_asked(app: AppTest, engine: Engine) -> None:
    ask(app, engine, QUESTION)
    with waiting(engine):
        app.chat_input[0].set_value("How hot is the kettle?").run()
        app.toggle[0].set_value(False).run()
        app.chat_input[0].set_value("Hello there").run()
        app.toggle[0].set_value(True).run()
    for _ in range(3):
        turns = settle(app, engine)
    assert [turn.mode for turn in turns] == ["documents", "documents", "chat"]


def test_a_waiting_question_that_fails_says_so_and_stays_on_the_page(
    app: AppTest, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(app, engine, QUESTION)
    with waiting(engine):
        app.chat_input[0].set_value("How hot is the kettle?").run()
        app.chat_input[0].set_value("Who drinks it?").run()
        app.chat_input[0].set_value("Where is the cup?").run()
    assert engine.wait(conversation_of(app), WAIT_S)
    with monkeypatch.context() as full:
        full.setattr("localrag.chat.queue.MAX_QUEUED", 0)
        app.run()
    assert "Not asked: Who drinks it?" in "\n".join(text.value for text in app.text)
    assert "Asked next: Where is the cup?" in shown(app)
    app.run()
    turns = settle(app, engine)
    assert [turn.question for turn in turns][-1] == "Where is the cup?"


def test_of_a_long_chat_the_last_turns_are_drawn_and_the_others_at_a_click(app: AppTest, engine: Engine) -> None:
    for number in range(MOST_DRAWN + 2):
        ask(app, engine, f"How long does tea number {number} need?")
    assert len(app.chat_message) == 2 * MOST_DRAWN
    button = app.button(key="show_whole")
    assert button.label == "Show 2 earlier questions"
    button.click().run()
    assert len(app.chat_message) == 2 * (MOST_DRAWN + 2)
    assert "show_whole" not in keys(app)


def test_a_question_asked_too_early_waits_and_can_be_taken_back(app: AppTest, engine: Engine) -> None:
    ask(app, engine, QUESTION)
    with waiting(engine):
        app.chat_input[0].set_value("How hot is the kettle?").run()
        app.chat_input[0].set_value("Who drinks it?").run()
        app.chat_input[0].set_value("Where is the cup?").run()
        assert "Asked next: Who drinks it?" in shown(app)
        assert "Asked next: Where is the cup?" in shown(app)
        app.button(key="take_back_0").click().run()
        assert "Asked next: Who drinks it?" not in shown(app)
    settle(app, engine)
    turns = settle(app, engine)
    assert [turn.question for turn in turns] == [QUESTION, "How hot is the kettle?", "Where is the cup?"]
    assert not any(turn.error for turn in turns)
    assert "Asked next" not in shown(app)


def test_chat_only_is_one_switch_and_marked_on_the_turn(app: AppTest, engine: Engine) -> None:
    app.run()
    app.toggle[0].set_value(False).run()
    turn = ask(app, engine, "Hello there")
    assert (turn.mode, turn.evidence) == ("chat", ())
    assert "Without documents: nothing in this answer is checked" in shown(app)


def test_quick_prompts_ask(app: AppTest, engine: Engine) -> None:
    app.run()
    button = next(b for b in app.button if str(b.key).startswith("sample_"))
    button.click().run()
    assert settle(app, engine)[0].question == button.label


def menu(app: AppTest) -> None:
    """Open the menu of the open conversation."""
    app.session_state[f"menu_{conversation_of(app)}"] = True
    app.run()
    assert not app.exception


def test_a_chat_is_renamed_exported_and_deleted_from_its_menu(app: AppTest, engine: Engine) -> None:
    ask(app, engine, QUESTION)
    conversation = conversation_of(app)
    menu(app)
    app.text_input(key=f"w_title_{conversation}").set_value("All about tea").run()
    assert engine.conversation(conversation).title == "All about tea"
    assert "All about tea" in [b.label for b in app.sidebar.button]
    names = [str(d.key) for d in app.get("download_button")]
    assert {f"export_menu_{kind}_{conversation}" for kind in ("html", "md", "json")} <= set(names)
    assert json.loads(engine.conversations.export(conversation, "json"))["title"] == "All about tea"
    menu(app)
    for label, kept in (("Delete chat", True), ("Keep", True), ("Delete chat", True), ("Delete for good", False)):
        next(b for b in app.button if b.label == label).click().run()
        assert not app.exception
        assert (engine.store.find(conversation) is not None) == kept
    assert engine.store.find(conversation) is None
    assert app.title[0].value == "Ask your documents"


def test_words_are_found_in_all_chats_and_open_the_branch_they_stand_in(app: AppTest, engine: Engine) -> None:
    first = ask(app, engine, QUESTION)
    conversation = conversation_of(app)
    engine.conversations.edit(conversation, first.id, "Where does the kettle stand?")
    assert engine.wait(conversation, WAIT_S)
    next(b for b in app.sidebar.button if b.label == "New chat").click().run()
    app.text_input(key="w_search_chats").set_value("long tea").run()
    assert not app.exception
    found = next(b for b in app.sidebar.button if str(b.key).startswith("found_"))
    assert "**long**" in "\n".join(c.value for c in app.sidebar.caption)
    found.click().run()
    assert not app.exception
    assert conversation_of(app) == conversation
    assert engine.conversation(conversation).turns[0].id == first.id
    app.text_input(key="w_search_chats").set_value("elephant").run()
    assert "No question or answer holds these words." in [c.value for c in app.sidebar.caption]


def test_a_chat_keeps_settings_of_its_own(app: AppTest, engine: Engine) -> None:
    ask(app, engine, QUESTION)
    conversation = conversation_of(app)
    app.session_state[f"settings_{conversation}"] = True
    app.run()
    app.number_input(key=f"w_chat_max_tokens_{conversation}").set_value(4)
    next(b for b in app.button if b.label == "Keep").click().run()
    assert not app.exception
    assert dict(engine.conversation(conversation).overrides) == {"max_tokens": 4}
    assert ask(app, engine, "When does the kettle boil?").timings.answer_tokens == 4
    next(b for b in app.sidebar.button if b.label == "New chat").click().run()
    assert ask(app, engine, QUESTION).timings.answer_tokens == 12


def test_nothing_is_offered_that_asks_while_an_answer_is_on_its_way(app: AppTest, engine: Engine) -> None:
    engine.apply({"max_tokens": 200})
    first = ask(app, engine, QUESTION)
    app.chat_input[0].set_value("Tell me more about the kettle and its tea").run()
    assert not app.exception
    popovers: list[Any] = [p for p in app.get("popover") if p.proto.popover.label == "Edit"]
    assert popovers
    assert all(p.proto.popover.disabled for p in popovers)
    assert first.id in str(keys(app))
    engine.stop(conversation_of(app))
    settle(app, engine)
