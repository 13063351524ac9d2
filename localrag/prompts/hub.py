"""LangChain Hub prompts: shipped as text, or pulled by name and commit when asked. A manifest is data, never executed."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from string import Formatter
from typing import Any

import requests
from langchain_core.prompts import ChatPromptTemplate
from urllib3.exceptions import HTTPError

from localrag.errors import PromptError
from localrag.prompts.mustache import as_f_string

HUB_API = "https://api.smith.langchain.com"
HUB_PAGE = "https://smith.langchain.com/hub"
HUB_NAMES = ("rlm/rag-prompt", "rlm/rag-prompt-llama")
VARIABLES = frozenset({"context", "question"})
TIMEOUT_S = 15.0
MAX_MANIFEST_BYTES = 1 << 20
MAX_TEMPLATE_CHARS = 100_000
_ROLES = {"HumanMessagePromptTemplate": "human", "SystemMessagePromptTemplate": "system", "AIMessagePromptTemplate": "ai"}
_REFERENCE = re.compile(r"([a-z0-9][a-z0-9_-]{0,63}/[A-Za-z0-9][\w.-]{0,99})(?::([0-9a-f]{7,64}|latest))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class HubPrompt:
    """A prompt as messages of (role, f-string template). `commit` is None where it was not verified.

    `edited`: its words are no longer those of its origin; without an origin it was written here.
    """

    name: str
    origin: str
    commit: str | None
    messages: tuple[tuple[str, str], ...]
    edited: bool = False

    def as_langchain(self) -> ChatPromptTemplate:
        """The prompt for a LangChain chain; its variables are `context` and `question`."""
        return ChatPromptTemplate.from_messages(list(self.messages))

    def variables(self) -> list[str]:
        """What the templates ask for, in alphabetical order; ValueError when one is no f-string template."""
        return sorted({field for _, template in self.messages for field in _fields(template)})


def check_prompt(prompt: HubPrompt) -> None:
    """Whether it can be used for a question and its context.

    Raises:
        PromptError: it cannot, and why.
    """
    if not prompt.messages or sum(len(template) for _, template in prompt.messages) > MAX_TEMPLATE_CHARS:
        raise PromptError(f"The prompt {prompt.name} is empty or longer than {MAX_TEMPLATE_CHARS:,} characters. Shorten it.")
    try:
        variables = prompt.variables()
    except ValueError as exc:
        raise PromptError(
            f"The prompt {prompt.name} is no template: {exc}. Write {{{{ and }}}} where a brace is meant to be one."
        ) from exc
    if set(variables) != VARIABLES:
        named = " and ".join(variables) or "nothing"
        raise PromptError(
            f"The prompt {prompt.name} takes {named}, not context and question. Use {{context}} and {{question}}."
        )
    if prompt.messages[-1][0] != "human":
        raise PromptError(f"The prompt {prompt.name} does not end with a message of yours. Put the question there.")


def prompt(name: str, kept: Path | None = None) -> HubPrompt:
    """The prompt of that name: the copy in the folder `kept`, or else the shipped text.

    Raises:
        PromptError: there is no such prompt.
    """
    file_name = prompt_file(name)
    if kept is not None and (kept / file_name).is_file():
        return read_prompt(name, (kept / file_name).read_text("utf-8", "replace"))
    if name not in HUB_NAMES:
        raise PromptError(f"There is no prompt named {name}. Choose one of {', '.join(HUB_NAMES)}.")
    return read_prompt(name, (resources.files("localrag.prompts") / "templates" / file_name).read_text("utf-8"))


def prompt_file(name: str) -> str:
    """The name of the file a prompt lies in."""
    return f"{name.replace('/', '_')}.json"


def pull(reference: str, base_url: str = HUB_API) -> HubPrompt:
    """Fetch a prompt from the hub by `owner/name` or `owner/name:commit`, for review: nothing is kept.

    One request, and only when asked.
    Raises:
        PromptError: the hub is out of reach, has no such prompt or commit, or it takes something else than a question and
            its context.
    """
    found = _REFERENCE.fullmatch(reference.strip())
    if found is None:
        raise PromptError(f"{reference!r} names no prompt of the hub. Write owner/name, or owner/name:commit.")
    name, wanted = found[1], found[2] if found[2] != "latest" else None
    try:
        answer = _fetch(f"{base_url}/commits/{name}/{wanted or 'latest'}")
        messages = tuple(_messages(answer["manifest"]))
        commit = str(answer.get("commit_hash") or "") or None
        if wanted and not (commit or "").startswith(wanted):
            raise ValueError(f"it sent the commit {commit or 'unknown'}, not {wanted}")
    except (requests.RequestException, HTTPError, ValueError, LookupError, TypeError, OSError, RecursionError) as exc:
        reason = str(exc) or type(exc).__name__
        raise PromptError(
            f"The prompt {name} could not be fetched from {base_url}: {reason}. What is kept stays in use."
        ) from exc
    pulled = HubPrompt(name, f"{HUB_PAGE}/{name}", commit, messages)
    check_prompt(pulled)
    return pulled


def _fetch(url: str) -> dict[str, Any]:
    with requests.get(url, timeout=TIMEOUT_S, stream=True, allow_redirects=False) as reply:
        if reply.status_code == requests.codes.not_found:
            raise ValueError("there is none of that name and commit, or it is not public")
        if reply.status_code != requests.codes.ok:
            raise ValueError(f"it answered with status {reply.status_code}")
        body = reply.raw.read(MAX_MANIFEST_BYTES + 1, decode_content=True)
    if len(body) > MAX_MANIFEST_BYTES:
        raise ValueError("it sent more than 1 MB")
    answer = json.loads(body)
    if not isinstance(answer, dict):
        raise ValueError("it sent no manifest")
    return answer


def _fields(template: str) -> list[str]:
    """What an f-string template asks for, with any attribute, conversion or format it would apply."""
    found = []
    for _, name, form, conversion in Formatter().parse(template):
        if name is not None:
            found.append(name + (f"!{conversion}" if conversion else "") + (f":{form}" if form else ""))
    return found


def read_prompt(name: str, text: str) -> HubPrompt:
    """A prompt out of the text of its file; PromptError when that is damaged."""
    try:
        data = json.loads(text)
        messages = tuple((str(m["role"]), str(m["template"])) for m in data["messages"])
        return HubPrompt(name, str(data["origin"]), data.get("commit"), messages, bool(data.get("edited")))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        raise PromptError(f"The kept copy of the prompt {name} is damaged: {exc}. Delete it, or fetch it anew.") from exc


def _messages(node: Any) -> list[tuple[str, str]]:
    """Read (role, template) pairs out of a manifest, looking only at ids and strings."""
    kwargs = node["kwargs"]
    if "template" in kwargs and isinstance(kwargs["template"], str):
        return [("human", _template(kwargs))]
    found: list[tuple[str, str]] = []
    for message in kwargs["messages"]:
        role = _ROLES.get(message["id"][-1])
        if role is None:
            raise ValueError(f"it holds a message of kind {message['id'][-1]}, which cannot be used here")
        found.append((role, _template(message["kwargs"]["prompt"]["kwargs"])))
    return found


def _template(kwargs: Any) -> str:
    """A template string as an f-string."""
    template, kind = kwargs["template"], kwargs.get("template_format", "f-string")
    if not isinstance(template, str):
        raise ValueError("a template in it is no text")
    if kind == "mustache":
        return as_f_string(template)
    if kind != "f-string":
        raise ValueError(f"its templates are of the kind {kind}; f-string and mustache can be used here")
    return template
