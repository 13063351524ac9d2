"""Answers of a server: well, wrongly, late or not at all. The server is ours, on loopback, and does what a test wants."""

from __future__ import annotations

import json
import queue
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate

from localrag.errors import GenerationError, LocalRagError, ModelLoadError
from localrag.llms import server_answer
from localrag.llms.base import GenerationStats
from localrag.llms.server import ServerModel, build, check, server_models
from localrag.llms.server_chat import plain
from localrag.llms.server_connection import base_address
from localrag.llms.server_tokens import estimate
from localrag.llms.worker import ModelWorker
from localrag.settings import AnswerSettings, ModelSettings
from localrag.types import Prompt
from tests.tools.chat_server import DONE, LONG_S, MODEL, Events, Reply, Served, chat_server, event, json_reply, said
from tests.tools.trickling_server import trickling_server

GREEDY = AnswerSettings(temperature=0.0, max_tokens=20)
PROMPT = Prompt((0,) * 9, (("system", "Be brief."), ("user", "Hello?")))
LIMIT_S = 0.4
BUSY_S = 2.0  # what a test machine may take longer; a fault would take ten times the limit, or for ever
KEY = "sk-very-secret-1234"


@pytest.fixture
def server() -> Iterator[Served]:
    with chat_server() as served:
        yield served


def settings(server: Served, **more: Any) -> ModelSettings:
    return ModelSettings.model_validate({"llm": "server", "chat_server": server.address, "chat_timeout_s": LIMIT_S} | more)


@pytest.fixture
def model(server: Served) -> Iterator[ServerModel]:
    built = build(settings(server))
    yield built
    built.close()


def ask(model: ServerModel, answer: AnswerSettings = GREEDY, stop: tuple[str, ...] = ()) -> tuple[list[str], GenerationStats]:
    stats = GenerationStats()
    return [piece.text for piece in model.generate(PROMPT, answer, stop, stats)], stats


def failure(model: ServerModel) -> tuple[str, str, float]:
    """What an answer that fails had shown, what is said, and after how many seconds."""
    shown, message, started = "", "", time.monotonic()
    try:
        for piece in model.generate(PROMPT, GREEDY, (), GenerationStats()):
            shown += piece.text
    except GenerationError as exc:
        message = str(exc)
    assert message.endswith(".")
    assert "\n" not in message
    assert len(message) < 500
    return shown, message, time.monotonic() - started


def test_an_answer_comes_with_the_servers_figures(server: Served, model: ServerModel) -> None:
    pieces, stats = ask(model)
    assert pieces == ["Hello", " you", "."]
    assert (stats.prompt_tokens, stats.answer_tokens, stats.finish) == (11, 3, "stop")
    assert stats.prefill_s > 0


def test_llama_cpps_timings_are_taken(server: Served, model: ServerModel) -> None:
    timings = {"prompt_n": 4, "cache_n": 30, "prompt_ms": 200.0, "predicted_n": 3, "predicted_ms": 500.0}
    usage = {"prompt_tokens": 34, "completion_tokens": 3, "total_tokens": 37}
    server.answer = lambda _: iter(
        [event({"content": "Hi"}), event({}, "length"), event(None, usage=usage, timings=timings), DONE]
    )
    stats = ask(model)[1]
    assert (stats.prompt_tokens, stats.reused, stats.evaluated, stats.answer_tokens) == (34, 30, 4, 3)
    assert (stats.prefill_rate, stats.generation_rate, stats.finish) == (20.0, 4.0, "length")


def test_timings_that_are_no_numbers_are_not_taken(server: Served, model: ServerModel) -> None:
    for odd in (1e400, float("nan"), "ten", None):
        timings = {"cache_n": odd, "prompt_ms": 200.0}
        server.answer = lambda _, said=timings: iter([event({"content": "Hi"}), event({}, "stop", timings=said), DONE])
        text, stats = ask(model)
        assert (text, stats.reused) == (["Hi"], 0)


def test_every_setting_is_sent_and_nothing_else(server: Served, model: ServerModel) -> None:
    answer = AnswerSettings(
        temperature=0.5, top_p=0.9, top_k=7, min_p=0.1, repeat_penalty=1.2, max_tokens=33, seed=5, stop=("END",)
    )
    ask(model, answer, ("\nQuestion:",))
    sent = server.asked[0]
    assert sent.pop("messages") == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello?"}]
    assert sent == {
        "model": MODEL,
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 7,
        "min_p": 0.1,
        "repeat_penalty": 1.2,
        "repeat_last_n": 12,
        "max_tokens": 33,
        "seed": 5,
        "stop": ["\nQuestion:", "END"],
        "stream": True,
        "stream_options": {"include_usage": True},
        "cache_prompt": True,
        "return_progress": True,
    }
    ask(model)
    assert "seed" not in server.asked[1]


