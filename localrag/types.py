"""The nouns every room shares. Offsets count Unicode code points of a document's text; times are seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

DocumentStatus = Literal["indexed", "unchanged", "replaced", "empty", "failed", "removed"]
Support = Literal["supported", "weak", "unsupported"]
SegmentKind = Literal["template", "system", "history", "evidence", "question", "answer"]
FinishReason = Literal["stop", "length", "cancelled"]
MarkKind = Literal["heading", "section", "page"]


@dataclass(frozen=True, slots=True)
class Mark:
    """From offset `start` on, the text belongs to `location`: a heading path such as "Guide › Chat", "page 3", "rows 2 to 31".

    `kind` says what begins there: a heading with its section, a section without one (a slide, a group of rows), or only
    a page, which text runs across. `page` counts from 1: a page or slide.
    """

    start: int
    location: str
    page: int | None = None
    kind: MarkKind = "heading"


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    """What a reader made of a file: its text, and where in the document each part of it stands.

    `pages` counts pages or slides, 0 where there are none. `note` is a sentence about what could not be read of it.
    """

    text: str
    type: str
    title: str = ""
    description: str = ""
    language: str = ""
    marks: tuple[Mark, ...] = ()
    pages: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True)
class Chunk:
    """An indexed piece: `text == document_text[start:end]`. The id is deterministic."""

    id: str
    document_id: str
    index: int
    start: int
    end: int
    text: str
    location: str = ""
    page: int | None = None


@dataclass(frozen=True, slots=True)
class DocumentRecord:
    """A document as the ledger knows it. `source` is the path or address it came from first, `added` an ISO 8601 UTC time.

    `also` are further sources of the same content. `error` says why it is empty or failed, `note` what of it could not be read.
    """

    id: str
    collection: str
    source: str
    name: str
    type: str = ""
    title: str = ""
    description: str = ""
    language: str = ""
    sha256: str = ""
    status: DocumentStatus = "indexed"
    error: str = ""
    characters: int = 0
    chunks: int = 0
    added: str = ""
    note: str = ""
    pages: int = 0
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """A place a document came from. `document_id` is "" when it could not be taken in, `error` then says why.

    `container` is the archive it lies in. `stamp` is the file's size and times when it was read, at `checked_ns`.
    """

    source: str
    name: str
    document_id: str = ""
    container: str = ""
    stamp: str = ""
    checked_ns: int = 0
    error: str = ""
    added: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """A span of a document given to the model: `text == document_text[start:end]`. Higher scores are better.

    `focus` is the range of its answering sentence, as offsets in the document's text, where it was looked for.
    `channels` are those that found it by themselves: "meaning" (vectors), "words" (BM25); `cosine` and `bm25` are what they
    scored its best passage with. What was not searched for says why it is here: "whole" (a document that was picked), "part"
    (of one that was summarised). Of evidence that is not `given` a model reads nothing: it is for the person who asked.
    """

    document_id: str
    document: str
    name: str
    start: int
    end: int
    text: str
    score: float
    location: str = ""
    page: int | None = None
    focus: tuple[int, int] | None = None
    channels: tuple[str, ...] = ()
    cosine: float = 0.0
    bm25: float = 0.0
    given: bool = True


@dataclass(frozen=True, slots=True)
class SearchFilter:
    """Where to look: in documents that match every field that is not empty.

    `documents` are ids, `folders` paths of the file system, `types` and `languages` as the documents' records have them;
    `added_from` and `added_to` are ISO 8601 dates or times in UTC, both inclusive (a date stands for its whole day).
    """

    documents: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    added_from: str = ""
    added_to: str = ""

    def __bool__(self) -> bool:
        return self != EVERYWHERE


EVERYWHERE = SearchFilter()
"""Lets every document through."""


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Evidence for one question, best first, with the seconds the search took.

    `confidence` (0 to 1) is how likely the collection holds an answer at all. `note` names the best sentence when it is
    left out, because it alone is longer than the budget that was asked for.
    """

    question: str
    evidence: tuple[Evidence, ...]
    confidence: float
    seconds: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of prompt tokens with one origin. `ref` is the index of the evidence or turn it holds, if it holds one."""

    kind: SegmentKind
    text: str
    tokens: tuple[int, ...]
    ref: int | None = None


@dataclass(frozen=True, slots=True)
class Dropped:
    """Something that was left out of a prompt, and why."""

    kind: SegmentKind
    text: str
    why: str


@dataclass(frozen=True, slots=True)
class PromptPlan:
    """A prompt before it is evaluated: every segment with its exact tokens, and what was left out.

    The prompt is the concatenation of all segments; `reserved` tokens are kept free for the answer, and
    prompt + reserved never exceed `n_ctx`.
    """

    segments: tuple[Segment, ...]
    n_ctx: int
    reserved: int
    dropped: tuple[Dropped, ...] = ()
    stop: tuple[str, ...] = ()

    @property
    def tokens(self) -> list[int]:
        return [token for segment in self.segments for token in segment.tokens]

    def count(self, kind: SegmentKind | None = None) -> int:
        """Tokens of one kind of segment, or of all."""
        return sum(len(s.tokens) for s in self.segments if kind is None or s.kind == kind)


@dataclass(frozen=True, slots=True)
class Timings:
    """How an answer went. Seconds count from the question; rates are tokens per second, 0.0 when nothing was measured."""

    search_s: float = 0.0
    first_token_s: float = 0.0
    total_s: float = 0.0
    prompt_tokens: int = 0
    evaluated_tokens: int = 0
    answer_tokens: int = 0
    prefill_rate: float = 0.0
    generation_rate: float = 0.0
    finish: FinishReason | None = None


@dataclass(frozen=True, slots=True)
class AnswerSentence:
    """A sentence of an answer and the evidence (indices) that carries it."""

    text: str
    support: Support
    evidence: tuple[int, ...] = ()
    score: float = 0.0


@dataclass(frozen=True, slots=True)
class Turn:
    """One question and its answer with the full trace. Token ids are valid for the model named by `model_id` only.

    `confidence` is the search's, None without documents. A `refused` question was not answered: the collection most likely
    holds no answer.
    `note` is a sentence about how the answer came about, where there is something to know.
    """

    id: str
    question: str
    answer: str
    evidence: tuple[Evidence, ...] = ()
    sentences: tuple[AnswerSentence, ...] = ()
    plan: PromptPlan | None = None
    timings: Timings = field(default_factory=Timings)
    model: str = ""
    model_id: str = ""
    answer_tokens: tuple[int, ...] = ()
    error: str = ""
    asked: str = ""
    confidence: float | None = None
    refused: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class Conversation:
    """A list of turns about one collection. `collection` is empty when it is a chat without documents."""

    id: str
    title: str
    collection: str
    turns: Sequence[Turn] = ()
    updated: str = ""
