"""Prompt formats, their exact tokens, and thinking, with the starter model: what is shown is what is evaluated."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from localrag.chat.jobs import AnswerJob
from localrag.chat.writing import CUT_WHILE_THINKING
from localrag.documents.source import Source
from localrag.engine import Engine
from localrag.errors import GenerationError, PromptError
from localrag.llms.formats import FAMILIES
from localrag.models.starter import starter_chat
from localrag.prompts.hub import prompt

pytestmark = pytest.mark.models

WAIT_S = 120
DRILL = "The Kestrel drill has a warranty of 31 months. It weighs 1.4 kg.\n\nIts motor was designed in Oslo by Ada Berg.\n"
QUESTION = "How long is the warranty of the Kestrel drill?"
EXAMPLES = (
    ("What colour is the sky?", "The sky on a clear day.", "Blue."),
    ("What is two and two?", "Two and two make four.", "Four."),
    ("Who wrote Hamlet?", "Hamlet is a play by Shakespeare.", "Shakespeare."),
)
SHOWN = "".join(
    f"<|im_start|>user\nQuestion: {question}<|im_end|>\n"
    f"<|im_start|>assistant\n<think>\n{thought}\n</think>\n{answer}<|im_end|>\n"
    for question, thought, answer in EXAMPLES
)
THINKS = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% if m.role == 'system' %}"
    f"{SHOWN}{{% endif %}}{{% endfor %}}{{% if add_generation_prompt %}}<|im_start|>assistant\n"
)
"""Even the starter model thinks when it has seen it done."""
OPENS = THINKS + "<think>\n{% endif %}"
FREE = THINKS + "{% endif %}"
GREEDY = {"temperature": 0.0, "repeat_penalty": 1.0, "max_tokens": 60}


@pytest.fixture
def full(real_engine: Engine, tmp_path: Path) -> Engine:
    """The starter models and a document."""
    job = real_engine.intake.start("default", [Source("drill.txt", data=DRILL.encode())])
    assert job.wait(WAIT_S)
    return real_engine


def finished(job: AnswerJob) -> AnswerJob:
    assert job.wait(WAIT_S)
    assert job.turn.error == ""
    return job


def text_of(job: AnswerJob) -> str:
    assert job.turn.plan is not None
    return "".join(segment.text for segment in job.turn.plan.segments)


def test_a_format_is_used_from_the_next_answer_on_without_loading_the_model_again(full: Engine) -> None:
    conversation = full.new_conversation("default")
    first = finished(full.ask(conversation, QUESTION, overrides={"max_tokens": 16}))
    model = full._worker._model
    assert full.apply({"template": "plain"}, wait=True) is False
    second = finished(full.ask(conversation, "How much does it weigh?", overrides={"max_tokens": 16}))
    assert full._worker._model is model
    assert "<|im_start|>" in text_of(first)
    assert "<|im_start|>" not in text_of(second)
    assert second.turn.plan is not None
    assert second.turn.plan.stop[0] == "\nQuestion:"
    assert first.turn.plan is not None
    answers = [
        segment.tokens for segment in second.turn.plan.segments if segment.kind == "history" and segment.role == "assistant"
    ]
    assert answers == [first.turn.answer_tokens], "the messages of a turn in another format are those that were evaluated"
    assert second.turn.timings.prompt_tokens == len(second.turn.plan.tokens)
    assert full.conversation(conversation).turns[1].plan == second.turn.plan


def test_the_opening_in_a_new_format_is_evaluated_before_it_is_asked(full: Engine) -> None:
    full.apply({"template": "plain"})
    job = finished(full.ask(full.new_conversation("default"), QUESTION, overrides={"max_tokens": 4}))
    timings = job.turn.timings
    assert timings.prompt_tokens - timings.evaluated_tokens >= 10, "the instruction was there already"


def test_what_cannot_be_used_is_one_sentence_and_nothing_changes(full: Engine) -> None:
    before = full.settings
    for values in ({"template": "nothing"}, {"prompt": "me/nothing"}, {"template": "../x"}):
        with pytest.raises(PromptError, match=r"There is no prompt.*Choose one of"):
            full.apply(values)
        with pytest.raises(PromptError, match="There is no prompt"):
            full.ask(full.new_conversation("default"), QUESTION, overrides=values)
    with pytest.raises(PromptError, match="fails"):
        full.formatting.formats.keep("loops", "{% for i in range(10 ** 9) %}{% endfor %}")
    assert full.settings == before
    assert finished(full.ask(full.new_conversation("default"), QUESTION, overrides={"max_tokens": 4})).turn.answer


@pytest.mark.parametrize("template", ["model", "llama-3", "plain"])
def test_the_preview_is_exactly_what_is_evaluated(full: Engine, template: str) -> None:
    choice = full.formatting.formats.choice(template)
    sample = full.formatting.preview(choice, None, full.settings.answer)
    assert sample.sample
    conversation = full.new_conversation("default")
    finished(full.ask(conversation, QUESTION, overrides={"template": template, "max_tokens": 8}))
    job = finished(full.ask(conversation, "How much does it weigh?", overrides={"template": template, "max_tokens": 8}))
    preview = full.formatting.preview(choice, None, full.settings.answer.model_copy(update={"max_tokens": 8}))
    assert job.turn.plan is not None
    assert (preview.question, preview.sample) == ("How much does it weigh?", False)
    assert [token.id for token in preview.tokens] == job.turn.plan.tokens
    # An answer's text is kept without the space it may have begun with; its tokens, compared above, have it.
    assert "".join(token.text for token in preview.tokens).split() == text_of(job).split()
    signs = {token.text for token in preview.tokens if token.special}
    assert signs == ({"<|im_start|>", "<|im_end|>"} if template == "model" else set())
    assert (preview.warnings == ()) == (template == "model")


def test_a_hub_prompt_can_be_previewed_and_a_missing_model_is_said(full: Engine) -> None:
    preview = full.formatting.preview(None, prompt("rlm/rag-prompt"), full.settings.answer)
    assert "assistant for question-answering tasks" in "".join(token.text for token in preview.tokens)
    empty = Engine(full.settings)
    try:
        with pytest.raises(GenerationError, match="No model is loaded"):
            empty.formatting.preview(None, None, full.settings.answer)
        assert empty.formatting.warnings(None) == []
    finally:
        empty.close()


def test_the_starter_model_agrees_with_its_template_and_says_which_families_it_does_not_know(full: Engine) -> None:
    agree = [name for name in FAMILIES if not full.formatting.warnings(full.formatting.formats.choice(name))]
    assert full.formatting.warnings(None) == []
    assert set(agree) == {"chatml", "qwen", "qwen-3-without-thinking"}


@pytest.mark.parametrize("template", [OPENS, FREE])
def test_a_models_thinking_is_kept_apart_from_its_answer_and_from_what_follows(full: Engine, template: str) -> None:
    full.formatting.formats.keep("thinks", template)
    full.apply({"template": "thinks"})
    conversation = full.new_conversation("default")
    job = finished(full.ask(conversation, QUESTION, overrides=GREEDY))
    turn = job.turn
    assert "31 months" in turn.thinking
    assert turn.answer
    assert "think" not in turn.answer
    assert turn.thinking_s > 0
    assert turn.note == ""
    assert " ".join(sentence.text for sentence in turn.sentences) == turn.answer
    assert turn.timings.answer_tokens > len(turn.answer_tokens), "the figures count the thinking too"
    assert full.conversation(conversation).turns[0] == turn
    second = finished(full.ask(conversation, "How much does it weigh?", overrides=GREEDY))
    assert second.turn.plan is not None
    history = "".join(segment.text for segment in second.turn.plan.segments if segment.kind == "history")
    assert turn.answer in history
    assert turn.thinking not in history
    alone = full._worker._model
    assert alone is not None
    answers = [s for s in second.turn.plan.segments if s.kind == "history" and s.role == "assistant"]
    assert [s.tokens for s in answers] == [tuple(alone.tokenize(turn.answer))] == [turn.answer_tokens]
    third = finished(full.ask(conversation, "Who designed its motor?", overrides=GREEDY))
    assert third.turn.plan is not None
    kept = len(second.turn.plan.tokens) - len(alone.tokenize("<think>\n", special=True))
    assert third.turn.plan.tokens[: kept - 1] == second.turn.plan.tokens[: kept - 1]
    assert third.turn.timings.prompt_tokens - third.turn.timings.evaluated_tokens >= kept - 1, (
        "all before the thinking is reused"
    )


def test_an_answer_that_follows_thinking_is_the_one_a_fresh_context_gives(
    full: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Correctness first: what was evaluated as thinking never stays in the cache of a prompt without it."""
    monkeypatch.setattr("localrag.chat.answering.MOST_AHEAD", 0)  # the cache is to be looked at as the answer left it
    full.formatting.formats.keep("thinks", OPENS)
    full.apply({"template": "thinks"})
    conversation = full.new_conversation("default")
    finished(full.ask(conversation, QUESTION, overrides=GREEDY))
    second = finished(full.ask(conversation, "Who designed its motor?", overrides=GREEDY))
    model = full._worker._model
    assert model is not None
    assert second.turn.plan is not None
    evaluated = model.context._evaluated[: len(second.turn.plan.tokens)]  # type: ignore[attr-defined]
    assert evaluated == second.turn.plan.tokens


