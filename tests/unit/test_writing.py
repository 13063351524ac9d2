"""Answers with thinking on their way into a turn, with a model that writes what it is told to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from localrag.chat.answering import Answering, write_answer
from localrag.chat.jobs import AnswerJob
from localrag.chat.store import ConversationStore
from localrag.chat.writing import CUT_WHILE_THINKING, ENDED_WHILE_THINKING, Writing
from localrag.llms.base import GenerationStats, Piece
from localrag.llms.chat_format import ChatFormat
from localrag.llms.fake import FakeModel
from localrag.llms.formats import FormatChoice, with_format
from localrag.prompts.plan import STOP, plan_prompt
from localrag.settings import AnswerSettings, ModelSettings
from localrag.types import FinishReason, Prompt, Turn

THINKS = (
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}{# its model writes <think> first #}"
)
OPENS = THINKS.replace("<assistant>{% endif %}", "<assistant><think>{% endif %}")


class Scripted(FakeModel):
    """Writes a given text, a token a character, and stops like a backend at the stop texts it is given."""

    def __init__(self, text: str, finish: FinishReason = "stop", template: str = THINKS) -> None:
        super().__init__(ModelSettings(n_ctx=4096))
        self.text, self.finish = text, finish
        self.format = ChatFormat(template, "", "")
        self.closed = False

    def parts(self, roles: Sequence[str]) -> list[str | int]:
        return self.format.parts(roles)

    def generate(
        self, prompt: Prompt, settings: AnswerSettings, stop: Sequence[str], stats: GenerationStats
    ) -> Iterator[Piece]:
        self.stops = tuple(stop)
        stats.finish = "length"
        try:
            for character in self.text:
                stats.answer_tokens += 1
                yield Piece(character, ord(character))
            stats.finish = self.finish
        finally:
            self.closed = True


def write(model: FakeModel, **changes: object) -> Writing:
    settings = AnswerSettings.model_validate(changes)
    plan = plan_prompt(model, "fake", "Why?", (), (), settings)
    writing = Writing(model, plan, settings, GenerationStats())
    for _ in writing.pieces():
        pass
    return writing


@pytest.mark.parametrize(
    ("template", "text"), [(THINKS, "<think>\nHm.\n</think>\n\nPlenty."), (OPENS, "\nHm.\n</think>\n\nPlenty.")]
)
def test_thinking_and_answer_come_apart(template: str, text: str) -> None:
    writing = write(Scripted(text, template=template))
    assert (writing.thinking, writing.answer, writing.note) == ("Hm.", "Plenty.", "")
    assert len(writing.tokens) == len(text)


def test_a_question_inside_the_thinking_does_not_stop_it_and_one_in_the_answer_does() -> None:
    model = Scripted("<think>Well.\nQuestion: what is asked?</think>Plenty.\nQuestion: And more?")
    writing = write(model)
    assert writing.thinking == "Well.\nQuestion: what is asked?"
    assert writing.answer == "Plenty."
    assert not set(model.stops) & set(STOP)
    assert model.closed, "the model does not go on behind it"
    assert (writing._stats.finish, writing._stats.hit_stop_text) == ("stop", True)


def test_a_model_that_knows_no_thinking_gets_every_stop_text_itself() -> None:
    model = Scripted("Plenty.", template="{% for m in messages %}{{ m.content }}{% endfor %}")
    write(model)
    assert set(STOP) <= set(model.stops)


@pytest.mark.parametrize(
    ("finish", "note"), [("length", CUT_WHILE_THINKING), ("stop", ENDED_WHILE_THINKING), ("cancelled", "")]
)
def test_thinking_that_never_ends_is_said_unless_it_was_stopped(finish: FinishReason, note: str) -> None:
    writing = write(Scripted("<think>And on and on", finish))
    assert (writing.thinking, writing.answer, writing.note) == ("And on and on", "", note)


def test_a_turn_keeps_the_answers_tokens_alone_and_the_figures_count_all(tmp_path: Path) -> None:
    store = ConversationStore(tmp_path / "c.sqlite")
    try:
        text = "<think>Hm.</think>\n\nPlenty."
        model, conversation = Scripted(text), store.create("")
        job = AnswerJob(conversation, Turn("t", "Why?", ""), 0.0)
        store.save_turn(conversation, job.turn)
        Answering(store, AnswerSettings(), (), None, None).run(job, model)
        turn = job.turn
        assert (turn.answer, turn.thinking, turn.error) == ("Plenty.", "Hm.", "")
        assert turn.answer_tokens == tuple(map(ord, "Plenty."))
        assert turn.timings.answer_tokens == len(text)
        assert store.get(conversation).turns[0] == turn
        after = plan_prompt(model, "fake", "And then?", (), (turn,), AnswerSettings())
        assert "Hm." not in "".join(segment.text for segment in after.segments)
    finally:
        store.close()


def test_an_answer_is_shown_while_it_grows_and_its_thinking_before_it(tmp_path: Path) -> None:
    store = ConversationStore(tmp_path / "c.sqlite")
    try:
        model, conversation = Scripted("<think>Hm</think>Yes"), store.create("")
        seen: list[tuple[str, str]] = []

        class Watched(AnswerJob):
            def update(self, state: object = None, **changes: object) -> Turn:  # type: ignore[override]
                turn = super().update(state, **changes)  # type: ignore[arg-type]
                seen.append((turn.thinking, turn.answer))
                return turn

        job = Watched(conversation, Turn("t", "Why?", ""), 0.0)
        plan = plan_prompt(model, "fake", "Why?", (), (), AnswerSettings())
        write_answer(job, store, model, plan, AnswerSettings(), None)
        assert [pair for at, pair in enumerate(seen) if pair not in seen[:at]] == [
            ("", ""),
            ("H", ""),
            ("Hm", ""),
            ("Hm", "Y"),
            ("Hm", "Ye"),
            ("Hm", "Yes"),
        ]
    finally:
        store.close()


def test_a_format_that_opens_the_thinking_is_told_by_the_prompts_end() -> None:
    model = Scripted("Hm</think>Yes", template="{% for m in messages %}{{ m.content }}{% endfor %}")
    form = with_format(model, FormatChoice("opens", OPENS))
    plan = plan_prompt(form, "fake", "Why?", (), (), AnswerSettings())
    writing = Writing(model, plan, AnswerSettings(), GenerationStats())
    for _ in writing.pieces():
        pass
    assert (writing.thinking, writing.answer) == ("Hm", "Yes")
