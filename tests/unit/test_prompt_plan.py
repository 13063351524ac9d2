"""The prompt plan on a model whose tokens are code points: nothing too long, nothing lost silently, nothing evaluated twice."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from localrag.errors import PromptError
from localrag.llms.fake import FakeModel
from localrag.prompts.hub import HubPrompt, prompt
from localrag.prompts.plan import SYSTEM, SYSTEM_WITHOUT_DOCUMENTS, fold, plan_prompt
from localrag.settings import AnswerSettings, ModelSettings
from localrag.types import Evidence, PromptPlan, Turn

MODEL_ID = "fake"


def evidence(number: int, text: str | None = None, score: float = 0.5) -> Evidence:
    text = text if text is not None else f"Passage {number} about things."
    return Evidence("doc", "/doc.txt", "doc.txt", number * 1000, number * 1000 + len(text), text, score)


def plan(
    question: str,
    passages: Sequence[Evidence] = (),
    turns: Sequence[Turn] = (),
    n_ctx: int = 4096,
    max_tokens: int = 64,
    with_documents: bool = True,
    hub: HubPrompt | None = None,
) -> PromptPlan:
    model = FakeModel(ModelSettings(n_ctx=n_ctx))
    answer = AnswerSettings(max_tokens=max_tokens)
    return plan_prompt(model, MODEL_ID, question, passages, turns, answer, with_documents, hub)


def answered(made: PromptPlan, question: str, passages: Sequence[Evidence], answer: str, model_id: str = MODEL_ID) -> Turn:
    """The turn a model leaves behind that answered this plan."""
    return Turn(
        f"t-{question}", question, answer, tuple(passages), plan=made, model_id=model_id, answer_tokens=tuple(map(ord, answer))
    )


def text_of(made: PromptPlan) -> str:
    return "".join(chr(token) for token in made.tokens)


def test_passages_stand_in_their_documents_order_and_the_document_with_the_best_stands_last() -> None:
    passages = [evidence(3, score=0.9), replace(evidence(4, score=0.7), document_id="other"), evidence(2, score=0.1)]
    made = plan("Why?", passages)
    assert text_of(made) == (
        f"<system>{SYSTEM}<user>Context:\nPassage 4 about things.\n\nPassage 2 about things.\n\nPassage 3 about things.\n\n"
        "Question: Why?<assistant>"
    )
    assert [segment.ref for segment in made.segments if segment.kind == "evidence"] == [1, 2, 0]


def test_what_is_shown_to_the_person_alone_is_not_read_and_is_named() -> None:
    made = plan("Why?", [evidence(1), replace(evidence(2), given=False)])
    assert [segment.ref for segment in made.segments if segment.kind == "evidence"] == [0]
    assert [(item.kind, item.text) for item in made.dropped] == [("evidence", "Passage 2 about things.")]


def test_for_a_passage_that_is_longer_than_the_window_nothing_else_is_dropped() -> None:
    before = answered(plan("Who?", n_ctx=400), "Who?", [], "Nobody.")
    made = plan("Why?", [evidence(1, "x" * 900, score=0.9), evidence(2, score=0.2)], [before], n_ctx=400)
    assert [(item.kind, item.text[:3], item.why) for item in made.dropped] == [
        ("evidence", "xxx", "the window of 400 tokens has no room for it")
    ]
    assert [segment.ref for segment in made.segments if segment.kind == "evidence"] == [1]
    assert any(segment.kind == "history" for segment in made.segments)


def test_every_token_belongs_to_a_segment_of_its_kind() -> None:
    made = plan("Why?", [evidence(1)])
    assert [segment.kind for segment in made.segments] == ["template", "system", "template", "evidence", "question", "template"]
    assert made.count() == len(made.tokens) == sum(made.count(kind) for kind in ("template", "system", "evidence", "question"))
    assert all(list(segment.tokens) == [ord(character) for character in segment.text] for segment in made.segments)


def test_a_chat_without_documents_asks_the_bare_question() -> None:
    assert text_of(plan("Why?", with_documents=False)) == f"<system>{SYSTEM_WITHOUT_DOCUMENTS}<user>Why?<assistant>"


def test_line_breaks_inside_a_passage_are_folded_and_its_words_kept() -> None:
    assert "Context:\na b c\n\n" in text_of(plan("Why?", [evidence(1, "a\n\n b\t\tc\n")]))
    assert fold(" a\u00a0\n b ") == "a b"


def test_the_next_prompt_begins_with_everything_that_was_evaluated() -> None:
    turns: list[Turn] = []
    evaluated: list[int] = []
    for number in range(6):
        passages = [evidence(number), evidence(number + 1)]
        made = plan(f"Question {number}?", passages, turns)
        assert made.tokens[: len(evaluated)] == evaluated
        assert not made.dropped
        turns.append(answered(made, f"Question {number}?", passages, f"Answer {number}."))
        evaluated = made.tokens + list(turns[-1].answer_tokens)


def test_the_next_prompt_repeats_the_tokens_even_where_the_text_would_tokenise_otherwise() -> None:
    made = plan("One?", [evidence(1)])
    turn = replace(answered(made, "One?", [evidence(1)], "shown"), answer_tokens=(1, 2, 3))
    after = plan("Two?", [], [turn])
    assert after.tokens[: len(made.tokens) + 3] == [*made.tokens, 1, 2, 3]


def test_evidence_already_in_the_window_is_not_repeated() -> None:
    first = plan("One?", [evidence(1), evidence(2)])
    turn = answered(first, "One?", [evidence(1), evidence(2)], "Yes.")
    second = plan("Two?", [evidence(2), evidence(3)], [turn])
    assert text_of(second).count("Passage 2") == 1
    assert [segment.ref for segment in second.segments if segment.kind == "evidence"] == [1]
    third = plan("Two?", [evidence(1)], [turn])
    assert "Use the context above.\nQuestion: Two?" in text_of(third)


def test_evidence_of_a_turn_that_was_dropped_is_put_in_again() -> None:
    passage = evidence(1, "needle " * 10)
    turns: list[Turn] = []
    for number in range(20):
        made = plan(f"Question {number}?", [passage], turns, n_ctx=600, max_tokens=50)
        assert text_of(made).count(fold(passage.text)) == 1
        turns.append(answered(made, f"Question {number}?", [passage], "word " * 8))
    assert any(made.kind == "history" for turn in turns for made in turn.plan.dropped)  # type: ignore[union-attr]


def test_a_full_window_drops_old_turns_in_few_large_steps_and_says_which() -> None:
    turns: list[Turn] = []
    evaluated: list[int] = []
    dropped_before, steps = 0, 0
    for number in range(80):
        made = plan(f"Question {number:02d}?", [], turns, n_ctx=1000, max_tokens=100)
        assert [item.text for item in made.dropped] == [turn.question for turn in turns[: len(made.dropped)]]
        assert all(item.kind == "history" and "window is full" in item.why for item in made.dropped)
        if len(made.dropped) == dropped_before:
            assert made.tokens[: len(evaluated)] == evaluated
        else:
            assert len(made.dropped) >= dropped_before + 3
            dropped_before, steps = len(made.dropped), steps + 1
        assert len(turns) < 5 or len(turns) - len(made.dropped) >= 4
        turns.append(answered(made, f"Question {number:02d}?", [], "word " * 8))
        evaluated = made.tokens + list(turns[-1].answer_tokens)
    assert 5 <= steps <= 20


def test_turns_come_back_into_a_window_that_grew_or_after_a_hub_prompt() -> None:
    turns: list[Turn] = []
    for number in range(12):
        made = plan(f"Question {number:02d}?", [], turns, n_ctx=700, max_tokens=50)
        turns.append(answered(made, f"Question {number:02d}?", [], "word " * 8))
    assert made.dropped
    assert plan("Now?", [], turns, n_ctx=8000).dropped == ()
    alone = plan("Alone?", [], turns[:3], hub=prompt("rlm/rag-prompt"))
    assert len(alone.dropped) == 3
    assert plan("Now?", [], [*turns[:3], answered(alone, "Alone?", [], "Yes.")]).dropped == ()


def test_the_weakest_passages_go_when_the_window_is_small() -> None:
    passages = [evidence(n, f"{n}" * 100, score) for n, score in ((1, 0.2), (2, 0.9), (3, 0.5))]
    made = plan("Why?", passages, n_ctx=320, max_tokens=50)
    assert [segment.ref for segment in made.segments if segment.kind == "evidence"] == [1]
    assert [dropped.text for dropped in made.dropped] == [passages[0].text, passages[2].text]
    assert all(dropped.kind == "evidence" and "320" in dropped.why for dropped in made.dropped)


def test_a_question_that_does_not_fit_is_refused_with_the_numbers() -> None:
    with pytest.raises(PromptError, match=r"needs \d+ tokens and the answer 64, the window has 256"):
        plan("x" * 300, [evidence(1)], n_ctx=256)


def test_a_turn_of_another_model_is_told_again_in_words() -> None:
    made = plan("One?", [evidence(1)])
    other = answered(made, "One?", [evidence(1)], "Yes.", model_id="another")
    after = plan("Two?", [evidence(1)], [replace(other, answer_tokens=(1, 2, 3))])
    assert "Question: One?<assistant>Yes.<user>" in text_of(after)
    assert text_of(after).count("Passage 1") == 1


def test_a_turn_without_an_answer_is_no_history() -> None:
    assert plan("Two?", [], [Turn("t", "One?", "")]).tokens == plan("Two?").tokens


def test_random_conversations_fit_lose_nothing_silently_and_reuse_the_window() -> None:
    chance = random.Random(11)
    refused = planned = 0
    for _ in range(150):
        n_ctx, max_tokens = chance.randint(120, 1500), chance.choice([1, 16, 60, 5000])
        turns: list[Turn] = []
        for _ in range(chance.randint(1, 8)):
            question = "q" * chance.randint(1, 80)
            numbers = chance.sample(range(12), chance.randint(0, 5))
            passages = [evidence(n, f"[{n}]" + "p" * (n * 13 % 120), chance.random()) for n in numbers]
            try:
                made = plan(question, passages, turns, n_ctx, max_tokens)
            except PromptError:
                refused += 1
                continue
            planned += 1
            check(made, question, passages, turns, n_ctx)
            turns.append(answered(made, question, passages, "a" * chance.randint(1, min(made.reserved, 90))))
    assert planned > 300
    assert refused > 5


def check(made: PromptPlan, question: str, passages: Sequence[Evidence], turns: Sequence[Turn], n_ctx: int) -> None:
    """What must hold of every plan."""
    prompt_text = text_of(made)
    assert len(made.tokens) + made.reserved <= n_ctx == made.n_ctx
    assert prompt_text.endswith(f"Question: {question}<assistant>")
    dropped_turns = sum(dropped.kind == "history" for dropped in made.dropped)
    kept = turns[dropped_turns:]
    assert prompt_text.count("<user>") == len(kept) + 1
    dropped = [item.text for item in made.dropped if item.kind == "evidence"]
    for passage in passages:
        times = prompt_text.count(passage.text)
        assert times + dropped.count(passage.text) == 1 or (times >= 1 and passage.text not in dropped)
    before = turns[-1].plan if turns else None
    if before is not None and dropped_turns == sum(item.kind == "history" for item in before.dropped):
        evaluated = before.tokens + list(turns[-1].answer_tokens)
        assert made.tokens[: len(evaluated)] == evaluated


def test_a_hub_prompt_is_filled_word_for_word() -> None:
    made = plan("Why {context}?", [evidence(1, "A {question}\nB"), evidence(2, "C")], hub=prompt("rlm/rag-prompt"))
    assert text_of(made) == (
        "<user>You are an assistant for question-answering tasks. Use the following pieces of retrieved context to answer the"
        " question. If you don't know the answer, just say that you don't know. Use three sentences maximum and keep the answer"
        " concise.\nQuestion: Why {context}? \nContext: A {question}\nB\n\nC \nAnswer:<assistant>"
    )


def test_a_hub_prompt_with_its_own_markers_stands_alone() -> None:
    made = plan("Why?", [evidence(1, "A")], hub=prompt("rlm/rag-prompt-llama"))
    assert text_of(made).startswith("[INST]<<SYS>> You are an assistant")
    assert text_of(made).endswith("\nQuestion: Why? \nContext: A \nAnswer: [/INST]")


def test_a_hub_prompt_takes_no_history_and_says_so() -> None:
    first = plan("One?", [evidence(1)])
    turns = [answered(first, "One?", [evidence(1)], "Yes.")]
    made = plan("Two?", [evidence(1)], turns, hub=prompt("rlm/rag-prompt"))
    assert "One?" not in text_of(made)
    assert text_of(made).count("Passage 1") == 1
    assert [(item.kind, item.text) for item in made.dropped] == [("history", "One?")]
    assert "rlm/rag-prompt" in made.dropped[0].why