def test_thinking_that_is_cut_at_the_longest_answer_says_so(full: Engine) -> None:
    full.formatting.formats.keep("thinks", OPENS)
    job = finished(
        full.ask(full.new_conversation("default"), QUESTION, overrides={**GREEDY, "template": "thinks", "max_tokens": 3})
    )
    turn = job.turn
    assert (turn.answer, turn.sentences, turn.note, turn.timings.finish) == ("", (), CUT_WHILE_THINKING, "length")
    assert turn.thinking
    assert turn.timings.answer_tokens == 3


def test_a_file_whose_own_template_is_broken_loads_and_answers_in_another_format(full: Engine, tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    data = bytearray(starter_chat(full.settings.models_dir).read_bytes())
    at = data.index(b"{% for message in messages %}")
    data[at : at + 6] = b"{% fxr"
    broken.write_bytes(data)
    full.apply({"model_path": broken, "n_threads": 1}, wait=True)
    assert full.model_state.status == "ready"
    conversation = full.new_conversation("default")
    job = full.ask(conversation, QUESTION)
    assert job.wait(WAIT_S)
    assert re.fullmatch(r"The model's chat template is not valid: .*fxr.* Choose another prompt format .*\.", job.turn.error)
    assert full.formatting.warnings(None) == [job.turn.error]
    full.apply({"template": "chatml"})
    assert finished(full.ask(conversation, QUESTION, overrides={"max_tokens": 16})).turn.answer


def test_a_family_the_model_was_not_trained_in_still_ends_its_answers(full: Engine) -> None:
    job = finished(full.ask(full.new_conversation("default"), QUESTION, overrides={"template": "alpaca", "max_tokens": 48}))
    assert job.turn.answer
    assert "###" not in job.turn.answer
    assert "### Instruction:" in text_of(job)
