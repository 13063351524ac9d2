"""How many tokens a text is for a server's model: from its tokenizer where it has an address, else an estimate."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from localrag.errors import GenerationError, PromptError
from localrag.llms.server_connection import ServerConnection

KEPT_COUNTS = 4096
HEADER_TOKENS, FOOTER_TOKENS = 4, 1  # <|start_header_id|>user<|end_header_id|>\n\n ... <|eot_id|>; ChatML has 3 and 2
_MARKER = re.compile("\ue000(\\d+)\ue001")  # private use area: no template writes it, no filter changes it
_PIECES = re.compile(
    r"(?P<word>[A-Za-z]+)|(?P<space>[^\S\n]+)|(?P<breaks>\n+)"
    r"|(?P<hangul>[\u1100-\u11ff\u3130-\u318f\uac00-\ud7af])|(?P<han>[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff])"
    r"|(?P<cyrillic>[\u0400-\u052f])|(?P<latin>[\u00c0-\u024f\u1e00-\u1eff])|(?P<other>.)",
    re.DOTALL,
)
WORD_CHARS, MORE_CHARS = 6, 4  # a word is a token, a longer one one more for each four letters
LETTER_TOKENS = {"hangul": 1.6, "han": 1.25, "cyrillic": 0.45}


def estimate(text: str) -> int:
    """Tokens expected of a text when nobody can be asked.

    Set by the vocabularies of Llama 2 and 3, Qwen 2, Gemma, Phi 3 and Command R on prose in twelve languages, code and tables:
    0.9 to 1.5 times the true count for languages of Europe, code and numbers; up to twice it for others with the large
    vocabularies, down to 0.75 with those of 32,000 tokens. A word of up to six letters is a token, each four more another, each
    digit and sign one; an accented letter breaks its word. A Cyrillic letter is 0.45 tokens, a Korean one 1.6, a Chinese or
    Japanese one 1.25, any other letter 1; emoji and the like 2.
    """
    total = 0.0
    for found in _PIECES.finditer(text):
        kind, piece = found.lastgroup, found.group()
        if kind == "word":
            total += 1 + max(0, len(piece) - WORD_CHARS + MORE_CHARS - 1) // MORE_CHARS
        elif kind == "space":
            total += 0 if len(piece) == 1 else 1
        else:
            total += LETTER_TOKENS.get(str(kind), 2 if ord(piece[0]) > 0xFFFF else 1)
    return max(1, round(total)) if text else 0


class ServerTokens:
    """What `PromptFormat` needs, for one model of one server. For any thread."""

    def __init__(self, connection: ServerConnection, model: str, is_llamacpp: bool) -> None:
        """Find out what the server can do; raises GenerationError when it stops answering."""
        self._connection, self._model = connection, model
        self._asked = lru_cache(KEPT_COUNTS)(self._ask)
        self._rendered = lru_cache(64)(self._render)
        self.exact = False
        self.counts = False
        """Whether the server counts the tokens of a text; if it also shows its template, all counts are `exact`."""
        try:
            self.counts = bool(self._asked("two words", False, False))
            self.exact = is_llamacpp and self.counts and bool(self._rendered(("user",)))
        except (_NotTheseWordsError, PromptError):
            pass
        self._bos = self._find_bos() if self.exact else None

    def parts(self, roles: Sequence[str]) -> list[str | int]:
        """The server's own template where it shows it, else a stand-in of about the same size.

        Raises:
            PromptError: the template leaves messages out or fails.
            GenerationError: the server does not answer.
        """
        if self.exact:
            return list(self._rendered(tuple(roles)))
        parts: list[str | int] = []
        for index, role in enumerate(roles):
            parts += [f"<{role}>\n", index, "\n"]
        return [*parts, "<assistant>\n"]

    def tokenize(self, text: str, special: bool) -> list[int]:
        """The model's tokens where `exact`, else as many zeros as tokens are expected."""
        if not text:
            return []
        if self.exact:
            return list(self._asked(text, special, False))
        if special:
            return [0] * (FOOTER_TOKENS if text == "\n" else HEADER_TOKENS)
        return [0] * (len(self._asked(text, False, False)) if self.counts else estimate(text))

    def bos_tokens(self, first: Sequence[int]) -> list[int]:
        """The BOS token, when the server would put one and the template did not (never twice)."""
        return [] if self._bos is None or list(first[:1]) == [self._bos] else [self._bos]

    def _ask(self, text: str, special: bool, add_special: bool) -> tuple[int, ...]:
        # llama.cpp calls it content, vLLM prompt; each passes over the other's words.
        payload: dict[str, Any] = {
            "model": self._model,
            "content": text.encode("utf-8", "replace").decode(),  # half a surrogate pair is no JSON to some
            "add_special": add_special,
            "parse_special": special,
        }
        if not self.exact:
            payload |= {"prompt": payload["content"], "add_special_tokens": add_special}
        reply = self._connection.reply(f"{self._connection.root}/tokenize", payload)
        if reply.status != 200 and not self.counts:
            raise _NotTheseWordsError
        if reply.status != 200:
            raise GenerationError(self._connection.words.refusal(reply))
        try:
            tokens = self._connection.parsed(reply)["tokens"]
            return tuple(int(token) for token in tokens)
        except (GenerationError, LookupError, TypeError, ValueError) as exc:
            if not self.counts:
                raise _NotTheseWordsError from exc
            raise GenerationError(f"{self._connection.words.server} no longer counts tokens. Look at its log.") from exc

    def _render(self, roles: tuple[str, ...]) -> tuple[str | int, ...]:
        """The template around markers. A system message it refuses becomes the beginning of the first user message."""
        marked = [(role, f"\ue000{index}\ue001") for index, role in enumerate(roles)]
        parts = self._apply(marked)
        if _indices(parts) != list(range(len(roles))) and roles[:1] == ("system",) and len(roles) > 1:
            (_, system), (role, first), *rest = marked
            parts = self._apply([(role, f"{system}\n\n{first}"), *rest])
        if _indices(parts) != list(range(len(roles))):
            raise PromptError("The server's chat template leaves messages out. Choose another model on the Model page.")
        return parts

    def _apply(self, messages: Sequence[tuple[str, str]]) -> tuple[str | int, ...]:
        """The rendered messages; nothing when the template refuses them or there is no such address."""
        given = [{"role": role, "content": content} for role, content in messages]
        url = f"{self._connection.root}/apply-template"
        reply = self._connection.reply(url, {"model": self._model, "messages": given})
        if reply.status != 200:
            return ()
        try:
            prompt = str(self._connection.parsed(reply)["prompt"])
        except (GenerationError, LookupError, TypeError):
            return ()
        pieces = _MARKER.split(prompt)
        return tuple(int(piece) if at % 2 else piece for at, piece in enumerate(pieces) if at % 2 or piece)

    def _find_bos(self) -> int | None:
        bare, whole = self._ask("a", False, False), self._ask("a", False, True)
        return whole[0] if len(whole) > len(bare) and whole[: len(bare)] != bare else None


class _NotTheseWordsError(Exception):
    """The server has no address that counts tokens."""


def _indices(parts: Sequence[str | int]) -> list[int]:
    return [part for part in parts if isinstance(part, int)]