def test_a_server_that_refuses_what_it_does_not_know_is_asked_for_less_from_then_on(server: Served, model: ServerModel) -> None:
    def strict(asked: dict[str, Any]) -> Events | Reply:
        assert len(asked.get("stop", [])) <= 4 or "top_k" in asked
        unknown = set(asked) & {"top_k", "min_p", "repeat_penalty", "cache_prompt"}
        return json_reply({"error": {"message": f"Unknown: {sorted(unknown)}"}}, 400) if unknown else said("Hello", ".")

    server.answer = strict
    assert model.note == ""
    assert ask(model, stop=("1", "2", "3", "4", "5"))[0] == ["Hello", "."]
    assert ask(model)[0] == ["Hello", "."]
    assert ["top_k" in asked for asked in server.asked] == [True, False, False]
    assert server.asked[-1]["max_tokens"] == 20
    assert "does not know top-k, min-p and repeat penalty" in model.note


def test_a_server_that_wants_the_newer_name_of_the_longest_answer_gets_it(server: Served, model: ServerModel) -> None:
    def picky(asked: dict[str, Any]) -> Events | Reply:
        if "max_tokens" in asked or "temperature" in asked or "stop" in asked:
            return json_reply({"error": {"message": "Use 'max_completion_tokens' instead."}}, 400)
        return said("Hello")

    server.answer = picky
    assert "".join(ask(model, stop=("STOP",))[0]) == "Hello"
    assert server.asked[-1]["max_completion_tokens"] == 20


def test_a_refusal_that_stays_is_told_and_nothing_is_remembered_of_it(server: Served, model: ServerModel) -> None:
    server.answer = lambda _: json_reply({"error": {"message": "Model is on holiday"}}, 400)
    assert "refused to answer (400: Model is on holiday)" in failure(model)[1]
    assert model.note == ""


def test_thinking_is_marked(server: Served, model: ServerModel) -> None:
    deltas = [{"reasoning_content": "Hm"}, {"reasoning_content": ", well."}, {"content": "Yes"}, {"content": "."}]
    server.answer = lambda _: iter([*map(event, deltas), event({}, "stop"), DONE])
    assert "".join(ask(model)[0]) == "<think>Hm, well.</think>Yes."
    server.answer = lambda _: iter([*map(event, deltas[:2]), event({}, "length"), DONE])
    pieces, stats = ask(model)
    assert ("".join(pieces), stats.finish) == ("<think>Hm, well.</think>", "length")


def test_a_server_that_knows_no_stop_text_is_stopped(server: Served, model: ServerModel) -> None:
    server.answer = lambda _: said("One", " two", " STO", "P three")
    pieces, stats = ask(model, stop=("STOP",))
    assert ("".join(pieces), stats.finish, stats.hit_stop_text) == ("One two ", "stop", True)


def test_a_server_that_does_not_count_is_ended_at_the_longest_answer(server: Served, model: ServerModel) -> None:
    def endless() -> Events:
        while True:
            yield event({"content": "and "})

    server.answer = lambda _: endless()
    pieces, stats = ask(model)
    assert 20 * 4 < len("".join(pieces)) < 20 * 10
    assert stats.finish == "length"
    assert server.gone.wait(5)


def test_control_tokens_in_a_message_are_made_plain(server: Served, model: ServerModel) -> None:
    hostile = "a <|im_end|> b </s> c [/INST] d <end_of_turn> e <｜end▁of▁sentence｜> x < y | z [1] <s>trike"
    list(model.generate(Prompt((0,), (("user", hostile),)), GREEDY, (), GenerationStats()))
    sent = server.asked[0]["messages"][0]["content"]
    for token in ("<|im_end|>", "</s>", "[/INST]", "<end_of_turn>", "<｜end", "<s>"):
        assert token not in sent
    assert sent.replace("\u200b", "") == hostile
    assert plain("x < y | z [1]") == "x < y | z [1]"


# What goes wrong


def test_nobody_there_is_said_at_once() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        for look in (check, build, server_models):
            with pytest.raises(ModelLoadError, match=rf"No chat server answers at {address}/v1\. Start it"):
                look(ModelSettings(llm="server", chat_server=address))


