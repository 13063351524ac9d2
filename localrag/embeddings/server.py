"""Embeddings of any server that speaks OpenAI's /v1/embeddings: llama-server, vLLM, LM Studio, Ollama, TEI."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
from pydantic import SecretStr

from localrag.embeddings.base import EmbeddingModel, Vectors, unit
from localrag.embeddings.endpoint import Endpoint, TooLongError
from localrag.embeddings.prefixes import family
from localrag.errors import EmbeddingError

TEXTS_PER_REQUEST = 32  # TEI refuses more by default
CHARS_PER_REQUEST = 16_000
MAX_HALVINGS = 6
"""A text too long for the server is cut into up to 64 pieces; a window of 256 tokens then holds 20,000 characters."""
_SENTENCE_END = re.compile(r"[.!?]\s+|[。！？\n]\s*")
_SPACE = re.compile(r"\s+")


class ServerEmbeddings(EmbeddingModel):
    """Documents and questions have a connection each, so a question waits for no documents but at the server."""

    def __init__(self, address: str, model: str = "", key: SecretStr | None = None, timeout_s: float = 60.0) -> None:
        """Ask the server for its model's name, unless one is given, and for one vector; `timeout_s` holds for each request.

        Raises:
            EmbeddingError: no server there, or it cannot be used, and what to do.
        """
        self._stopped = threading.Event()
        self._documents = Endpoint(address, key, timeout_s, self._stopped)
        self._questions = Endpoint(address, key, timeout_s, self._stopped)
        self._model = model or _first_model(self._questions)
        # A file's folder is the server's business: the model is the same on another machine.
        self.name = re.split(r"[/\\]", self._model)[-1] if self._model.endswith(".gguf") else self._model
        known = family(self.name)
        self.question_prefix, self.document_prefix = known.question_prefix, known.document_prefix
        self.languages = known.languages
        self.dimension = 0
        self.dimension = self._request(self._questions, ["dimension"]).shape[1]
        self.identity = f"server:{self.name}:{self.dimension}"

    def embed_texts(self, texts: list[str]) -> Vectors:
        return self._embed(self._documents, self.document_prefix, texts)

    def embed_sentences(self, texts: list[str]) -> Vectors:
        return self._embed(self._questions, self.document_prefix, texts)

    def embed_question(self, text: str) -> Vectors:
        row: Vectors = self._embed(self._questions, self.question_prefix, [text])[0]
        return row

    def close(self) -> None:
        """Close the connections; who waits for a busy server is told so."""
        self._stopped.set()
        self._documents.close()
        self._questions.close()

    def _embed(self, endpoint: Endpoint, prefix: str, texts: list[str]) -> Vectors:
        rows = [self._batch(endpoint, prefix, batch, MAX_HALVINGS) for batch in _batches(texts)]
        return unit(np.concatenate(rows)) if rows else np.empty((0, self.dimension), np.float32)

    def _batch(self, endpoint: Endpoint, prefix: str, texts: list[str], halvings: int) -> Vectors:
        """Rows of length 1 for texts in one request, in more where the server finds that too much."""
        try:
            return self._request(endpoint, [prefix + text for text in texts])
        except TooLongError:
            if len(texts) > 1:
                middle = len(texts) // 2
                parts = (texts[:middle], texts[middle:])
                return np.concatenate([self._batch(endpoint, prefix, part, halvings) for part in parts])
            pieces = [piece for piece in halves(texts[0]) if piece.strip()]
            if not halvings or not pieces or pieces == texts:
                raise
        rows = np.concatenate([self._batch(endpoint, prefix, [piece], halvings - 1) for piece in pieces])
        weights = np.array([len(piece) for piece in pieces], np.float32)
        return unit((weights @ rows)[np.newaxis])

    def _request(self, endpoint: Endpoint, inputs: list[str]) -> Vectors:
        # An empty text is no input to most servers, a space has the same tokens; half a surrogate pair is no JSON to some.
        texts = [text.encode("utf-8", "replace").decode("utf-8") or " " for text in inputs]
        payload = {"model": self._model, "input": texts, "encoding_format": "float"}
        rows = self._rows(endpoint, endpoint.ask("/embeddings", payload), len(inputs))
        if self.dimension and rows.shape[1] != self.dimension:
            raise EmbeddingError(
                f"The embedding server at {endpoint.base} gave vectors of {rows.shape[1]} numbers, before that of"
                f" {self.dimension}: its model was changed. Restart LocalRAG and use another collection."
            )
        return unit(rows)

    def _rows(self, endpoint: Endpoint, answer: Any, count: int) -> Vectors:
        """The vectors of an answer in the order of the inputs, whatever order they came in."""
        try:
            data = answer["data"]
            places = [item.get("index", place) for place, item in enumerate(data)]
            if sorted(places) != list(range(count)):
                raise ValueError("not one vector for each text")
            rows = np.array([data[places.index(place)]["embedding"] for place in range(count)], np.float32)
        except (KeyError, TypeError, ValueError, AttributeError) as exc:
            raise EmbeddingError(
                f"The embedding server at {endpoint.base} did not answer {count} texts with as many vectors of one length."
                " Check embedding_server and embedding_model."
            ) from exc
        if rows.ndim != 2 or not rows.shape[1] or not np.isfinite(rows).all() or not rows.any(axis=1).all():
            raise EmbeddingError(
                f"The embedding server at {endpoint.base} gave a vector that cannot be used. Check that its model embeds."
            )
        return rows


def halves(text: str) -> tuple[str, str]:
    """A text cut near its middle: after a sentence if one ends in the middle half, else at white space, else anywhere."""
    middle, margin = len(text) // 2, len(text) // 4
    for pattern in (_SENTENCE_END, _SPACE):
        ends = [found.end() for found in pattern.finditer(text) if margin <= found.end() <= len(text) - margin]
        if ends:
            at = min(ends, key=lambda end: abs(end - middle))
            return text[:at], text[at:]
    return text[:middle], text[middle:]


def _batches(texts: list[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    chars = 0
    for text in texts:
        if batch and (len(batch) == TEXTS_PER_REQUEST or chars + len(text) > CHARS_PER_REQUEST):
            yield batch
            batch, chars = [], 0
        batch.append(text)
        chars += len(text)
    if batch:
        yield batch


def _first_model(endpoint: Endpoint) -> str:
    answer = endpoint.ask("/models")
    try:
        return str(answer["data"][0]["id"])
    except (KeyError, IndexError, TypeError) as exc:
        raise EmbeddingError(f"The embedding server at {endpoint.base} lists no models. Set embedding_model.") from exc
