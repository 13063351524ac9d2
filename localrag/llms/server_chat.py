"""A chat server as LangChain's ChatOpenAI, made fit for servers that are not OpenAI's: patient, watched, in our words."""

from __future__ import annotations

import logging
import re
import ssl
import time
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from enum import IntEnum
from typing import Any, TypeVar

import openai
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.chat_models import generate_from_stream
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_openai import ChatOpenAI
from pydantic import PrivateAttr, SecretStr

from localrag.errors import GenerationError
from localrag.llms.server_wire import WIRE, RefusedError, Wire, http_client, timeout, unused_client
from localrag.llms.server_words import BUSY, Reply, ServerWords
from localrag.settings import AnswerSettings

logger = logging.getLogger(__name__)

REPEAT_LAST_N = 12
"""A server counts the end of the prompt in: 64 tokens of it are the question and the best passage, whose words would then be
avoided (the starter model no longer finds what it is asked for). Twelve are little more than the template's end."""
NO_KEY = "none"  # ChatOpenAI would look for one in the environment
MOST_STOPS = 4  # OpenAI's interface allows no more
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 4.0
# Control tokens of ChatML, Llama 2 and 3, Mistral, Gemma, Phi, DeepSeek: servers read them in a document as such.
_CONTROL = re.compile(r"<(?=\|[^|<>\n]{1,40}\|>|｜[^｜<>\n]{1,40}｜>|/?s>|(?:start|end)_of_turn>|[be]os>)|\[(?=/?INST\])")
T = TypeVar("T")


class Manner(IntEnum):
    """How a server is asked, from the most to the least it has to understand."""

    FULL = 0
    PLAIN = 1
    """Only what OpenAI's own interface has."""
    BARE = 2
    """Only the longest answer, under its newer name: some of OpenAI's models refuse all else."""