def test_a_server_that_goes_away_is_said_and_may_come_back(server: Served, model: ServerModel) -> None:
    server.answer = lambda _: (0, {}, b"")
    assert "broke the connection off before it answered" in failure(model)[1]
    server.answer = lambda _: said("Back")
    assert ask(model)[0] == ["Back"]


def test_a_server_that_was_stopped_since_is_said(server: Served) -> None:
    with chat_server() as stopped:
        model = build(settings(stopped))
    assert "No chat server answers" in failure(model)[1]
    model.close()


def test_a_server_that_listens_and_never_answers_is_given_up(server: Served) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        address = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        started = time.monotonic()
        with pytest.raises(ModelLoadError, match=r"did not answer within 0\.4 s"):
            check(settings(server, chat_server=address))
        assert time.monotonic() - started < 2 * LIMIT_S + 1


def test_a_server_whose_headers_trickle_in_is_given_up(server: Served) -> None:
    with trickling_server() as address:
        started = time.monotonic()
        with pytest.raises(ModelLoadError, match=r"did not answer within 0\.4 s"):
            check(settings(server, chat_server=address))
        assert time.monotonic() - started < 2 * LIMIT_S + 1


def silence() -> Events:
    yield LONG_S


def half() -> Events:
    yield event({"content": "Half an"})
    yield LONG_S


def drops() -> Events:
    yield event({"content": "Half an"})
    yield None


def ends() -> Events:
    yield event({"content": "Half an"})


def fails() -> Events:
    yield event({"content": "Half an"})
    yield b'data: {"error": {"code": 500, "message": "out of memory\\nin layer 3", "type": "server_error"}}\n\n'
    yield LONG_S


def garbage() -> Events:
    yield event({"content": "Half an"})
    yield b"data: {not json\n\n"
    yield LONG_S


def shapeless() -> Events:
    yield event({"content": "Half an"})
    yield b'data: {"choices": [{"delta": 7}]}\n\n'
    yield LONG_S


@pytest.mark.parametrize(
    ("events", "shown", "reason"),
    [
        (silence, "", r"no sign of life for 0\.4 s"),
        (half, "Half an", r"no sign of life for 0\.4 s"),
        (drops, "Half an", "broke off in the middle of the answer"),
        (ends, "Half an", "broke off in the middle of the answer"),
        (fails, "Half an", "failed in the middle of the answer: out of memory in layer 3"),
        (garbage, "Half an", "cannot be read as an answer"),
        (shapeless, "Half an", "cannot be read as an answer"),
    ],
)
def test_an_answer_that_fails_keeps_what_was_written_and_says_why(
    server: Served, model: ServerModel, events: Callable[[], Events], shown: str, reason: str
) -> None:
    server.answer = lambda _: events()
    written, message, seconds = failure(model)
    assert written == shown
    assert re.search(reason, message)
    assert seconds < LIMIT_S + BUSY_S
    server.answer = lambda _: said("Fine", ".")
    assert ask(model)[0] == ["Fine", "."]


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ((200, {"Content-Type": "text/html"}, b"<html><body>Welcome</body></html>"), "answered with a web page"),
        ((200, {"Content-Type": "text/event-stream"}, b"  <!doctype html><p>Hi"), "answered with a web page"),
        (json_reply({"error": {"message": "quota used up"}}), "did not stream its answer: quota used up"),
        (json_reply({"choices": [{"message": {"content": "All at once"}}]}), "did not stream its answer"),
        (json_reply({"error": "unauthorised"}, 401), r"needs a key \(401\).*LOCALRAG_CHAT_API_KEY"),
        (json_reply({"error": "no"}, 403), r"needs a key \(403\)"),
        (json_reply({"error": "no"}, 302, Location="https://u:p@example.com/v1?key=1"), "sends on to https://example.com/v1,"),
        (json_reply({"error": "model 'x' not found"}, 404), r"404: model 'x' not found"),
        (json_reply({"error": {"message": "the request exceeds the available context size"}}, 400), "window too small"),
        (json_reply({"error": "boom"}, 500), r"refused to answer \(500: boom\)"),
        ((500, {}, b"x" * 300_000), r"refused to answer \(500: x{199}…\)"),
        (json_reply({"error": {"message": "Loading model"}}, 503), "still loads its model"),
        (json_reply({"error": "slow down"}, 429), r"stays busy \(429: slow down\)"),
        ((200, {}, b""), "broke the connection off before it answered"),
    ],
)
def test_a_reply_that_is_no_stream_is_explained(server: Served, model: ServerModel, reply: Reply, reason: str) -> None:
    server.answer = lambda _: reply
    shown, message, seconds = failure(model)
    assert shown == ""
    assert re.search(reason, message), message
    assert seconds < LIMIT_S + BUSY_S


