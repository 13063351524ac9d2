"""The local library of prompts: pulled from the hub or written here, reviewed, edited, kept; nothing is fetched again."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from localrag.errors import PromptError
from localrag.prompts.hub import HUB_API, HUB_NAMES, HubPrompt, check_prompt, prompt, prompt_file, pull

_NAME = re.compile(r"[^\W_][\w .+-]{0,59}(?:/[^\W_][\w .+-]{0,59})?")
CHAT = "chat"


class PromptLibrary:
    """The prompts to choose from: those that are shipped, and those in a folder, one JSON file each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self) -> list[str]:
        """Every prompt there is, those that are shipped first."""
        return [*HUB_NAMES, *(name for name in self.kept() if name not in HUB_NAMES)]

    def kept(self) -> list[str]:
        """The names of the prompts in the folder; a kept copy of one that is shipped is used instead of it."""
        return sorted(name for path in self._folder.glob("*.json") if (name := _name_in(path)) is not None)

    def get(self, name: str) -> HubPrompt:
        """The prompt of that name.

        Raises:
            PromptError: there is none, or its file is damaged.
        """
        if not _NAME.fullmatch(name) or (name not in HUB_NAMES and not (self._folder / prompt_file(name)).is_file()):
            raise PromptError(f"There is no prompt named {name}. Choose one of {', '.join((CHAT, *self.names()))}.")
        return prompt(name, self._folder)

    def pull(self, reference: str, base_url: str = HUB_API) -> HubPrompt:
        """Fetch a prompt for review; see `hub.pull`. `keep` keeps it."""
        return pull(reference, base_url)

    def keep(self, found: HubPrompt, name: str, messages: Sequence[tuple[str, str]] | None = None) -> HubPrompt:
        """Keep a prompt under a name, with its messages as they are or edited; returns it as it is kept.

        Raises:
            PromptError: the name or the messages cannot be used, or the disk is full; what was kept before stays.
        """
        name = name.strip()
        if not _NAME.fullmatch(name) or name.casefold() == CHAT or name != name.rstrip(". "):
            raise PromptError(
                f"{name!r} is no name for a prompt. Take letters, digits, spaces and . + - _, with one / at most."
            )
        words = found.messages if messages is None else tuple(messages)
        kept = replace(found, name=name, messages=words, edited=found.edited or words != found.messages)
        check_prompt(kept)
        target = self._folder / prompt_file(name)
        other = _name_in(target)
        if other is not None and other != name:
            raise PromptError(f"A prompt named {other} is kept in the same file as {name} would be. Take another name.")
        data = {"name": name, "origin": kept.origin, "commit": kept.commit, "edited": kept.edited}
        text = json.dumps(data | {"messages": [{"role": role, "template": text} for role, text in words]}, indent=2)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            target.with_suffix(".tmp").write_text(text, "utf-8")
            target.with_suffix(".tmp").replace(target)
        except OSError as exc:
            raise PromptError(
                f"The prompt {name} could not be kept in {self._folder}: {exc.strerror}. Free some space."
            ) from exc
        return kept

    def delete(self, name: str) -> None:
        """Forget a kept prompt; of one that is shipped, the words it is shipped with are used again.

        Raises:
            PromptError: none of that name is kept, or its file cannot be removed.
        """
        if name not in self.kept():
            raise PromptError(f"No prompt named {name} is kept here. Nothing was deleted.")
        try:
            (self._folder / prompt_file(name)).unlink(missing_ok=True)
        except OSError as exc:
            raise PromptError(f"The prompt {name} could not be deleted: {exc.strerror}. Try again.") from exc


def _name_in(path: Path) -> str | None:
    """The name of the prompt in a file, as far as it can be told: of a damaged one that of the file."""
    if not path.is_file():
        return None
    try:
        name = json.loads(path.read_text("utf-8")).get("name")
    except (OSError, ValueError, AttributeError, RecursionError):
        name = None
    known = {prompt_file(shipped): shipped for shipped in HUB_NAMES}
    if isinstance(name, str) and _NAME.fullmatch(name) and prompt_file(name) == path.name:
        return name
    return known.get(path.name, path.stem) if _NAME.fullmatch(path.stem) else None
