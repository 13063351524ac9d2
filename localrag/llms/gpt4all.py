"""GGUF models in this process, through GPT4All 2.8.2: its llama.cpp of 2024 knows no newer architectures.

Prompts are made by us, from the file's own template, and evaluated token for token as planned; what is already in the
context is not evaluated again. GPT4All takes no seed: above temperature 0 its answers differ from run to run. It ends an
answer by itself where one of the texts "### Instruction", "### Prompt", "### Response", "### Human", "### Assistant" or
"### Context" comes up. A stop during the prompt waits for the step being evaluated (`CPU_STEP`).
"""

from __future__ import annotations

import codecs
import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress

from langchain_core.language_models import BaseChatModel

from localrag.errors import GenerationError, ModelLoadError, PromptError
from localrag.llms import llamacpp
from localrag.llms.base import GenerationStats, LoadedModel, Piece, Vocabulary
from localrag.llms.chat_format import ChatFormat
from localrag.llms.chat_model import ModelChat
from localrag.llms.formats import stop_texts
from localrag.llms.gpt4all_calls import Call, CallPlanner
from localrag.llms.gpt4all_session import MAX_BATCH, GPT4AllSession
from localrag.llms.stop_text import StopText
from localrag.models.devices import cpu_threads
from localrag.models.gguf_file import GGUFFile
from localrag.models.gpt4all_copy import loadable, why_refused
from localrag.models.identity import fingerprint
from localrag.models.llama_library import Model
from localrag.models.trials import Trials
from localrag.settings import AnswerSettings, ModelSettings
from localrag.types import Prompt

UNSUPPORTED = (
    "seed",
    "flash_attn",
    "n_ubatch",
    "cache_type",
    "use_mmap",
    "use_mlock",
    "rope_scaling",
    "rope_freq_base",
    "rope_freq_scale",
)
"""Settings that GPT4All has no place for: it maps the file, keeps the cache as f16 and leaves positions to the file."""

CPU_STEP = 32
"""Prompt tokens evaluated at once on a CPU: measured 4 % slower than 128, and a stop is heeded four times sooner.

Always the same number, whatever the clock says: other steps round differently, and at temperature 0 an answer is to repeat.
"""
BYTES_PER_TOKEN = 3  # where the vocabulary cannot be read: more tokens than most texts have

logger = logging.getLogger(__name__)


def check(settings: ModelSettings) -> GGUFFile:
    """Look at the file and the memory without loading; `settings.model_path` must be set.

    Raises:
        ModelFileError: no usable GGUF file of a chat model.
        ModelLoadError: it does not fit into memory, or it is newer than GPT4All.
    """
    header = llamacpp.check(_as_gpt4all(settings))
    reason = why_refused(header)
    if reason:
        raise ModelLoadError(f"GPT4All 2.8.2 cannot load {header.path}: {reason}. Choose llamacpp to run it, or another model.")
    return header


def build(settings: ModelSettings, trials: Trials | None = None) -> LoadedModel:
    """Load the model `settings` names, after its trial when it is new here; the first time of some files with a copy made
    beside them. Seconds to minutes.

    Raises:
        ModelFileError, ModelLoadError: with the reason; nothing stays in memory.
    """
    header = check(settings)
    (trials or Trials()).ensure(header, gpt4all=loadable(header))
    return GPT4AllModel(header, settings)


def _as_gpt4all(settings: ModelSettings) -> ModelSettings:
    """The settings with what GPT4All does in place of what it cannot, for the memory it needs."""
    n_batch = min(settings.n_batch, MAX_BATCH)
    layers = 0 if settings.gpt4all_device == "cpu" else settings.n_gpu_layers
    return settings.model_copy(
        update={
            "flash_attn": False,
            "cache_type": "f16",
            "n_batch": n_batch,
            "n_ubatch": n_batch,
            "n_gpu_layers": layers,
        }
    )


