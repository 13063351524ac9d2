"""The nouns every room shares. Offsets count Unicode code points of a document's text; times are seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from localrag.document_types import Chunk, DocumentRecord, DocumentStatus, Mark, MarkKind, ParsedDocument, SourceRecord

__all__ = ["Chunk", "DocumentRecord", "DocumentStatus", "Mark", "MarkKind", "ParsedDocument", "SourceRecord"]

Support = Literal["supported", "weak", "unsupported"]
SegmentKind = Literal["template", "system", "history", "evidence", "question", "answer"]
FinishReason = Literal["stop", "length", "cancelled"]
Role = Literal["system", "user", "assistant", ""]
Mode = Literal["", "documents", "summary", "chat"]
"""What a turn was made from: passages or a picked document, a document part by part, nothing. Empty: not known, of old."""
Rating = Literal["", "up", "down"]


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
    """A run of prompt tokens with one origin. `ref` is the index of the evidence or turn it holds, if it holds one.

    `role` is that of the message it is a part of; empty for template text.
    """

    kind: SegmentKind
    text: str
    tokens: tuple[int, ...]
    ref: int | None = None
    role: Role = ""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt in both ways a model may take it: as its own tokens, or as messages of (role, text) for its own template.

    What was evaluated for a `conversation` (an id) is kept, so that it can go on later without starting over. An answer that
    was cut is gone on with from the tokens it has `begun` with.
    """

    tokens: tuple[int, ...]
    messages: tuple[tuple[Role, str], ...] = ()
    conversation: str = ""
    begun: tuple[int, ...] = ()


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
    exact: bool = True
    """False where the model cannot count tokens, as on some servers: every count is then an estimate."""

    @property
    def tokens(self) -> list[int]:
        return [token for segment in self.segments for token in segment.tokens]

    @property
    def prompt(self) -> Prompt:
        """What the model is given."""
        messages: list[tuple[Role, str]] = []
        for segment in self.segments:
            if not segment.role:
                continue
            if messages and messages[-1][0] == segment.role:
                messages[-1] = (segment.role, messages[-1][1] + segment.text)
            else:
                messages.append((segment.role, segment.text))
        return Prompt(tuple(self.tokens), tuple(messages))

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
    `searched` is what was searched for, in `collection` within `filters`; `document` is the id of a document that was picked.
    `settings` are those of the answer and the search it was made with, by flat name. `continued` counts how often a cut answer
    was gone on with.
    `thinking` is what a reasoning model wrote before its answer, in `thinking_s` seconds; no part of the answer, nor of later
    prompts: `answer_tokens` are the answer's alone.
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
    mode: Mode = ""
    searched: str = ""
    collection: str = ""
    filters: SearchFilter = EVERYWHERE
    document: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    continued: int = 0
    rating: Rating = ""
    thinking: str = ""
    thinking_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Conversation:
    """A list of turns about one collection. `collection` is empty when it is a chat without documents.

    `turns` are those of the branch that is shown. `versions` names, for each of them that has others in its place (asked again,
    or with an edited question), the ids of all, oldest first. `filters` and `overrides` (settings by flat name) are what every
    new question of it is asked with.
    """

    id: str
    title: str
    collection: str
    turns: Sequence[Turn] = ()
    updated: str = ""
    versions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    filters: SearchFilter = EVERYWHERE
    overrides: Mapping[str, Any] = field(default_factory=dict)
