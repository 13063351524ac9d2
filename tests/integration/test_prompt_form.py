"""The Model page's group on prompts, and thinking on Chat, through AppTest with fake models."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Button, Selectbox

from localrag.engine import Engine
from localrag.errors import PromptError
from localrag.llms.base import GenerationStats, Piece
from localrag.llms.fake import FakeModel
from localrag.prompts.hub import HubPrompt, prompt
from localrag.settings import AnswerSettings
from localrag.types import Prompt, Turn
from tests.integration.test_pages import WAIT_S, app, button, conversation_of, engine, shown

__all__ = ["app", "engine"]  # fixtures

OWN = "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}"
MESSAGE = ("human", "Use {context} for {question}")


def box(app: AppTest, label: str) -> Selectbox:
    return next(s for s in app.selectbox if s.label == label)


def keyed(app: AppTest, key: str) -> Button:
    return next(b for b in app.button if b.key == key)


def typed(app: AppTest, key: str, text: str) -> None:
    next(t for t in [*app.text_input, *app.text_area] if t.key == key).set_value(text)


@pytest.fixture
def page(app: AppTest, engine: Engine) -> AppTest:
    app.switch_page("pages/model.py").run()
    assert not app.exception
    return app


def test_a_format_is_picked_previewed_and_applied(page: AppTest, engine: Engine) -> None:
    assert "reads a sample question" in shown(page)
    assert "The model's own" in box(page, "prompt format").options
    box(page, "prompt format").set_value("chatml").run()
    assert not page.exception
    assert "does not know as one token" in shown(page)
    assert "prompt format model → chatml" in shown(page).replace("\\", "")
    assert "&lt;</span>" in shown(page), "the fake model's tokens are single characters"
    button(page, "Apply").click().run()
    assert not page.exception
    assert engine.settings.answer.template == "chatml"


def test_a_format_of_ones_own_is_written_kept_and_deleted(page: AppTest, engine: Engine) -> None:
    box(page, "prompt format").set_value("chatml").run()
    typed(page, "w_format_text_chatml", "{% for m in messages %}")
    typed(page, "w_format_name_chatml", "mine")
    page.run()
    keyed(page, "w_format_keep").click().run()
    assert not page.exception
    assert "The prompt format mine is not valid" in page.error[0].value.replace("\\", "")
    typed(page, "w_format_text_chatml", OWN)
    page.run()
    keyed(page, "w_format_keep").click().run()
    assert not page.exception
    assert not page.error
    assert engine.formatting.formats.kept() == ["mine"]
    assert box(page, "prompt format").value == "mine"
    keyed(page, "w_format_delete").click().run()
    assert not page.exception
    assert engine.formatting.formats.kept() == []
    assert box(page, "prompt format").value == "model"


def test_the_preview_follows_the_editor(page: AppTest) -> None:
    box(page, "prompt format").set_value("chatml").run()
    typed(page, "w_format_text_chatml", OWN.replace("[assistant]", "GO ON"))
    page.run()
    assert not page.exception
    chips = re.sub(r"<[^<>]*>", "", shown(page))
    assert "GO ON" in chips
    typed(page, "w_format_text_chatml", "{{ 'a' * 10 ** 10 }}")
    page.run()
    assert "The prompt format in the editor fails: it needs more than 512 MB" in page.error[0].value.replace("\\", "")


def test_a_format_that_was_removed_behind_the_apps_back_is_one_sentence(page: AppTest, engine: Engine) -> None:
    engine.formatting.formats.keep("mine", OWN)
    engine.apply({"template": "mine"})
    page.run()
    box(page, "prompt format").set_value("mine").run()
    engine.formatting.formats.delete("mine")
    page.run()
    assert not page.exception
    assert "There is no prompt format named mine" in page.error[0].value.replace("\\", "")
    box(page, "prompt format").set_value("model").run()
    button(page, "Apply").click().run()
    assert engine.settings.answer.template == "model"


def test_a_prompt_is_fetched_reviewed_edited_kept_and_used(
    page: AppTest, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pull(reference: str, base_url: str = "") -> HubPrompt:
        if reference != "me/prompt:0123456789ab":
            raise PromptError(f"{reference} names no prompt.")
        return HubPrompt("me/prompt", "https://smith.langchain.com/hub/me/prompt", "0123456789abcdef", (MESSAGE,))

    monkeypatch.setattr(engine.formatting.prompts, "pull", pull)
    typed(page, "w_prompt_reference", "nonsense")
    page.run()
    keyed(page, "w_prompt_fetch").click().run()
    assert "nonsense names no prompt" in page.error[0].value
    typed(page, "w_prompt_reference", "me/prompt:0123456789ab")
    page.run()
    keyed(page, "w_prompt_fetch").click().run()
    assert not page.exception
    assert "commit 0123456789ab" in shown(page)
    assert "It takes context and question" in shown(page)
    assert engine.formatting.prompts.kept() == []
    keyed(page, "w_prompt_keep").click().run()
    assert not page.exception
    assert engine.formatting.prompts.get("me/prompt").messages == (MESSAGE,)
    assert box(page, "prompt").value == "me/prompt"
    button(page, "Apply").click().run()
    assert engine.settings.answer.prompt == "me/prompt"
    job = engine.ask(engine.new_conversation("default"), "How long?")
    assert job.wait(WAIT_S)
    assert job.turn.plan is not None
    assert "Use " in "".join(segment.text for segment in job.turn.plan.segments)
    page.run()
    assert keyed(page, "w_prompt_delete").disabled, "it is in use"


def test_a_shipped_prompt_gets_its_words_back(page: AppTest, engine: Engine) -> None:
    name = "rlm/rag-prompt"
    engine.formatting.prompts.keep(prompt(name), name, [MESSAGE])
    box(page, "prompt").set_value(name).run()
    assert "edited here" in shown(page)
    keyed(page, "w_prompt_delete").click().run()
    assert not page.exception
    assert engine.formatting.prompts.get(name) == prompt(name)


def test_thinking_is_shown_folded_and_apart_from_the_answer(app: AppTest, engine: Engine) -> None:
    app.chat_input[0].set_value("How long does the tea need?").run()
    conversation = conversation_of(app)
    assert engine.wait(conversation, WAIT_S)
    turn: Turn = engine.conversation(conversation).turns[0]
    engine.store.save_turn(conversation, replace(turn, thinking="**Hm** <b>well</b>", thinking_s=1.25, answer="Four minutes."))
    app.run()
    assert not app.exception
    (fold,) = [e for e in app.expander if e.label == "The model's thinking"]
    assert not fold.proto.expanded
    assert [t.value for t in fold.text] == ["**Hm** <b>well</b>"]
    assert "18 characters in 1.2 s" in shown(app)
    assert "<b>well" not in "".join(h.proto.body for h in app.get("html"))


def test_thinking_grows_before_the_answer_does(app: AppTest, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()

    def generate(
        self: FakeModel, prompt: Prompt, settings: AnswerSettings, stop: Sequence[str], stats: GenerationStats
    ) -> Iterator[Piece]:
        yield Piece("<think>Let me see", 1)
        assert go_on.wait(WAIT_S)
        stats.finish = "stop"
        yield Piece("</think>Four minutes.", 2)

    monkeypatch.setattr(FakeModel, "generate", generate)
    app.chat_input[0].set_value("How long does the tea need?").run()
    conversation = conversation_of(app)
    job = engine._queue.job(conversation)
    assert job is not None
    with job._changed:
        assert job._changed.wait_for(lambda: job.turn.thinking, WAIT_S)
    app.run()
    assert not app.exception
    assert "Thinking" in [c.value for c in app.caption]
    assert [t.value for e in app.expander if e.label == "The model's thinking" for t in e.text] == ["Let me see"]
    go_on.set()
    assert engine.wait(conversation, WAIT_S)
    app.run()
    assert not app.exception
    assert "Four minutes." in shown(app)
    assert "Thinking" not in [c.value for c in app.caption]


def test_thinking_that_was_cut_says_so(app: AppTest, engine: Engine) -> None:
    app.chat_input[0].set_value("How long does the tea need?").run()
    conversation = conversation_of(app)
    assert engine.wait(conversation, WAIT_S)
    turn = engine.conversation(conversation).turns[0]
    cut = replace(turn, thinking="Hm", answer="", sentences=(), note="The model was still thinking.")
    engine.store.save_turn(conversation, cut)
    app.run()
    assert "The model was still thinking." in shown(app).replace("\\", "")
    assert "wrote nothing" not in shown(app)