class ServerChat(ChatOpenAI):
    """For chains as for our own answers. Errors are GenerationError with a sentence; any number of threads may ask."""

    _words: ServerWords = PrivateAttr()
    _manner: Manner = PrivateAttr(Manner.FULL)

    @classmethod
    def over(cls, words: ServerWords, model: str, answer: AnswerSettings | None = None) -> ServerChat:
        """A chat model of one server; nothing is sent yet."""
        chat = cls(
            model=model,
            base_url=words.base,
            api_key=SecretStr(words.secret or NO_KEY),
            http_client=http_client(words),
            http_async_client=unused_client(words),
            timeout=timeout(words),
            use_responses_api=False,
            stream_usage=True,
            max_retries=0,  # `asked` is patient where that helps, and can be stopped
            **sampling(answer or AnswerSettings()),
        )
        chat._words = words
        return chat

    @property
    def note(self) -> str:
        """A sentence about settings that this server does not know, once it said so."""
        if self._manner == Manner.FULL:
            return ""
        gone = "top-k, min-p and repeat penalty" + (", temperature, top-p and seed" if self._manner == Manner.BARE else "")
        return f"{self._words.server} does not know {gone}: it answers without them."

    def asked(self, start: Callable[[], Iterator[T]], ended: Callable[[T], bool], wire: Wire | None = None) -> Iterator[T]:
        """What `start` streams, tried again while the server is busy or asks for less; `ended` tells a last piece.

        Raises:
            GenerationError: whatever the server or the way to it did.
        """
        wire, begun, finished = wire or Wire(), False, False
        end, pause_s, manner = time.monotonic() + self._words.timeout_s, FIRST_PAUSE_S, self._manner
        while True:
            try:
                stream = start()
                token = WIRE.set(wire)
                try:
                    first = next(stream, None)
                finally:
                    WIRE.reset(token)
                if first is not None:
                    begun, finished = True, ended(first)
                    yield first
                for piece in stream:
                    begun, finished = True, finished or ended(piece)
                    yield piece
                if not finished and not wire.done:
                    raise GenerationError(self._words.cut() if begun else self._words.broke_off())
                if not begun:
                    raise GenerationError(self._words.empty())
                return
            except RefusedError as exc:
                pause_s = self._after_refusal(exc.reply, end, pause_s, manner, wire)
            except GenerationError:
                raise
            except Exception as exc:  # the provider boundary: what a library makes of a stranger's bytes
                if not (finished and isinstance(exc, openai.APITimeoutError)):
                    raise GenerationError(self._sentence(exc, begun)) from exc
                return

    def _after_refusal(self, reply: Reply, end: float, pause_s: float, began_as: Manner, wire: Wire) -> float:
        """Wait, or ask for less from now on; the next pause. Raises GenerationError when nothing of that helps."""
        too_long = self._words.is_too_long(reply)
        if reply.status in BUSY:
            wait_s = max(pause_s, asked_pause_s(reply))
            if time.monotonic() + wait_s < end and not wire.cancelled.wait(wait_s):
                return min(2 * pause_s, LONGEST_PAUSE_S)
        elif reply.status in (400, 422) and not too_long and self._manner < Manner.BARE:
            newer = "max_completion_tokens" in reply.text or self._manner == Manner.PLAIN
            self._manner = Manner.BARE if newer else Manner.PLAIN
            logger.info("%s said %d%s", self._words.server, reply.status, self._words.said(reply.text))
            return pause_s
        self._manner = began_as
        if reply.status == 200:
            page = reply.text.lstrip()[:1] == "<"
            raise GenerationError(self._words.no_json(reply.text) if page else self._words.not_streamed(reply.text))
        if reply.status == 0:
            raise GenerationError(f"{self._words.server} sent {reply.text}. Check chat_server.")
        raise GenerationError(self._words.refusal(reply))

    def _sentence(self, exc: Exception, begun: bool) -> str:
        words, causes = self._words, list(_causes(exc))
        names = {type(cause).__name__ for cause in causes}
        if isinstance(exc, openai.APITimeoutError):
            return words.nobody() if "ConnectTimeout" in names else words.silent()
        if isinstance(exc, openai.APIConnectionError):
            if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
                return words.certificate()
            if "ConnectError" in names:
                return words.nobody()
            return words.cut() if begun else words.broke_off()
        if isinstance(exc, openai.APIError):
            return words.failed(exc.message)
        logger.warning("%s sent what cannot be read: %s", words.server, exc)
        return f"{words.server} sent something that cannot be read as an answer. Check chat_server, or look at its log."

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        wire: Wire | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        def start() -> Iterator[ChatGenerationChunk]:
            return super(ServerChat, self)._stream(messages, stop, run_manager, **kwargs)

        return self.asked(start, lambda chunk: bool((chunk.generation_info or {}).get("finish_reason")), wire)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return generate_from_stream(self._stream(messages, stop, run_manager, **kwargs))

    # The asynchronous client would go round all of this: LangChain then runs the above on a thread.
    _astream = BaseChatModel._astream
    _agenerate = BaseChatModel._agenerate

    def _get_request_payload(self, input_: Any, *, stop: list[str] | None = None, **kwargs: Any) -> dict[str, Any]:
        payload: dict[str, Any] = super()._get_request_payload(input_, stop=stop, **kwargs)
        for message in payload["messages"]:
            if isinstance(message.get("content"), str):
                message["content"] = plain(message["content"])
        if self._manner < Manner.BARE and "max_completion_tokens" in payload:
            payload["max_tokens"] = payload.pop("max_completion_tokens")  # the name that every server knows
        if self._manner > Manner.FULL:
            payload.pop("extra_body", None)
            if payload.get("stop"):
                payload["stop"] = payload["stop"][:MOST_STOPS]  # our own look at the text finds the others
        if self._manner == Manner.BARE:
            for name in ("temperature", "top_p", "seed", "stop"):
                payload.pop(name, None)
        return payload

    def _convert_chunk_to_generation_chunk(
        self, chunk: dict[str, Any], default_chunk_class: type, base_generation_info: dict[str, Any] | None
    ) -> ChatGenerationChunk | None:
        made = super()._convert_chunk_to_generation_chunk(chunk, default_chunk_class, base_generation_info)
        if made is None or not isinstance(made.message, AIMessageChunk):
            return made
        delta = (chunk["choices"][0].get("delta") or {}) if chunk.get("choices") else {}
        thinking = delta.get("reasoning_content") or delta.get("reasoning")
        if isinstance(thinking, str):
            made.message.additional_kwargs["reasoning_content"] = thinking
        for name in ("timings", "prompt_progress"):  # llama.cpp's own
            if isinstance(chunk.get(name), dict):
                made.message.additional_kwargs[name] = chunk[name]
        return made


def _causes(exc: BaseException) -> Iterator[BaseException]:
    """An error and what it came from, down to the first."""
    seen: BaseException | None = exc
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__


def sampling(answer: AnswerSettings) -> dict[str, Any]:
    """The settings of an answer in OpenAI's words, and in `extra_body` those that llama.cpp, vLLM and others add."""
    extra = {
        "top_k": answer.top_k,
        "min_p": answer.min_p,
        "repeat_penalty": answer.repeat_penalty,
        "repeat_last_n": REPEAT_LAST_N,
        "cache_prompt": True,
        "return_progress": True,  # signs of life while a long prompt is read
    }
    given = {"temperature": answer.temperature, "top_p": answer.top_p, "max_tokens": answer.max_tokens}
    return given | ({"seed": answer.seed} if answer.seed >= 0 else {}) | {"extra_body": extra}


def plain(text: str) -> str:
    """A message in which nothing reads as a control token: a space of no width stands inside what would."""
    return _CONTROL.sub(lambda found: found.group() + "\u200b", text)


def asked_pause_s(reply: Reply) -> float:
    """Seconds the server asks to wait in Retry-After, a number or a date; 0 when it does not."""
    value = reply.headers.get("retry-after", "").strip()
    try:
        return min(max(0.0, float(value)), 3600.0)
    except ValueError:
        try:
            return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
        except (ValueError, TypeError, OverflowError):
            return 0.0
