"""Prompt formats by name: the model's own, the plain pattern, the known families, and the user's own Jinja templates."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path

from localrag.errors import PromptError
from localrag.llms.base import LoadedModel, PromptFormat, TemplatedModel, Vocabulary
from localrag.llms.chat_format import CONVERSATION, MARK, MODEL, PLAIN, ChatFormat

FAMILIES = {
    "plain": "Plain text",
    "chatml": "ChatML",
    "llama-2": "Llama 2",
    "llama-3": "Llama 3",
    "mistral": "Mistral",
    "gemma": "Gemma",
    "phi-3": "Phi 3",
    "phi-4": "Phi 4",
    "qwen": "Qwen",
    "qwen-3-without-thinking": "Qwen 3 without thinking",
    "zephyr": "Zephyr",
    "vicuna": "Vicuna",
    "alpaca": "Alpaca",
}
"""The formats that are shipped, with the names people know them by."""
MAX_TEMPLATE_CHARS = 200_000
_NAME = re.compile(r"[^\W_][\w .+-]{0,59}")
_NO_FILE = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?", re.IGNORECASE)  # Windows knows these as devices
_LEAST = (("user",), ("system", "user"), CONVERSATION)


@dataclass(frozen=True, slots=True)
class FormatChoice:
    """A prompt format to be used instead of the model's own."""

    name: str
    template: str


class FormatLibrary:
    """The formats to choose from. The user's own lie in a folder, one NAME.jinja each; reading needs no lock."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self) -> list[str]:
        """Every name that can be chosen: the model's own first, then what is shipped, then the user's."""
        return [MODEL, *FAMILIES, *self.kept()]

    def kept(self) -> list[str]:
        """The names of the user's own formats."""
        return sorted(path.stem for path in self._folder.glob("*.jinja") if _NAME.fullmatch(path.stem))

    def choice(self, name: str) -> FormatChoice | None:
        """The format of that name; None for the model's own.

        Raises:
            PromptError: there is none, or its file cannot be read.
        """
        if name == MODEL:
            return None
        if name in FAMILIES:
            return FormatChoice(name, family(name))
        if not _NAME.fullmatch(name) or name not in self.kept():
            raise PromptError(f"There is no prompt format named {name}. Choose one of {', '.join(self.names())}.")
        path = self._folder / f"{name}.jinja"
        try:
            return FormatChoice(name, path.read_text("utf-8"))
        except (OSError, ValueError) as exc:
            raise PromptError(f"The prompt format {name} cannot be read from {path}: {exc}. Write it anew.") from exc

    def keep(self, name: str, template: str) -> FormatChoice:
        """Keep a format of the user's under a name, new or known; it is tried first.

        Raises:
            PromptError: the name or the template cannot be used, or the disk is full; what was kept before stays.
        """
        name = name.strip()
        if not _NAME.fullmatch(name) or _NO_FILE.fullmatch(name) or name != name.rstrip(". "):
            raise PromptError(f"{name!r} is no name for a prompt format. Take letters, digits, spaces and . + - _, up to 60.")
        if name.casefold() in (MODEL, *FAMILIES):
            raise PromptError(f"{name} is the name of a format that is shipped. Take another name.")
        twin = next((kept for kept in self.kept() if kept.casefold() == name.casefold() and kept != name), None)
        if twin is not None:
            raise PromptError(f"There is a prompt format named {twin} already. Write its name like that, or take another.")
        choice = FormatChoice(name, template)
        try_format(choice)
        path = self._folder / f"{name}.jinja"
        scratch = path.with_suffix(".tmp")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            scratch.write_text(template, "utf-8")
            scratch.replace(path)
        except (OSError, ValueError) as exc:
            with suppress(OSError):
                scratch.unlink(missing_ok=True)
            raise PromptError(f"The prompt format {name} could not be kept in {path}: {exc}. Free some space.") from exc
        return choice

    def delete(self, name: str) -> None:
        """Forget a format of the user's.

        Raises:
            PromptError: there is none of that name, or its file cannot be removed.
        """
        if name not in self.kept():
            raise PromptError(f"There is no prompt format of yours named {name}. Nothing was deleted.")
        try:
            (self._folder / f"{name}.jinja").unlink(missing_ok=True)
        except OSError as exc:
            raise PromptError(f"The prompt format {name} could not be deleted: {exc.strerror}. Try again.") from exc


