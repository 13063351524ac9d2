"""LangChain Hub prompts: shipped as text, viewable, refreshed only when asked. A manifest is data and never executed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from string import Formatter
from typing import Any

import requests
from langchain_core.prompts import ChatPromptTemplate
from urllib3.exceptions import HTTPError

from localrag.errors import PromptError

HUB_API = "https://api.smith.langchain.com"
HUB_NAMES = ("rlm/rag-prompt", "rlm/rag-prompt-llama")
TIMEOUT_S = 15.0
MAX_MANIFEST_BYTES = 1 << 20
_ROLES = {"HumanMessagePromptTemplate": "human", "SystemMessagePromptTemplate": "system", "AIMessagePromptTemplate": "ai"}


@dataclass(frozen=True, slots=True)
class HubPrompt:
    """A prompt as messages of (role, f-string template). `commit` is None where it was not verified."""

    name: str
    origin: str
    commit: str | None
    messages: tuple[tuple[str, str], ...]

    def as_langchain(self) -> ChatPromptTemplate:
        """The prompt for a LangChain chain; its variables are `context` and `question`."""
        return ChatPromptTemplate.from_messages(list(self.messages))


def prompt(name: str, kept: Path | None = None) -> HubPrompt:
    """The prompt of that name: the refreshed copy in the folder `kept`, or else the shipped text.

    Raises:
        PromptError: there is no such prompt.
    """
    file_name = f"{name.replace('/', '_')}.json"
    if kept is not None and (kept / file_name).is_file():
        return _read(name, (kept / file_name).read_text("utf-8"))
    if name not in HUB_NAMES:
        raise PromptError(f"There is no prompt named {name}. Choose one of {', '.join(HUB_NAMES)}.")
    return _read(name, (resources.files("localrag.prompts") / "templates" / file_name).read_text("utf-8"))


def refresh(name: str, kept: Path, base_url: str = HUB_API) -> HubPrompt:
    """Fetch the prompt's newest commit from the hub and keep its template strings in the folder `kept`.

    The only request LocalRAG makes to the hub, and only when asked.
    Raises:
        PromptError: the hub is out of reach, or sent something that is no prompt for a question and its context.
    """
    url = f"{base_url}/commits/{name}/latest"
    try:
        with requests.get(url, timeout=TIMEOUT_S, stream=True) as reply:
            reply.raise_for_status()
            body = reply.raw.read(MAX_MANIFEST_BYTES + 1, decode_content=True)
        if len(body) > MAX_MANIFEST_BYTES:
            raise ValueError("more than 1 MB")
        answer = json.loads(body)
        messages = tuple(_messages(answer["manifest"]))
        commit = str(answer.get("commit_hash") or "") or None
        fields = {field for _, template in messages for field in _fields(template)}
    except (requests.RequestException, HTTPError, ValueError, LookupError, TypeError, OSError, RecursionError) as exc:
        raise PromptError(
            f"The prompt {name} could not be refreshed from {base_url}: {exc}. The copy at hand stays in use."
        ) from exc
    if fields != {"context", "question"}:
        raise PromptError(f"The prompt {name} takes {sorted(fields)}, not context and question. The copy at hand stays in use.")
    found = HubPrompt(name, f"https://smith.langchain.com/hub/{name}", commit, messages)
    _keep(found, kept)
    return found


def _keep(found: HubPrompt, kept: Path) -> None:
    messages = [{"role": role, "template": template} for role, template in found.messages]
    data = {"name": found.name, "origin": found.origin, "commit": found.commit, "messages": messages}
    target = kept / f"{found.name.replace('/', '_')}.json"
    try:
        kept.mkdir(parents=True, exist_ok=True)
        target.with_suffix(".tmp").write_text(json.dumps(data, indent=2), "utf-8")
        target.with_suffix(".tmp").replace(target)
    except OSError as exc:
        raise PromptError(f"The prompt {found.name} could not be kept in {kept}: {exc.strerror}. Free some space.") from exc


def _fields(template: str) -> list[str]:
    """What an f-string template asks for, with any attribute, conversion or format it would apply."""
    found = []
    for _, name, form, conversion in Formatter().parse(template):
        if name is not None:
            found.append(name + (f"!{conversion}" if conversion else "") + (f":{form}" if form else ""))
    return found


def _read(name: str, text: str) -> HubPrompt:
    try:
        data = json.loads(text)
        messages = tuple((str(m["role"]), str(m["template"])) for m in data["messages"])
        return HubPrompt(name, str(data["origin"]), data.get("commit"), messages)
    except (ValueError, KeyError, TypeError) as exc:
        raise PromptError(f"The kept copy of the prompt {name} is damaged: {exc}. Refresh it from the hub.") from exc


def _messages(node: Any) -> list[tuple[str, str]]:
    """Read (role, template) pairs out of a manifest, looking only at ids and strings."""
    kwargs = node["kwargs"]
    if "template" in kwargs and isinstance(kwargs["template"], str):
        return [("human", kwargs["template"])]
    found: list[tuple[str, str]] = []
    for message in kwargs["messages"]:
        role = _ROLES.get(message["id"][-1])
        template = message["kwargs"]["prompt"]["kwargs"]["template"]
        if role is None or not isinstance(template, str):
            raise ValueError(f"a message of kind {message['id'][-1]}")
        found.append((role, template))
    return found
