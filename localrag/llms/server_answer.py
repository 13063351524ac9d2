"""One streamed answer of a server: read on a thread of its own, so that whoever shows it can leave at any moment."""

from __future__ import annotations

import codecs
import logging
import math
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from langchain_core.messages import AIMessageChunk

from localrag.errors import GenerationError
from localrag.llms.base import GenerationStats, Piece
from localrag.llms.server_wire import Wire
from localrag.llms.server_words import ServerWords
from localrag.llms.stop_text import StopText
from localrag.types import FinishReason

logger = logging.getLogger(__name__)

PATIENCE = 10
"""A server that sends something in time, but nothing of an answer for this many times as long, counts as gone too."""
AFTER_END_S = 0.5
"""How long the figures of a finished answer are waited for."""
TOKEN_CHARS = 8
"""No answer's tokens are longer on average: a server that sends more for each token allowed does not count them. (Pieces do
not tell: a server may send a token in several.)"""
THINK, THOUGHT = "<think>", "</think>"


@dataclass(frozen=True, slots=True)
class Chunk:
    """What came in at once. Counts are None where the server did not say."""

    text: str = ""
    thinking: str = ""
    finish: str = ""
    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    answer_tokens: int | None = None
    timings: Mapping[str, Any] = field(default_factory=dict)
    read_tokens: int | None = None
    """How far into the prompt the server is, while it reads it."""


def of_message(message: AIMessageChunk) -> Chunk:
    """A chunk of a chat, as LangChain hands it out."""
    usage, more = message.usage_metadata, message.additional_kwargs
    return Chunk(
        message.text,
        more.get("reasoning_content") or "",
        str(message.response_metadata.get("finish_reason") or ""),
        usage["input_tokens"] if usage else None,
        (usage.get("input_token_details") or {}).get("cache_read") if usage else None,
        usage["output_tokens"] if usage else None,
        more.get("timings") or {},
        (more.get("prompt_progress") or {}).get("processed"),
    )


def of_completion(data: Any) -> Chunk:
    """A chunk of a bare completion, as OpenAI's client hands it out."""
    choice = data.choices[0] if data.choices else None
    usage, more = data.usage, data.model_extra or {}
    details = usage.prompt_tokens_details if usage else None
    return Chunk(
        (choice.text or "") if choice else "",
        finish=(choice.finish_reason or "") if choice else "",
        prompt_tokens=usage.prompt_tokens if usage else None,
        cached_tokens=details.cached_tokens if details else None,
        answer_tokens=usage.completion_tokens if usage else None,
        timings=more.get("timings") or {},
        read_tokens=(more.get("prompt_progress") or {}).get("processed"),
    )


class Reading:
    """Reads chunks on a thread until they end or `stop` is called."""

    def __init__(self, chunks: Callable[[Wire], Iterator[Chunk]], words: ServerWords) -> None:
        self._words = words
        self._wire = Wire()
        self._queue: queue.SimpleQueue[Chunk | GenerationError | None] = queue.SimpleQueue()
        threading.Thread(target=self._read, args=(chunks,), name="chat server", daemon=True).start()

    def stop(self) -> None:
        """End it, from any thread: `chunks` returns at once and the server sees the connection end."""
        self._queue.put(None)
        self._wire.cut()

    @property
    def stopped(self) -> bool:
        return self._wire.cancelled.is_set()

    def chunks(self) -> Iterator[Chunk]:
        """What comes in; raises GenerationError when the server fails or has nothing to say for too long."""
        patience_s = PATIENCE * self._words.timeout_s
        finished, empty, until = False, False, time.monotonic() + patience_s
        while True:
            left_s = until - time.monotonic()
            try:
                item = self._queue.get(timeout=max(0.0, left_s))
            except queue.Empty:
                if finished:
                    return
                raise GenerationError(self._words.wordless(patience_s) if empty else self._words.silent()) from None
            if item is None or self.stopped:
                return
            if isinstance(item, GenerationError):
                raise item
            finished, empty = finished or bool(item.finish), not _says(item)
            if empty and left_s <= 0 and not finished:
                raise GenerationError(self._words.wordless(patience_s))
            yield item
            if finished or not empty:
                until = time.monotonic() + (AFTER_END_S if finished else patience_s)

    def _read(self, chunks: Callable[[Wire], Iterator[Chunk]]) -> None:
        end: GenerationError | None = None
        try:
            for chunk in chunks(self._wire):
                self._queue.put(chunk)
        except GenerationError as exc:
            end = exc
        except Exception as exc:  # the provider boundary: whatever a library raises must not leave the reader waiting
            logger.exception("reading the chat server's answer failed")
            end = GenerationError(f"{self._words.server} sent what cannot be read as an answer: {exc}. Look at its log.")
        self._queue.put(end)