def test_an_empty_answer_is_said(server: Served, model: ServerModel) -> None:
    server.answer = lambda _: iter([event({"role": "assistant", "content": ""}), event({}, "stop"), DONE])
    assert "sent an empty answer" in failure(model)[1]
    server.answer = lambda _: iter([DONE])
    assert "sent an empty answer" in failure(model)[1]


def test_lines_that_mean_nothing_are_passed_over(server: Served, model: ServerModel) -> None:
    server.answer = lambda _: iter(
        [b": ping\n\n", b"foo bar\n", b"event: x\n", event({"content": "Hi"}), event({}, "stop"), DONE]
    )
    assert ask(model)[0] == ["Hi"]


def test_signs_of_life_keep_a_slow_answer_alive(server: Served, model: ServerModel) -> None:
    def slow() -> Events:
        for _ in range(4):
            yield b": ping\n\n"
            yield LIMIT_S / 2
        yield from said("Late")

    server.answer = lambda _: slow()
    assert ask(model)[0] == ["Late"]


def test_a_finished_answer_does_not_wait_for_the_end_of_the_stream(server: Served) -> None:
    def unended() -> Events:
        yield event({"content": "Hi"})
        yield event({}, "stop")
        yield LONG_S

    server.answer = lambda _: unended()
    model = build(settings(server, chat_timeout_s=20.0))
    started = time.monotonic()
    try:
        pieces, stats = ask(model)
    finally:
        model.close()
    assert (pieces, stats.finish) == (["Hi"], "stop")
    assert time.monotonic() - started < 1


def test_a_line_without_end_is_not_read_for_ever(server: Served, model: ServerModel) -> None:
    def line() -> Events:
        yield b"data: "
        while True:
            yield b"x" * 1_000_000

    server.answer = lambda _: line()
    assert "a line without end" in failure(model)[1]
    assert server.gone.wait(5)


def test_a_server_that_loads_its_model_is_waited_for(server: Served) -> None:
    waits = [503, 503]
    server.others["/health"] = lambda _: json_reply({"status": "x"}, waits.pop() if waits else 200)
    check(settings(server))
    assert len(waits) == 1  # a look does not wait
    model = build(settings(server, chat_timeout_s=5.0))
    assert not waits
    loading = [json_reply({"error": {"message": "Loading model"}}, 503)]
    server.answer = lambda _: loading.pop() if loading else said("Ready")
    assert ask(model)[0] == ["Ready"]
    model.close()
    server.others["/health"] = lambda _: json_reply({"error": {"message": "Loading model"}}, 503)
    with pytest.raises(ModelLoadError, match=r"still loads its model after 0\.4 s"):
        build(settings(server))


def test_what_is_wrong_with_an_address_is_said_before_anything_is_sent() -> None:
    for address, reason in (
        ("", "No chat server is named"),
        ("   ", "No chat server is named"),
        ("127.0.0.1:8080", "Write http://host:port/v1"),
        ("ftp://host/v1", "Write http://host:port/v1"),
        ("http://user:geheim@host/v1", "more than a host"),
        ("http://host/v1?key=geheim", "more than a host"),
        ("http://[::1", "no address"),
    ):
        with pytest.raises(ModelLoadError, match=reason) as caught:
            check(ModelSettings(llm="server", chat_server=address))
        assert "geheim" not in str(caught.value)
    for address in ("http://h:1", "http://h:1/", "http://h:1/v1", "http://h:1/v1/chat/completions", "http://h:1/v1/"):
        assert base_address(address) == "http://h:1/v1"
    assert base_address("https://h/api/v3") == "https://h/api/v3"


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ((200, {"Content-Type": "text/html"}, b"<html>Hi</html>"), "answered with a web page. Check chat_server"),
        ((200, {}, b"\xff\xfe\x00"), "something that is not JSON"),
        ((200, {}, b"[" * 100_000), "something that is not JSON"),
        (json_reply({"data": []}), "lists no models. Set chat_model"),
        (json_reply([1]), "lists no models"),
        (json_reply({"data": [{"name": 1}, 7]}), "lists no models"),
        (json_reply({}, 401), "needs a key"),
        (json_reply({"error": "no"}, 404), "gives no answers here"),
        (json_reply({}, 307, Location="http://elsewhere/v1"), "sends on to http://elsewhere/v1, which is not followed"),
    ],
)
def test_a_list_of_models_that_is_none_is_explained(server: Served, reply: Reply, reason: str) -> None:
    server.models = lambda: reply
    with pytest.raises(ModelLoadError, match=reason):
        check(settings(server))


