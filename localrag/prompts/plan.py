"""The prompt plan: every segment with its exact tokens before anything is evaluated; what is left out is named.

Prompts are append-only: the system text, then the turns exactly as they were evaluated, then what is new. The KV cache
then holds everything but the new tokens. Evidence that an earlier turn of the window holds is not repeated.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from string import Formatter

from localrag.errors import PromptError
from localrag.llms.base import PromptFormat
from localrag.prompts.hub import HubPrompt
from localrag.settings import AnswerSettings
from localrag.types import Dropped, Evidence, PromptPlan, Role, Segment, SegmentKind, Turn

SYSTEM = "You are a helpful assistant. Answer the question using the context."
"""Short on purpose: of fifteen wordings tried on twelve questions, none served the starter model better for long."""
SYSTEM_WITHOUT_DOCUMENTS = "You are a helpful assistant."
LEAD = "Context:\n"
_HEADING = re.compile(r"\s{0,3}#{1,6}\s")
STOP = ("\nQuestion:", "\n Question:")
"""Small models go on with a question of their own, in the pattern of the prompt."""
KEEP_SHARE = 0.5
"""When the window is full, old turns go until this share is left for history: one larger step instead of one each turn."""


_ROLES: dict[str, Role] = {"system": "system", "ai": "assistant"}
NOT_GIVEN = "it fits the question less well than what the model reads, and is shown to you alone"
FULL = "the window is full, and older turns go first"
WITH_HEADINGS = frozenset({"whole", "part"})
"""Channels of evidence that keeps its headings: a passage names its place, a whole document is to be read as it is."""


@dataclass(slots=True)
class _Draft:
    """What is to be put into the window; shrunk until it fits."""

    turns: list[Turn]
    evidence: list[tuple[int, Evidence]]
    dropped: list[Dropped] = field(default_factory=list)


def plan_prompt(
    model: PromptFormat,
    model_id: str,
    question: str,
    evidence: Sequence[Evidence],
    turns: Sequence[Turn],
    answer: AnswerSettings,
    with_documents: bool = True,
    hub_prompt: HubPrompt | None = None,
) -> PromptPlan:
    """Plan the prompt for a question.

    `turns` are the conversation so far; a turn made by the model `model_id` is put back token for token. With a
    `hub_prompt` the question stands alone, as the prompt was written for.
    Raises:
        PromptError: even the question alone does not fit the window.
    """
    reserved = min(answer.max_tokens, model.n_ctx // 2)
    given = [(number, span) for number, span in enumerate(evidence) if span.given]
    draft = _Draft([turn for turn in turns if turn.answer], given)
    draft.dropped += [Dropped("evidence", span.text, NOT_GIVEN) for span in evidence if not span.given]
    if hub_prompt is not None and draft.turns:
        why = f"the prompt {hub_prompt.name} takes one question alone"
        draft.dropped += [Dropped("history", turn.question, why) for turn in draft.turns]
        draft.turns = []
    _drop_turns(draft, _dropped_before(draft.turns, model_id, model.n_ctx))
    while True:
        if hub_prompt is None:
            segments = _chat_segments(model, model_id, question, draft, with_documents)
        else:
            segments = _hub_segments(model, hub_prompt, question, draft.evidence)
        size = sum(len(segment.tokens) for segment in segments)
        if size + reserved <= model.n_ctx:
            stop = (*model.stop, *STOP)
            return PromptPlan(tuple(segments), model.n_ctx, reserved, tuple(draft.dropped), stop, model.exact)
        if not _shrink(draft, segments, model.n_ctx, reserved):
            raise PromptError(
                f"The question needs {size} tokens and the answer {reserved}, the window has {model.n_ctx}."
                " Raise n_ctx, lower max tokens, or shorten the question."
            )


def _shrink(draft: _Draft, segments: Sequence[Segment], n_ctx: int, reserved: int) -> bool:
    """Drop what would not fit even without the turns, then whole old turns, in one step, then the weakest passage.

    False when nothing is left to drop.
    """
    hopeless = _too_long(draft, segments, n_ctx - reserved)
    if hopeless:
        _drop_evidence(draft, hopeless, n_ctx)
        return True
    if draft.turns:
        sizes = _turn_sizes(segments, len(draft.turns))
        fixed = sum(len(segment.tokens) for segment in segments) - sum(sizes)
        room = min((n_ctx - reserved) * KEEP_SHARE, n_ctx - reserved - fixed)
        _drop_turns(draft, next((at for at in range(len(sizes)) if sum(sizes[at:]) <= room), len(sizes)))
        return True
    if draft.evidence:
        _drop_evidence(draft, [min(draft.evidence, key=lambda item: item[1].score)], n_ctx)
        return True
    return False


def _too_long(draft: _Draft, segments: Sequence[Segment], room: int) -> list[tuple[int, Evidence]]:
    """Evidence that has no room beside the question alone: nothing else need go for it, for it goes anyway."""
    sizes: Counter[int | None] = Counter()
    for segment in segments:
        sizes[segment.ref] += len(segment.tokens) if segment.kind == "evidence" else 0
    fixed = sum(len(segment.tokens) for segment in segments) - sum(_turn_sizes(segments, len(draft.turns))) - sizes.total()
    return [item for item in draft.evidence if fixed + sizes[item[0]] > room]


def _drop_evidence(draft: _Draft, gone: Sequence[tuple[int, Evidence]], n_ctx: int) -> None:
    draft.evidence = [item for item in draft.evidence if item not in gone]
    draft.dropped += [Dropped("evidence", span.text, f"the window of {n_ctx} tokens has no room for it") for _, span in gone]


def _drop_turns(draft: _Draft, count: int) -> None:
    draft.dropped += [Dropped("history", turn.question, FULL) for turn in draft.turns[:count]]
    del draft.turns[:count]


def _dropped_before(turns: Sequence[Turn], model_id: str, n_ctx: int) -> int:
    """How many old turns the last prompt left out: they stay out, or the window would begin elsewhere with each question."""
    last = turns[-1].plan if turns and turns[-1].model_id == model_id else None
    return sum(item.why == FULL for item in last.dropped) if last is not None and last.n_ctx == n_ctx else 0


def _turn_sizes(segments: Sequence[Segment], count: int) -> list[int]:
    """Tokens that go with each turn: its messages and the template text after them."""
    sizes, at = [0] * count, None
    for segment in segments:
        if segment.kind != "template":
            at = segment.ref if segment.kind == "history" else None
        if at is not None:
            sizes[at] += len(segment.tokens)
    return sizes


def _chat_segments(model: PromptFormat, model_id: str, question: str, draft: _Draft, with_documents: bool) -> list[Segment]:
    roles: list[Role] = ["system"]
    for _ in draft.turns:
        roles += ["user", "assistant"]
    roles.append("user")
    system = SYSTEM if with_documents else SYSTEM_WITHOUT_DOCUMENTS
    seen = {_place(evidence) for turn in draft.turns for evidence in _shown(turn, model_id)}
    fresh = [(number, evidence) for number, evidence in draft.evidence if _place(evidence) not in seen]
    known = len(fresh) < len(draft.evidence)
    segments: list[Segment] = []
    for part in model.parts(roles):
        if isinstance(part, str):
            segments.append(Segment("template", part, tuple(model.tokenize(part, special=True))))
            continue
        if part == 0:
            message = [_text(model, "system", system)]
        elif part == len(roles) - 1:
            message = _question_segments(model, question, fresh, known, with_documents)
        else:
            turn = draft.turns[(part - 1) // 2]
            message = _turn_segments(model, model_id, turn, (part - 1) // 2, answer=part % 2 == 0)
        segments += [replace(segment, role=roles[part]) for segment in message]
    bos = model.bos_tokens([token for segment in segments[:1] for token in segment.tokens])
    return [Segment("template", "", tuple(bos)), *segments] if bos else segments


def _question_segments(
    model: PromptFormat, question: str, fresh: Sequence[tuple[int, Evidence]], known: bool, with_documents: bool
) -> list[Segment]:
    """The new user message: passages, then the question.

    Those of one document stand in its order; the document with the best of them stands last, nearest to the question.
    Line breaks inside a passage are folded: small models take a document's layout for something to continue.
    """
    if not with_documents:
        return [_text(model, "question", question)]
    segments: list[Segment] = []
    best: dict[str, float] = {}
    for _, evidence in fresh:
        best[evidence.document_id] = max(evidence.score, best.get(evidence.document_id, 0.0))
    for number, evidence in sorted(fresh, key=lambda item: (best[item[1].document_id], item[1].document_id, item[1].start)):
        lead = LEAD if not segments else ""
        segments.append(_text(model, "evidence", passage_text(evidence, lead), number))
    lead = "Use the context above.\n" if known and not fresh else ""
    return [*segments, _text(model, "question", f"{lead}Question: {question}")]


def _turn_segments(model: PromptFormat, model_id: str, turn: Turn, at: int, answer: bool) -> list[Segment]:
    """An earlier turn's message, token for token where this very model evaluated it."""
    if answer:
        if turn.model_id == model_id and turn.answer_tokens:
            return [Segment("history", turn.answer, turn.answer_tokens, at)]
        return [_text(model, "history", turn.answer, at)]
    if turn.model_id == model_id and turn.plan is not None:
        kept = [s for s in turn.plan.segments if s.kind in ("evidence", "question")]
        return [replace(segment, kind="history", ref=at) for segment in kept]
    fresh = "".join(map(passage_text, sorted(_given(turn), key=lambda evidence: evidence.score)))
    text = f"Context:\n{fresh}Question: {turn.question}" if fresh else turn.question
    return [_text(model, "history", text, at)]