def family(name: str) -> str:
    """The template of a format that is shipped."""
    if name == "plain":
        return PLAIN
    return (resources.files("localrag.llms") / "templates" / f"{name}.jinja").read_text("utf-8")


def try_format(choice: FormatChoice) -> None:
    """Render the conversations every format must be able to write.

    Raises:
        PromptError: it cannot, and why.
    """
    if not choice.template.strip():
        raise PromptError(f"The prompt format {choice.name} is empty. Write a Jinja template of the messages.")
    if len(choice.template) > MAX_TEMPLATE_CHARS:
        raise PromptError(
            f"The prompt format {choice.name} has {len(choice.template):,} characters, {MAX_TEMPLATE_CHARS:,} are allowed."
            " Shorten it."
        )
    form = ChatFormat(choice.template, "<s>", "</s>", choice.name)
    for roles in _LEAST:
        form.parts(roles)


class Formatted:
    """A model that is asked in another prompt format than its own."""

    def __init__(self, model: TemplatedModel, form: ChatFormat) -> None:
        self._model, self.format = model, form
        self.n_ctx, self.exact = model.n_ctx, model.exact
        self.vocabulary = model.vocabulary
        self.stop: tuple[str, ...] = stop_texts(form, model.vocabulary)

    def parts(self, roles: Sequence[str]) -> list[str | int]:
        return self.format.parts(roles)

    def tokenize(self, text: str, *, special: bool = False) -> list[int]:
        return self._model.tokenize(text, special=special)

    def bos_tokens(self, first: Sequence[int]) -> list[int]:
        return self._model.bos_tokens(first)


def with_format(model: LoadedModel, choice: FormatChoice | None) -> PromptFormat:
    """The model as a prompt is written for it: in the chosen format, or its own where none is chosen or it takes no other.

    Raises:
        PromptError: the format cannot be rendered.
    """
    form = format_of(model, choice)
    return model if choice is None or form is None or not isinstance(model, TemplatedModel) else Formatted(model, form)


def format_of(model: LoadedModel, choice: FormatChoice | None) -> ChatFormat | None:
    """The format a model is asked in; None for one that applies a template of its own, out of our sight, as servers do."""
    if not isinstance(model, TemplatedModel):
        return None
    if choice is None:
        return model.format
    vocabulary = model.vocabulary
    return _chat_format(choice, vocabulary.token_text(vocabulary.bos), vocabulary.token_text(vocabulary.eos))


@lru_cache(maxsize=8)
def _chat_format(choice: FormatChoice, bos: str, eos: str) -> ChatFormat:
    return ChatFormat(choice.template, bos, eos, choice.name)


def thinks(model: LoadedModel) -> bool:
    """Whether the model's own template speaks of thinking."""
    return isinstance(model, TemplatedModel) and model.format.thinks


def stop_texts(form: ChatFormat, vocabulary: Vocabulary) -> tuple[str, ...]:
    """What ends an answer as text, where a format has no token for it: its first words after an answer.

    Raises:
        PromptError: the format cannot be rendered.
    """
    after = form.after_answer()
    if any(vocabulary.is_end(token) for token in vocabulary.tokenize(after, special=True)):
        return ()
    begun = after.lstrip()
    mark = MARK.match(begun)
    if mark:
        return (mark[0],)
    line = begun.partition("\n")[0].rstrip()
    lead = "\n" if "\n" in after[: len(after) - len(begun)] else ""
    return (lead + line,) if line else ()