def test_a_wrong_path_is_answered_with_a_better_one(server: Served) -> None:
    with pytest.raises(ModelLoadError, match=rf"try {server.address}/v1\."):
        check(settings(server, chat_server=f"{server.address}/api/chat"))


def test_the_models_are_listed_and_a_wrong_name_is_refused(server: Served) -> None:
    assert server_models(settings(server)) == [MODEL, "other"]
    assert check(settings(server)).model == MODEL
    assert check(settings(server, chat_model="other")).model == "other"
    with pytest.raises(ModelLoadError, match="has no model wrong, it lists good-model, other"):
        check(settings(server, chat_model="wrong"))
    server.models = lambda: json_reply({"data": [{"id": "llama3:latest"}]})
    assert check(settings(server, chat_model="llama3")).model == "llama3"
    server.models = lambda: json_reply({"error": "no"}, 404)
    assert check(settings(server, chat_model="mine")).model == "mine"


def test_the_window_is_the_servers_where_it_says_so(server: Served) -> None:
    def n_ctx(**entry: Any) -> int:
        server.models = lambda: json_reply({"data": [{"id": MODEL} | entry]})
        model = build(settings(server, n_ctx=1234))
        model.close()
        return model.n_ctx

    assert n_ctx() == 1234
    assert n_ctx(max_model_len=8192) == 8192
    assert n_ctx(meta={"n_ctx": 2048, "n_ctx_train": 32768}) == 2048
    assert n_ctx(max_model_len="many", meta="none") == 1234


def test_the_key_is_sent_and_never_shown(server: Served) -> None:
    model = build(settings(server, chat_api_key=KEY))
    server.answer = lambda _: json_reply({"error": f"your key {KEY} is wrong"}, 401)
    message = failure(model)[1]
    assert "does not accept the key (401)" in message
    server.answer = lambda _: json_reply({"error": f"your key {KEY} is wrong"}, 500)
    assert "your key (key) is wrong" in failure(model)[1]
    assert KEY not in repr(model.llm)
    model.close()
    assert {headers.get("authorization") for headers in server.headers} == {f"Bearer {KEY}"}
    with pytest.raises(ModelLoadError, match="Copy the key again") as caught:
        check(settings(server, chat_api_key="two words"))
    assert "two words" not in str(caught.value)


def test_nothing_of_the_environment_is_used_or_sent(server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "OPENAI_API_KEY": "sk-env",
        "OPENAI_BASE_URL": "http://127.0.0.1:9/v1",
        "OPENAI_API_BASE": "http://127.0.0.1:9/v1",
        "OPENAI_ORG_ID": "org-env",
        "OPENAI_PROJECT_ID": "project-env",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "http_proxy": "http://127.0.0.1:9",
        "ALL_PROXY": "http://127.0.0.1:9",
    }.items():
        monkeypatch.setenv(name, value)
    model = build(settings(server))
    assert ask(model)[0] == ["Hello", " you", "."]
    assert model.llm.invoke("Hello").text == "Hello you."
    model.close()
    sent = json.dumps(server.headers).lower()
    for trace in ("env", "stainless", "openai", "authorization"):
        assert trace not in sent


def test_a_cancel_ends_a_silent_answer_at_once_and_the_server_sees_it(server: Served) -> None:
    model = build(settings(server, chat_timeout_s=20.0))
    for events, shown in ((silence, ""), (half, "Half an")):
        server.gone.clear()
        server.answer = lambda _, events=events: events()
        stats, text, pressed = GenerationStats(), "", list[float]()

        def press(pressed: list[float] = pressed) -> None:
            pressed.append(time.monotonic())
            model.cancel()

        threading.Timer(0.15, press).start()
        for piece in model.generate(PROMPT, GREEDY, (), stats):
            text += piece.text
        assert time.monotonic() - pressed[0] < 0.1
        assert (text, stats.finish) == (shown, "cancelled")
        assert server.gone.wait(2), "the server still thinks that somebody listens"
        model.reset_cancel()
    model.close()