def _shown(turn: Turn, model_id: str) -> list[Evidence]:
    """The evidence an earlier turn itself puts into the window (it may have leaned on a turn before it)."""
    if turn.model_id != model_id or turn.plan is None:
        return _given(turn)
    refs = [s.ref for s in turn.plan.segments if s.kind == "evidence" and s.ref is not None]
    return [turn.evidence[ref] for ref in refs if ref < len(turn.evidence)]


def _given(turn: Turn) -> list[Evidence]:
    """What a turn's model read in one window; a summary's parts were read one by one."""
    return [evidence for evidence in turn.evidence if evidence.given and "part" not in evidence.channels]


def _hub_segments(
    model: PromptFormat, prompt: HubPrompt, question: str, evidence: Sequence[tuple[int, Evidence]]
) -> list[Segment]:
    """A hub prompt: raw when it brings its own instruction markers, else as messages of the model's template."""
    raw = _is_raw(prompt)
    roles: list[Role] = [_ROLES.get(role, "user") for role, _ in prompt.messages]
    segments: list[Segment] = []
    for part in range(len(prompt.messages)) if raw else model.parts(roles):
        if isinstance(part, str):
            segments.append(Segment("template", part, tuple(model.tokenize(part, special=True))))
            continue
        for literal, variable, _, _ in Formatter().parse(prompt.messages[part][1]):
            message = [Segment("system", literal, tuple(model.tokenize(literal, special=raw)))] if literal else []
            if variable == "question":
                message.append(_text(model, "question", question))
            elif variable == "context":
                gaps = ["\n\n"] * (len(evidence) - 1) + [""]
                message += [
                    _text(model, "evidence", passage.text + gap, number)
                    for (number, passage), gap in zip(evidence, gaps, strict=False)
                ]
            segments += [replace(segment, role=roles[part]) for segment in message]
    bos = model.bos_tokens([token for segment in segments[:1] for token in segment.tokens])
    return [Segment("template", "", tuple(bos)), *segments] if bos else segments


def _is_raw(prompt: HubPrompt) -> bool:
    return any("[INST]" in template for _, template in prompt.messages)


def _text(model: PromptFormat, kind: SegmentKind, text: str, ref: int | None = None) -> Segment:
    return Segment(kind, text, tuple(model.tokenize(text)), ref)


def passage_text(evidence: Evidence, lead: str = "") -> str:
    """A passage as it stands in the prompt, after the `lead`."""
    return f"{lead}{fold(evidence.text, not WITH_HEADINGS.isdisjoint(evidence.channels))}\n\n"


def fold(text: str, headings: bool = False) -> str:
    """A text in one line: a small model takes a document's layout for something to continue.

    Markdown headings are left out, or with `headings` kept as words before a colon.
    """
    if headings:
        lines = [_as_words(line) if _HEADING.match(line) else line for line in text.splitlines()]
    else:
        lines = [line for line in text.splitlines() if not _HEADING.match(line)]
    return " ".join(" ".join(lines or text.splitlines()).split())


def _as_words(heading: str) -> str:
    words = heading.strip().strip("#").strip()
    return f"{words}:" if words[-1:].isalnum() else words


def _place(evidence: Evidence) -> tuple[str, int, int]:
    return evidence.document_id, evidence.start, evidence.end
