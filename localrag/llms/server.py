"""Any server that speaks OpenAI's /v1/chat/completions: llama-server, llamafile, vLLM, LM Studio, Ollama."""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from langchain_core.language_models import BaseChatModel

from localrag.errors import GenerationError, ModelLoadError
from localrag.llms.base import GenerationStats, Piece
from localrag.llms.server_connection import ServerConnection
from localrag.llms.server_tokens import ServerTokens
from localrag.llms.server_words import Reply
from localrag.settings import AnswerSettings, ModelSettings
from localrag.types import Prompt

if TYPE_CHECKING:
    from localrag.llms.server_answer import Chunk, Reading
    from localrag.llms.server_wire import Wire

LOADING = 503
LOOK_EVERY_S = 0.25
UNKNOWN_N_CTX = 4096
_N_CTX_NAMES = ("max_model_len", "n_ctx", "loaded_context_length", "max_context_length", "context_length")


M = TypeVar("M", bound="ServerModel")


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What a server says of itself. `n_ctx` is 0 where it says nothing; `names` are all models it lists."""

    model: str
    names: tuple[str, ...]
    is_llamacpp: bool = False
    n_ctx: int = 0
    details: dict[str, Any] = field(default_factory=dict)


def check(settings: ModelSettings) -> ServerFacts:
    """Whether the server is there, takes the key and has the model; one that still loads its model passes.

    Raises:
        ModelLoadError: it cannot be used, and what to do; known within seconds.
    """
    with _Connected(settings) as connection:
        return _facts(connection, settings, wait=False)


def server_models(settings: ModelSettings) -> list[str]:
    """The names of the models the server of `settings.chat_server` lists, in its order.

    Raises:
        ModelLoadError: no server there, or it cannot be used.
    """
    with _Connected(settings) as connection:
        return [str(item["id"]) for item in _listed(connection)]


def build(settings: ModelSettings) -> ServerModel:
    """Connect to the server the settings name; see `connect`."""
    return connect(settings, ServerModel)


def connect(settings: ModelSettings, kind: type[M]) -> M:
    """Connect to the server; one that still loads its model is waited for up to chat_timeout_s. The model is of this `kind`.

    Raises:
        ModelLoadError: it cannot be used, and what to do.
    """
    connection = None
    try:
        connection = ServerConnection(settings.chat_server, settings.chat_api_key, settings.chat_timeout_s)
        return kind(connection, _facts(connection, settings, wait=True), settings)
    except GenerationError as exc:
        if connection is not None:
            connection.close()
        raise ModelLoadError(str(exc)) from exc


class _Connected:
    """A connection for a look, with errors of loading."""

    def __init__(self, settings: ModelSettings) -> None:
        self._settings = settings

    def __enter__(self) -> ServerConnection:
        given = self._settings
        try:
            self._connection = ServerConnection(given.chat_server, given.chat_api_key, given.chat_timeout_s)
        except GenerationError as exc:
            raise ModelLoadError(str(exc)) from exc
        return self._connection

    def __exit__(self, _kind: object, exc: BaseException | None, _trace: object) -> None:
        self._connection.close()
        if isinstance(exc, GenerationError):
            raise ModelLoadError(str(exc)) from exc


class ServerModel:
    """A model another process runs.

    A llama.cpp server shows its tokenizer and its template: it is given the very tokens of the plan, so no text of a
    document can be a control token, and what it evaluated before it need not evaluate again. Any other server is given
    messages, and counts are estimates.
    """

    def __init__(self, connection: ServerConnection, facts: ServerFacts, settings: ModelSettings) -> None:
        """Raises GenerationError when the server stops answering."""
        from localrag.llms.server_chat import ServerChat  # seconds to import, and only needed here

        self._connection, self._words = connection, connection.words
        self._model = facts.model
        self.name = re.split(r"[/\\]", facts.model)[-1].removesuffix(".gguf")
        self._tokens = ServerTokens(connection, facts.model, facts.is_llamacpp)
        self.exact = self._tokens.exact
        self.n_ctx = facts.n_ctx or settings.n_ctx or UNKNOWN_N_CTX
        self.stop: tuple[str, ...] = ()
        told = [self.name, self.exact, sorted(facts.details.items(), key=str)]
        self.model_id = "server:" + hashlib.sha256(repr(told).encode()).hexdigest()[:32]
        self._chat = ServerChat.over(self._words, facts.model)
        self.llm: BaseChatModel = self._chat
        self._cancelled = threading.Event()
        self._reading: Reading | None = None

    @property
    def note(self) -> str:
        """A sentence about settings the server does not know; empty when it takes all."""
        return self._chat.note

    @property
    def cached_tokens(self) -> int:
        return 0  # of the server's cache nothing is known

    def parts(self, roles: Sequence[str]) -> list[str | int]:
        return self._tokens.parts(roles)

    def tokenize(self, text: str, *, special: bool = False) -> list[int]:
        return self._tokens.tokenize(text, special)

    def bos_tokens(self, first: Sequence[int]) -> list[int]:
        return self._tokens.bos_tokens(first)

    def generate(
        self, prompt: Prompt, settings: AnswerSettings, stop: Sequence[str], stats: GenerationStats
    ) -> Iterator[Piece]:
        from localrag.llms.server_answer import Reading, write

        stats.prompt_tokens = len(prompt.tokens)
        if len(prompt.tokens) >= self.n_ctx:
            raise GenerationError(self._words.too_long(len(prompt.tokens), self.n_ctx))
        if not self.exact and not any(role == "user" for role, _ in prompt.messages):
            stats.finish = "stop"  # the beginning of a prompt: only a server that is given tokens can read it ahead
            return
        stops = [text for text in dict.fromkeys((*stop, *settings.stop)) if text]
        reading = Reading(lambda wire: self._chunks(prompt, settings, stops, wire), self._words)
        self._reading = reading
        if self._cancelled.is_set():
            reading.stop()
        try:
            yield from write(reading, self._words, stops, settings.max_tokens, stats)
        finally:
            reading.stop()
            self._reading = None

    def _chunks(self, prompt: Prompt, settings: AnswerSettings, stops: list[str], wire: Wire) -> Iterator[Chunk]:
        from localrag.llms.server_answer import of_completion, of_message
        from localrag.llms.server_chat import sampling

        given = sampling(settings)
        if self.exact:

            def start() -> Iterator[Any]:
                made = self._chat.root_client.completions.create(
                    model=self._model,
                    prompt=list(prompt.tokens),
                    stop=stops or None,
                    stream=True,
                    stream_options={"include_usage": True},
                    **given,
                )
                yield from made

            asked = self._chat.asked(start, lambda data: bool(data.choices and data.choices[0].finish_reason), wire)
            return map(of_completion, asked)
        messages = [(role, text) for role, text in prompt.messages if role]
        stream = self._chat.stream(messages, stop=stops or None, wire=wire, **given)
        return map(of_message, stream)

    def cancel(self) -> None:
        self._cancelled.set()
        reading = self._reading
        if reading is not None:
            reading.stop()

    def reset_cancel(self) -> None:
        self._cancelled.clear()

    def close(self) -> None:
        """End the running answer and close the connections; the server goes on."""
        self.cancel()
        self._connection.close()
        self._chat.root_client.close()


def _facts(connection: ServerConnection, settings: ModelSettings, wait: bool) -> ServerFacts:
    health = _health(connection, settings.chat_timeout_s if wait else 0.0)
    wanted = settings.chat_model.strip()
    if health.status == LOADING:
        return ServerFacts(wanted, ())  # it can be waited for
    listed = _listed(connection, required=not wanted)
    names = tuple(str(item["id"]) for item in listed)
    if not names and not wanted:
        raise GenerationError(connection.words.no_list())
    properties = _properties(connection, '"status"' in health.text)
    entry = next((item for item in listed if _is_called(item, wanted)), None)
    if entry is None and names and properties is None:  # a llama.cpp server has one model, whatever it is called
        raise GenerationError(connection.words.no_model(wanted, list(names)))
    entry = entry or {}
    meta: dict[str, Any] = entry["meta"] if isinstance(entry.get("meta"), dict) else {}
    generation: dict[str, Any] = (properties or {}).get("default_generation_settings") or {}
    sources = (generation, entry, meta)
    n_ctx = next((int(s[name]) for s in sources for name in _N_CTX_NAMES if isinstance(s.get(name), int) and s[name] > 0), 0)
    return ServerFacts(wanted or names[0], names, properties is not None, n_ctx, meta)


def _health(connection: ServerConnection, patience_s: float) -> Reply:
    """Wait while the server says that it loads its model. No address for health is as good as health."""
    end = time.monotonic() + patience_s
    while (reply := connection.reply(f"{connection.root}/health")).status == LOADING and patience_s:
        if time.monotonic() > end:
            raise GenerationError(connection.words.refusal(reply))
        time.sleep(LOOK_EVERY_S)  # the server is another process: there is nothing to wait on but its answer
    return reply


def _listed(connection: ServerConnection, required: bool = True) -> list[dict[str, Any]]:
    """What the server lists as its models."""
    reply = connection.reply(f"{connection.base}/models")
    if reply.status in (404, 405, 501) and not required:
        return []
    if reply.status != 200:
        raise GenerationError(connection.words.refusal(reply))
    answer = connection.parsed(reply)
    data = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(data, list):
        raise GenerationError(connection.words.no_list())
    return [item for item in data if isinstance(item, dict) and item.get("id")]


def _properties(connection: ServerConnection, surely_llamacpp: bool) -> dict[str, Any] | None:
    """What a llama.cpp server says of itself; None for any other. Its health and list need no key, this does."""
    reply = connection.reply(f"{connection.root}/props")
    if reply.status in (401, 403) and surely_llamacpp:
        raise GenerationError(connection.words.refusal(reply))
    if reply.status != 200:
        return None
    try:
        found = connection.parsed(reply)
    except GenerationError:
        return None
    known = isinstance(found, dict) and isinstance(found.get("default_generation_settings"), dict)
    return found if known else None


def _is_called(item: dict[str, Any], wanted: str) -> bool:
    """Whether a listed model is the one wanted; any when none is named. Ollama's names end in a tag."""
    name = str(item["id"])
    return not wanted or wanted == name or name.partition(":")[0] == wanted or wanted in (item.get("aliases") or ())