def test_a_server_that_sends_nothing_but_empty_events_is_given_up(server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def empty() -> Iterator[bytes]:
        yield event({"content": "Half"})
        while not server.gone.wait(0.02):
            yield event({"content": ""})

    server.gone.clear()
    server.answer = lambda _: empty()
    monkeypatch.setattr(server_answer, "PATIENCE", 0.3)
    model = build(settings(server, chat_timeout_s=1.0))
    pieces, started = model.generate(PROMPT, GREEDY, (), GenerationStats()), time.monotonic()
    assert next(pieces).text == "Half"
    with pytest.raises(GenerationError, match=r"sent nothing of an answer for 0\.3 s"):
        list(pieces)
    assert time.monotonic() - started < 5
    assert server.gone.wait(2), "the server still thinks that somebody listens"
    model.close()


def test_a_cancel_ends_waiting_for_a_busy_server(server: Served) -> None:
    server.answer = lambda _: json_reply({}, 503)
    model = build(settings(server, chat_timeout_s=20.0))
    stats, started = GenerationStats(), time.monotonic()
    threading.Timer(0.1, model.cancel).start()
    assert list(model.generate(PROMPT, GREEDY, (), stats)) == []
    assert (stats.finish, time.monotonic() - started < 0.4) == ("cancelled", True)
    model.close()


def test_a_chain_gets_sentences_too(server: Served, model: ServerModel) -> None:
    chain = ChatPromptTemplate.from_messages([("human", "{question}")]) | model.llm | StrOutputParser()
    assert [piece for piece in chain.stream({"question": "Hello?"}) if piece] == ["Hello", " you", "."]
    server.answer = lambda _: json_reply({"error": "boom"}, 500)
    with pytest.raises(LocalRagError, match=r"refused to answer \(500: boom\)"):
        chain.invoke({"question": "Hello?"})


def test_tokens_are_asked_for_where_the_server_counts_them(server: Served) -> None:
    counted = list[str]()

    def tokenize(asked: dict[str, Any]) -> Reply:
        counted.append(asked["prompt"])
        return json_reply({"count": 1, "max_model_len": 99, "tokens": [7] * len(asked["prompt"].split())})  # as vLLM

    server.others["/tokenize"] = tokenize
    model = build(settings(server))
    assert not model.exact  # its template is not known
    for _ in range(3):
        assert len(model.tokenize("one two three")) == 3
    assert counted.count("one two three") == 1
    server.others["/tokenize"] = lambda _: json_reply({"error": "gone"}, 500)
    assert len(model.tokenize("one two three")) == 3
    with pytest.raises(GenerationError, match="500: gone"):
        model.tokenize("something else")
    model.close()


def test_evidence_is_counted_by_guess_while_the_server_is_gone(server: Served) -> None:
    worker, loaded = ModelWorker(), queue.SimpleQueue[LocalRagError | None]()
    try:
        server.others["/tokenize"] = lambda asked: json_reply({"tokens": [7] * len(asked["prompt"].split())})
        worker.load(settings(server), loaded.put)
        assert loaded.get(timeout=10) is None
        assert worker.count_tokens("one two three") == 3
        server.others["/tokenize"] = lambda _: json_reply({"error": "gone"}, 500)
        assert worker.count_tokens("one two three four") == 5
    finally:
        worker.close()


def test_estimates_follow_the_script() -> None:
    assert estimate("") == 0
    assert estimate("Hello") == 1
    assert estimate("The cat sat on the mat.") == 7
    assert estimate("2024-11-03") == 10
    assert 14 <= estimate("박물관은 학생들이 설립했다") <= 24
    assert estimate("Музей был основан") == 7
    assert estimate("🎉") == 2
    assert estimate("a" * 100_000) > 20_000


def test_halves_of_a_character_are_joined_or_replaced(server: Served, model: ServerModel) -> None:
    server.answer = lambda _asked: said("a \ud83d", "\ude00 b", " \ud800", " c")
    pieces, _ = ask(model)
    assert "".join(pieces) == "a 😀 b � c"


def test_an_answer_that_speaks_of_the_end_is_not_ended_by_it(server: Served, model: ServerModel) -> None:
    server.answer = lambda _asked: iter([event({"content": "It ends with data: [DONE]"})])
    with pytest.raises(GenerationError, match="broke off"):
        ask(model)


def test_an_end_that_arrives_byte_by_byte_is_seen(server: Served, model: ServerModel) -> None:
    def by_bytes(_asked: object) -> Events:
        yield event({"content": "all of it"})
        yield from (bytes([byte]) for byte in DONE)

    server.answer = by_bytes
    pieces, stats = ask(model)
    assert ("".join(pieces), stats.finish) == ("all of it", "stop")
