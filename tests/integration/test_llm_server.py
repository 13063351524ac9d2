"""A chat server keeps the contract of backends: a real llama-server, and llama-cpp-python's own server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import psutil
import pytest
import requests

from localrag.engine import Engine
from localrag.errors import ModelLoadError
from localrag.llms.base import GenerationStats, LoadedModel
from localrag.llms.server import ServerModel, build, server_models
from localrag.models.starter import starter_chat
from localrag.settings import AnswerSettings, ModelSettings, load_settings
from localrag.types import Prompt, Turn
from tests.conftest import MODELS_DIR
from tests.integration.llm_contract import CONTEXT, GREEDY, N_CTX, QUESTION, STORY, SYSTEM, LLMContract, answer, prompt_of
from tests.tools.llama_server import binary
from tests.tools.llama_server_process import llama_server, python_server

pytestmark = pytest.mark.models


def connections_to(address: str) -> set[int]:
    """This process' connections to a server, by their ports at this end."""
    port = int(address.rsplit(":", 1)[1])
    ours = psutil.Process().net_connections("tcp")
    return {c.laddr.port for c in ours if c.raddr and c.raddr.port == port and c.status == psutil.CONN_ESTABLISHED}


class ServerContract(LLMContract):
    address: ClassVar[str]

    def make(self, **settings: object) -> LoadedModel:
        """The server has its own window; what is asked for here stands in where it does not say."""
        self.before = connections_to(self.address)
        return build(ModelSettings.model_validate({"llm": "server", "chat_server": self.address} | settings))

    def gone(self, model: LoadedModel) -> bool:
        return connections_to(self.address) <= self.before


class TestLlamaServer(ServerContract):
    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def server(cls) -> Iterator[None]:
        with llama_server(binary(), starter_chat(MODELS_DIR), n_ctx=N_CTX) as cls.address:
            yield

    def test_a_stopped_answer_frees_the_servers_slot(self, model: LoadedModel) -> None:
        stats = GenerationStats()
        for number, _ in enumerate(
            model.generate(prompt_of(model, SYSTEM, STORY), GREEDY.model_copy(update={"max_tokens": 900}), (), stats)
        ):
            if number == 5:
                model.cancel()
        assert stats.finish == "cancelled"
        end = time.monotonic() + 3
        while any(slot["is_processing"] for slot in requests.get(f"{self.address}/slots", timeout=5).json()):
            assert time.monotonic() < end, "the server goes on with an answer nobody waits for"

    def test_what_was_evaluated_before_is_not_evaluated_again(self, model: LoadedModel) -> None:
        answer(model, CONTEXT + QUESTION)
        again = answer(model, f"{CONTEXT}Question: Who designed the motor?")[1]
        assert again.evaluated < 30 < again.reused

    def test_the_models_of_the_server_are_listed(self) -> None:
        names = server_models(ModelSettings(llm="server", chat_server=self.address))
        assert [name.rsplit("/")[-1] for name in names] == [starter_chat(MODELS_DIR).name]

    def test_the_seed_repeats_an_answer(self, model: LoadedModel) -> None:
        drawn = AnswerSettings(temperature=1.5, seed=7, max_tokens=24, min_p=0.0)
        first, second = ("".join(answer(model, STORY, drawn)[0]) for _ in range(2))
        assert first == second
        others = {"".join(answer(model, STORY, drawn.model_copy(update={"seed": seed}))[0]) for seed in range(2)}
        assert others != {first}

    def test_a_system_text_can_be_read_ahead(self, model: LoadedModel) -> None:
        tokens = prompt_of(model, SYSTEM, "?").tokens[:10]
        stats = GenerationStats()
        list(model.generate(Prompt(tokens), AnswerSettings(max_tokens=1), (), stats))
        assert stats.prompt_tokens == 10

    def test_the_engine_answers_through_it_and_keeps_it_when_another_is_dead(self, tmp_path: Path) -> None:
        given = {"data_dir": tmp_path, "llm": "server", "chat_server": self.address, "embeddings": "fake", "max_tokens": 24}
        engine = Engine(load_settings(given, {}, tmp_path))
        try:
            engine.start_model(wait=True)
            conversation = engine.new_conversation("")

            def ask(question: str) -> Turn:
                engine.ask(conversation, question)
                engine.wait(conversation, 60)
                return engine.conversation(conversation).turns[-1]

            first = ask(f"{CONTEXT}How long is the warranty of the Kestrel drill?")
            assert (first.error, "31 months" in first.answer) == ("", True)
            with pytest.raises(ModelLoadError, match="No chat server answers"):
                engine.apply({"chat_server": "http://127.0.0.1:9/v1"}, wait=True)
            second = ask("And who designed its motor?")
            assert (second.error, bool(second.answer)) == ("", True)
            assert second.timings.evaluated_tokens < 60 < second.timings.prompt_tokens
            for turn in (first, second):
                assert turn.plan is not None
                assert turn.plan.exact
                assert turn.plan.count() == turn.timings.prompt_tokens
        finally:
            engine.close()


def test_a_server_that_dies_in_the_middle_of_an_answer_leaves_what_it_wrote(tmp_path: Path) -> None:
    given = {"data_dir": tmp_path, "llm": "server", "embeddings": "fake", "max_tokens": 900, "chat_timeout_s": 5}
    with llama_server(binary(), starter_chat(MODELS_DIR), n_ctx=N_CTX) as address:
        engine = Engine(load_settings(given | {"chat_server": address}, {}, tmp_path))
        try:
            engine.start_model(wait=True)
            conversation = engine.new_conversation("")
            job = engine.ask(conversation, STORY)
            end = time.monotonic() + 60
            while len(job.turn.answer) < 30:
                assert time.monotonic() < end
                time.sleep(0.02)
            port = int(address.rsplit(":", 1)[1])
            for process in psutil.Process().children():
                if any(c.laddr.port == port for c in process.net_connections("tcp")):
                    process.kill()
            engine.wait(conversation, 30)
            turn = engine.conversation(conversation).turns[-1]
            assert len(turn.answer) >= 30
            assert "broke off in the middle of the answer. What it wrote stays" in turn.error
            engine.ask(conversation, "Are you there?")
            engine.wait(conversation, 30)
            assert "No chat server answers" in engine.conversation(conversation).turns[-1].error
        finally:
            engine.close()


class TestLlamaCppPythonServer(ServerContract):
    """It has no address that counts tokens without stopping the answer another request waits for: all is estimated."""

    exact = False
    reports_prompt = False

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def server(cls) -> Iterator[None]:
        with python_server(starter_chat(MODELS_DIR), n_ctx=N_CTX) as cls.address:
            yield

    def test_estimates_are_near_the_real_tokenizers_counts(self, model: LoadedModel) -> None:
        assert isinstance(model, ServerModel)
        with llama_server(binary(), starter_chat(MODELS_DIR), n_ctx=N_CTX) as address:
            real = build(ModelSettings(llm="server", chat_server=address))
            try:
                for text in (CONTEXT, QUESTION, STORY, "def double(x: int) -> int:\n    return 2 * x\n"):
                    truth = len(real.tokenize(text))
                    assert 0.9 * truth <= len(model.tokenize(text)) <= 1.5 * truth + 2
                whole = [len(prompt_of(m, SYSTEM, CONTEXT + QUESTION, "Yes.", "And?").tokens) for m in (real, model)]
                assert whole[0] <= whole[1] <= 1.5 * whole[0]
            finally:
                real.close()
