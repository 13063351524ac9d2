"""Ten questions in one conversation with the starter model: what is evaluated does not grow, and a full window goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest

from localrag.documents.source import Source
from localrag.engine import Engine
from localrag.prompts.plan import FULL
from localrag.settings import load_settings
from localrag.types import Turn

pytestmark = pytest.mark.models

POST = Path(__file__).with_name("seed_post.html")
WAIT_S = 120.0
QUESTIONS = (
    "What are the approaches to task decomposition?",
    "How does an agent remember what it did?",
    "Which tools can an agent use?",
    "What does a planner write down first?",
    "Why do long tasks fail?",
    "What is short-term memory limited by?",
    "How are old memories found again?",
    "Who checks the work of an agent?",
    "What happens when a tool fails?",
    "What should a reader try first?",
)


@pytest.fixture(scope="module")
def post(tmp_path_factory: pytest.TempPathFactory, models_dir: Path) -> Path:
    """A data directory with the post in."""
    data = tmp_path_factory.mktemp("long")
    with closing(Engine(load_settings({"data_dir": data, "models_dir": models_dir}, {}, data))) as engine:
        engine.library.claim_writing()
        assert engine.intake.start("post", [Source(POST.name, path=POST)]).wait(WAIT_S)
    return data


@pytest.fixture
def asked(post: Path, models_dir: Path, request: pytest.FixtureRequest) -> Iterator[list[Turn]]:
    """The turns of a conversation of ten questions, in a window of the parameter's size."""
    values = {"data_dir": post, "models_dir": models_dir, "n_ctx": request.param, "n_threads": 1, "max_tokens": 16}
    with closing(Engine(load_settings(values, {}, post))) as engine:
        engine.start_model(wait=True)
        conversation = engine.new_conversation("post")
        for question in QUESTIONS:
            assert engine.ask(conversation, question).wait(WAIT_S)
        yield list(engine.conversation(conversation).turns)


@pytest.mark.parametrize("asked", [8192], indirect=True)
def test_ten_turns_evaluate_no_more_than_each_brings(asked: list[Turn]) -> None:
    assert [turn.error for turn in asked] == [""] * len(QUESTIONS)
    for before, turn in pairwise(asked):
        assert turn.plan is not None
        new = turn.timings.prompt_tokens - before.timings.prompt_tokens
        assert turn.timings.evaluated_tokens <= new, "an answer lies in the cache already, but for its last token"
        history = turn.plan.count("history")
        assert turn.timings.evaluated_tokens < turn.timings.prompt_tokens - 0.9 * history
    assert asked[-1].timings.prompt_tokens > 3 * asked[0].timings.prompt_tokens


@pytest.mark.parametrize("asked", [8192], indirect=True)
def test_what_the_next_prompt_begins_with_is_evaluated_before_it_is_asked(asked: list[Turn]) -> None:
    for turn in asked[1:]:
        assert turn.plan is not None
        segments = turn.plan.segments
        new = next(at for at, segment in enumerate(segments) if segment.kind in ("evidence", "question"))
        brought = sum(len(segment.tokens) for segment in segments[new:])
        assert turn.timings.evaluated_tokens <= brought, "the end of the last turn and the next role were not"


@pytest.mark.parametrize("asked", [1024], indirect=True)
def test_a_window_that_is_full_drops_whole_turns_says_so_and_goes_on(asked: list[Turn]) -> None:
    assert [turn.error for turn in asked] == [""] * len(QUESTIONS)
    assert all(turn.answer for turn in asked)
    full = [turn for turn in asked if turn.plan is not None and any(item.why == FULL for item in turn.plan.dropped)]
    assert full
    for turn in asked:
        assert turn.plan is not None
        assert turn.plan.count() + turn.plan.reserved <= 1024
        assert any(turn.question in segment.text for segment in turn.plan.segments)
