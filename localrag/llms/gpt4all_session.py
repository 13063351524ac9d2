"""GPT4All 2.8.2's C library, called so that every token that goes in and comes out is known.

The Python class GPT4All loads the model; its `generate` is not used: it reads no prompt cache, decodes text byte by byte and
streams from a thread that goes on when nobody listens. `llmodel_prompt` is called directly instead, once for each step of
the prompt and once for each token of the answer: no thread is needed, and between two calls an answer can be stopped.

What the library does, as measured: text that is not valid UTF-8 ends the process; more than 128 tokens are never evaluated
at once; with n_past the context is cut and continued from there; a call with no text samples from the last evaluated token.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from localrag.errors import GenerationError, ModelLoadError
from localrag.settings import AnswerSettings

MAX_BATCH = 128  # LLMODEL_MAX_PROMPT_BATCH in llmodel.h
ALL_LAYERS = 1000
BARE = b"%1%2"  # a prompt template that adds nothing before, between or after
PENALTY_LAST_N = 64
NOT_LOADED = "Model not loaded"  # all the bindings know of a file that the library refused
ERROR_TOKEN = -1  # a response with this token is an error message (llmodel_c.h)


def load_library() -> None:
    """Load GPT4All's library, once in a process.

    Raises:
        ModelLoadError: it is missing or does not run here.
    """
    try:
        import gpt4all  # noqa: F401
    except (ImportError, OSError, RuntimeError) as exc:
        raise ModelLoadError(f"GPT4All cannot be loaded ({exc}). Run `pip install gpt4all==2.8.2`.") from exc


class GPT4AllSession:
    """One model in GPT4All's library, and how much of its context is in use. One thread at a time."""

    def __init__(self, path: Path, n_ctx: int, n_threads: int, device: str, n_gpu_layers: int) -> None:
        """Load the file, which must be readable; GPT4All says why it cannot only on the standard error stream.

        Raises:
            ModelLoadError: GPT4All is missing, knows no such device, or refuses the file.
        """
        load_library()
        from gpt4all import GPT4All, _pyllmodel

        self._api = _pyllmodel
        layers = ALL_LAYERS if n_gpu_layers < 0 else n_gpu_layers
        try:
            self._model = GPT4All(
                path.name,
                model_path=str(path.parent),
                allow_download=False,
                n_threads=n_threads,
                device=device,
                n_ctx=n_ctx,
                ngl=layers,
            )
        except Exception as exc:
            raise ModelLoadError(_why(path, device, str(exc).strip())) from exc
        self._context = _pyllmodel.LLModelPromptContext(n_past=0, n_predict=0, n_batch=1)
        self._call("", False, lambda _token: True, lambda _token, _text: True)  # tells the real n_ctx
        self.n_ctx = int(self._context.n_ctx)

    def evaluate(self, text: str, special: bool, keep: int, n_batch: int, stopped: Callable[[], bool]) -> list[int]:
        """Put a text behind the first `keep` tokens of the context; the tokens it was read as.

        `special` reads markers such as <|im_end|> as control tokens: never for documents. Fewer tokens than the text has
        come back when `stopped` says so, asked after every batch.
        Raises:
            GenerationError: the text does not fit, or the library failed.
        """
        seen: list[int] = []
        complaints: list[str] = []

        def prompt(token: int) -> bool:
            seen.append(token)
            return not stopped()

        def response(token: int, said: bytes) -> bool:
            complaints.append(said.decode("utf-8", "replace"))
            return False

        self._context.n_past = keep
        self._context.n_predict, self._context.n_batch = 0, n_batch
        self._call(text, special, prompt, response)
        if complaints:
            raise GenerationError(f"GPT4All failed: {complaints[0].strip()} Ask again with fewer passages.")
        return seen

    def draw(self, settings: AnswerSettings, answered: int) -> tuple[int, bytes] | None:
        """Sample the next token and evaluate it; None when the model, or GPT4All for it, ends the answer.

        Only the last tokens of the answer (`answered` so far) are penalised: words of the evidence must stay easy to quote.
        """
        drawn: list[tuple[int, bytes]] = []

        def response(token: int, piece: bytes) -> bool:
            drawn.append((token, piece))
            return True

        context, greedy = self._context, settings.temperature <= 0.0
        context.n_predict = 1
        context.top_k = 1 if greedy else settings.top_k
        context.top_p, context.min_p = settings.top_p, settings.min_p
        context.temp = 1.0 if greedy else settings.temperature  # the library divides by it
        context.repeat_penalty = settings.repeat_penalty
        context.repeat_last_n = min(answered, PENALTY_LAST_N)
        self._call("", False, lambda _token: True, response)
        if drawn and drawn[0][0] == ERROR_TOKEN:
            raise GenerationError(f"GPT4All failed: {drawn[0][1].decode('utf-8', 'replace').strip()} Ask again.")
        return drawn[0] if drawn else None

    def _call(self, text: str, special: bool, prompt: Callable[[int], bool], response: Callable[[int, bytes], bool]) -> None:
        api, model = self._api, self._model.model.model
        api.llmodel.llmodel_prompt(
            model,
            text.replace("\0", "\ufffd").encode("utf-8", "replace"),
            BARE,
            api.PromptCallback(prompt),
            api.ResponseCallback(response),
            False,  # never drop the beginning of the context to make room
            self._context,
            special,
            None,
        )

    @property
    def closed(self) -> bool:
        return self._model.model.model is None

    def close(self) -> None:
        """Free the memory."""
        self._model.close()


def _why(path: Path, device: str, said: str) -> str:
    """A sentence for what the bindings raise while they load."""
    said = said.partition("\n")[0].removeprefix("Unable to instantiate model: ")
    if "architecture" in said:
        return f"GPT4All 2.8.2 cannot load {path}: {said}. Choose llamacpp to run it, or another model."
    if device != "cpu" and said != NOT_LOADED:
        return f"GPT4All cannot compute on {device!r}: {said}. Set gpt4all_device to cpu, or to a device it finds."
    reason = "it says why only on the standard error stream" if said == NOT_LOADED else said
    return f"GPT4All 2.8.2 cannot load {path}: {reason}. Choose llamacpp to run it, or another model."
