"""A prompt's tokens as texts that GPT4All turns back into these very tokens.

GPT4All takes text, never tokens, and one flag for a whole text: whether markers in it become control tokens. So a prompt
goes in by pieces, each tried here on the same vocabulary first. Text of a document is never sent with the flag set unless
it comes out as the tokens it had as plain text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from localrag.models.llama_library import Model


@dataclass(frozen=True, slots=True)
class Call:
    """A text for GPT4All, always valid UTF-8, in place of the next `count` tokens; `special` reads its markers."""

    text: str
    special: bool
    count: int


class CallPlanner:
    """Cuts tokens into calls, with the vocabulary of the model's own file."""

    def __init__(self, vocabulary: Model) -> None:
        self._vocabulary = vocabulary
        first = vocabulary.tokenize("x")
        # SentencePiece vocabularies spell words with the space before them. GPT4All puts one before a text at the start and
        # after a control token, llama.cpp before every text.
        self._spaced = bool(first) and vocabulary.piece(first[0]).startswith(b" ")
        self._line = vocabulary.tokenize("\n")

    def next(self, tokens: Sequence[int], last: int | None) -> Call:
        """The call that covers as many of these tokens (at least one) as come out right.

        `last` is the token evaluated before them, None at the beginning, where GPT4All adds the BOS token itself.
        """
        start = last is None
        own = int(start and self._vocabulary.add_bos and tokens[0] == self._vocabulary.bos)
        body = tokens[own:]
        if not body:
            return Call("", False, own)
        space = self._spaced and (last is None or self._is_control(last))
        plain = next((at for at, token in enumerate(body) if self._is_control(token)), len(body))
        calls = [self._longest(body[:plain], False, space)]
        if plain < len(body):
            marked = body[: self._controls(body)] if self._spaced else body
            calls.append(self._longest(marked, True, space))
        best = max(calls, key=lambda call: call.count)
        if not best.count:
            best = self._as_it_is(body, special=plain == 0)
        return Call(best.text, best.special, best.count + own)

    def _longest(self, tokens: Sequence[int], special: bool, space: bool) -> Call:
        """The longest beginning of these tokens that is read as them; a call for none when there is none."""
        size = len(tokens)
        while size:
            text = self._text(tokens[:size])
            if text is None:
                size -= 1
                continue
            text = text.removeprefix(" ") if space and not special else text
            read = self._read(text, special, space)
            if read == list(tokens[:size]):
                return Call(text, special, size)
            same = next((at for at, (a, b) in enumerate(zip(read, tokens, strict=False)) if a != b), len(read))
            size = min(same, size - 1)
        return Call("", special, 0)

    def _read(self, text: str, special: bool, space: bool) -> list[int]:
        """The tokens GPT4All will make of a text."""
        if special or space or not self._spaced:
            return self._vocabulary.tokenize(text, special=special)
        read = self._vocabulary.tokenize("\n" + text)
        return read[len(self._line) :] if read[: len(self._line)] == self._line else []

    def _as_it_is(self, tokens: Sequence[int], special: bool) -> Call:
        """What no text is read as: half a character a model wrote, tokens that are never joined. Its text, in other tokens."""
        for size in range(1, min(len(tokens), 4) + 1):
            text = self._text(tokens[:size])
            if text is not None:
                return Call(text, special, size)
        return Call(self._vocabulary.piece(tokens[0], special=True).decode("utf-8", "replace"), special, 1)

    def _text(self, tokens: Sequence[int]) -> str | None:
        """What the tokens spell; None for half a character, and for a NUL, where C would end the text."""
        spelt = b"".join(self._vocabulary.piece(token, special=True) for token in tokens)
        try:
            return None if b"\0" in spelt else spelt.decode("utf-8")
        except UnicodeDecodeError:
            return None

    def _controls(self, tokens: Sequence[int]) -> int:
        """How many control tokens these begin with."""
        return next((at for at, token in enumerate(tokens) if not self._is_control(token)), len(tokens))

    def _is_control(self, token: int) -> bool:
        return not self._vocabulary.piece(token) and bool(self._vocabulary.piece(token, special=True))