def _says(chunk: Chunk) -> bool:
    return bool(chunk.text or chunk.thinking or chunk.read_tokens or chunk.finish)


def write(reading: Reading, words: ServerWords, stop: list[str], max_tokens: int, stats: GenerationStats) -> Iterator[Piece]:
    """The pieces of an answer, thinking between its marks, with its figures in `stats` (`prompt_tokens` is set before).

    Raises:
        GenerationError: the server failed; what was yielded is all there is.
    """
    started, first, stops = time.perf_counter(), 0.0, StopText(stop)
    thinking, chars, finish, counted, read = False, 0, "", False, 0
    whole, whole_thought = _characters(), _characters()
    for chunk in reading.chunks():
        _note(chunk, stats)
        chunk = replace(chunk, text=whole(chunk.text), thinking=whole_thought(chunk.thinking))
        read = chunk.read_tokens or read
        counted = counted or chunk.answer_tokens is not None
        finish = chunk.finish or finish
        if not (chunk.text or chunk.thinking):
            continue
        if chars > TOKEN_CHARS * max_tokens or (counted and stats.answer_tokens > max_tokens):
            finish = "length"
            break
        now = time.perf_counter()
        first = first or now
        stats.prefill_s, stats.generation_s = first - started, now - first
        stats.answer_tokens += not counted
        chars += len(chunk.text) + len(chunk.thinking)
        if chunk.thinking:
            yield Piece(("" if thinking else THINK) + chunk.thinking)
            thinking = True
        if chunk.text:
            yield Piece((THOUGHT if thinking else "") + stops.feed(chunk.text))
            thinking = False
        if stops.hit:
            break
    if thinking or (rest := stops.rest()):
        yield Piece(THOUGHT if thinking else rest)
    if reading.stopped:
        stats.finish = "cancelled"
        stats.prompt_tokens = stats.prompt_tokens if chars else read or stats.prompt_tokens
        stats.prefill_s = stats.prefill_s or time.perf_counter() - started
        return
    stats.hit_stop_text = stops.hit
    stats.finish = "stop" if stops.hit else _finish(finish)
    if not chars and not stats.answer_tokens:
        raise GenerationError(words.empty())


def _characters() -> Callable[[str], str]:
    """Makes text of JSON's \\u escapes: halves of one character, in one event or two, are joined, a lone half is replaced."""
    decode = codecs.getincrementaldecoder("utf-16-le")("replace").decode
    return lambda text: decode(text.encode("utf-16-le", "surrogatepass"))


def _note(chunk: Chunk, stats: GenerationStats) -> None:
    """The server's own figures, where it reports them, before any of ours."""
    stats.prompt_tokens = chunk.prompt_tokens or stats.prompt_tokens
    stats.reused = chunk.cached_tokens if chunk.cached_tokens is not None else stats.reused
    stats.answer_tokens = chunk.answer_tokens if chunk.answer_tokens is not None else stats.answer_tokens
    try:
        timings = {name: float(value) for name, value in chunk.timings.items() if name.endswith(("_n", "_ms"))}
    except (TypeError, ValueError, OverflowError):
        return
    if not all(map(math.isfinite, timings.values())):
        return
    if timings.get("prompt_ms", 0.0) > 0.0:
        stats.prefill_s = timings["prompt_ms"] / 1000
        stats.reused = int(timings.get("cache_n", stats.reused))
    if timings.get("predicted_ms", 0.0) > 0.0:
        stats.generation_s = timings["predicted_ms"] / 1000


def _finish(reason: str) -> FinishReason:
    return "length" if reason in ("length", "max_tokens") else "stop"
