"""What a chat server's refusals and silences mean, as sentences; the key is in none of them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

CONNECT_S = 5.0
SAID_CHARS = 200
BUSY = frozenset({429, 502, 503, 504})
# llama-server, llama-cpp-python, vLLM, LM Studio, Ollama and OpenAI, each in its own words.
_TOO_LONG = re.compile(
    r"exceed|too (?:long|large|many tokens)|larger than the|(?:context|sequence|input)[ _-](?:length|size|window)"
    r"|maximum (?:context|sequence|input|model)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back instead of what was wanted."""

    status: int
    text: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ServerWords:
    """Speaks of one server. `base` is its address as used, `secret` its key, which is never shown."""

    base: str
    timeout_s: float
    secret: str = ""

    @property
    def server(self) -> str:
        return f"The chat server at {self.base}"

    def nobody(self) -> str:
        return f"No chat server answers at {self.base}. Start it, or correct chat_server on the Model page."

    def certificate(self) -> str:
        return f"No secure connection to the chat server at {self.base} could be made. Check its certificate."

    def silent(self) -> str:
        return f"{self.server} gave no sign of life for {self.timeout_s:g} s. Look whether it works, or raise chat_timeout_s."

    def wordless(self, seconds: float) -> str:
        return f"{self.server} sent nothing of an answer for {seconds:g} s. Look whether it works, or raise chat_timeout_s."

    def broke_off(self) -> str:
        return f"{self.server} broke the connection off before it answered. Look at its log, then ask again."

    def cut(self) -> str:
        return f"{self.server} broke off in the middle of the answer. What it wrote stays; look at its log, then ask again."

    def failed(self, text: str) -> str:
        said = self.said(text)
        return f"{self.server} failed in the middle of the answer{said}. What it wrote stays; ask again, or look at its log."

    def empty(self) -> str:
        return f"{self.server} sent an empty answer. Ask again, or check chat_model and the server's log."

    def no_model(self, wanted: str, names: list[str]) -> str:
        listed = ", ".join(map(self.line, names[:5])) + (", …" if len(names) > 5 else "")
        return f"{self.server} has no model {self.line(wanted)}, it lists {listed}. Choose one of them as chat_model."

    def no_list(self) -> str:
        return f"{self.server} lists no models. Set chat_model to the name it knows its model by."

    def too_long(self, tokens: int, n_ctx: int) -> str:
        return (
            f"The prompt has {tokens} tokens, the window {n_ctx}. Ask with fewer passages, or give the server a larger window."
        )

    def no_json(self, text: str) -> str:
        what = "a web page" if text.lstrip()[:1] == "<" else "something that is not JSON"
        return f"{self.server} answered with {what}. Check chat_server: the address mostly ends in /v1."

    def not_streamed(self, text: str) -> str:
        """For an answer in one piece where a stream was asked for; it may be an error with a good status."""
        said = self.said(text)
        return f"{self.server} did not stream its answer{said}. Check chat_server, and that it can stream."

    def is_too_long(self, reply: Reply) -> bool:
        return reply.status == 413 or (reply.status in (400, 422, 500) and bool(_TOO_LONG.search(self.said(reply.text))))

    def refusal(self, reply: Reply) -> str:
        """Why a request was refused and what to do, by its status."""
        status, said = reply.status, self.said(reply.text)
        if status in (401, 403):
            problem = "does not accept the key" if self.secret else "needs a key"
            return f"{self.server} {problem} ({status}). Put its key into LOCALRAG_CHAT_API_KEY."
        if 300 <= status < 400:
            target = self.line(_without_secrets(reply.headers.get("location", "another address")))
            return f"{self.server} sends on to {target}, which is not followed. Give the final address as chat_server."
        if status in (404, 405, 501):
            root = "/".join(self.base.split("/", 3)[:3])
            hint = f"try {root}/v1" if self.base != f"{root}/v1" else "and chat_model"
            return f"{self.server} gives no answers here ({status}{said}). Check chat_server, {hint}."
        if self.is_too_long(reply):
            return f"{self.server} has a window too small for this prompt ({status}{said}). Ask with fewer passages."
        if status == 503:
            return f"{self.server} still loads its model after {self.timeout_s:g} s ({status}{said}). Try again in a while."
        if status in BUSY:
            return f"{self.server} stays busy ({status}{said}). Try again later or raise chat_timeout_s = {self.timeout_s:g}."
        return f"{self.server} refused to answer ({status}{said}). Check chat_model and the server's log."

    def said(self, text: str) -> str:
        """': ' and the server's own words; empty when it said nothing readable."""
        text = text.strip()
        try:
            found = json.loads(text)
            while isinstance(found, dict | list):
                if isinstance(found, list):
                    found = found[0] if found else ""
                else:
                    found = next((found[name] for name in ("error", "message", "msg", "detail") if name in found), "")
            text = found if isinstance(found, str) else ""
        except (ValueError, RecursionError):
            text = "" if text.startswith("<") else text
        line = self.line(text).rstrip(".")
        return f": {line}" if line else ""

    def line(self, text: str) -> str:
        """Words of a stranger as they may stand in a sentence: one line, not too long, without the key."""
        if self.secret:
            text = text.replace(self.secret, "(key)")
        line = " ".join("".join(sign if sign.isprintable() else " " for sign in text[: 4 * SAID_CHARS]).split())
        return line if len(line) <= SAID_CHARS else line[: SAID_CHARS - 1] + "…"


def _without_secrets(address: str) -> str:
    return re.sub(r"(?<=//)[^/]*@", "", re.split(r"[?#]", address)[0])