class GPT4AllModel:
    """A chat model loaded by GPT4All, its vocabulary read by llama.cpp for exact counts."""

    def __init__(self, header: GGUFFile, settings: ModelSettings) -> None:
        self.name = header.path.stem
        self.model_id = f"gpt4all-{fingerprint(header.path)}"
        self._cancelled = threading.Event()
        self._lock = threading.Lock()
        self._evaluated: list[int] = []
        self._step = min(settings.n_batch, CPU_STEP if settings.gpt4all_device == "cpu" else MAX_BATCH)
        self._vocabulary = _vocabulary(header)
        self.exact = self._vocabulary is not None
        try:
            self.format = ChatFormat(header.chat_template, *_ends(self._vocabulary))
            self._planner = None if self._vocabulary is None else CallPlanner(self._vocabulary)
            self._session = GPT4AllSession(
                loadable(header),
                settings.window(header.n_ctx_train),
                settings.n_threads or cpu_threads(),
                settings.gpt4all_device,
                settings.n_gpu_layers,
            )
        except Exception:
            self.close()
            raise
        self.n_ctx = self._session.n_ctx
        self.stop: tuple[str, ...] = ()
        if self._vocabulary is not None:
            self.vocabulary: Vocabulary = self._vocabulary
            with suppress(PromptError):  # a template that fails says so when it is needed; another format may be chosen
                self.stop = stop_texts(self.format, self._vocabulary)
        self.llm: BaseChatModel = ModelChat.over(self)

    @property
    def cached_tokens(self) -> int:
        return len(self._evaluated)

    def parts(self, roles: Sequence[str]) -> list[str | int]:
        return self.format.parts(roles)

    def tokenize(self, text: str, *, special: bool = False) -> list[int]:
        if self._vocabulary is None:
            return [0] * -(-len(text.encode("utf-8", "replace")) // BYTES_PER_TOKEN)
        return self._vocabulary.tokenize(text.replace("\0", "\ufffd"), special=special)

    def bos_tokens(self, first: Sequence[int]) -> list[int]:
        """The BOS token, when the vocabulary wants one and the template did not write it: GPT4All adds it by itself."""
        vocabulary = self._vocabulary
        wanted = vocabulary is not None and vocabulary.add_bos and list(first[:1]) != [vocabulary.bos]
        return [vocabulary.bos] if vocabulary is not None and wanted else []

    def generate(
        self, prompt: Prompt, settings: AnswerSettings, stop: Sequence[str], stats: GenerationStats
    ) -> Iterator[Piece]:
        """Evaluate what is new of the prompt, then draw the answer token by token, all on the calling thread.

        Raises:
            GenerationError: the prompt leaves no room in the window, or GPT4All failed.
        """
        with self._lock:
            if self._session.closed:
                raise GenerationError("The model was closed. Load it again on the Model page.")
            tokens = (*prompt.tokens, *prompt.begun)
            if len(tokens) >= self.n_ctx:
                raise GenerationError(
                    f"The prompt has {len(tokens)} tokens, the window {self.n_ctx}. Raise n_ctx or ask with fewer passages."
                )
            if prompt.begun and not self.exact:
                raise GenerationError("Without its vocabulary an answer cannot be gone on with. Answer again instead.")
            started = time.perf_counter()
            read = self._read_tokens(tokens, stats) if self.exact else self._read_messages(prompt, stats)
            stats.prompt_tokens = len(self._evaluated)
            if read:
                yield from self._stream(settings, StopText([*stop, *settings.stop]), stats, started, prompt.begun)
            else:
                stats.prefill_s = time.perf_counter() - started
                stats.finish = "cancelled"

    def _read_tokens(self, tokens: Sequence[int], stats: GenerationStats) -> bool:
        """Bring the context to exactly these tokens; False when cancelled on the way."""
        assert self._planner is not None
        pairs = zip(self._evaluated, tokens, strict=False)
        same = next((at for at, (old, new) in enumerate(pairs) if old != new), min(len(self._evaluated), len(tokens)))
        at = min(same, len(tokens) - 1)  # the last token is always evaluated: the answer is drawn from it
        del self._evaluated[at:]
        stats.reused = at
        while at < len(tokens):
            call = self._planner.next(tokens[at : at + self._step], self._evaluated[-1] if self._evaluated else None)
            if not self._evaluate(call):
                return False
            at += call.count
        return True

    def _read_messages(self, prompt: Prompt, stats: GenerationStats) -> bool:
        """Evaluate the messages as text, all of them: without the vocabulary nobody knows what is there already."""
        self._evaluated.clear()
        for part in self.parts([role for role, _ in prompt.messages]):
            text = part if isinstance(part, str) else prompt.messages[part][1]
            if text and not self._evaluate(Call(text, isinstance(part, str), 0)):
                return False
        return True

    def _evaluate(self, call: Call) -> bool:
        """Put one call behind what is there; False when cancelled."""
        if self._cancelled.is_set():
            return False
        seen = self._session.evaluate(call.text, call.special, len(self._evaluated), self._step, self._cancelled.is_set)
        if not seen:
            raise GenerationError(f"The prompt does not fit into the window of {self.n_ctx} tokens. Ask with fewer passages.")
        self._evaluated += seen
        return not self._cancelled.is_set()

    def _stream(
        self,
        settings: AnswerSettings,
        stops: StopText,
        stats: GenerationStats,
        started: float,
        begun: Sequence[int],
    ) -> Iterator[Piece]:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        if begun and self._vocabulary is not None:
            yield Piece("".join(stops.feed(decoder.decode(self._vocabulary.piece(token))) for token in begun))
        stats.finish = "length"
        first = 0.0
        while stats.answer_tokens < settings.max_tokens and len(self._evaluated) < self.n_ctx:
            drawn = self._session.draw(settings, len(begun) + stats.answer_tokens)
            now = time.perf_counter()
            first = first or now
            stats.prefill_s, stats.generation_s = first - started, now - first
            if drawn is None:
                stats.finish = "stop"
                break
            token, piece = drawn
            self._evaluated.append(token)
            stats.answer_tokens += 1
            yield Piece(stops.feed(decoder.decode(piece)), token)
            if stops.hit:
                stats.finish, stats.hit_stop_text = "stop", True
                return
            if self._cancelled.is_set() or (b"#" in piece and not self._again(token, piece)):
                stats.finish = "cancelled"
                break
        rest = stops.feed(decoder.decode(b"", final=True)) + stops.rest()
        if rest:
            yield Piece(rest)

    def _again(self, token: int, piece: bytes) -> bool:
        """Evaluate the last token once more; False when cancelled.

        After a "#" the library looks ahead for its own stop texts, and would go on from the end of what it looked at.
        """
        self._evaluated.pop()
        text = piece.decode("utf-8", "replace")
        last = self._evaluated[-1] if self._evaluated else None
        return self._evaluate(Call(text, False, 1) if self._planner is None else self._planner.next([token], last))

    def cancel(self) -> None:
        self._cancelled.set()

    def reset_cancel(self) -> None:
        self._cancelled.clear()

    def close(self) -> None:
        """Free the memory; waits for a running answer to end."""
        with self._lock:
            if hasattr(self, "_session"):
                self._session.close()
            if self._vocabulary is not None:
                self._vocabulary.close()


def _vocabulary(header: GGUFFile) -> Model | None:
    """The file's vocabulary alone; None without llama-cpp-python, or where its llama.cpp does not read the file."""
    try:
        return Model(header.path, vocab_only=True)
    except (ModelLoadError, ImportError, OSError, RuntimeError) as exc:
        logger.warning("the tokens of %s are estimated, and all of a prompt is evaluated each time: %s", header.path, exc)
        return None


def _ends(vocabulary: Model | None) -> tuple[str, str]:
    """How BOS and EOS are spelt, for the chat template; nothing when the vocabulary is unknown (BOS comes by itself)."""
    if vocabulary is None:
        return "", ""
    return vocabulary.token_text(vocabulary.bos), vocabulary.token_text(vocabulary.eos)
